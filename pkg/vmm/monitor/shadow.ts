/**
 * Shadow page tables: Sv39 tables in the monitor's memory that the hart walks in place of a guest's, one root for each way in which the guest looks at its memory
 * (its root, its mode, SUM, MXR). Invariant: a valid leaf says no more than the guest's own entry said when it was made, and that entry has not changed since, as pages
 * with tables are write-protected here (traced) and whoever changes an entry calls `forgetEntry`. All leaves are for mode U, in which guests run.
 */
import { PAGE_SIZE } from '../memory-map.ts';
import { bit, type Rights } from './guest-tables.ts';
import type { PhysicalMachine } from './physical.ts';
import type { GuestPage, OwnPages, Translations } from './translations.ts';

/** Tables of all roots together; with more, all are forgotten and made anew as they are needed. 8 MiB, a shadow of 4 GiB. */
const TABLES_MAX = 2048;
/** Tables of a new root, at most: with those of what is the monitor's own there. */
const TABLES_OF_ROOT = 8;

interface Origin {
  readonly entry: number;
  readonly frame: number;
}

/** The shadow tables of one guest. */
export class ShadowTables implements Translations {
  readonly followsTables = true;
  private readonly machine: PhysicalMachine;
  private readonly roots = new Map<string, number>();
  private readonly origins = new Map<number, Origin>();
  private readonly byEntry = new Map<number, number[]>();
  private readonly byFrame = new Map<number, number[]>();
  private readonly free: number[] = [];
  private readonly used: number[] = [];
  onView: ((view: string) => void) | undefined;

  constructor(machine: PhysicalMachine) {
    this.machine = machine;
  }

  satp(view: string): bigint {
    return (8n << 60n) | BigInt(this.root(view) / PAGE_SIZE);
  }

  /** The root for a way of looking at memory. */
  private root(view: string): number {
    const known = this.roots.get(view);
    if (known !== undefined) return known;
    // A guest can change how it looks at its memory without looking at any of it.
    if (this.used.length + TABLES_OF_ROOT > TABLES_MAX) this.forgetAll();
    const root = this.takeTable();
    this.roots.set(view, root);
    this.onView?.(view);
    return root;
  }

  map(view: string, virtual: bigint, page: GuestPage): void {
    if (this.used.length + 4 > TABLES_MAX) this.forgetAll();
    const leaf = this.mapAt(this.root(view), virtual, page.physical, page.rights);
    if (page.entry >= 0) note(this.byEntry, page.entry, leaf);
    if (page.frame >= 0) note(this.byFrame, page.frame, leaf);
    this.origins.set(leaf, page);
  }

  mapOwn(view: string, virtual: bigint, { physical, pages, rights }: OwnPages): void {
    const root = this.root(view);
    for (let at = 0; at < pages * PAGE_SIZE; at += PAGE_SIZE)
      this.mapAt(root, virtual + BigInt(at), physical + at, rights);
  }

  /** Writes a leaf of a root and says where. */
  private mapAt(root: number, virtual: bigint, physical: number, rights: Rights): number {
    let table = root;
    for (let level = 2; level > 0; level--) {
      const at = table + Number((virtual >> BigInt(12 + 9 * level)) & 511n) * 8;
      const word = this.machine.read64(at);
      if (word !== 0n) table = Number(word >> 10n) * PAGE_SIZE;
      else {
        table = this.takeTable();
        this.machine.write64(at, (BigInt(table / PAGE_SIZE) << 10n) | BigInt(bit.V));
      }
    }
    const leaf = table + Number((virtual >> 12n) & 511n) * 8;
    const bits =
      bit.V |
      bit.U |
      bit.A |
      bit.D |
      (rights.read ? bit.R : 0) |
      (rights.write ? bit.W : 0) |
      (rights.execute ? bit.X : 0);
    const had = this.machine.read64(leaf);
    this.machine.write64(leaf, (BigInt(Math.floor(physical / PAGE_SIZE)) << 10n) | BigInt(bits));
    if (had !== 0n) this.machine.hart.mmu.flush();
    return leaf;
  }

  forgetEntry(entry: number): void {
    const leaves = this.byEntry.get(entry);
    if (leaves === undefined) return;
    this.byEntry.delete(entry);
    for (const leaf of leaves) if (this.origins.get(leaf)?.entry === entry) this.clear(leaf);
    this.machine.hart.mmu.flush();
  }

  forgetFrame(frame: number): void {
    const leaves = this.byFrame.get(frame);
    if (leaves === undefined) return;
    this.byFrame.delete(frame);
    for (const leaf of leaves) if (this.origins.get(leaf)?.frame === frame) this.clear(leaf);
    this.machine.hart.mmu.flush();
  }

  forgetAll(): void {
    this.roots.clear();
    this.origins.clear();
    this.byEntry.clear();
    this.byFrame.clear();
    this.free.push(...this.used.splice(0));
    this.machine.hart.mmu.flush();
  }

  private clear(leaf: number): void {
    this.origins.delete(leaf);
    this.machine.write64(leaf, 0n);
  }

  private takeTable(): number {
    const page = this.free.pop() ?? this.machine.takePages();
    this.machine.clearPage(page);
    this.used.push(page);
    return page;
  }
}

function note(lists: Map<number, number[]>, key: number, leaf: number): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [leaf]);
  else if (!list.includes(leaf)) list.push(leaf);
}
