/**
 * Addresses of a hart: Sv39 page tables walked, translation buffers filled, physical memory protection asked. Bits A and D of page tables
 * are set here, as hardware may (Svadu). Invariant: an entry of a buffer stands for all of what an access would check (rights, protection,
 * log, code), so that whoever finds it needs no other question; see `GuestMemory` for what empties them. Buffers are parted by context:
 * machine mode, user, supervisor, supervisor with SUM.
 * While a guest of the hypervisor extension runs, there are two stages. Source: RISC-V privileged architecture 20211203, sections 4.3, 4.4 and 8.5.
 */
import type { GuestMemory } from '../guest-memory.ts';
import {
  CONTEXTS,
  hartLayout,
  JUMP_BYTES,
  JUMP_ENTRIES,
  MEMORY_BASE,
  PAGE_SIZE,
  TLB_BYTES,
  TLB_ENTRIES,
} from '../memory-map.ts';
import { type HartState, hiOf, loOf, MACHINE, SUPERVISOR, USER } from './hart-state.ts';
import type { SecondStageUse } from './hypervisor.ts';
import { registerOffset } from './kept-registers.ts';
import { isPermitted, isUniform } from './protection.ts';
import type { SoftwareBuffer } from './software-buffer.ts';

/** A load. The number of what an access does is the bit of PMP; for pages the bit of R, W or X is twice it. */
export const READ = 1;
/** A store, or any atomic access but LR. */
export const WRITE = 2;
/** A fetch. */
export const EXECUTE = 4;

/** Loads and stores have the rights of the previous mode (a bit of mstatus, as those below). */
export const MPRV = 1n << 17n;
/** Pages that can be executed may be read. */
export const MXR = 1n << 19n;
const SUM_BIT = 1 << 18;
const [MPRV_BIT, MXR_BIT] = [Number(MPRV), Number(MXR)];
const [MSTATUS, SATP] = [registerOffset('mstatus'), registerOffset('satp')];

const PAGE_FAULTS = { [READ]: 13, [WRITE]: 15, [EXECUTE]: 12 } as const;
const GUEST_PAGE_FAULTS = { [READ]: 21, [WRITE]: 23, [EXECUTE]: 20 } as const;
/** Of a hart whose buffer is filled by software: designated for such use by the architecture. */
const BUFFER_MISSES = { [READ]: 25, [WRITE]: 27, [EXECUTE]: 24 } as const;
const ACCESS_FAULTS = { [READ]: 5, [WRITE]: 7, [EXECUTE]: 1 } as const;

/** What one of READ, WRITE and EXECUTE is to a table by access. */
export type Access = keyof typeof PAGE_FAULTS;

/** Entries that are emptied one by one; to empty all takes as long as a few hundred. */
const FILLED_MAX = 256;

const V = 1;
const R = 2;
const W = 4;
const X = 8;
const U = 16;
const A = 64;
const D = 128;

/** Counts of what was done, since the start. */
export interface MmuCounters {
  pageWalks: number;
  tlbMisses: number;
  /** Entries of tables read by walks, of both stages where there are two. */
  walkReferences: number;
}

/** The memory management of one hart. */
export class Mmu {
  readonly counters: MmuCounters = { pageWalks: 0, tlbMisses: 0, walkReferences: 0 };
  /** Told of each walk that begins, and of each entry that it reads. */
  onWalk: (() => void) | undefined;
  onReference: (() => void) | undefined;
  /** Told of each access that no buffer let through. */
  onMiss: (() => void) | undefined;
  /** In place of tables, on a hart that has it; see there. Not for guests of the hypervisor extension. */
  software: SoftwareBuffer | undefined;
  private readonly state: HartState;
  private readonly memory: GuestMemory;
  /** Raised when the buffers are emptied. */
  stamp = 0;
  private seen = -1;
  /** Entries that were filled since the buffers were empty, in words; more than `FILLED_MAX` are not told apart. */
  private readonly entries = new Int32Array(FILLED_MAX + 1);
  private filled = FILLED_MAX + 1;
  /** Whether the second stage lets the entry that was read last be marked: its page may be written, and is known to have been. */
  private mayMarkTable = true;
  private tableAddress = 0;

  constructor(state: HartState, memory: GuestMemory) {
    this.state = state;
    this.memory = memory;
    this.flush();
    this.changeContext();
  }

  /** The mode whose rights loads and stores have. */
  dataMode(): number {
    const { mode } = this.state;
    const status = this.state.keptLo(MSTATUS);
    return mode !== MACHINE || (status & MPRV_BIT) === 0 ? mode : (status >>> 11) & 3;
  }

