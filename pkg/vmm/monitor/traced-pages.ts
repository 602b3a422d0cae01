/**
 * Which pages of a guest are its page tables: found by following its root, and every pointer that is written later. Such pages are write-protected by who asks
 * (`has`). A page stays traced until a root is given up.
 */
import { MEMORY_BASE, PAGE_SIZE } from '../memory-map.ts';
import { bit, type Entry, type GuestRam } from './guest-tables.ts';

/** Bits with which a pointer to a table leads nowhere. */
const CLOSING = bit.U | bit.A | bit.D;
/** Roots that are followed; the oldest is given up for another. Its tables are found again when the guest goes back to it. */
const ROOTS_MAX = 16;

/** The page tables of a guest. */
export class TracedPages {
  private readonly ram: GuestRam;
  /** Levels of each page: bit `1 << level`. */
  private readonly levels = new Map<number, number>();
  private readonly roots: number[] = [];
  /** Told of a page that is traced from now on. */
  private readonly onTraced: (page: number) => void;

  constructor(ram: GuestRam, onTraced: (page: number) => void) {
    this.ram = ram;
    this.onTraced = onTraced;
  }

  has(page: number): boolean {
    return this.levels.has(page);
  }

  /** Whether a page is a table of the lowest level, and of no other. */
  isLowest(page: number): boolean {
    return this.levels.get(page) === 1;
  }

  /** The guest uses this root. True if another was given up for it, so that what came of that one must be forgotten. */
  useRoot(satp: bigint): boolean {
    if (satp >> 60n === 0n) return false;
    const root = Number(satp & 0xfff_ffff_ffffn) * PAGE_SIZE;
    if (this.roots.includes(root)) return false;
    this.roots.push(root);
    if (this.roots.length <= ROOTS_MAX) {
      this.follow(root, 2);
      return false;
    }
    this.roots.shift();
    this.levels.clear();
    for (const each of this.roots) this.follow(each, 2);
    return true;
  }

  /** An entry of a traced page was written; true if it pointed to a table and does not any more, so that what was known through it is void. */
  changed(address: number, before: Entry): boolean {
    const levels = this.levels.get(address - (address % PAGE_SIZE)) ?? 0;
    const after = this.ram.entry(address);
    if (after.isValid && !after.isLeaf) {
      for (const level of [1, 2]) if ((levels & (1 << level)) !== 0) this.follow(after.frame * PAGE_SIZE, level - 1);
    }
    if (levels <= 1 || !before.isValid || before.isLeaf) return false;
    const isSame = before.frame === after.frame && ((before.bits ^ after.bits) & CLOSING) === 0;
    return !isSame || !after.isValid || after.isLeaf;
  }

  private follow(page: number, level: number): void {
    if (!this.ram.holds(page, PAGE_SIZE)) return;
    const known = this.levels.get(page) ?? 0;
    if ((known & (1 << level)) !== 0) return;
    this.levels.set(page, known | (1 << level));
    if (known === 0) this.onTraced(page);
    if (level === 0) return;
    const at = this.ram.physical(page);
    for (let index = 0; index < 512; index++) {
      const entry = this.ram.entryAt(at + index * 8);
      if (entry.isValid && !entry.isLeaf && entry.frame * PAGE_SIZE >= MEMORY_BASE)
        this.follow(entry.frame * PAGE_SIZE, level - 1);
    }
  }
}
