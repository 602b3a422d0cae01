/**
 * Memory for the values of a folder that is opened, of which there may be tens of thousands: memory of its own for each would cost more than to read
 * them. A slab stays as long as one of its values does; those beside each other were written together, and mostly go together.
 */
import { Buffer } from 'node:buffer';

const slabBytes = 64 * 1024;

/** Larger values have memory of their own: they would leave much of a slab empty. */
const sharedBytesMax = 8 * 1024;

/** The memory of one opening. */
export class LoadSlabs {
  #slab = Buffer.alloc(0);
  #used = 0;

  /** A copy of a value that is part of something larger. */
  copy(value: Buffer): Buffer {
    const own = this.#take(value.length);
    value.copy(own);
    return own;
  }

  #take(length: number): Buffer {
    if (length > sharedBytesMax) return Buffer.allocUnsafeSlow(length);
    if (this.#used + length > this.#slab.length) {
      this.#slab = Buffer.allocUnsafeSlow(slabBytes);
      this.#used = 0;
    }
    const start = this.#used;
    this.#used += length;
    return this.#slab.subarray(start, this.#used);
  }
}
