/**
 * The back half of a split console: it takes what a front half in the guest has put into a ring in a page of the guest's memory. A ported kernel tells it by a call; a driver in
 * an unmodified kernel by a register (`RING_BASE`: the page's address in 8 bytes, then one that is written when there is output). Nothing that a guest puts there is believed: who says that more
 * was put than fits gives one ring's worth.
 */
import { PAGE_SIZE } from '../memory-map.ts';
import type { GuestRam } from './guest-tables.ts';
import type { PhysicalMachine } from './physical.ts';

/** How many bytes were put, and taken, so far; then the bytes. */
const RING = { put: 0, taken: 8, data: 16, bytes: 2048 } as const;
const PAGE_LOW = 0;
const PAGE_HIGH = 4;
const BELL = 8;

/** Writes what is in the ring in a page of the machine to the console; how many bytes were taken from it so far. */
export function drainRing({ memory, devices }: PhysicalMachine, page: number): bigint {
  const word = (at: number): number =>
    Number(memory.view.getBigUint64(memory.readable(page + at), true) & 0xffff_ffffn);
  const put = word(RING.put);
  let taken = word(RING.taken);
  for (let count = 0; taken !== put && count < RING.bytes; count++) {
    devices.write(memory.view.getUint8(memory.readable(page + RING.data + (taken % RING.bytes))));
    taken++;
  }
  return BigInt(taken);
}

/** Where in the page it is kept how many were taken. */
export const RING_TAKEN = RING.taken;

/** The registers by which a driver in a guest's kernel has its ring emptied. */
export class RingRegisters {
  private readonly machine: PhysicalMachine;
  private readonly ram: GuestRam;
  /** Writes a word of the guest's memory as the guest itself would, so that whoever watches the page is told. */
  private readonly put: (address: number, value: bigint) => void;
  private low = 0;
  private high = 0;

  constructor(machine: PhysicalMachine, ram: GuestRam, put: (address: number, value: bigint) => void) {
    this.machine = machine;
    this.ram = ram;
    this.put = put;
  }

  /** False where there is no such register, or the ring is not in the guest's memory. */
  store(register: number, value: number): boolean {
    if (register === PAGE_LOW) this.low = value >>> 0;
    else if (register === PAGE_HIGH) this.high = value >>> 0;
    else return register === BELL && this.drain();
    return true;
  }

  private drain(): boolean {
    const page = this.high * 0x1_0000_0000 + this.low;
    if (page % PAGE_SIZE !== 0 || !this.ram.holds(page, PAGE_SIZE)) return false;
    this.put(page + RING_TAKEN, drainRing(this.machine, this.ram.physical(page)));
    return true;
  }
}
