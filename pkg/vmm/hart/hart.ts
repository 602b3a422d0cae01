/**
 * A hart as instructions see it: its state, and loads, stores and atomic accesses, which go through the translation buffers to memory or to a
 * device. An access either happens whole or throws (TRAP, MISSING_PAGE or NO_FRAME) before anything has changed. Misaligned loads and stores work, also
 * across pages; misaligned atomic ones fault. A device access sets `attention`.
 */
import type { GuestMemory } from '../guest-memory.ts';
import { PAGE_SIZE } from '../memory-map.ts';
import { HartState } from './hart-state.ts';
import { type Access, Mmu, READ, WRITE } from './mmu.ts';

/** Devices by physical address; sizes are 1, 2 and 4, and 8 comes as two of 4. */
export interface Bus {
  /** Undefined where nothing answers. */
  load(address: number, size: number): number | undefined;
  /** False where nothing answers. */
  store(address: number, size: number, value: number): boolean;
  /** Guest time in ticks. */
  readonly ticks: number;
}

/** One hart. */
export class Hart extends HartState {
  readonly mmu: Mmu;
  readonly bus: Bus;
  readonly memory: GuestMemory;
  /** What the last load read, zero-extended. */
  valueLo = 0;
  valueHi = 0;
  traps = 0;
  /** Told of each, when it was taken. */
  onTrap: (() => void) | undefined;
  interrupts = 0;
  /** Set when the hart can never run an instruction again: why. */
  lost: string | undefined;

  constructor(id: number, memory: GuestMemory, bus: Bus) {
    super(id, memory);
    this.memory = memory;
    this.bus = bus;
    this.mmu = new Mmu(this, memory);
  }

  /** Reads `size` (1, 2, 4, 8) bytes into `valueLo` and `valueHi`. */
  load(lo: number, hi: number, size: number): void {
    const at = this.mmu.quick(READ, lo, hi, size);
    if (at < 0) this.slowLoad(lo, hi, size);
    else this.take(at, size);
  }

  /** Writes the low `size` bytes of a value. */
  store(lo: number, hi: number, size: number, valueLo: number, valueHi: number): void {
    const at = this.mmu.quick(WRITE, lo, hi, size);
    if (at < 0) this.slowStore(lo, hi, size, valueLo, valueHi);
    else this.put(at, size, valueLo, valueHi);
  }

  /** Physical address of an aligned atomic access to memory; others fault. `LR` asks to read, all others to write. */
  atomicAddress(access: Access, lo: number, hi: number, size: number): number {
    if ((lo & (size - 1)) !== 0) this.fault(access === READ ? 4 : 6, lo, hi);
    const address = this.mmu.translate(access, lo, hi, size);
    if (!this.memory.holds(address, size)) this.mmu.accessFault(access, lo, hi);
    return address;
  }

  /** Reads memory at an offset of the buffer. */
  take(at: number, size: number): void {
    this.valueHi = 0;
    if (size >= 4 && (at & 3) === 0) {
      this.valueLo = this.words[at >>> 2] ?? 0;
      if (size === 8) this.valueHi = this.words[(at >>> 2) + 1] ?? 0;
    } else if (size === 8) {
      this.valueLo = this.view.getInt32(at, true);
      this.valueHi = this.view.getInt32(at + 4, true);
    } else if (size === 4) this.valueLo = this.view.getInt32(at, true);
    else this.valueLo = size === 2 ? this.view.getUint16(at, true) : this.view.getUint8(at);
  }

  /** Writes memory at an offset of the buffer. */
  put(at: number, size: number, lo: number, hi: number): void {
    if (size >= 4 && (at & 3) === 0) {
      this.words[at >>> 2] = lo;
      if (size === 8) this.words[(at >>> 2) + 1] = hi;
    } else if (size === 8) {
      this.view.setInt32(at, lo, true);
      this.view.setInt32(at + 4, hi, true);
    } else if (size === 4) this.view.setInt32(at, lo, true);
    else if (size === 2) this.view.setInt16(at, lo, true);
    else this.view.setInt8(at, lo);
  }

