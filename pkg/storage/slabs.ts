/**
 * Memory for small values that follow each other: memory of its own costs a small value more than everything else of it. A slab stays as long as one of its
 * values does, so it is for values that come and go together, as those do that were written together.
 */
import { Buffer } from 'node:buffer';

/** How large slabs are. */
export interface SlabSizes {
  /** Bytes of a slab. */
  readonly slabBytes: number;
  /** Larger values have memory of their own: they would leave much of a slab empty. */
  readonly sharedBytesMax: number;
}

/** Slabs, of which one is being filled. */
export class Slabs {
  readonly #sizes: SlabSizes;
  #slab = Buffer.alloc(0);
  #used = 0;

  constructor(sizes: SlabSizes) {
    this.#sizes = sizes;
  }

  /** Memory of so many bytes, with whatever was there before. */
  take(bytes: number): Buffer {
    const { slabBytes, sharedBytesMax } = this.#sizes;
    if (bytes > sharedBytesMax) return Buffer.allocUnsafeSlow(bytes);
    if (this.#used + bytes > this.#slab.length) {
      this.#slab = Buffer.allocUnsafeSlow(slabBytes);
      this.#used = 0;
    }
    const start = this.#used;
    this.#used += bytes;
    return this.#slab.subarray(start, this.#used);
  }

  /** A copy of a value that is part of something larger. */
  copy(value: Buffer): Buffer {
    const own = this.take(value.length);
    value.copy(own);
    return own;
  }
}
