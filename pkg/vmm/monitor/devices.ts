/**
 * The devices of the physical machine, as one guest sees them: a serial port, a disk, a network interface, a switch, and registers by which halves of split devices are told of their rings (`ring.ts`), where there are
 * any. Each is a page of its own, so that one can be passed through. They move data word by word and reach no memory: what could would have to be kept from that of others.
 */
import { FINISHER_BASE, PAGE_SIZE, UART_BASE } from '../memory-map.ts';
import type { DeviceName } from './contract.ts';
import { Disk } from './disk.ts';
import { Wire } from './wire.ts';

/** Bytes of a console that nobody reads; more is dropped, and said. */
const CONSOLE_MAX = 1 << 20;
const RING_BASE = 0x1000_2000;
const DISK_BASE = 0x1000_3000;
const NET_BASE = 0x1000_4000;
/** The register that says that the port takes another byte. */
const LINE_STATUS = 5;
const TAKES_A_BYTE = 0x60;

/** Registers of a device by offsets in its page. */
interface Registers {
  /** Undefined where there is none. */
  load(register: number, size: number): number | undefined;
  /** False where there is none. */
  store(register: number, size: number, value: number): boolean;
}

/** The devices of one machine. */
export class Devices {
  /** Writes a register of the split devices, where there are any; false where it is none. */
  ring: ((register: number, value: number) => boolean) | undefined;
  /** Told of each byte of the console, sector and frame that was moved. */
  onMoved: ((device: DeviceName) => void) | undefined;
  /** What was written to the console. */
  console = '';
  /** Set when the guest switched itself off. */
  code: number | undefined;
  accesses = 0;
  readonly disk = new Disk(() => this.onMoved?.('disk'));
  readonly wire = new Wire(() => this.onMoved?.('net'));

  private readonly pages: ReadonlyMap<number, Registers> = new Map<number, Registers>([
    [UART_BASE, { load: serialLoad, store: (register, _, value) => this.serialStore(register, value) }],
    [FINISHER_BASE, { load: () => undefined, store: (register, _, value) => this.switchOff(register, value) }],
    [RING_BASE, { load: () => undefined, store: (register, _, value) => this.ring?.(register, value) === true }],
    [DISK_BASE, this.disk],
    [NET_BASE, this.wire],
  ]);

  readonly load = (address: number, size: number): number | undefined => {
    this.accesses++;
    const register = address % PAGE_SIZE;
    return this.pages.get(address - register)?.load(register, size);
  };

  readonly store = (address: number, size: number, value: number): boolean => {
    this.accesses++;
    const register = address % PAGE_SIZE;
    return this.pages.get(address - register)?.store(register, size, value) === true;
  };

  /** Writes a byte to the console. */
  write(byte: number): void {
    this.onMoved?.('console');
    if (this.console.length < CONSOLE_MAX) this.console += String.fromCharCode(byte);
    else if (this.console.length === CONSOLE_MAX) this.console += '\n(the rest of the output was dropped)';
  }

  /** Whether an address is a device's. */
  has(address: number): boolean {
    const page = address - (address % PAGE_SIZE);
    if (page === RING_BASE) return this.ring !== undefined;
    return page === FINISHER_BASE ? address === FINISHER_BASE : this.pages.has(page);
  }

  private serialStore(register: number, value: number): boolean {
    if (register === 0) this.write(value & 0xff);
    return register < 8;
  }

  private switchOff(register: number, value: number): boolean {
    if (register !== 0) return false;
    this.code = (value & 0xffff) === 0x5555 ? 0 : value >>> 16;
    return true;
  }
}

function serialLoad(register: number): number | undefined {
  if (register === LINE_STATUS) return TAKES_A_BYTE;
  return register < 8 ? 0 : undefined;
}
