/**
 * The server's end of a WebSocket over a connection that was taken over. What comes waits for its reader, and is left with the client beyond
 * `waitingMax` messages; what is sent says when the client should be waited for. Pings are answered, and sent to a client that is silent, which is
 * given up when it stays so. Invariants: after `run` has resolved nothing is heard and nothing is sent; a client that breaks the protocol is told the
 * code and its connection ends.
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
/** Largest message that is taken. kubectl sends 32 KiB at a time. */
const messageBytesMaxDefault = 1024 * 1024;
/** A client that has sent nothing for so long is asked whether it is there; after twice as long it is not. */
const pingMsDefault = 30_000;
/** How long a client has to answer the close of its connection. */
const closeMs = 2_000;
const noBytes = new Uint8Array(0);

export interface WebSocketOptions {
  readonly clock: Clock;
  readonly messageBytesMax?: number;
  readonly pingMs?: number;
}

/** How a connection ended: by a close frame of the client, `abnormal` without one. */
export interface WebSocketEnd {
  readonly code: number;
  readonly reason: string;
}

export class WebSocket {
  readonly #connection: UpgradedConnection;
  readonly #clock: Clock;
  readonly #pingMs: number;
  readonly #waiting: WebSocketMessage[] = [];
  readonly #ended = Promise.withResolvers<WebSocketEnd>();
  readonly #gone = Promise.withResolvers<void>();
  #wake: (() => void) | undefined;
  #drains: (() => void)[] = [];
  #isIgnoring = false;
  #isEnded = false;
  #isClosing = false;
  #timer: Timer | undefined;
  #heardMs: number;

  /** Listens from now on. */
  constructor(connection: UpgradedConnection, options: WebSocketOptions) {
    this.#connection = connection;
    this.#clock = options.clock;
    this.#pingMs = options.pingMs ?? pingMsDefault;
    this.#heardMs = options.clock.monotonicMs();
    const reader = new FrameReader(this.#listener, options.messageBytesMax ?? messageBytesMaxDefault);
    connection.on('data', (bytes) => this.#hear(reader, bytes));
    connection.on('end', () => this.#end(closeCode.abnormal, ''));
    connection.on('error', () => this.#end(closeCode.abnormal, ''));
    connection.on('close', () => {
      this.#end(closeCode.abnormal, '');
      this.#gone.resolve();
    });
    connection.on('drain', () => this.#drained());
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
        if (this.#waiting.length === waitingMax - 1) this.#connection.resume();
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
    this.#connection.resume();
  }

  /** Sends a message. False when the client should be waited for by `drained`; lost when the connection has ended. */
  send(bytes: Uint8Array, kind: 'binary' | 'text'): boolean {
    if (this.#isEnded || this.#isClosing) return true;
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

  #begin(code: number, reason: string): void {
    if (this.#isClosing || this.#connection.destroyed) return;
    this.#isClosing = true;
    const payload = code === closeCode.none ? noBytes : closePayload(code, reason);
    this.#write('close', payload);
  }

  #write(kind: FrameKind, payload: Uint8Array): boolean {
    let wantsMore = true;
    for (const piece of encodeFrame(kind, payload)) wantsMore = this.#connection.write(piece);
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

  readonly #listener: FrameListener = {
    onMessage: (message) => {
      if (this.#isIgnoring || this.#isEnded) return;
      this.#waiting.push(message);
      if (this.#waiting.length >= waitingMax) this.#connection.pause();
      this.#wakeReader();
    },
    onPing: (payload) => {
      if (!this.#isClosing && !this.#isEnded) this.#write('pong', payload);
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
      const silentMs = this.#clock.monotonicMs() - this.#heardMs;
      // One that waits for its reader cannot be heard.
      const isPaused = this.#waiting.length >= waitingMax;
      if (silentMs >= 2 * this.#pingMs && !isPaused) {
        this.#end(closeCode.abnormal, 'no answer');
        this.#connection.destroy();
        return;
      }
      if (silentMs >= this.#pingMs && !this.#isClosing) this.#write('ping', noBytes);
      this.#arm();
    }, this.#pingMs);
  }
}
