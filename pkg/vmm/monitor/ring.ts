/**
 * The back halves of split devices: each takes what a front half in the guest has put into a ring in a page of the guest's memory, for as many requests as the ring holds with one call. A ported kernel tells
 * them by a call; a driver in an unmodified kernel by registers (for each: the page's address in 8 bytes, then one that is written when there is something). Nothing that a guest puts there is believed: who says
 * that more was put than fits gives one ring's worth, and each address is looked at as if the guest itself went there.
 */
import { PAGE_SIZE } from '../memory-map.ts';
import { type DeviceName, deviceNames } from './contract.ts';
import type { Devices } from './devices.ts';
import { DONE, REFUSED, SECTOR_BYTES } from './disk.ts';
import type { PhysicalMachine } from './physical.ts';

/** Bytes of the console: how many were put, and taken, so far; then the bytes. */
const CONSOLE = { put: 0, taken: 8, data: 16, bytes: 2048 } as const;
/** Requests of the disk: how many were put, and answered; then what is to be done (1 reads, 2 writes), the sector, where its bytes are, and how it went. */
const DISK = { put: 0, answered: 8, requests: 16, each: 32, count: 32, kind: 0, sector: 8, address: 16, state: 24 };
/** Frames: how many were put, and taken; how many halves of pages were offered, and filled; then where those are and their lengths, of both. */
const NET = { put: 0, taken: 8, offered: 16, filled: 24, out: 32, in: 288, each: 16, count: 16, room: 2048 } as const;
const READ = 1;
const WRITE = 2;

/** The guest's memory as its own kernel reaches it. */
export interface FrontMemory {
  /** The machine's address of bytes that are in one page; undefined where the guest may not touch them so. */
  place(address: number, bytes: number, touch: 'read' | 'write'): number | undefined;
  /** Writes 8 bytes at a multiple of 8, where the guest may, so that whoever watches the page is told. */
  put(address: number, value: bigint): void;
}

/** The back halves of one guest's devices. */
export class BackHalves {
  private readonly machine: PhysicalMachine;
  private readonly memory: FrontMemory;
  private readonly halves: Readonly<Record<DeviceName, (page: number) => void>>;

  constructor(machine: PhysicalMachine, memory: FrontMemory) {
    this.machine = machine;
    this.memory = memory;
    const { devices } = machine;
    this.halves = {
      console: (page) => this.drain(page, devices),
      disk: (page) => this.transfer(page, devices),
      net: (page) => this.exchange(page, devices),
    };
  }

  /** Takes what is in the ring in a page; false where that is no page that the guest may write. */
  serve(device: DeviceName, page: number): boolean {
    if (page % PAGE_SIZE !== 0 || this.memory.place(page, PAGE_SIZE, 'write') === undefined) return false;
    this.halves[device](page);
    return true;
  }

  private drain(page: number, devices: Devices): void {
    const put = this.word(page + CONSOLE.put);
    let taken = this.word(page + CONSOLE.taken);
    const from = this.memory.place(page, PAGE_SIZE, 'read') ?? 0;
    const { view } = this.machine.memory;
    for (let count = 0; taken !== put && count < CONSOLE.bytes; count++) {
      devices.write(view.getUint8(this.machine.memory.readable(from + CONSOLE.data + (taken % CONSOLE.bytes))));
      taken++;
    }
    this.memory.put(page + CONSOLE.taken, BigInt(taken));
  }

  private transfer(page: number, devices: Devices): void {
    const put = this.word(page + DISK.put);
    let answered = this.word(page + DISK.answered);
    for (let count = 0; answered !== put && count < DISK.count; count++) {
      const at = page + DISK.requests + (answered % DISK.count) * DISK.each;
      this.memory.put(at + DISK.state, BigInt(this.transferOne(at, devices) ? DONE : REFUSED));
      answered++;
    }
    this.memory.put(page + DISK.answered, BigInt(answered));
  }

  private transferOne(at: number, { disk }: Devices): boolean {
    const kind = this.word(at + DISK.kind);
    const sector = this.word(at + DISK.sector);
    const address = this.word(at + DISK.address);
    if (address % 8 !== 0) return false;
    if (kind === READ) {
      if (this.memory.place(address, SECTOR_BYTES, 'write') === undefined) return false;
      const bytes = disk.read(sector);
      if (bytes !== undefined) this.copyIn(address, bytes);
      return bytes !== undefined;
    }
    const from = kind === WRITE ? this.memory.place(address, SECTOR_BYTES, 'read') : undefined;
    const bytes = from === undefined ? undefined : this.machine.memory.copyOut(from, SECTOR_BYTES);
    return bytes !== undefined && disk.write(sector, bytes);
  }

  private exchange(page: number, { wire }: Devices): void {
    const put = this.word(page + NET.put);
    let taken = this.word(page + NET.taken);
    for (let count = 0; taken !== put && count < NET.count; count++) {
      const at = page + NET.out + (taken % NET.count) * NET.each;
      const length = this.word(at + 8);
      const from = length <= NET.room ? this.memory.place(this.word(at), length, 'read') : undefined;
      const frame = from === undefined ? undefined : this.machine.memory.copyOut(from, length);
      // One that is nowhere, or none, is lost.
      if (frame !== undefined) wire.send(frame);
      taken++;
    }
    this.memory.put(page + NET.taken, BigInt(taken));
    const offered = this.word(page + NET.offered);
    let filled = this.word(page + NET.filled);
    for (let count = 0; filled !== offered && count < NET.count; count++) {
      const at = page + NET.in + (filled % NET.count) * NET.each;
      const address = this.word(at);
      const isRoom = address % 8 === 0 && this.memory.place(address, NET.room, 'write') !== undefined;
      const frame = isRoom ? wire.receive() : undefined;
      if (frame === undefined) break;
      this.copyIn(address, frame);
      this.memory.put(at + 8, BigInt(frame.length));
      filled++;
    }
    this.memory.put(page + NET.filled, BigInt(filled));
  }

  /** The lower half of a word of a page that may be read. */
  private word(address: number): number {
    const from = this.memory.place(address, 8, 'read');
    return from === undefined ? 0 : this.machine.read32(from) >>> 0;
  }

  /** Whole words, the last one with zeros. */
  private copyIn(address: number, bytes: Uint8Array): void {
    const words = new DataView(new ArrayBuffer(Math.ceil(bytes.length / 8) * 8));
    new Uint8Array(words.buffer).set(bytes);
    for (let at = 0; at < words.byteLength; at += 8) this.memory.put(address + at, words.getBigUint64(at, true));
  }
}

const EACH = 16;
const PAGE_HIGH = 4;
const BELL = 8;

/** The registers by which drivers in a guest's kernel have their rings looked at. */
export class RingRegisters {
  private readonly halves: BackHalves;
  private readonly pages: Record<DeviceName, { low: number; high: number }> = {
    console: { low: 0, high: 0 },
    disk: { low: 0, high: 0 },
    net: { low: 0, high: 0 },
  };

  constructor(halves: BackHalves) {
    this.halves = halves;
  }

  /** False where there is no such register, or the ring is not in the guest's memory. */
  store(register: number, value: number): boolean {
    const device = deviceNames[Math.floor(register / EACH)];
    if (device === undefined) return false;
    const page = this.pages[device];
    if (register % EACH === 0) page.low = value >>> 0;
    else if (register % EACH === PAGE_HIGH) page.high = value >>> 0;
    else return register % EACH === BELL && this.halves.serve(device, page.high * 0x1_0000_0000 + page.low);
    return true;
  }
}
