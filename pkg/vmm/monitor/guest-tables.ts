/**
 * A guest's own page tables, read and marked in its memory as the hart would if they were its own. Addresses of guests are "guest addresses" here: a guest's memory
 * begins at 0x80000000 for it, wherever it lies in the machine. Source: as `hart/mmu.ts`, which this agrees with bit by bit.
 */
import { MEMORY_BASE, PAGE_SIZE } from '../memory-map.ts';
import type { PhysicalMachine } from './physical.ts';

/** What a guest does to memory. */
export type Touch = 'read' | 'write' | 'execute';

/** Bits of an entry. */
export const bit = { V: 1, R: 2, W: 4, X: 8, U: 16, A: 64, D: 128 } as const;

/** What may be done with a page. */
export interface Rights {
  readonly read: boolean;
  readonly write: boolean;
  readonly execute: boolean;
}

/** Where an address leads. */
export type Found =
  | { readonly kind: 'page'; readonly address: number; readonly rights: Rights; readonly entry: number }
  /** The guest's tables do not allow it, or are not in its memory. */
  | { readonly kind: 'page-fault' }
  | { readonly kind: 'access-fault' };

/** How a guest looks at its memory at a moment. */
export interface View {
  readonly satp: bigint;
  readonly kernel: boolean;
  readonly sum: boolean;
  readonly mxr: boolean;
}

/** One entry of a table. */
export interface Entry {
  readonly bits: number;
  readonly frame: number;
  readonly isValid: boolean;
  readonly isLeaf: boolean;
}

/** The memory of one guest within the machine's. */
export class GuestRam {
  readonly machine: PhysicalMachine;
  readonly size: number;
  /** Told of each entry of the guest's tables that is followed here. */
  onReference: (() => void) | undefined;
  private readonly offset: number;

  constructor(machine: PhysicalMachine, base: number, size: number) {
    this.machine = machine;
    this.size = size;
    this.offset = base - MEMORY_BASE;
  }

  holds(address: number, length: number): boolean {
    return address >= MEMORY_BASE && address + length <= MEMORY_BASE + this.size;
  }

  /** The machine's address of a guest's. */
  physical(address: number): number {
    return address + this.offset;
  }

  entry(address: number): Entry {
    return this.entryAt(this.physical(address));
  }

  /** The entry at an address of the machine. */
  entryAt(physical: number): Entry {
    return entryOfHalves(this.machine.read32(physical), this.machine.read32(physical + 4));
  }

  /** Follows an address through the tables of `view`; marks what is found as accessed, or written. */
  find(view: View, virtual: bigint, touch: Touch): Found {
    if (view.satp >> 60n === 0n) return this.bare(virtual);
    if (BigInt.asIntN(39, virtual) !== BigInt.asIntN(64, virtual)) return { kind: 'page-fault' };
    let table = Number(view.satp & 0xfff_ffff_ffffn) * PAGE_SIZE;
    for (let level = 2; level >= 0; level--) {
      const at = table + Number((virtual >> BigInt(12 + 9 * level)) & 511n) * 8;
      if (!this.holds(at, 8)) return { kind: 'access-fault' };
      const entry = this.entry(at);
      this.onReference?.();
      if (!entry.isValid) return { kind: 'page-fault' };
      if (!entry.isLeaf) {
        if ((entry.bits & (bit.U | bit.A | bit.D)) !== 0) return { kind: 'page-fault' };
        table = entry.frame * PAGE_SIZE;
        continue;
      }
      const pages = 512 ** level;
      const rights = rightsOf(entry.bits, view);
      if (entry.frame % pages !== 0 || !rights[touch]) return { kind: 'page-fault' };
      const isDirty = this.mark(at, touch);
      const within = Number(virtual & 0x7fff_ffffn) % (pages * PAGE_SIZE);
      const address = entry.frame * PAGE_SIZE + within;
      // Not written yet: the first store must be seen, to be marked.
      return { kind: 'page', address, rights: { ...rights, write: rights.write && isDirty }, entry: at };
    }
    return { kind: 'page-fault' };
  }

  /** The machine's address that tables of the guest with machine's addresses lead a kernel in mode U to; undefined where they do not. */
  findPhysical(root: number, virtual: bigint, touch: Touch): number | undefined {
    const path = this.pathPhysical(root, virtual);
    const last = path.at(-1);
    if (last === undefined || path.length < 3) return undefined;
    const entry = this.entryAt(last);
    const isOpen = entry.isValid && rightsOf(entry.bits, { satp: 0n, kernel: false, sum: false, mxr: false })[touch];
    return isOpen ? entry.frame * PAGE_SIZE + Number(virtual & 0xfffn) : undefined;
  }

  /** The entries by which such tables lead to an address, from the root down: the last of them is a leaf or leads nowhere. */
  pathPhysical(root: number, virtual: bigint): readonly number[] {
    if (BigInt.asIntN(39, virtual) !== BigInt.asIntN(64, virtual)) return [];
    const path: number[] = [];
    let table = root;
    for (let level = 2; level >= 0; level--) {
      const at = table + Number((virtual >> BigInt(12 + 9 * level)) & 511n) * 8;
      path.push(at);
      const entry = this.entryAt(at);
      if (!entry.isValid || entry.isLeaf) break;
      table = entry.frame * PAGE_SIZE;
    }
    return path;
  }

  private bare(virtual: bigint): Found {
    if (virtual >> 56n !== 0n) return { kind: 'access-fault' };
    return { kind: 'page', address: Number(virtual), rights: { read: true, write: true, execute: true }, entry: -1 };
  }

  private mark(at: number, touch: Touch): boolean {
    const physical = this.physical(at);
    const low = this.machine.read32(physical);
    const marked = low | bit.A | (touch === 'write' ? bit.D : 0);
    if (marked !== low) this.machine.write32(physical, marked);
    return (marked & bit.D) !== 0;
  }
}

/** What a word of a table says. */
export function entryOf(word: bigint): Entry {
  return entryOfHalves(Number(BigInt.asIntN(32, word)), Number(BigInt.asIntN(32, word >> 32n)));
}

/** The same of its lower and its upper 32 bits. */
function entryOfHalves(low: number, high: number): Entry {
  const bits = low & 0x3ff;
  // The ten highest bits are of extensions that there are not.
  const isOdd = (bits & (bit.R | bit.W)) === bit.W || high >>> 22 !== 0;
  return {
    bits,
    frame: (high & 0x3f_ffff) * 0x40_0000 + (low >>> 10),
    isValid: (bits & bit.V) !== 0 && !isOdd,
    isLeaf: (bits & (bit.R | bit.X)) !== 0,
  };
}

function rightsOf(bits: number, { kernel, sum, mxr }: View): Rights {
  const isUser = (bits & bit.U) !== 0;
  const isOpen = kernel ? !isUser || sum : isUser;
  return {
    read: isOpen && ((bits & bit.R) !== 0 || (mxr && (bits & bit.X) !== 0)),
    write: isOpen && (bits & bit.W) !== 0,
    execute: (kernel ? !isUser : isUser) && (bits & bit.X) !== 0,
  };
}
