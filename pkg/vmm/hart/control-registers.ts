/**
 * Control and status registers: which there are, who may touch them, and what of a written value stays (WARL). Those of performance counters
 * beyond cycle, time and instret read 0; so do the registers of debug triggers, of which there are none.
 * Source: RISC-V privileged architecture 20211203, chapters 2 to 4, and Sstc.
 */
import type { Hart } from './hart.ts';
import { FS, MACHINE, PMP_ENTRIES, SEIP, SSIP, STIP, SUPERVISOR, USER } from './hart-state.ts';
import { hypervisorRegisters, substitutes } from './hypervisor.ts';
import type { RegisterName } from './kept-registers.ts';
import { MXR } from './mmu.ts';
import { PMP_LOCK } from './protection.ts';
import { hasSupervisorTimer, noteInterrupts, pendingBits } from './traps.ts';

/** A register: how it is read, and written if it can be. What `exists` says no to is an illegal instruction. */
export interface ControlRegister {
  readonly exists?: (hart: Hart) => boolean;
  readonly read: (hart: Hart) => bigint;
  /** What set and clear start from, where that is not what is read: the line of an interrupt is not written into its bit (privileged architecture 3.1.9). */
  readonly kept?: (hart: Hart) => bigint;
  readonly write?: (hart: Hart, value: bigint) => void;
}

/** SIE and MIE. */
const INTERRUPT_ENABLES = 0xan;
const ALL = 0xffff_ffff_ffff_ffffn;
const SSTATUS = 0x8000_0003_000c_6122n;
/** SIE, MIE, SPIE, MPIE, SPP, FS, MPRV, SUM, MXR, TVM, TW, TSR; MPP besides, which has a value that does not exist. */
const MSTATUS_WRITABLE = 0x7e_61aan;
const SUPERVISOR_BITS = BigInt(SSIP | STIP | SEIP);
/** RV64 with A, C, D, F, I, M, S and U. */
const MISA = (2n << 62n) | 0x14_112dn;
const MISA_H = 1n << 7n;

/** A register of which the bits in `mask` can be written. */
function plain(name: RegisterName, mask: bigint): ControlRegister {
  return {
    read: (hart) => hart.csr[name],
    write: (hart, value) => {
      hart.csr[name] = value & mask;
    },
  };
}

function constant(value: bigint): ControlRegister {
  return { read: () => value, write: () => undefined };
}

/** The mode of a vector above 1 is not written. */
function vector(name: 'mtvec' | 'stvec'): ControlRegister {
  return {
    read: (hart) => hart.csr[name],
    write: (hart, value) => {
      if ((value & 3n) < 2n) hart.csr[name] = value;
    },
  };
}

function readStatus(hart: Hart): bigint {
  return hart.csr.mstatus | ((hart.csr.mstatus & FS) === FS ? 1n << 63n : 0n);
}

function writeStatus(hart: Hart, value: bigint, mask: bigint): void {
  const old = hart.csr.mstatus;
  const asked = (value >> 11n) & 3n;
  const previous = (mask & (3n << 11n)) !== 0n && asked !== 2n ? asked << 11n : old & (3n << 11n);
  const bits = mask & MSTATUS_WRITABLE;
  hart.csr.mstatus = (old & ~bits & ~(3n << 11n)) | (value & bits) | previous;
  const changed = old ^ hart.csr.mstatus;
  if ((changed & MXR) !== 0n) hart.mmu.flush();
  if ((changed & ~INTERRUPT_ENABLES) !== 0n) hart.mmu.changeContext();
  noteInterrupts(hart);
}

/** A view of mie or mip through mideleg. */
function delegatedView(read: (hart: Hart) => bigint, write: (hart: Hart, value: bigint, mask: bigint) => void) {
  return {
    read: (hart: Hart) => read(hart) & hart.csr.mideleg,
    write: (hart: Hart, value: bigint) => write(hart, value, hart.csr.mideleg),
  };
}

function writeEnabled(hart: Hart, value: bigint, mask: bigint): void {
  hart.csr.mie = (hart.csr.mie & ~mask) | (value & mask);
  noteInterrupts(hart);
}

