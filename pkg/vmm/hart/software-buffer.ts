/**
 * A translation buffer that software fills, as a variant of the hart has it in place of page tables: a hart with one walks nothing, and traps where no entry lets an access
 * through, by causes that the architecture leaves to such variants (24 for fetches, 25 for loads, 27 for stores). Entries are parted by the address space in satp (its ASID). Those
 * that are wired stay, of whatever size they are; of the others the oldest goes for a new one. Invariant: what the hart's own small buffers hold is in here, as `onGone` empties them.
 * Source: MIPS R4000 user's manual, chapter 4 (Wired, tlbwr), with another order of replacement.
 */

import { PAGE_SIZE } from '../memory-map.ts';

/** As many as a buffer that the hart fills by itself. */
const BUFFER_ENTRIES = 256;

/** What may be done through an entry: bits R, W and X as page tables have them. */
export interface BufferEntry {
  readonly space: number;
  /** A page's, of its 39 bits those above the 12 lowest. */
  readonly page: number;
  readonly physical: number;
  readonly rights: number;
}

/** An entry of several pages that stays. */
export interface WiredEntry extends BufferEntry {
  readonly pages: number;
}

/** The buffer of one hart. */
export class SoftwareBuffer {
  /** In the order in which they came. */
  private readonly entries = new Map<number, BufferEntry>();
  private wired: WiredEntry[] = [];
  private readonly onGone: () => void;

  constructor(onGone: () => void) {
    this.onGone = onGone;
  }

  /** Puts an entry in the place of the one for the same page, or of the oldest if all places are taken. */
  put(entry: BufferEntry): void {
    const key = keyOf(entry.space, entry.page);
    const had = this.entries.delete(key);
    const [oldest] = this.entries.keys();
    const isFull = this.entries.size >= BUFFER_ENTRIES && oldest !== undefined;
    if (isFull) this.entries.delete(oldest);
    this.entries.set(key, entry);
    if (had || isFull) this.onGone();
  }

  /** Puts an entry that stays until `clear`. */
  wire(entry: WiredEntry): void {
    this.wired.push(entry);
  }

  /** Removes the entries of which something is true, but those that are wired. */
  remove(isGone: (entry: BufferEntry) => boolean): void {
    for (const [key, entry] of this.entries) if (isGone(entry)) this.entries.delete(key);
    this.onGone();
  }

  /** Removes all, those that are wired too. */
  clear(): void {
    this.wired = [];
    this.remove(() => true);
  }

  /** The physical address of an address in a space, if an entry gives the right (a bit of R, W or X). */
  find(space: number, { lo, hi }: { readonly lo: number; readonly hi: number }, right: number): number | undefined {
    // Bits 63 to 39 are copies of bit 38.
    if (hi >> 6 !== (hi << 25) >> 31) return undefined;
    const page = (hi & 0x7f) * 0x10_0000 + (lo >>> 12);
    const offset = lo & (PAGE_SIZE - 1);
    const known = this.entries.get(keyOf(space, page));
    if (known !== undefined) return (known.rights & right) === 0 ? undefined : known.physical + offset;
    const wired = this.wired.find((each) => each.space === space && page >= each.page && page < each.page + each.pages);
    if (wired === undefined || (wired.rights & right) === 0) return undefined;
    return wired.physical + (page - wired.page) * PAGE_SIZE + offset;
  }
}

function keyOf(space: number, page: number): number {
  return space * 0x800_0000 + page;
}
