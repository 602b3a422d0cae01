/**
 * What a ported kernel may have in its page tables, which the hart walks as they are. Invariants: an entry of a table leads to the guest's own memory alone; a page that is
 * a table is mapped writable nowhere; a table of a level leads to tables of the level below or, at level 0, to pages. So what is asked is looked at entry by entry,
 * and a page's entries all at once when it becomes a table. Source: Barham et al. 2003, section 3.3.3.
 */
import { PAGE_SIZE } from '../memory-map.ts';
import { bit, type Entry, entryOf, type GuestRam } from './guest-tables.ts';

/** Why an update was not made. */
export type Refusal = 'foreign' | 'not-a-table' | 'writable-table' | 'malformed' | 'in-use';

interface Page {
  /** Its level as a table; -1 for none. */
  level: number;
  /** Entries that let it be written. */
  writable: number;
  /** Entries of tables that lead to it as a table. */
  readonly parents: Set<number>;
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
    const entry = entryOf(word);
    const refusal = this.check(entry, level);
    if (refusal !== undefined) return refusal;
    this.write(address, word, entry);
    return undefined;
  }

  /** Makes a page a table of a level, if all that is in it is allowed. */
  pin(address: number, level: number): Refusal | undefined {
    if (!this.isOwn(address) || address % PAGE_SIZE !== 0) return 'foreign';
    if (level < 0 || level > 2) return 'malformed';
    const page = this.page(address);
    if (page.level >= 0) return page.level === level ? undefined : 'malformed';
    if (page.writable > 0) return 'writable-table';
    const entries = Array.from({ length: 512 }, (_, index) => this.ram.entryAt(address + index * 8));
    // As a table from now on, so that an entry of it that would let it be written is refused.
    page.level = level;
    for (const [index, entry] of entries.entries()) {
      const refusal = this.check(entry, level);
      if (refusal === undefined) {
        this.note(address + index * 8, entry);
        continue;
      }
      for (const [earlier, each] of entries.slice(0, index).entries()) this.forget(address + earlier * 8, each);
      page.level = -1;
      return refusal;
    }
    return undefined;
  }

  /** Makes a table a page like others again, whatever leads to it: whoever calls has seen to that. */
  unpin(address: number): void {
    const page = this.page(address);
    for (let at = address; at < address + PAGE_SIZE; at += 8) this.forget(at, this.ram.entryAt(at));
    page.level = -1;
  }

  /** Makes a table that nothing leads to a page like others again. */
  release(address: number): Refusal | undefined {
    if (!this.isOwn(address) || address % PAGE_SIZE !== 0) return 'foreign';
    const { level, parents } = this.page(address);
    if (level < 0) return 'not-a-table';
    if (parents.size > 0) return 'in-use';
    this.unpin(address);
    return undefined;
  }

  /** Entries that lead to a page as a table, by their addresses. */
  parentsOf(address: number): readonly number[] {
    return [...this.page(address).parents];
  }

  /** Takes the right to write `target` from an entry that gives it; elsewhere the entry stays as it is. The entry may be in a page that is no table now. */
  close(address: number, target: number): void {
    const word = this.ram.machine.read64(address);
    const entry = entryOf(word);
    if (!entry.isValid || entry.frame * PAGE_SIZE !== target || (entry.bits & bit.W) === 0) return;
    const { level } = this.page(address);
    const closed = word & ~BigInt(bit.W);
    if (level === 0) this.write(address, closed, entryOf(closed));
    else if (level < 0) this.ram.machine.write64(address, closed);
  }

  /** Whether a page is a table of a level. */
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
    const page: Page = { level: -1, writable: 0, parents: new Set() };
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

  private write(address: number, word: bigint, entry: Entry): void {
    this.forget(address, this.ram.entryAt(address));
    this.ram.machine.write64(address, word);
    this.note(address, entry);
  }

  private note(address: number, entry: Entry): void {
    if (!entry.isValid) return;
    const target = this.page(entry.frame * PAGE_SIZE);
    if (!entry.isLeaf) target.parents.add(address);
    else if ((entry.bits & bit.W) !== 0) target.writable++;
  }

  private forget(address: number, entry: Entry): void {
    if (!entry.isValid) return;
    const target = this.page(entry.frame * PAGE_SIZE);
    if (!entry.isLeaf) target.parents.delete(address);
    else if ((entry.bits & bit.W) !== 0) target.writable--;
  }
}