function writePending(hart: Hart, value: bigint, mask: bigint): void {
  const writable = mask & SUPERVISOR_BITS & (hasSupervisorTimer(hart) ? ~BigInt(STIP) : ALL);
  hart.csr.mip = (hart.csr.mip & ~writable) | (value & writable);
  noteInterrupts(hart);
}

/** Whether the mode may read one of cycle, time and instret. */
function mayCount(bit: number): (hart: Hart) => boolean {
  return (hart) => {
    const forSupervisor = ((hart.csr.mcounteren >> BigInt(bit)) & 1n) === 1n;
    if (hart.mode === MACHINE) return true;
    if (hart.isVirtual && (((hart.hypervisor?.csr.hcounteren ?? 0n) >> BigInt(bit)) & 1n) === 0n) return false;
    return forSupervisor && (hart.mode === SUPERVISOR || ((hart.csr.scounteren >> BigInt(bit)) & 1n) === 1n);
  };
}

function counter(offset: 'cycleOffset' | 'instretOffset'): ControlRegister {
  return {
    read: (hart) => (BigInt(hart.executed) + hart[offset]) & ALL,
    write: (hart, value) => {
      hart[offset] = value - BigInt(hart.executed + 1);
    },
  };
}

const writeSatp = (hart: Hart, value: bigint): void => {
  const mode = value >> 60n;
  if (mode !== 0n && mode !== 8n) return;
  hart.csr.satp = value;
  hart.mmu.flush();
};

const hasFloats = (hart: Hart): boolean => (hart.csr.mstatus & FS) !== 0n;
const isTrapFree = (hart: Hart): boolean => hart.mode !== SUPERVISOR || (hart.csr.mstatus & (1n << 20n)) === 0n;

const cycle: ControlRegister = counter('cycleOffset');
const instret: ControlRegister = counter('instretOffset');

const registers = new Map<number, ControlRegister>([
  [
    0x001,
    {
      exists: hasFloats,
      read: (hart) => BigInt(hart.fflags),
      write: (hart, value) => writeFloat(hart, Number(value & 31n), hart.frm),
    },
  ],
  [
    0x002,
    {
      exists: hasFloats,
      read: (hart) => BigInt(hart.frm),
      write: (hart, value) => writeFloat(hart, hart.fflags, Number(value & 7n)),
    },
  ],
  [
    0x003,
    {
      exists: hasFloats,
      read: (hart) => BigInt(hart.fflags | (hart.frm << 5)),
      write: (hart, value) => writeFloat(hart, Number(value & 31n), Number((value >> 5n) & 7n)),
    },
  ],
  [0x100, { read: (hart) => readStatus(hart) & SSTATUS, write: (hart, value) => writeStatus(hart, value, SSTATUS) }],
  [0x104, delegatedView((hart) => hart.csr.mie, writeEnabled)],
  [0x105, vector('stvec')],
  [0x106, plain('scounteren', 0xffff_ffffn)],
  [0x10a, plain('senvcfg', 1n)],
  [0x140, plain('sscratch', ALL)],
  [0x141, plain('sepc', ALL - 1n)],
  [0x142, plain('scause', ALL)],
  [0x143, plain('stval', ALL)],
  [
    0x144,
    delegatedView(
      (hart) => BigInt(pendingBits(hart)),
      (hart, value, mask) => writePending(hart, value, mask & BigInt(SSIP)),
    ),
  ],
  [
    0x14d,
    {
      exists: maySetTimer,
      read: (hart) => hart.csr.stimecmp,
      write: (hart, value) => {
        hart.csr.stimecmp = value;
        hart.attention = true;
      },
    },
  ],
  [0x180, { exists: isTrapFree, read: (hart) => hart.csr.satp, write: writeSatp }],
  [0x300, { read: readStatus, write: (hart, value) => writeStatus(hart, value, ALL) }],
  [0x301, { read: (hart) => (hart.hypervisor === undefined ? MISA : MISA | MISA_H), write: () => undefined }],
  [0x302, plain('medeleg', 0xb3ffn)],
  [0x303, plain('mideleg', SUPERVISOR_BITS)],
  [0x304, { read: (hart) => hart.csr.mie, write: (hart, value) => writeEnabled(hart, value, 0xaaan) }],
  [0x305, vector('mtvec')],
  [0x306, plain('mcounteren', 0xffff_ffffn)],
  [
    0x30a,
    {
      read: (hart) => hart.csr.menvcfg,
      write: (hart, value) => {
        hart.csr.menvcfg = value & ((1n << 63n) | 1n);
        hart.attention = true;
      },
    },
  ],
  [0x320, plain('mcountinhibit', 5n)],
  [0x340, plain('mscratch', ALL)],
  [0x341, plain('mepc', ALL - 1n)],
  [0x342, plain('mcause', ALL)],
  [0x343, plain('mtval', ALL)],
  [
    0x344,
    {
      read: (hart) => BigInt(pendingBits(hart)),
      kept: (hart) => (BigInt(pendingBits(hart)) & ~BigInt(SEIP)) | (hart.csr.mip & BigInt(SEIP)),
      write: (hart, value) => writePending(hart, value, ALL),
    },
  ],
  [0x7a0, constant(0n)],
  [0x7a1, constant(0n)],
  [0x7a2, constant(0n)],
  [0x7a3, constant(0n)],
  [0xb00, cycle],
  [0xb02, instret],
  [0xc00, { read: cycle.read, exists: mayCount(0) }],
  [0xc01, { read: (hart) => BigInt(hart.bus.ticks), exists: mayCount(1) }],
  [0xc02, { read: instret.read, exists: mayCount(2) }],
  [0xf11, constant(0n)],
  [0xf12, constant(0n)],
  [0xf13, constant(0n)],
  [0xf14, { read: (hart) => BigInt(hart.id) }],
  [0xf15, constant(0n)],
  ...Array.from({ length: 29 }, (_, index): [number, ControlRegister] => [0xb03 + index, constant(0n)]),
  ...Array.from({ length: 29 }, (_, index): [number, ControlRegister] => [0x323 + index, constant(0n)]),
  ...Array.from({ length: 29 }, (_, index): [number, ControlRegister] => [
    0xc03 + index,
    { read: () => 0n, exists: mayCount(3 + index) },
  ]),
  ...Array.from({ length: PMP_ENTRIES }, (_, entry): [number, ControlRegister] => [0x3b0 + entry, pmpAddress(entry)]),
  [0x3a0, pmpConfig(0)],
  [0x3a2, pmpConfig(8)],
]);