  /** After a change of mode, V, MPRV, MPP, SUM or FS: tells compiled code what it may do, and which buffer is now that of data. */
  changeContext(): void {
    this.state.noteFloats();
    this.state.noteRights();
    const mode = this.dataMode();
    this.partGuests(mode);
    const sum = (this.status() & SUM_BIT) !== 0;
    const context = mode === MACHINE ? 0 : mode === USER ? 1 : sum ? 3 : 2;
    const { words, at } = this.state;
    words[(at + hartLayout.dataTlb) >>> 2] = at + hartLayout.readTlb + context * TLB_BYTES;
    words[(at + hartLayout.places) >>> 2] = at + hartLayout.jumps + Math.min(this.state.mode, 2) * JUMP_BYTES;
  }

  /** Buffers have no tag of whose translations they hold: they are emptied where a guest comes after none or none after a guest. */
  private partGuests(mode: number): void {
    const { hypervisor } = this.state;
    if (hypervisor === undefined || mode === MACHINE || hypervisor.buffersOf === hypervisor.virtual) return;
    hypervisor.buffersOf = hypervisor.virtual;
    this.flush();
  }

  /** The low half of the register with SUM and MXR of who runs. */
  private status(): number {
    const { hypervisor } = this.state;
    return hypervisor?.virtual === true ? loOf(hypervisor.csr.vsstatus) : this.state.keptLo(MSTATUS);
  }

  /** Empties all buffers, and forgets the places of compiled code: those entries that were filled, as a kernel may ask for it at every trap. */
  flush(): void {
    const { at, words } = this.state;
    if (this.filled > FILLED_MAX) {
      const bytes = 2 * CONTEXTS * TLB_BYTES + 3 * JUMP_BYTES;
      this.memory.bytes.fill(0xff, at + hartLayout.readTlb, at + hartLayout.readTlb + bytes);
    } else for (const entry of this.entries.subarray(0, this.filled)) words[entry] = words[entry + 1] = -1;
    this.filled = 0;
    this.seen = this.memory.version;
    this.stamp++;
  }

  /** Empties them if the memory's facts changed for the worse. To be called before anything runs on a buffer. */
  refresh(): void {
    if (this.seen !== this.memory.version) this.flush();
  }

  /** Offset in the buffer of a load that its translation buffer lets through, or -1. `size` is 1, 2, 4 or 8. */
  quick(access: Access, lo: number, hi: number, size: number): number {
    const { words } = this.state;
    const entry = this.entryOf(access, lo);
    const tag = lo & (-PAGE_SIZE | (size - 1));
    if (words[entry] !== tag || words[entry + 1] !== hi) return -1;
    return ((words[entry + 2] ?? 0) + lo) >>> 0;
  }

  /** Where the entry of an address is in the translation buffer that data accesses have now, in words. */
  private entryOf(access: Access, lo: number): number {
    const { words, at } = this.state;
    const buffer = (words[(at + hartLayout.dataTlb) >>> 2] ?? 0) + (access === WRITE ? TLB_BYTES * CONTEXTS : 0);
    return (buffer >>> 2) + ((lo >>> 12) & (TLB_ENTRIES - 1)) * 4;
  }

  /**
   * Physical address of `length` bytes in one page; checks rights and protection, fills the translation buffer if the page is memory (not for
   * EXECUTE, which has buffers of its own). Faults, or throws MISSING_PAGE.
   */
  translate(access: Access, lo: number, hi: number, length: number): number {
    const mode = access === EXECUTE ? this.state.mode : this.dataMode();
    const isGuest = mode !== MACHINE && this.state.isVirtual;
    const first = this.firstStage(access, lo, hi, { mode, isGuest });
    const address = isGuest ? this.secondStage(access, first, lo, hi) : first;
    if (!isPermitted(this.state, address, length, access, mode)) this.state.fault(ACCESS_FAULTS[access], lo, hi);
    if (access !== EXECUTE && this.memory.holds(address, length)) this.fill(access, lo, hi, address);
    return address;
  }

  private firstStage(
    access: Access,
    lo: number,
    hi: number,
    { mode, isGuest }: { readonly mode: number; readonly isGuest: boolean },
  ): number {
    const isBare = this.isBare(mode);
    if (this.software !== undefined && !isBare) {
      const space = (this.rootHi() >>> 12) & 0xffff;
      const address = this.software.find(space, { lo, hi }, access * 2);
      if (address !== undefined) return address;
      this.miss();
      return this.state.fault(BUFFER_MISSES[access], lo, hi);
    }
    this.miss();
    if (isGuest || !isBare) {
      this.counters.pageWalks++;
      this.onWalk?.();
    }
    return isBare ? this.bare(access, lo, hi) : this.walk(access, lo, hi, mode);
  }

