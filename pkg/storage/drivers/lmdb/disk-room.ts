/**
 * How much room there is on the disk of a folder. It is looked at before transactions: the lmdb package damages its own memory where the system refuses a
 * write, and the process then ends by a signal a little later, whatever it does. No promise: another process may take the room meanwhile.
 */
import { statfsSync } from 'node:fs';
import type { WriteRecord } from './write-group.ts';

/** With less than this free the disk is what people call full: the file grows by several pages at a time. Bytes. */
export const fullBytes = 4 * 2 ** 20;

/** What a transaction needs beyond its values: pages of the trees above them, made anew, and of the list of free ones. Bytes. */
const pagesBytes = 2 ** 20;

/** Bytes that are free for us. */
export function freeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

/**
 * What may be written before the disk is looked at again: this part of what was free, at most so many bytes. A look is a call of the system for each
 * transaction, a fiftieth of what a write costs; another process would have to take nearly all of the room within some twenty transactions.
 */
const trustedPart = 1 / 64;
const trustedBytesMax = 16 * 2 ** 20;

/** The room on the disk of one folder. */
export class DiskRoom {
  readonly #free: () => number;
  /** Bytes that may be written before the next look. */
  #trusted = 0;

  /** `free` tells how many bytes are. */
  constructor(free: () => number) {
    this.#free = free;
  }

  /** Throws where the disk has no room for a transaction of these writes. */
  need(writes: readonly { readonly record: WriteRecord }[]): void {
    let bytes = pagesBytes;
    for (const { record } of writes) bytes += record.value.byteLength;
    if (bytes <= this.#trusted) {
      this.#trusted -= bytes;
      return;
    }
    const free = this.#free();
    if (free < bytes) throw new Error(`a transaction of ${bytes} bytes does not fit on the disk`);
    this.#trusted = Math.min(free * trustedPart, trustedBytesMax) - bytes;
  }
}
