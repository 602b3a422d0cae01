/**
 * The supervisor's registers as a guest has them where the hart's own are the monitor's: kept in a page of the monitor's memory, so that translated code can read them.
 * What of a written value stays, and which registers there are, is as on the hart without a monitor. Source: as `hart/control-registers.ts`.
 */
import type { PhysicalMachine } from './physical.ts';

/** Registers by number: where in the page each is, and the bits that a write keeps. */
const registers = {
  sstatus: { number: 0x100, at: 0, mask: 0xc_6122n },
  sie: { number: 0x104, at: 8, mask: 0x222n },
  stvec: { number: 0x105, at: 16, mask: 0xffff_ffff_ffff_ffffn },
  scounteren: { number: 0x106, at: 24, mask: 0xffff_ffffn },
  senvcfg: { number: 0x10a, at: 32, mask: 1n },
  sscratch: { number: 0x140, at: 40, mask: 0xffff_ffff_ffff_ffffn },
  sepc: { number: 0x141, at: 48, mask: 0xffff_ffff_ffff_fffen },
  scause: { number: 0x142, at: 56, mask: 0xffff_ffff_ffff_ffffn },
  stval: { number: 0x143, at: 64, mask: 0xffff_ffff_ffff_ffffn },
  sip: { number: 0x144, at: 72, mask: 2n },
  satp: { number: 0x180, at: 80, mask: 0xffff_ffff_ffff_ffffn },
} as const;

/** Names of those registers. */
export type VirtualName = keyof typeof registers;

const FS = 3n << 13n;
const UXL = 2n << 32n;
const SIE = 1n << 1n;
const SPIE = 1n << 5n;
const SPP = 1n << 8n;
const SUM = 1n << 18n;
const MXR = 1n << 19n;

/** The register of a number; undefined where there is none. */
export function virtualName(number: number): VirtualName | undefined {
  for (const [name, register] of Object.entries(registers))
    if (register.number === number && isVirtualName(name)) return name;
  return undefined;
}

function isVirtualName(name: string): name is VirtualName {
  return name in registers;
}

/** Where in the page a register is. */
export function virtualOffset(name: VirtualName): number {
  return registers[name].at;
}

/** A guest's registers, and whether its kernel runs. */
export class VirtualRegisters {
  /** The guest is in its own mode S. */
  kernel = true;
  private readonly machine: PhysicalMachine;
  private readonly page: number;

  constructor(machine: PhysicalMachine, page: number) {
    this.machine = machine;
    this.page = page;
    this.put('sstatus', UXL);
  }

  get(name: VirtualName): bigint {
    return this.machine.read64(this.page + registers[name].at);
  }

  /** Writes as the guest does. */
  set(name: VirtualName, value: bigint): void {
    if (name === 'stvec' && (value & 3n) > 1n) return;
    if (name === 'satp' && value >> 60n !== 0n && value >> 60n !== 8n) return;
    const kept = value & registers[name].mask;
    this.put(name, name === 'sstatus' ? kept | UXL | ((kept & FS) === FS ? 1n << 63n : 0n) : kept);
  }

  /** Takes a trap as the hart does; where the guest goes on. */
  enterTrap(trap: { readonly cause: number; readonly pc: bigint; readonly value: bigint }): bigint {
    this.put('sepc', trap.pc);
    this.put('scause', BigInt(trap.cause));
    this.put('stval', trap.value);
    const status = this.get('sstatus');
    const enabled = (status & SIE) !== 0n ? SPIE : 0n;
    this.put('sstatus', (status & ~(SIE | SPIE | SPP)) | enabled | (this.kernel ? SPP : 0n));
    this.kernel = true;
    return this.get('stvec') & ~3n;
  }

  /** Returns from a trap as `sret` does; where the guest goes on. */
  leaveTrap(): bigint {
    const status = this.get('sstatus');
    this.kernel = (status & SPP) !== 0n;
    const enabled = (status & SPIE) !== 0n ? SIE : 0n;
    this.put('sstatus', (status & ~(SIE | SPP)) | enabled | SPIE);
    return this.get('sepc');
  }

  /** Whether the kernel reaches pages of its program, and whether code may be read. */
  get rights(): { readonly sum: boolean; readonly mxr: boolean } {
    const status = this.get('sstatus');
    return { sum: (status & SUM) !== 0n, mxr: (status & MXR) !== 0n };
  }

  private put(name: VirtualName, value: bigint): void {
    this.machine.write64(this.page + registers[name].at, value);
  }
}
