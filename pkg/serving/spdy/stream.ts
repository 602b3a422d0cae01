/**
 * One stream of a SPDY connection: two directions, each of which ends by itself. Invariants: nothing is written before the stream was accepted nor
 * after its end; what is not read is bounded by what the other end may send.
 */
import { BytePipe } from '#pkg/base/byte-pipe.ts';
import { encodeData, encodeNumbers, frameType } from './frames.ts';
import type { SpdyHeaders } from './header-block.ts';

/** Unread bytes of a stream beyond which its connection waits. */
const unreadBytesMax = 256 * 1024;
/** Bytes after whose reading the other end is told so. */
const updateBytes = 32 * 1024;
/** Largest frame that is written. */
const dataBytesMax = 64 * 1024;

/** Why a stream is reset. Source: SPDY protocol draft 3.1, section 2.6.3. */
export const resetCode = { protocolError: 1, refused: 3, cancel: 5 } as const;

/** What a stream needs of its connection. */
export interface StreamHost {
  readonly hasWindows: boolean;
  readonly tellsWindows: boolean;
  /** The pieces of one frame. */
  send(...frame: readonly Uint8Array[]): boolean;
  reply(stream: SpdyStream, headers: SpdyHeaders): void;
  drained(): Promise<void>;
  full(stream: SpdyStream, isFull: boolean): void;
  forget(stream: SpdyStream): void;
}

/** Who opened the stream, and how much may be under way in it. */
export interface SpdyStreamOptions {
  readonly id: number;
  readonly headers: SpdyHeaders;
  /** Opened by this end. */
  readonly isOwn: boolean;
  readonly windowBytes: number;
}

/** One stream, until both of its directions have ended. */
export class SpdyStream {
  readonly id: number;
  readonly headers: SpdyHeaders;
  /** What the other end sends. Ends with its direction; leaving it early throws the rest away. */
  readonly input: BytePipe;
  /** Resolves with false when the other end has refused it. */
  readonly accepted: Promise<boolean>;
  /** Resolves when both directions have ended, or the stream was cut. */
  readonly over: Promise<void>;
  readonly #host: StreamHost;
  readonly #accepted = Promise.withResolvers<boolean>();
  readonly #over = Promise.withResolvers<void>();
  #isEnded = false;
  #isInputEnded = false;
  #isOver = false;
  #windowBytes: number;
  #widened: (() => void)[] = [];
  #readBytes = 0;

  constructor(host: StreamHost, { id, headers, isOwn, windowBytes }: SpdyStreamOptions) {
    this.#host = host;
    this.id = id;
    this.headers = headers;
    this.#windowBytes = windowBytes;
    this.accepted = this.#accepted.promise;
    this.over = this.#over.promise;
    this.input = new BytePipe({ limitBytes: unreadBytesMax, onRead: (bytes) => this.#wasRead(bytes) });
    if (!isOwn) this.#accepted.resolve(true);
  }

  /** Accepts a stream of the other end. */
  accept(): void {
    this.#host.reply(this, {});
  }

  /** Refuses a stream of the other end. */
  refuse(): void {
    this.#reset(resetCode.refused);
  }

  /** Ends both directions at once; what is on its way is thrown away. */
  reset(): void {
    this.#reset(resetCode.cancel);
  }

  /** Sends bytes. Undefined when there is room for more, else resolves once there is. Lost once the stream has ended. */
  write(bytes: Uint8Array): Promise<void> | undefined {
    if (this.#host.hasWindows) return this.#writeInWindow(bytes);
    let hasRoom = true;
    for (let at = 0; at < bytes.length && !this.#isEnded; at += dataBytesMax) {
      hasRoom = this.#sendData(bytes.subarray(at, at + dataBytesMax), false);
    }
    return hasRoom ? undefined : this.#host.drained();
  }

  /** No more is sent. */
  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#sendData(new Uint8Array(0), true);
    this.#settle();
  }

  /** For the connection: data has come. */
  received(bytes: Uint8Array, isLast: boolean): void {
    if (this.#isInputEnded) return;
    if (this.input.write(bytes) instanceof Promise) this.#host.full(this, true);
    // Nobody reads it: what comes is thrown away, and the other end may send more.
    if (this.input.isCancelled) this.#wasRead(bytes.length);
    if (!isLast) return;
    this.#isInputEnded = true;
    this.input.end();
    this.#settle();
  }

  /** For the connection: the other end has accepted it. */
  answered(_headers: SpdyHeaders, isLast: boolean): void {
    this.#accepted.resolve(true);
    if (isLast) this.received(new Uint8Array(0), true);
  }

  /** For the connection: the other end has reset it. */
  wasReset(): void {
    this.#accepted.resolve(false);
    this.#cut();
    this.#host.forget(this);
  }

  /** For the connection, which has ended. */
  wasCut(): void {
    this.#accepted.resolve(false);
    this.#cut();
  }

  /** For the connection: so much more may be sent. */
  widen(bytes: number): void {
    this.#windowBytes += bytes;
    if (this.#windowBytes > 0) this.#wakeWriters();
  }

  #sendData(bytes: Uint8Array, isLast: boolean): boolean {
    return this.#host.send(...encodeData(this.id, bytes, isLast));
  }

  async #writeInWindow(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      while (this.#windowBytes <= 0 && !this.#isEnded) {
        await new Promise<void>((resolve) => this.#widened.push(resolve));
      }
      if (this.#isEnded) return;
      const piece = bytes.subarray(at, at + Math.min(this.#windowBytes, dataBytesMax));
      at += piece.length;
      this.#windowBytes -= piece.length;
      if (!this.#sendData(piece, false)) await this.#host.drained();
    }
  }

  #wasRead(bytes: number): void {
    if (this.input.unreadBytes <= unreadBytesMax) this.#host.full(this, false);
    this.#readBytes += bytes;
    if (!this.#host.tellsWindows || this.#readBytes < updateBytes || this.#isInputEnded) return;
    this.#host.send(encodeNumbers(frameType.windowUpdate, this.id, this.#readBytes));
    this.#readBytes = 0;
  }

  #reset(code: number): void {
    if (this.#isOver) return;
    this.#host.send(encodeNumbers(frameType.rstStream, this.id, code));
    this.#cut();
    this.#host.forget(this);
  }

  #cut(): void {
    this.#isEnded = true;
    this.#isInputEnded = true;
    this.input.end();
    this.#finish();
  }

  #settle(): void {
    if (!this.#isEnded || !this.#isInputEnded) return;
    this.#finish();
    this.#host.forget(this);
  }

  #finish(): void {
    this.#isOver = true;
    this.#wakeWriters();
    this.#over.resolve();
  }

  #wakeWriters(): void {
    const waiting = this.#widened;
    this.#widened = [];
    for (const resolve of waiting) resolve();
  }
}
