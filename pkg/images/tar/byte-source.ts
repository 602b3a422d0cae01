/** Bytes of a stream, taken in pieces of a wanted size. Nothing is read ahead but the chunk that came last. */
import { ImageStoreError } from '../image-store.ts';

/** Reads a stream from its beginning to its end, once. */
export class ByteSource {
  readonly #iterator: AsyncIterator<Uint8Array>;
  #chunk: Buffer = Buffer.alloc(0);
  #isEnded = false;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#iterator = chunks[Symbol.asyncIterator]();
  }

  /** The next bytes, when they are there already. */
  take(count: number): Buffer | undefined {
    if (this.#chunk.length < count) return undefined;
    const taken = this.#chunk.subarray(0, count);
    this.#chunk = this.#chunk.subarray(count);
    return taken;
  }

  /** The next bytes; undefined at the end of the stream. Throws `damaged` when it ends in their midst. */
  async read(count: number): Promise<Buffer | undefined> {
    const parts: Buffer[] = [];
    let length = 0;
    while (length < count) {
      const part = await this.some(count - length);
      if (part === undefined) {
        if (length === 0) return undefined;
        throw new ImageStoreError('damaged', 'archive ends in the midst of an entry');
      }
      parts.push(part);
      length += part.length;
    }
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
  }

  /** Some of the next bytes, at most `countMax` and at least one; undefined at the end. */
  async some(countMax: number): Promise<Buffer | undefined> {
    while (this.#chunk.length === 0) {
      if (this.#isEnded) return undefined;
      const { done, value } = await this.#iterator.next();
      if (done === true) this.#isEnded = true;
      else this.#chunk = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    }
    return this.take(Math.min(countMax, this.#chunk.length));
  }

  /** Passes over all that is left. */
  async drain(): Promise<void> {
    while ((await this.some(Number.MAX_SAFE_INTEGER)) !== undefined);
  }

  /** Lets go of the stream before its end. */
  async close(): Promise<void> {
    if (!this.#isEnded) await this.#iterator.return?.();
  }
}