function maySetTimer(hart: Hart): boolean {
  return hart.mode === MACHINE || (hasSupervisorTimer(hart) && mayCount(1)(hart) && hart.mode !== USER);
}

function writeFloat(hart: Hart, flags: number, mode: number): void {
  hart.fflags = flags;
  hart.frm = mode;
  hart.dirtyFloats();
}

function pmpChanged(hart: Hart): void {
  hart.pmpRanges = undefined;
  hart.mmu.flush();
}

function isLocked(hart: Hart, entry: number): boolean {
  return ((hart.pmpConfig[entry] ?? 0) & PMP_LOCK) !== 0;
}

function pmpAddress(entry: number): ControlRegister {
  return {
    read: (hart) => hart.pmpAddress[entry] ?? 0n,
    write: (hart, value) => {
      const next = hart.pmpConfig[entry + 1] ?? 0;
      // The lower bound of a locked range is locked with it.
      if (isLocked(hart, entry) || ((next & PMP_LOCK) !== 0 && (next & 0x18) === 8)) return;
      hart.pmpAddress[entry] = value & 0x3f_ffff_ffff_ffffn;
      pmpChanged(hart);
    },
  };
}

function pmpConfig(first: number): ControlRegister {
  return {
    read: (hart) => {
      let value = 0n;
      for (let index = 7; index >= 0; index--) value = (value << 8n) | BigInt(hart.pmpConfig[first + index] ?? 0);
      return value;
    },
    write: (hart, value) => {
      for (let index = 0; index < 8; index++) {
        const config = Number((value >> BigInt(8 * index)) & 0xffn) & 0x9f;
        // Writable and not readable is reserved: such a byte is not written.
        if (isLocked(hart, first + index) || (config & 3) === 2) continue;
        hart.pmpConfig[first + index] = config;
      }
      pmpChanged(hart);
    },
  };
}