  private slowLoad(lo: number, hi: number, size: number): void {
    if ((lo & (PAGE_SIZE - 1)) + size > PAGE_SIZE) {
      this.loadAcross(lo, hi, size);
      return;
    }
    const address = this.mmu.translate(READ, lo, hi, size);
    if (this.memory.holds(address, size)) this.take(this.memory.readable(address), size);
    else this.loadDevice(address, lo, hi, size);
  }

  private loadDevice(address: number, lo: number, hi: number, size: number): void {
    this.attention = true;
    if ((address & (size - 1)) !== 0) this.mmu.accessFault(READ, lo, hi);
    const low = this.bus.load(address, Math.min(size, 4));
    const high = size === 8 ? this.bus.load(address + 4, 4) : 0;
    if (low === undefined || high === undefined) this.mmu.accessFault(READ, lo, hi);
    this.valueLo = low | 0;
    this.valueHi = high | 0;
  }

  private slowStore(lo: number, hi: number, size: number, valueLo: number, valueHi: number): void {
    if ((lo & (PAGE_SIZE - 1)) + size > PAGE_SIZE) {
      this.storeAcross(lo, hi, size, valueLo, valueHi);
      return;
    }
    const address = this.mmu.translate(WRITE, lo, hi, size);
    if (this.memory.holds(address, size)) this.put(this.memory.writable(address, size), size, valueLo, valueHi);
    else this.storeDevice(address, lo, hi, size, valueLo, valueHi);
  }

  private storeDevice(address: number, lo: number, hi: number, size: number, valueLo: number, valueHi: number): void {
    this.attention = true;
    if ((address & (size - 1)) !== 0) this.mmu.accessFault(WRITE, lo, hi);
    const value = size === 1 ? valueLo & 0xff : size === 2 ? valueLo & 0xffff : valueLo >>> 0;
    const isDone = this.bus.store(address, Math.min(size, 4), value);
    if (!isDone || (size === 8 && !this.bus.store(address + 4, 4, valueHi >>> 0))) this.mmu.accessFault(WRITE, lo, hi);
  }

  /** Address of the second of two pages. */
  private secondPage(lo: number, hi: number): { readonly lo: number; readonly hi: number } {
    const low = ((lo & -PAGE_SIZE) + PAGE_SIZE) | 0;
    return { lo: low, hi: low === 0 ? (hi + 1) | 0 : hi };
  }

  private loadAcross(lo: number, hi: number, size: number): void {
    const first = PAGE_SIZE - (lo & (PAGE_SIZE - 1));
    const second = this.secondPage(lo, hi);
    const addresses = [this.memoryOnly(READ, lo, hi, first), this.memoryOnly(READ, second.lo, second.hi, size - first)];
    const bytes = new DataView(new ArrayBuffer(8));
    for (let index = 0; index < size; index++) {
      const address = index < first ? (addresses[0] ?? 0) + index : (addresses[1] ?? 0) + index - first;
      bytes.setUint8(index, this.view.getUint8(this.memory.readable(address)));
    }
    this.valueLo = bytes.getInt32(0, true);
    this.valueHi = bytes.getInt32(4, true);
  }

  private storeAcross(lo: number, hi: number, size: number, valueLo: number, valueHi: number): void {
    const first = PAGE_SIZE - (lo & (PAGE_SIZE - 1));
    const second = this.secondPage(lo, hi);
    const addresses = [
      this.memoryOnly(WRITE, lo, hi, first),
      this.memoryOnly(WRITE, second.lo, second.hi, size - first),
    ];
    const bytes = new DataView(new ArrayBuffer(8));
    bytes.setInt32(0, valueLo, true);
    bytes.setInt32(4, valueHi, true);
    for (let index = 0; index < size; index++) {
      const address = index < first ? (addresses[0] ?? 0) + index : (addresses[1] ?? 0) + index - first;
      this.view.setUint8(this.memory.writable(address, 1), bytes.getUint8(index));
    }
  }

  private memoryOnly(access: Access, lo: number, hi: number, length: number): number {
    const address = this.mmu.translate(access, lo, hi, length);
    if (!this.memory.holds(address, length)) this.mmu.accessFault(access, lo, hi);
    if (access === WRITE) this.memory.needOwn(address, length);
    else this.memory.need(address, length);
    return address;
  }
}
