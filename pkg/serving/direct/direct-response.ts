/**
 * The answer to a request that was read directly, written to its connection as Node's `ServerResponse` writes one: the same head, with the date and what is said
 * of the connection behind the answer's own headers, and the chunked coding where the length is not known. What is whole is one write.
 * Invariants: no name or value of a header has bytes that would end it; nothing is written after the end.
 */
import { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import type { Clock } from '#pkg/base/clock.ts';
import { chunkAround } from '../chunked.ts';
import type { Outgoing } from '../message.ts';
import { STATUS_CODES } from '../node-http.ts';

const namePattern = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const valuePattern = /^[\t -~\x80-\xff]*$/;
const lastChunk = Buffer.from('0\r\n\r\n');
/** A longer body is not copied to stand behind its head. */
const joinedBytesMax = 16 * 1024;

/** What an answer is written to and with. */
export interface DirectResponseOptions {
  readonly socket: Socket;
  readonly isHead: boolean;
  /** What a head says of how long the connection is kept, in seconds. */
  readonly keepSeconds: number;
  readonly clock: Pick<Clock, 'nowMs'>;
  /** Called once, after the end is written. `isLast`: the client was told that the connection closes. */
  onEnd(isLast: boolean): void;
}

type Event = 'close' | 'drain';

/** One answer. */
export class DirectResponse implements Outgoing {
  readonly socket: Socket;
  statusCode = 200;
  chunkedEncoding = false;
  writableEnded = false;
  headersSent = false;
  destroyed = false;
  readonly #options: DirectResponseOptions;
  /** Not written yet. */
  #head = '';
  #isLast = false;
  #hasBody = true;
  #listeners: { readonly event: Event; readonly listener: () => void; readonly isOnce: boolean }[] | undefined;

  constructor(options: DirectResponseOptions) {
    this.#options = options;
    this.socket = options.socket;
  }

  /** All of it is with the kernel. */
  get writableFinished(): boolean {
    return this.writableEnded && this.socket.writableLength === 0;
  }

  destroy(): void {
    this.destroyed = true;
    this.socket.destroy();
  }

  writeHead(status: number, head: string[]): void {
    this.statusCode = status;
    this.#hasBody = !this.#options.isHead && status !== 204 && status !== 304;
    let text = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'unknown'}\r\n`;
    let hasLength = false;
    let hasDate = false;
    for (let i = 0; i < head.length; i += 2) {
      const name = head[i] ?? '';
      const value = head[i + 1] ?? '';
      if (!namePattern.test(name) || !valuePattern.test(value))
        throw new TypeError(
          `Cannot write the header ${JSON.stringify(name)}: it has a character that no header may have`,
        );
      text += `${name}: ${value}\r\n`;
      if (name.length === 14) hasLength ||= name.toLowerCase() === 'content-length';
      else if (name.length === 10) this.#isLast ||= name.toLowerCase() === 'connection';
      else if (name.length === 4) hasDate ||= name.toLowerCase() === 'date';
    }
    if (!hasDate) text += `Date: ${dateText(this.#options.clock)}\r\n`;
    if (!this.#isLast) text += `Connection: keep-alive\r\nKeep-Alive: timeout=${this.#options.keepSeconds}\r\n`;
    this.chunkedEncoding = !hasLength && this.#hasBody;
    this.#head = this.chunkedEncoding ? `${text}Transfer-Encoding: chunked\r\n\r\n` : `${text}\r\n`;
  }

  flushHeaders(): void {
    this.#writeHead();
  }

  /** Nobody who waits for it is read directly. */
  writeContinue(): void {}

  write(bytes: Uint8Array, done?: (error: Error | null | undefined) => void): boolean {
    if (this.destroyed || this.writableEnded) return true;
    const { socket } = this;
    if (!this.#hasBody || bytes.length === 0) {
      this.#writeHead();
      done?.(undefined);
      return true;
    }
    if (!this.headersSent && !this.chunkedEncoding && bytes.length <= joinedBytesMax) {
      this.headersSent = true;
      return socket.write(headAnd(this.#head, bytes), done);
    }
    socket.cork();
    this.#writeHead();
    const isWanted = socket.write(this.chunkedEncoding ? chunkAround(bytes) : bytes, done);
    socket.uncork();
    return isWanted;
  }

  end(bytes?: Uint8Array): void {
    if (this.destroyed || this.writableEnded) return;
    this.#finish(this.#hasBody ? bytes : undefined);
    this.writableEnded = true;
    this.#options.onEnd(this.#isLast);
    if (this.#listeners !== undefined) queueMicrotask(() => this.tell('close'));
  }

  #finish(bytes: Uint8Array | undefined): void {
    const { socket } = this;
    const isWhole = bytes !== undefined && !this.headersSent && !this.chunkedEncoding;
    if (isWhole && bytes.length <= joinedBytesMax) {
      this.headersSent = true;
      socket.write(headAnd(this.#head, bytes));
      return;
    }
    socket.cork();
    this.#writeHead();
    if (bytes !== undefined) socket.write(this.chunkedEncoding ? chunkAround(bytes) : bytes);
    if (this.chunkedEncoding) socket.write(lastChunk);
    socket.uncork();
  }

  #writeHead(): void {
    if (this.headersSent) return;
    this.headersSent = true;
    this.socket.write(this.#head, 'latin1');
  }

  on(event: Event, listener: () => void): this {
    return this.#add(event, listener, false);
  }

  once(event: Event, listener: () => void): this {
    return this.#add(event, listener, true);
  }

  removeListener(event: Event, listener: () => void): this {
    this.#listeners = this.#listeners?.filter((one) => one.event !== event || one.listener !== listener);
    return this;
  }

  #add(event: Event, listener: () => void, isOnce: boolean): this {
    this.#listeners ??= [];
    this.#listeners.push({ event, listener, isOnce });
    return this;
  }

  /** The connection has closed. */
  gone(): void {
    this.destroyed = true;
    this.tell('close');
  }

  /** Tells those who wait for it that the connection has closed or wants more; of an end they are told once. */
  tell(event: Event): void {
    const all = this.#listeners;
    if (all === undefined) return;
    this.#listeners = event === 'close' ? undefined : all.filter((one) => !one.isOnce || one.event !== event);
    for (const one of all) if (one.event === event) one.listener();
  }
}

/** A head and a short body in memory of their own. */
function headAnd(head: string, body: Uint8Array): Buffer {
  const { length } = head;
  const bytes = Buffer.allocUnsafe(length + body.length);
  bytes.write(head, 0, length, 'latin1');
  bytes.set(body, length);
  return bytes;
}

let dateSecond = Number.NaN;
let lastDate = '';

/** The time as HTTP writes it. Most answers are of the second of the one before. */
function dateText(clock: Pick<Clock, 'nowMs'>): string {
  const nowMs = clock.nowMs();
  const second = Math.floor(nowMs / 1_000);
  if (second !== dateSecond) {
    dateSecond = second;
    lastDate = new Date(nowMs).toUTCString();
  }
  return lastDate;
}
