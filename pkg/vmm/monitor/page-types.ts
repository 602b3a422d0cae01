/**
 * What a ported kernel may have in its page tables, which the hart walks as they are. Invariants: an entry of a table leads to the guest's own memory alone; a page that is
 * a table is mapped writable nowhere; a table of a level leads to tables of the level below or, at level 0, to pages. So what is asked is looked at entry by entry,
 * and a page's entries all at once when it becomes a table. Source: Barham et al. 2003, section 3.3.3.
 */
import { PAGE_SIZE } from '../memory-map.ts';
import { bit, type Entry, entryOf, type GuestRam } from './guest-tables.ts';

/** Why an update was not made. */
export type Refusal = 'foreign' | 'not-a-table' | 'writable-table' | 'malformed';

interface Page {
  /** Its level as a table; -1 for none. */
  level: number;
  /** Entries that let it be written. */
  writable: number;
}

/** The pages of a ported guest. */
export class PageTypes {
  private readonly ram: GuestRam;
  private readonly pages = new Map<number, Page>();

  constructor(ram: GuestRam) {
    this.ram = ram;
  }

  /** Writes an entry at a machine's address, if what it would say is allowed. */
  update(address: number, word: bigint): Refusal | undefined {
    if (!this.isOwn(address) || address % 8 !== 0) return 'foreign';
    const { level } = this.page(address);
    if (level < 0) return 'not-a-table';
    const refusal = this.check(entryOf(word), level);
    if (refusal !== undefined) return refusal;
    this.forget(entryOf(this.ram.machine.read64(address)), level);
    this.note(entryOf(word), level);
    this.ram.machine.write64(address, word);
    return undefined;
  }

  /** Makes a page a table of a level, if all that is in it is allowed. */
  pin(address: number, level: number): Refusal | undefined {
    if (!this.isOwn(address) || address % PAGE_SIZE !== 0) return 'foreign';
    if (level < 0 || level > 2) return 'malformed';
    const page = this.page(address);
    if (page.level >= 0) return page.level === level ? undefined : 'malformed';
    if (page.writable > 0) return 'writable-table';
    const entries = Array.from({ length: 512 }, (_, index) => entryOf(this.ram.machine.read64(address + index * 8)));
    // As a table from now on, so that an entry of it that would let it be written is refused.
    page.level = level;
    for (const [index, entry] of entries.entries()) {
      const refusal = this.check(entry, level);
      if (refusal === undefined) {
        this.note(entry, level);
        continue;
      }
      for (const earlier of entries.slice(0, index)) this.forget(earlier, level);
      page.level = -1;
      return refusal;
    }
    return undefined;
  }

  isTable(address: number, level: number): boolean {
    return this.isOwn(address) && this.page(address).level === level;
  }

  private isOwn(address: number): boolean {
    const start = this.ram.physical(0x8000_0000);
    return address >= start && address + 8 <= start + this.ram.size;
  }

  private page(address: number): Page {
    const number = Math.floor(address / PAGE_SIZE);
    const known = this.pages.get(number);
    if (known !== undefined) return known;
    const page = { level: -1, writable: 0 };
    this.pages.set(number, page);
    return page;
  }

  private check(entry: Entry, level: number): Refusal | undefined {
    // The hart reads nothing in an entry that is not valid.
    if ((entry.bits & bit.V) === 0) return undefined;
    if (!entry.isValid) return 'malformed';
    const target = entry.frame * PAGE_SIZE;
    if (!this.isOwn(target)) return 'foreign';
    if (!entry.isLeaf) return level > 0 && this.page(target).level === level - 1 ? undefined : 'not-a-table';
    if (level > 0) return 'malformed';
    return (entry.bits & bit.W) !== 0 && this.page(target).level >= 0 ? 'writable-table' : undefined;
  }

  private note(entry: Entry, level: number): void {
    if (entry.isValid && entry.isLeaf && level === 0 && (entry.bits & bit.W) !== 0) {
      this.page(entry.frame * PAGE_SIZE).writable++;
    }
  }

  private forget(entry: Entry, level: number): void {
    if (entry.isValid && entry.isLeaf && level === 0 && (entry.bits & bit.W) !== 0) {
      this.page(entry.frame * PAGE_SIZE).writable--;
    }
  }
}
