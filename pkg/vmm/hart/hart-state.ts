/**
 * State of one hart: what the manuals call its registers, and what running takes besides. Integer and floating registers lie in the shared
 * buffer as 64-bit little-endian words, and are read here as two 32-bit halves (`lo`, `hi`; both signed), since numbers hold 53 bits and
 * bigints are slow; control registers too, where that is done often (`kept-registers.ts`). Does not execute anything.
 */
import { hartLayout } from '../memory-map.ts';
import type { Hypervisor } from './hypervisor.ts';
import { keptRegisters, type RegisterName, registerOffset } from './kept-registers.ts';

/** User mode; modes are ordered by what they may. */
export const USER = 0;
/** Supervisor mode. */
export const SUPERVISOR = 1;
/** Machine mode. */
export const MACHINE = 3;

/** Bits of mip and mie: the software interrupt of supervisor mode. */
export const SSIP = 1 << 1;
/** The software interrupt of machine mode. */
export const MSIP = 1 << 3;
/** The timer of supervisor mode. */
export const STIP = 1 << 5;
/** The timer of machine mode. */
export const MTIP = 1 << 7;
/** Devices, for supervisor mode. */
export const SEIP = 1 << 9;
/** Devices, for machine mode. */
export const MEIP = 1 << 11;

/** Thrown (this very value) by what ends an instruction with a trap: the hart's `trap` says which. */
export const TRAP = Symbol('trap');

/** State of F and D in mstatus: 0 is off, 3 changed. */
export const FS = 3n << 13n;

const MSTATUS = registerOffset('mstatus');

/** Number of entries of physical memory protection. */
export const PMP_ENTRIES = 16;

/** Bytes that an entry of physical memory protection covers, `end` not among them, and its configuration. */
export interface PmpRange {
  readonly start: number;
  readonly end: number;
  readonly config: number;
}

/**
 * What mode U makes of sstatus, by variants of the hart: it traps, as the architecture says; it reads it as it is and its writes are ignored, as `popf` and `pushf` do with the
 * interrupt flag on x86; or it reads 0 and its writes are ignored, so that what it gets depends on nothing that is the supervisor's.
 */
export type UserStatus = 'trapped' | 'shown' | 'hidden';

/** One hart's state. */
export class HartState {
  readonly id: number;
  readonly view: DataView;
  /** The same buffer in words of the machine that simulates, which is little-endian as all that run V8: what is reached most is reached so, as engines make a call of a DataView's accessors. */
  readonly words: Int32Array;
  /** Offset of its part of the buffer. */
  readonly at: number;
  /** The same in words. */
  private readonly word: number;
  readonly csr: Record<RegisterName, bigint>;
  pcLo = 0;
  pcHi = 0;
  /** Where the instruction that runs will go on. */
  nextLo = 0;
  nextHi = 0;
  mode = MACHINE;
  /** There where the hart has the hypervisor extension. */
  hypervisor: Hypervisor | undefined;
  userStatus: UserStatus = 'trapped';
  readonly pmpConfig = new Uint8Array(PMP_ENTRIES);
  /** What the entries below cover; undefined after they changed. */
  pmpRanges: readonly PmpRange[] | undefined;
  readonly pmpAddress: bigint[] = new Array<bigint>(PMP_ENTRIES).fill(0n);
  /** Bits of mip that devices set. */
  lines = 0;
  /** In a WFI. */
  waiting = false;
  /** Physical address that the last LR reserved, or -1. */
  reservation = -1;
  /** Instructions that it may still run in this slice, of `granted`. */
  left = 0;
  granted = 0;
  /** Instructions run before this slice, and what software added to its counters. */
  retired = 0;
  cycleOffset = 0n;
  instretOffset = 0n;
  /** Set by what may have changed which interrupt is next, the mode, or the world outside: whoever runs instructions stops after this one. */
  attention = false;
  trap = { cause: 0, lo: 0, hi: 0 };

  /** `harts`: offset of the harts' part of the buffer. */
  constructor(id: number, { view, harts }: { readonly view: DataView; readonly harts: number }) {
    this.id = id;
    this.view = view;
    this.words = new Int32Array(view.buffer);
    this.at = harts + id * hartLayout.bytes;
    this.word = this.at >>> 2;
    this.csr = keptRegisters(view.buffer, this.at);
  }