/** sstatus for mode U of a hart that ignores writes of it: a guest's, where a guest runs. */
const lenientStatus: ControlRegister = {
  read: (hart) => {
    if (hart.userStatus === 'hidden') return 0n;
    return hart.isVirtual ? (hart.hypervisor?.csr.vsstatus ?? 0n) : readStatus(hart) & SSTATUS;
  },
  write: () => undefined,
};

/** A guest's status, with the bit that says that its floating registers changed. */
function guestStatus(exists: (hart: Hart) => boolean): ControlRegister {
  const mask = 0xc_6122n;
  return {
    exists,
    read: (hart) => {
      const status = hart.hypervisor?.csr.vsstatus ?? 0n;
      return status | ((status & FS) === FS ? 1n << 63n : 0n);
    },
    write: (hart, value) => {
      if (hart.hypervisor === undefined) return;
      const { csr } = hart.hypervisor;
      const old = csr.vsstatus;
      csr.vsstatus = (old & ~mask) | (value & mask);
      if (((old ^ csr.vsstatus) & MXR) !== 0n) hart.mmu.flush();
      hart.mmu.changeContext();
    },
  };
}

function guestVector(exists: (hart: Hart) => boolean): ControlRegister {
  return {
    exists,
    read: (hart) => hart.hypervisor?.csr.vstvec ?? 0n,
    write: (hart, value) => {
      if (hart.hypervisor !== undefined && (value & 3n) < 2n) hart.hypervisor.csr.vstvec = value;
    },
  };
}

/** Registers of the hypervisor extension, which exist where the hart has it. */
function addHypervisor(): void {
  const exists = (hart: Hart): boolean => hart.hypervisor !== undefined && !hart.isVirtual;
  for (const [number, name, mask] of hypervisorRegisters) {
    const write = (hart: Hart, value: bigint): void => {
      if (hart.hypervisor === undefined) return;
      hart.hypervisor.csr[name] = (hart.hypervisor.csr[name] & ~mask) | (value & mask);
      hart.mmu.changeContext();
    };
    registers.set(number, { exists, read: (hart) => hart.hypervisor?.csr[name] ?? 0n, write });
  }
  registers.set(0x200, guestStatus(exists));
  registers.set(0x205, guestVector(exists));
  for (const [number, name] of [
    [0x280, 'vsatp'],
    [0x680, 'hgatp'],
  ] as const) {
    const write = (hart: Hart, value: bigint): void => {
      if (hart.hypervisor === undefined || (value >> 60n !== 0n && value >> 60n !== 8n)) return;
      hart.hypervisor.csr[name] = name === 'hgatp' ? value & ~3n : value;
      hart.mmu.flush();
    };
    registers.set(number, { exists, read: (hart) => hart.hypervisor?.csr[name] ?? 0n, write });
  }
}

addHypervisor();

/** Whether an access that a guest may not make is one that its hypervisor is asked about (a virtual instruction), rather than an illegal one. */
export function isVirtualAccess(hart: Hart, number: number): boolean {
  const forMachine = ((number >> 8) & 3) === 3;
  if (!hart.isVirtual || forMachine) return false;
  if (((number >> 8) & 3) === 2) return true;
  const isCounter = number >= 0xc00 && number < 0xc20;
  if (isCounter) return ((hart.csr.mcounteren >> BigInt(number - 0xc00)) & 1n) === 1n;
  return registers.has(number) && hart.mode === USER && ((number >> 8) & 3) === 1;
}

/** The register of a number as the hart may now see it; undefined where the access is illegal. */
export function controlRegister(hart: Hart, number: number, isWrite: boolean): ControlRegister | undefined {
  const asGuest = hart.isVirtual ? substitutes.get(number) : undefined;
  const register = registers.get(asGuest ?? number);
  const needed = (number >> 8) & 3;
  // Registers of the hypervisor have a number of their own for their mode, which is supervisor's.
  if (number === 0x100 && hart.userStatus !== 'trapped' && hart.mode === USER) return lenientStatus;
  if (register === undefined || hart.mode < (needed === 2 ? SUPERVISOR : needed)) return undefined;
  if (isWrite && number >> 10 === 3) return undefined;
  return asGuest !== undefined || register.exists === undefined || register.exists(hart) ? register : undefined;
}
