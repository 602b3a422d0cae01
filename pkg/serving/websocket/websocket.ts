/**
 * The server's end of a WebSocket over a connection that was taken over (`webSocketAnswer` in `handshake.ts` makes it one and agrees on a protocol).
 * What whoever uses it may rely on:
 * - Messages come whole and in order, fragments put together, masks taken off, text checked to be UTF-8. One of more than `messageBytesMax` is
 *   answered with close code 1009, a client that breaks the protocol with 1002 or 1007; then no more comes.
 * - What comes waits for its reader (`messages`). Beyond `waitingMax` messages or `waitingBytesMax` bytes nothing is read from the connection until
 *   some were taken, so that the client waits too; what came in the same piece is kept, which is one read of a socket. Without a reader, say so
 *   (`ignoreMessages`), else a client that sends is never seen to go.
 * - What is sent leaves as one frame, in order. `send` is false when the client should be waited for (`drained`); whoever does not wait holds what
 *   they send in memory, without a limit.
 * - Pings are answered, the last of them where the client does not read the answers. A silent client is asked for an answer and given up after twice
 *   `pingMs`, but not while it is waited for.
 * - With `idleMs`, a connection on which no message has gone either way for so long is ended, whatever pings there were.
 * - `ended` says how the client ended it: with its close code, or 1006 when it just went. `close` says it first; either way `close` must be called, or
 *   the connection given back to its owner, which ends it.
 * After `close` has resolved nothing is heard, nothing is sent, and no timer is left.
 * Source: RFC 6455. Upstream counterpart: `golang.org/x/net/websocket`; the close handshake and the pings, which that one lacks, as the RFC has them.
 */
import type { UpgradedConnection } from '#pkg/apimachinery/http.ts';
import type { Clock, Timer } from '#pkg/base/clock.ts';
import {
  closeCode,
  closePayload,
  encodeFrame,
  type FrameKind,
  type FrameListener,
  FrameReader,
  WebSocketError,
  type WebSocketMessage,
} from './frames.ts';

/** Messages that wait for their reader. Each is a chunk of what somebody types or pipes in. */
const waitingMax = 16;
/** Their bytes: some chunks of what kubectl sends, or one message that is larger. */
const waitingBytesMax = 256 * 1024;
/** Largest message that is taken. kubectl sends 32 KiB at a time. */
const messageBytesMaxDefault = 1024 * 1024;
/** A client that has sent nothing for so long is asked whether it is there; after twice as long it is not. */
const pingMsDefault = 30_000;
/** How long a client has to answer the close of its connection. */
const closeMs = 2_000;
const noBytes = new Uint8Array(0);

/** `messageBytesMax` is 1 MiB and `pingMs` 30 s by default; without `idleMs` a connection may be idle for ever. */
export interface WebSocketOptions {
  readonly clock: Clock;
  readonly messageBytesMax?: number;
  readonly pingMs?: number;
  readonly idleMs?: number;
}

/** How a connection ended: by a close frame of the client, `abnormal` without one. */
export interface WebSocketEnd {
  readonly code: number;
  readonly reason: string;
}

/** Takes over the connection; its owner is told by `close` that it is done with it. */
export class WebSocket {
  readonly #connection: UpgradedConnection;
  readonly #clock: Clock;
  readonly #pingMs: number;
  readonly #idleMs: number;
  readonly #waiting: WebSocketMessage[] = [];
  #waitingBytes = 0;
  /** Nothing is read from the connection, as its reader has enough. */
  #isPaused = false;
  readonly #ended = Promise.withResolvers<WebSocketEnd>();
  readonly #gone = Promise.withResolvers<void>();
  #wake: (() => void) | undefined;
  #drains: (() => void)[] = [];
  #isIgnoring = false;
  #isEnded = false;
  #isClosing = false;
  /** The connection has enough to send for now. */
  #isFull = false;
  /** The answer to the last ping, where the connection could not take it. */
  #pong: Uint8Array | undefined;
  #timer: Timer | undefined;
  #heardMs: number;
  /** When a message was sent or came. */
  #usedMs: number;

