/**
 * What is used of a request and its answer, whichever version of HTTP they come by: Node's `IncomingMessage` and `ServerResponse` are so, and a
 * stream of HTTP/2 is made so (`stream-message.ts`).
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { Readable, Writable } from 'node:stream';

/** A request, whose body is read as it comes. */
export interface Incoming {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly destroyed: boolean;
  /** The client has gone before the end of the body, which has an end all the same. */
  readonly aborted: boolean;
  /** All of the body has come. */
  readonly complete: boolean;
  /** All of the body, where it came along with the head and nobody has begun to read it. */
  readonly whole?: Buffer | undefined;
  /** Nobody will read what is there and what comes: it is let go of at once, up to `bytesMax`, of which more stays with its client until `throwAway`. */
  unwanted?(bytesMax: number): void;
  /**
   * Has what comes thrown away without its being made a stream; calls `done` when that was more than `bytesMax`, and at its end. False where it is
   * a stream already.
   */
  throwAway?(bytesMax: number, done: () => void): boolean;
  on(event: 'data', listener: (chunk: Buffer) => void): unknown;
  on(event: 'end', listener: () => void): unknown;
  once(event: 'close' | 'end', listener: () => void): unknown;
  pause(): unknown;
  resume(): unknown;
  iterator: Readable['iterator'];
}

/** An answer. */
export interface Outgoing {
  /** Nothing can be written any more. */
  readonly destroyed: boolean;
  readonly statusCode: number;
  readonly writableEnded: boolean;
  /** Ends the answer before its end. */
  destroy(): unknown;
  /** `head` has names and values in turn. */
  writeHead(status: number, head: string[]): unknown;
  flushHeaders(): void;
  writeContinue(): void;
  /** False when `drain` should be waited for. */
  write(bytes: Uint8Array, done?: (error: Error | null | undefined) => void): boolean;
  end(bytes?: Uint8Array): unknown;
  on(event: 'close' | 'drain', listener: () => void): unknown;
  once(event: 'close' | 'drain', listener: () => void): unknown;
  removeListener(event: 'close' | 'drain', listener: () => void): unknown;
  /** Of HTTP/1.1: bytes of unknown number go to `socket`, in the chunked coding. */
  readonly chunkedEncoding: boolean;
  readonly socket?: Writable | null;
  /** Of HTTP/2: what bytes go to as they are. */
  readonly stream?: Writable;
}

/** What is asked of an answer while it is under way. */
export interface UnderWay {
  readonly destroyed: boolean;
  readonly headersSent: boolean;
  /** All of it is with the kernel. */
  readonly writableFinished: boolean;
}