  private miss(): void {
    this.counters.tlbMisses++;
    this.onMiss?.();
  }

  /** An access to what is not there ends here. */
  accessFault(access: Access, lo: number, hi: number): never {
    return this.state.fault(ACCESS_FAULTS[access], lo, hi);
  }

  private isBare(mode: number): boolean {
    return mode === MACHINE || this.rootHi() >>> 28 === 0;
  }

  private rootHi(): number {
    const { hypervisor } = this.state;
    return hypervisor?.virtual === true ? hiOf(hypervisor.csr.vsatp) : this.state.keptHi(SATP);
  }

  private rootLo(): number {
    const { hypervisor } = this.state;
    return hypervisor?.virtual === true ? loOf(hypervisor.csr.vsatp) : this.state.keptLo(SATP);
  }

  private bare(access: Access, lo: number, hi: number): number {
    // Physical addresses have 56 bits.
    if (hi >>> 24 !== 0) this.accessFault(access, lo, hi);
    return hi * 0x1_0000_0000 + (lo >>> 0);
  }

  private fill(access: Access, lo: number, hi: number, address: number): void {
    const page = address - (address % PAGE_SIZE);
    const number = (page - MEMORY_BASE) / PAGE_SIZE;
    if (this.memory.missing[number] === 1 || !isUniform(this.state, page)) return;
    if (access === WRITE && !this.memory.mayWriteFreely(number)) return;
    const { words } = this.state;
    const entry = this.entryOf(access, lo);
    this.noteFilled(entry);
    words[entry] = lo & -PAGE_SIZE;
    words[entry + 1] = hi;
    words[entry + 2] = (this.memory.offsetOf(number) - (lo & -PAGE_SIZE)) | 0;
    if (access === READ) this.memory.shows(number);
  }

  private noteFilled(entry: number): void {
    if (this.filled <= FILLED_MAX) this.entries[this.filled++] = entry;
  }

  /** Has compiled code that goes to the hart's pc find what is there, until the buffers are emptied: the code of a number, and which of its entries. */
  place(code: number, entry: number): void {
    const { words, at, pcLo, pcHi } = this.state;
    const index = (pcLo >>> 1) & (JUMP_ENTRIES - 1);
    const place = ((words[(at + hartLayout.places) >>> 2] ?? 0) >>> 2) + index * 4;
    this.noteFilled(place);
    words[place] = pcLo;
    words[place + 1] = pcHi;
    words[place + 2] = code;
    words[place + 3] = entry;
  }

  /** Forgets the places of compiled code alone: some of it is not what is in memory any more. */
  forgetPlaces(): void {
    const { words, at } = this.state;
    const first = (at + hartLayout.jumps) >>> 2;
    if (this.filled > FILLED_MAX) words.fill(-1, first, first + (3 * JUMP_BYTES) / 4);
    else for (const entry of this.entries.subarray(0, this.filled)) if (entry >= first) words[entry] = -1;
  }

  private walk(access: Access, lo: number, hi: number, mode: number): number {
    // Bits 63 to 39 are copies of bit 38.
    if (hi >> 6 !== (hi << 25) >> 31) return this.pageFault(access, lo, hi);
    let table = ((this.rootHi() & 0xfff) * 0x1_0000_0000 + (this.rootLo() >>> 0)) * PAGE_SIZE;
    for (let level = 2; level >= 0; level--) {
      const shift = 12 + 9 * level;
      const index = level === 2 ? ((hi & 0x7f) << 2) | (lo >>> 30) : (lo >>> shift) & 511;
      const at = table + index * 8;
      const offset = this.tableEntry(access, at, lo, hi);
      const entryLo = this.state.view.getInt32(offset, true);
      const entryHi = this.state.view.getInt32(offset + 4, true);
      const bits = entryLo & 0x3ff;
      const frame = ((entryHi & 0x3f_ffff) * 0x1_0000_0000 + (entryLo >>> 0) - bits) / 1024;
      if ((bits & V) === 0 || (bits & (R | W)) === W || entryHi >>> 22 !== 0) return this.pageFault(access, lo, hi);
      if ((bits & (R | X)) === 0) {
        if ((bits & (U | A | D)) !== 0) return this.pageFault(access, lo, hi);
        table = frame * PAGE_SIZE;
        continue;
      }
      const inPage = 512 ** level;
      if (frame % inPage !== 0 || !this.mayAccess(access, bits, mode)) return this.pageFault(access, lo, hi);
      if (!this.isMarked(access, bits)) this.mark(access, at, lo, hi);
      const low = level === 0 ? 0 : (lo >>> 12) % inPage;
      return (frame + low) * PAGE_SIZE + (lo & (PAGE_SIZE - 1));
    }
    return this.pageFault(access, lo, hi);
  }

