/**
 * Tables that a ported kernel writes by plain stores. The first store to one takes it out of use: nothing leads to it any more, and it may be written freely, without an exit for each
 * entry. When something is reached that it maps, or the kernel asks for something about tables, all of its entries are looked at and it is in use again. Invariant: what
 * the hart can walk is only what `PageTypes` allowed, as a page that can be written is no table. Tables of the higher levels are not given away so, as upstream does not; what they hold is asked for.
 * Source: Barham et al. 2003, section 3.3.3; Xen's `VMASST_TYPE_writable_pagetables`.
 */
import { PAGE_SIZE } from '../memory-map.ts';
import { bit, entryOf, type GuestRam } from './guest-tables.ts';
import type { PageTypes, Refusal } from './page-types.ts';

/** Tables that are out of use at a time: one of the kernel's own and one of another's, as with Xen. The oldest is looked at for one more. */
const DETACHED_MAX = 2;

interface Detached {
  readonly page: number;
  /** What led to it: entries by their addresses, with what was in them. */
  readonly parents: ReadonlyMap<number, bigint>;
  /** The entry by which the kernel may write it now. */
  readonly opened: number;
  /** Its entries when it was taken out of use. */
  readonly before: readonly bigint[];
}

/** What came of an attempt. */
export type Attempt = { readonly kind: 'done' | 'other' } | { readonly kind: 'refused'; readonly refusal: Refusal };

const DONE: Attempt = { kind: 'done' };
const OTHER: Attempt = { kind: 'other' };

/** The tables of a ported guest that are out of use. */
export class WritableTables {
  private readonly ram: GuestRam;
  private readonly types: PageTypes;
  /** Told of each entry that was found to be another one than before. */
  private readonly onUpdate: () => void;
  private readonly detached: Detached[] = [];

  constructor(ram: GuestRam, types: PageTypes, onUpdate: () => void) {
    this.ram = ram;
    this.types = types;
    this.onUpdate = onUpdate;
  }

  /**
   * The kernel's store at `pc` found that it may not write `virtual`: if that is a table of the lowest level, it is taken out of use. `other` where it is none, or maps the
   * store itself or where it goes, which could not be done then.
   */
  open(root: number, virtual: bigint, pc: bigint): Attempt {
    const path = this.ram.pathPhysical(root, virtual);
    const [, middle, leaf] = path;
    if (middle === undefined || leaf === undefined) return OTHER;
    const word = this.ram.machine.read64(leaf);
    const { isValid, isLeaf, bits, frame } = entryOf(word);
    const page = frame * PAGE_SIZE;
    const isOpenToStores = !isValid || !isLeaf || (bits & bit.U) === 0 || (bits & bit.W) !== 0;
    if (isOpenToStores || !this.types.isTable(page, 0)) return OTHER;
    const needed = [virtual, pc, pc + 2n].map((each) => this.ram.pathPhysical(root, each)[1]);
    const parents = this.types.parentsOf(page);
    if (parents.some((parent) => needed.includes(parent))) return OTHER;
    const [oldest] = this.detached;
    if (oldest !== undefined && this.detached.length >= DETACHED_MAX) {
      const refusal = this.attach(oldest);
      if (refusal !== undefined) return { kind: 'refused', refusal };
    }
    const words = new Map(parents.map((parent) => [parent, this.ram.machine.read64(parent)]));
    for (const parent of parents) this.types.update(parent, 0n);
    this.types.unpin(page);
    this.types.update(leaf, word | BigInt(bit.W));
    this.detached.push({ page, parents: words, opened: leaf, before: this.entriesOf(page) });
    this.ram.machine.hart.mmu.flush();
    return DONE;
  }

  /** Something at `virtual` was not to be reached: if a table is out of use that maps it, that is in use again. */
  use(root: number, virtual: bigint): Attempt {
    const last = this.ram.pathPhysical(root, virtual).at(-1);
    const found = this.detached.find(({ parents }) => last !== undefined && parents.has(last));
    if (found === undefined) return OTHER;
    const refusal = this.attach(found);
    return refusal === undefined ? DONE : { kind: 'refused', refusal };
  }

  /** Has all tables in use again. `other` where all were. */
  attachAll(): Attempt {
    if (this.detached.length === 0) return OTHER;
    for (const each of [...this.detached]) {
      const refusal = this.attach(each);
      if (refusal !== undefined) return { kind: 'refused', refusal };
    }
    return DONE;
  }

  private attach(each: Detached): Refusal | undefined {
    this.detached.splice(this.detached.indexOf(each), 1);
    const after = this.entriesOf(each.page);
    for (const [index, word] of after.entries()) if (word !== each.before[index]) this.onUpdate();
    this.types.close(each.opened, each.page);
    this.ram.machine.hart.mmu.flush();
    const refusal = this.types.pin(each.page, 0);
    if (refusal !== undefined) return refusal;
    for (const [parent, word] of each.parents) {
      const refused = this.types.update(parent, word);
      if (refused !== undefined) return refused;
    }
    return undefined;
  }

  private entriesOf(page: number): readonly bigint[] {
    return Array.from({ length: PAGE_SIZE / 8 }, (_, index) => this.ram.machine.read64(page + index * 8));
  }
}
