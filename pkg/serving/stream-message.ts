/**
 * A stream of HTTP/2 as a request and its answer. Invariants: the answer is the end of the stream, whatever of the request nobody has read; what is
 * written to a stream that has gone is lost in silence.
 * Upstream counterpart: Go `net/http` `h2_bundle.go` `http2responseWriter`, `http2requestBody`. Source: RFC 9113 sections 8.1 to 8.3.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { OutgoingHttpHeaders, ServerHttp2Stream, IncomingHttpHeaders as StreamHeaders } from 'node:http2';
import type { Readable } from 'node:stream';
import type { Incoming, Outgoing } from './message.ts';
import { validateHeaderValue } from './node-http.ts';

/** Codes of errors. Source: RFC 9113 section 7. */
export const streamCodes = { noError: 0, internalError: 2, refusedStream: 7, enhanceYourCalm: 11 } as const;

/** Headers of one connection, which streams have not. Source: RFC 9113 section 8.2.2. */
const connectionHeaders: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
]);

/** A request by a stream: what it asks for is made a head of HTTP/1.1. */
export class StreamRequest implements Incoming {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly #stream: ServerHttp2Stream;

  constructor(stream: ServerHttp2Stream, headers: StreamHeaders) {
    this.#stream = stream;
    this.method = headers[':method'] ?? 'GET';
    this.url = headers[':path'] ?? '/';
    const own: IncomingHttpHeaders = Object.create(null);
    for (const name in headers) if (name.charCodeAt(0) !== 58) own[name] = headers[name];
    own.host ??= headers[':authority'];
    this.headers = own;
  }

  get destroyed(): boolean {
    return this.#stream.destroyed;
  }

  get aborted(): boolean {
    return this.#stream.aborted;
  }

  /** Nothing has to be read before the answer can end: see `StreamResponse`. */
  get complete(): boolean {
    return true;
  }

  on(event: 'data' | 'end', listener: (chunk: Buffer) => void): this {
    this.#stream.on(event, listener);
    if (event === 'data') this.#stream.resume();
    return this;
  }

  once(event: 'close' | 'end', listener: () => void): this {
    this.#stream.once(event, listener);
    return this;
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  iterator(...given: Parameters<Readable['iterator']>): ReturnType<Readable['iterator']> {
    return this.#stream.iterator(...given);
  }
}

/** The answer by a stream. */
export class StreamResponse implements Outgoing {
  readonly stream: ServerHttp2Stream;
  readonly chunkedEncoding = false;
  statusCode = 200;
  /** Not the stream's own: of an answer to HEAD Node ends that before there is any. */
  writableEnded = false;

  constructor(stream: ServerHttp2Stream) {
    this.stream = stream;
  }

  get destroyed(): boolean {
    return this.stream.destroyed || this.stream.closed;
  }

  destroy(): void {
    if (!this.destroyed) this.stream.close(streamCodes.internalError);
  }

  writeHead(status: number, head: string[]): void {
    this.statusCode = status;
    if (this.destroyed) return;
    const headers: OutgoingHttpHeaders = { ':status': status };
    for (let i = 0; i < head.length; i += 2) {
      const name = (head[i] ?? '').toLowerCase();
      const value = head[i + 1];
      if (value === undefined || connectionHeaders.has(name)) continue;
      validateHeaderValue(name, value);
      headers[name] = value;
    }
    this.stream.respond(headers);
  }

  /** The head leaves as soon as it is written. */
  flushHeaders(): void {}

  writeContinue(): void {
    if (!this.destroyed) this.stream.additionalHeaders({ ':status': 100 });
  }

  write(bytes: Uint8Array, done?: (error: Error | null | undefined) => void): boolean {
    if (this.destroyed || this.stream.writableEnded) return true;
    return this.stream.write(bytes, done);
  }

  end(bytes?: Uint8Array): void {
    this.writableEnded = true;
    if (this.destroyed || this.stream.writableEnded) return;
    if (bytes === undefined) this.stream.end();
    else this.stream.end(bytes);
  }

  on(event: 'close' | 'drain', listener: () => void): this {
    this.stream.on(event, listener);
    return this;
  }

  once(event: 'close' | 'drain', listener: () => void): this {
    this.stream.once(event, listener);
    return this;
  }

  removeListener(event: 'close' | 'drain', listener: () => void): this {
    this.stream.removeListener(event, listener);
    return this;
  }
}