  /** Offset in the buffer of an entry of a table. */
  private tableEntry(access: Access, at: number, lo: number, hi: number): number {
    const address = this.state.isVirtual ? this.secondStage(access, at, lo, hi, 'table') : at;
    this.tableAddress = address;
    return this.readEntry(access, address, lo, hi);
  }

  private readEntry(access: Access, at: number, lo: number, hi: number): number {
    const isAllowed = isPermitted(this.state, at, 8, READ, SUPERVISOR);
    if (!isAllowed || !this.memory.holds(at, 8)) this.accessFault(access, lo, hi);
    this.counters.walkReferences++;
    this.onReference?.();
    return this.memory.readable(at);
  }

  /** The machine's address of a guest's (Sv39x4): its tables have a root of 16 KiB, and all of their leaves are as for user mode. */
  private secondStage(access: Access, address: number, lo: number, hi: number, of: 'data' | 'table' = 'data'): number {
    const gate = this.state.hypervisor?.csr.hgatp ?? 0n;
    if (gate >> 60n === 0n) return address;
    if (address >= 2 ** 41) return this.guestFault(access, address, lo, hi, of);
    let table = Number(gate & 0xfff_ffff_ffffn) * PAGE_SIZE;
    for (let level = 2; level >= 0; level--) {
      const reach = PAGE_SIZE * 512 ** level;
      const index = Math.floor(address / reach) % (level === 2 ? 2048 : 512);
      const offset = this.readEntry(access, table + index * 8, lo, hi);
      const entryLo = this.state.view.getInt32(offset, true);
      const entryHi = this.state.view.getInt32(offset + 4, true);
      const bits = entryLo & 0x3ff;
      const frame = ((entryHi & 0x3f_ffff) * 0x1_0000_0000 + (entryLo >>> 0) - bits) / 1024;
      if ((bits & V) === 0 || (bits & (R | W)) === W || entryHi >>> 22 !== 0) break;
      if ((bits & (R | X)) === 0) {
        if ((bits & (U | A | D)) !== 0) break;
        table = frame * PAGE_SIZE;
        continue;
      }
      // Tables of the guest are read, and marked where their page may be written.
      const wanted = of === 'table' ? R : access * 2;
      const isReadable = wanted === R && (this.state.keptLo(MSTATUS) & MXR_BIT) !== 0 && (bits & X) !== 0;
      if ((bits & U) === 0 || frame % 512 ** level !== 0 || ((bits & wanted) === 0 && !isReadable)) break;
      const isMarked = this.isMarked(of === 'table' ? READ : access, bits);
      if (!isMarked) this.markAt(access, table + index * 8, lo, hi);
      this.mayMarkTable = (bits & (W | D)) === (W | D);
      return frame * PAGE_SIZE + (address % reach);
    }
    return this.guestFault(access, address, lo, hi, of);
  }

  private guestFault(access: Access, address: number, lo: number, hi: number, of: SecondStageUse): never {
    this.state.hypervisor?.noteFault(address, of);
    return this.state.fault(GUEST_PAGE_FAULTS[access], lo, hi);
  }

  private mayAccess(access: Access, bits: number, mode: number): boolean {
    const status = this.status();
    if (mode === USER && (bits & U) === 0) return false;
    if (mode === SUPERVISOR && (bits & U) !== 0 && (access === EXECUTE || (status & SUM_BIT) === 0)) return false;
    if (access === READ) return (bits & R) !== 0 || ((status & MXR_BIT) !== 0 && (bits & X) !== 0);
    return (bits & (access * 2)) !== 0;
  }

  private isMarked(access: Access, bits: number): boolean {
    const wanted = access === WRITE ? A | D : A;
    return (bits & wanted) === wanted;
  }

  private mark(access: Access, at: number, lo: number, hi: number): void {
    if (this.state.isVirtual && !this.mayMarkTable) this.guestFault(access, at, lo, hi, 'mark');
    const address = this.state.isVirtual ? this.tableAddress : at;
    this.markAt(access, address, lo, hi);
  }

  private markAt(access: Access, at: number, lo: number, hi: number): void {
    if (!isPermitted(this.state, at, 8, WRITE, SUPERVISOR)) this.accessFault(access, lo, hi);
    const offset = this.memory.writable(at, 8);
    const marked = this.state.view.getInt32(offset, true) | A | (access === WRITE ? D : 0);
    this.state.view.setInt32(offset, marked, true);
  }

  private pageFault(access: Access, lo: number, hi: number): never {
    return this.state.fault(PAGE_FAULTS[access], lo, hi);
  }
}