  /** Listens from now on. */
  constructor(connection: UpgradedConnection, options: WebSocketOptions) {
    this.#connection = connection;
    this.#clock = options.clock;
    this.#pingMs = options.pingMs ?? pingMsDefault;
    this.#idleMs = options.idleMs ?? Number.POSITIVE_INFINITY;
    this.#heardMs = options.clock.monotonicMs();
    this.#usedMs = this.#heardMs;
    const reader = new FrameReader(this.#listener, options.messageBytesMax ?? messageBytesMaxDefault);
    connection.on('data', (bytes) => this.#hear(reader, bytes));
    connection.on('end', () => this.#end(closeCode.abnormal, ''));
    connection.on('error', () => this.#end(closeCode.abnormal, ''));
    connection.on('close', () => {
      this.#end(closeCode.abnormal, '');
      this.#gone.resolve();
    });
    connection.on('drain', () => {
      this.#isFull = false;
      const pong = this.#pong;
      this.#pong = undefined;
      if (pong !== undefined) this.#answerPing(pong);
      this.#drained();
    });
    this.#arm();
  }

  /** Resolves when the client has closed, or has gone, or has broken the protocol: no more comes. */
  get ended(): Promise<WebSocketEnd> {
    return this.#ended.promise;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** What comes, in order, at the pace of whoever reads it. Read in one place at most. */
  async *messages(): AsyncGenerator<WebSocketMessage> {
    for (;;) {
      const message = this.#waiting.shift();
      if (message !== undefined) {
        this.#waitingBytes -= message.bytes.length;
        if (this.#isPaused && !this.#hasEnough) this.#goOn();
        yield message;
      } else if (this.#isEnded) return;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }

  /** Throws away what comes. Source: `wsstream.IgnoreReceives`. */
  ignoreMessages(): void {
    this.#isIgnoring = true;
    this.#waiting.length = 0;
    this.#waitingBytes = 0;
    this.#goOn();
  }

  /** Sends a message. False when the client should be waited for by `drained`; lost when the connection has ended. */
  send(bytes: Uint8Array, kind: 'binary' | 'text'): boolean {
    if (this.#isEnded || this.#isClosing) return true;
    this.#usedMs = this.#clock.monotonicMs();
    return this.#write(kind, bytes);
  }

  /** Resolves when the client has taken what was sent, or is not there any more. */
  drained(): Promise<void> {
    if (this.#isEnded || this.#connection.destroyed) return Promise.resolve();
    return new Promise((resolve) => this.#drains.push(resolve));
  }

  /**
   * Says that the connection ends and waits for the client to say the same, for a moment. Resolves when the connection is over; may be called at any
   * time, and more than once.
   */
  async close(code: number = closeCode.normal, reason = ''): Promise<void> {
    this.#begin(code, reason);
    if (!this.#isEnded) {
      // Whoever waits for messages is not coming back for them.
      this.ignoreMessages();
      const late = this.#clock.setTimeout(() => this.#end(closeCode.abnormal, ''), closeMs);
      await this.#ended.promise;
      late.cancel();
    }
    this.#connection.end();
    const late = this.#clock.setTimeout(() => this.#connection.destroy(), closeMs);
    await this.#gone.promise;
    late.cancel();
  }

  get #hasEnough(): boolean {
    return this.#waiting.length >= waitingMax || this.#waitingBytes >= waitingBytesMax;
  }

  #goOn(): void {
    this.#isPaused = false;
    // What came while nothing was read is not silence.
    this.#heardMs = this.#clock.monotonicMs();
    this.#connection.resume();
  }

  #begin(code: number, reason: string): void {
    if (this.#isClosing || this.#connection.destroyed) return;
    this.#isClosing = true;
    const payload = code === closeCode.none ? noBytes : closePayload(code, reason);
    this.#write('close', payload);
  }

  #write(kind: FrameKind, payload: Uint8Array): boolean {
    let wantsMore = true;
    for (const piece of encodeFrame(kind, payload)) wantsMore = this.#connection.write(piece);
    this.#isFull = !wantsMore;
    return wantsMore;
  }

  #hear(reader: FrameReader, bytes: Uint8Array): void {
    if (this.#isEnded) return;
    this.#heardMs = this.#clock.monotonicMs();
    try {
      reader.push(bytes);
    } catch (error) {
      if (!(error instanceof WebSocketError)) throw error;
      this.#begin(error.code, error.message);
      this.#end(error.code, error.message);
    }
  }

  #answerPing(payload: Uint8Array): void {
    if (!this.#isClosing && !this.#isEnded) this.#write('pong', payload);
  }

  readonly #listener: FrameListener = {
    onMessage: (message) => {
      this.#usedMs = this.#heardMs;
      if (this.#isIgnoring || this.#isEnded) return;
      this.#waiting.push(message);
      this.#waitingBytes += message.bytes.length;
      if (!this.#isPaused && this.#hasEnough) {
        this.#isPaused = true;
        this.#connection.pause();
      }
      this.#wakeReader();
    },
    onPing: (payload) => {
      if (this.#isFull) this.#pong = payload;
      else this.#answerPing(payload);
    },
    onPong() {},
    onClose: (code, reason) => {
      this.#begin(code, '');
      this.#end(code, reason);
    },
  };

  #end(code: number, reason: string): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#timer?.cancel();
    this.#ended.resolve({ code, reason });
    this.#wakeReader();
    this.#drained();
    // What is still sent is not heard.
    this.#connection.resume();
  }

  #wakeReader(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  #drained(): void {
    const drains = this.#drains;
    this.#drains = [];
    for (const resolve of drains) resolve();
  }

  #arm(): void {
    this.#timer = this.#clock.setTimeout(() => {
      const nowMs = this.#clock.monotonicMs();
      const silentMs = nowMs - this.#heardMs;
      if (nowMs - this.#usedMs >= this.#idleMs) {
        this.#begin(closeCode.normal, 'idle');
        this.#end(closeCode.abnormal, 'idle');
        return;
      }
      // One that waits for its reader cannot be heard.
      if (silentMs >= 2 * this.#pingMs && !this.#isPaused) {
        this.#end(closeCode.abnormal, 'no answer');
        this.#connection.destroy();
        return;
      }
      if (silentMs >= this.#pingMs && !this.#isClosing && !this.#isFull) this.#write('ping', noBytes);
      this.#arm();
    }, this.#pingMs);
  }
}