  /** The low half of a control register, and its high one, at an offset of `registerOffset`. */
  keptLo(offset: number): number {
    return this.words[this.word + (offset >>> 2)] ?? 0;
  }

  keptHi(offset: number): number {
    return this.words[this.word + (offset >>> 2) + 1] ?? 0;
  }

  keep(offset: number, lo: number, hi: number): void {
    const at = this.word + (offset >>> 2);
    this.words[at] = lo;
    this.words[at + 1] = hi;
  }

  lo(register: number): number {
    return this.words[this.word + register * 2] ?? 0;
  }

  hi(register: number): number {
    return this.words[this.word + register * 2 + 1] ?? 0;
  }

  big(register: number): bigint {
    return this.view.getBigUint64(this.at + register * 8, true);
  }

  /** Register 0 stays 0. */
  set(register: number, lo: number, hi: number): void {
    if (register === 0) return;
    const at = this.word + register * 2;
    this.words[at] = lo;
    this.words[at + 1] = hi;
  }

  /** A 32-bit result, sign-extended. */
  setWord(register: number, lo: number): void {
    this.set(register, lo, lo >> 31);
  }

  setBig(register: number, value: bigint): void {
    if (register !== 0) this.view.setBigUint64(this.at + register * 8, value & 0xffff_ffff_ffff_ffffn, true);
  }

  floatBig(register: number): bigint {
    return this.view.getBigUint64(this.at + hartLayout.f + register * 8, true);
  }

  setFloatBig(register: number, value: bigint): void {
    this.view.setBigUint64(this.at + hartLayout.f + register * 8, value & 0xffff_ffff_ffff_ffffn, true);
  }

  get fflags(): number {
    return this.view.getInt32(this.at + hartLayout.fflags, true);
  }

  set fflags(flags: number) {
    this.view.setInt32(this.at + hartLayout.fflags, flags, true);
  }

  get frm(): number {
    return this.view.getInt32(this.at + hartLayout.frm, true);
  }

  set frm(mode: number) {
    this.view.setInt32(this.at + hartLayout.frm, mode, true);
  }

  /** Whether F and D may be used. */
  get hasFloats(): boolean {
    return this.view.getInt32(this.at + hartLayout.floats, true) !== 0;
  }

  /** Notes which interrupts would be taken if they were let in. */
  noteWanted(bits: number): void {
    this.words[(this.at + hartLayout.wanted) >>> 2] = bits;
  }

  /** Notes whose control registers code may reach. */
  noteRights(): void {
    this.words[(this.at + hartLayout.rights) >>> 2] = this.isVirtual ? -1 : this.mode;
  }

  /** Notes that floating registers changed. */
  dirtyFloats(): void {
    if (this.view.getInt32(this.at + hartLayout.floats, true) === 3) return;
    this.csr.mstatus |= FS;
    this.noteFloats();
  }

  /** After a change of mstatus: keeps its field FS where it is quickly read. */
  noteFloats(): void {
    this.words[(this.at + hartLayout.floats) >>> 2] = (this.keptLo(MSTATUS) >> 13) & 3;
  }

  /** V: whether a guest of the hypervisor extension runs. */
  get isVirtual(): boolean {
    return this.hypervisor?.virtual === true;
  }

  /** Instructions run so far, without the one that runs. */
  get executed(): number {
    return this.retired + this.granted - this.left;
  }

  /** Ends the instruction that runs with a trap; `lo` and `hi` are its value. */
  fault(cause: number, lo: number, hi: number): never {
    this.trap.cause = cause;
    this.trap.lo = lo;
    this.trap.hi = hi;
    throw TRAP;
  }
}

/** Two halves as an unsigned 64-bit value. */
export function bigOf(lo: number, hi: number): bigint {
  return (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
}

/** The low half of a 64-bit value, signed. */
export function loOf(value: bigint): number {
  return Number(BigInt.asIntN(32, value));
}

/** The high half of a 64-bit value, signed. */
export function hiOf(value: bigint): number {
  return Number(BigInt.asIntN(32, value >> 32n));
}
