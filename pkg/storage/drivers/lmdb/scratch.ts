/**
 * Memory for what one transaction writes, used again by the next: a buffer for each write would cost more than filling it, and a busy server
 * makes thousands a second.
 *
 * Invariant: what was taken is not given to anybody else until `reuse`. At most `scratchBytesMax` are kept; what is more, or larger, gets memory
 * of its own.
 */
import { Buffer } from 'node:buffer';

/** What some hundred objects need. */
const scratchBytesMax = 1024 * 1024;

/** The memory of one writer. */
export class Scratch {
  #bytes = Buffer.alloc(0);
  #used = 0;

  /** Memory of this length, with anything in it. */
  take(length: number): Buffer {
    if (length > scratchBytesMax - this.#used) return Buffer.allocUnsafeSlow(length);
    if (this.#bytes.length === 0) this.#bytes = Buffer.allocUnsafeSlow(scratchBytesMax);
    const start = this.#used;
    // The library reads numbers faster that lie at whole 8 bytes.
    this.#used = (start + length + 7) & ~7;
    return this.#bytes.subarray(start, start + length);
  }

  /** Gives the end of what was taken last back, but for its first bytes. */
  shorten(taken: Buffer, length: number): Buffer {
    const start = taken.byteOffset - this.#bytes.byteOffset;
    if (taken.buffer === this.#bytes.buffer) this.#used = (start + length + 7) & ~7;
    return taken.subarray(0, length);
  }

  /** From now on all of it is free: nobody uses what was taken any more. */
  reuse(): void {
    this.#used = 0;
  }

  /** Somebody may still read what was taken: that is left to them. */
  abandon(): void {
    this.#bytes = Buffer.alloc(0);
    this.#used = 0;
  }
}
