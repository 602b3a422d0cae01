/**
 * A request whose head was read directly, with its body. What of it is used most, a body that came along with the head, is there at once (`whole`);
 * for any other use of it a stream is made. Invariant: of what nobody reads no more is held than one piece and what the stream takes, as the
 * connection is not read further until it is wanted.
 */
import type { Buffer } from 'node:buffer';
import type { IncomingHttpHeaders } from 'node:http';
import { Readable } from 'node:stream';
import type { Incoming } from '../message.ts';
import type { DirectHead } from './direct-head.ts';

/** What a body is read from. */
export interface BodySource {
  readonly destroyed: boolean;
  pause(): unknown;
  resume(): unknown;
}

/** What becomes of a body that nobody reads. */
interface Waste {
  bytesMax: number;
  length: number;
  done: (() => void) | undefined;
}

/** One request of a connection. */
export class DirectRequest implements Incoming {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly #source: BodySource;
  #pieces: Buffer[] = [];
  /** Bytes that are still to come. */
  #left: number;
  #isGone = false;
  #stream: Readable | undefined;
  #onClose: (() => void)[] | undefined;
  /** Nobody reads it. */
  #waste: Waste | undefined;

  constructor({ method, url, fields }: DirectHead, source: BodySource) {
    this.method = method;
    this.url = url;
    this.headers = fields.headers;
    this.#left = fields.bodyBytes;
    this.#source = source;
  }

  get destroyed(): boolean {
    return this.#isGone || this.#source.destroyed;
  }

  get aborted(): boolean {
    return this.#isGone && this.#left > 0;
  }

  get complete(): boolean {
    return this.#left === 0;
  }

  /** All of the body, where it has come in one piece and nobody has begun to read it. */
  get whole(): Buffer | undefined {
    return this.#left === 0 && this.#stream === undefined && this.#pieces.length === 1 ? this.#pieces[0] : undefined;
  }

  /** Takes what is the body's from the start of `piece`, and says how much that was. */
  add(piece: Buffer): number {
    const length = Math.min(this.#left, piece.length);
    if (length === 0) return 0;
    this.#left -= length;
    if (this.#waste !== undefined) {
      this.#throw(this.#waste, length);
      return length;
    }
    const part = length === piece.length ? piece : piece.subarray(0, length);
    if (this.#stream === undefined) {
      this.#pieces.push(part);
      if (this.#left > 0) this.#source.pause();
      return length;
    }
    if (!this.#stream.push(part) && this.#left > 0) this.#source.pause();
    if (this.#left === 0) this.#stream.push(null);
    return length;
  }

  unwanted(bytesMax: number): void {
    if (this.#stream !== undefined || this.#waste !== undefined) return;
    const waste: Waste = { bytesMax, length: 0, done: undefined };
    this.#waste = waste;
    for (const piece of this.#pieces) waste.length += piece.length;
    this.#pieces = [];
    if (this.#left > 0 && waste.length <= bytesMax) this.#source.resume();
  }

  throwAway(bytesMax: number, done: () => void): boolean {
    this.unwanted(bytesMax);
    const waste = this.#waste;
    if (waste === undefined) return false;
    waste.bytesMax = bytesMax;
    waste.done = done;
    if (this.#left === 0 || waste.length > bytesMax) done();
    else this.#source.resume();
    return true;
  }

  /** Bytes are only counted: their memory is not this request's alone, as Node puts what it reads of several connections into one piece of memory. */
  #throw(waste: Waste, length: number): void {
    waste.length += length;
    if (waste.length <= waste.bytesMax && this.#left > 0) return;
    if (waste.done !== undefined) waste.done();
    else if (this.#left > 0) this.#source.pause();
  }

  /** The connection has closed. */
  gone(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    if (this.#left > 0) this.#stream?.destroy();
    const listeners = this.#onClose ?? [];
    this.#onClose = undefined;
    for (const listener of listeners) listener();
  }

  on(event: 'data' | 'end', listener: (chunk: Buffer) => void): this {
    this.#body().on(event, listener);
    return this;
  }

  once(event: 'close' | 'end', listener: () => void): this {
    if (event === 'end') this.#body().once(event, listener);
    else {
      this.#onClose ??= [];
      this.#onClose.push(listener);
    }
    return this;
  }

  pause(): void {
    (this.#waste === undefined ? this.#body() : this.#source).pause();
  }

  resume(): void {
    (this.#waste === undefined ? this.#body() : this.#source).resume();
  }

  iterator(...given: Parameters<Readable['iterator']>): ReturnType<Readable['iterator']> {
    return this.#body().iterator(...given);
  }

  #body(): Readable {
    if (this.#stream !== undefined) return this.#stream;
    const stream = new Readable({
      read: () => {
        if (this.#left > 0) this.#source.resume();
      },
    });
    this.#stream = stream;
    // Whoever reads it is told by `gone`, or by its end.
    stream.on('error', () => {});
    for (const piece of this.#pieces) stream.push(piece);
    this.#pieces = [];
    if (this.#left === 0) stream.push(null);
    // Of what was thrown away nobody waits for the rest.
    else if (this.#isGone || this.#waste !== undefined) stream.destroy();
    return stream;
  }
}
