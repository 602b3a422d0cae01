/** Where commands of a container's worker thread write: towards the other end, or for a result. */
import { Buffer } from 'node:buffer';
import type { Clock, Timer } from '#pkg/base/clock.ts';
import { streamPieceBytes, streamWindowBytes } from '../program.ts';
import type { Sink } from '../shell/io.ts';

/** Of each output of a command that is run for its result: more is cut off. */
const resultBytesMax = 512 * 1024;

/**
 * Output that waits until the other end has asked for it. Small pieces are put together for a moment, as each that is sent costs a message in three
 * processes; what was written to one stream leaves before what follows on the other.
 */
export class CreditSink {
  readonly #send: (stream: 'stderr' | 'stdout', bytes: Uint8Array) => void;
  readonly #clock: Clock;
  #credit = streamWindowBytes;
  #isCancelled = false;
  #waiting: (() => void)[] = [];
  #stream: 'stderr' | 'stdout' = 'stdout';
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #timer: Timer | undefined;

  constructor(clock: Clock, send: (stream: 'stderr' | 'stdout', bytes: Uint8Array) => void) {
    this.#clock = clock;
    this.#send = send;
  }

  of(stream: 'stderr' | 'stdout'): Sink {
    return { write: (bytes) => this.#write(stream, bytes), end() {} };
  }

  credit(bytes: number): void {
    this.#credit += bytes;
    this.#wake();
  }

  cancel(): void {
    this.#isCancelled = true;
    this.#wake();
  }

  /** Sends what is still here. */
  flush(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#pendingBytes > 0 && !this.#isCancelled)
      this.#send(this.#stream, Uint8Array.from(Buffer.concat(this.#pending)));
    this.#pending = [];
    this.#pendingBytes = 0;
  }

  #write(stream: 'stderr' | 'stdout', bytes: Uint8Array): Promise<boolean> | boolean {
    if (this.#isCancelled) return false;
    if (bytes.length > this.#credit || bytes.length > streamPieceBytes) return this.#writePieces(stream, bytes);
    this.#take(stream, bytes);
    return true;
  }

  async #writePieces(stream: 'stderr' | 'stdout', bytes: Uint8Array): Promise<boolean> {
    for (let at = 0; at < bytes.length; ) {
      while (this.#credit <= 0 && !this.#isCancelled) {
        this.flush();
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
      }
      if (this.#isCancelled) return false;
      const piece = bytes.subarray(at, at + Math.min(this.#credit, streamPieceBytes));
      at += piece.length;
      this.#take(stream, piece);
    }
    return true;
  }

  #take(stream: 'stderr' | 'stdout', piece: Uint8Array): void {
    if (stream !== this.#stream || this.#pendingBytes + piece.length > streamPieceBytes) this.flush();
    this.#stream = stream;
    this.#credit -= piece.length;
    this.#pending.push(piece);
    this.#pendingBytes += piece.length;
    if (this.#timer !== undefined) return;
    // What comes after a pause leaves at once, what follows in the same moment together.
    this.flush();
    this.#timer = this.#clock.setTimeout(() => this.flush(), 0);
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

/** Keeps the beginning of what is written. */
export class ResultSink implements Sink {
  readonly #chunks: Uint8Array[] = [];
  #length = 0;

  get text(): string {
    return Buffer.concat(this.#chunks).toString();
  }

  write(bytes: Uint8Array): boolean {
    const piece = Uint8Array.from(bytes.subarray(0, resultBytesMax - this.#length));
    this.#chunks.push(piece);
    this.#length += piece.length;
    return true;
  }

  end(): void {}
}
