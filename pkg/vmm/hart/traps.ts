/**
 * Traps and interrupts taken, and the way back from them. Source: RISC-V privileged architecture 20211203, sections 3.1.6 to 3.1.9, 3.3.2
 * and 4.1; for stimecmp the extension Sstc.
 */
import type { Hart } from './hart.ts';
import {
  bigOf,
  type HartState,
  hiOf,
  loOf,
  MACHINE,
  MEIP,
  MSIP,
  MTIP,
  SEIP,
  SSIP,
  STIP,
  SUPERVISOR,
  USER,
} from './hart-state.ts';
import type { Hypervisor } from './hypervisor.ts';
import { MPRV } from './mmu.ts';

/** Of mstatus: the trap came out of a guest, and its value is an address of that guest. */
const MPV = 1n << 39n;
const GVA = 1n << 38n;
/** Of hstatus, the same, and the guest's mode. */
const SPV = 1n << 7n;
const SPVP = 1n << 8n;
const HSTATUS_GVA = 1n << 6n;
/** Traps whose value is a virtual address. */
const ADDRESS_FAULTS: ReadonlySet<number> = new Set([0, 1, 4, 5, 6, 7, 12, 13, 15, 20, 21, 23]);
const SIE = 1n << 1n;
const MIE = 1n << 3n;
const SPIE = 1n << 5n;
const MPIE = 1n << 7n;
const SPP = 1n << 8n;
const MPP = 3n << 11n;
const INTERRUPT = 1n << 63n;
const NEVER = 0xffff_ffff_ffff_ffffn;

/** In the order in which they are taken. */
const priorities = [MEIP, MSIP, MTIP, SEIP, SSIP, STIP];

/** Whether the timer of supervisor mode is a register of its own (Sstc). */
export function hasSupervisorTimer(state: HartState): boolean {
  return state.csr.menvcfg >> 63n === 1n;
}

/** The register mip: what software set, devices' lines, and the supervisor's timer. */
export function pendingBits(hart: Hart): number {
  const software = Number(hart.csr.mip);
  if (!hasSupervisorTimer(hart)) return software | hart.lines;
  if (hart.csr.stimecmp === NEVER) return (software & ~STIP) | hart.lines;
  const isDue = BigInt(hart.bus.ticks) >= hart.csr.stimecmp;
  return (software & ~STIP) | hart.lines | (isDue ? STIP : 0);
}

/** The bit of the interrupt that is next, or 0. */
function nextInterrupt(hart: Hart, pending: number): number {
  const delegated = Number(hart.csr.mideleg);
  const { mode } = hart;
  const isMachineOpen = mode !== MACHINE || (hart.csr.mstatus & MIE) !== 0n;
  const isSupervisorOpen = mode === USER || (mode === SUPERVISOR && (hart.csr.mstatus & SIE) !== 0n);
  const forMachine = isMachineOpen ? pending & ~delegated : 0;
  const chosen = forMachine !== 0 ? forMachine : isSupervisorOpen ? pending & delegated : 0;
  return priorities.find((bit) => (chosen & bit) !== 0) ?? 0;
}

/** After a change of what the hart lets in: has whoever runs it look, if there may be something. */
export function noteInterrupts(hart: Hart): void {
  if ((pendingBits(hart) & Number(hart.csr.mie)) !== 0) hart.attention = true;
}

/** Takes an interrupt if one is due and open; ends a WFI if one is due. */
export function takeInterrupt(hart: Hart): void {
  const pending = pendingBits(hart) & Number(hart.csr.mie);
  if (pending === 0) return;
  hart.waiting = false;
  const bit = nextInterrupt(hart, pending);
  if (bit === 0) return;
  hart.interrupts++;
  enter(hart, { code: 31 - Math.clz32(bit), isInterrupt: true, value: 0n });
}

/** Takes the trap that ended the instruction at the hart's pc. */
export function takeTrap(hart: Hart): void {
  hart.traps++;
  const { cause, lo, hi } = hart.trap;
  enter(hart, { code: cause, isInterrupt: false, value: bigOf(lo, hi) });
  hart.onTrap?.();
}

function enter(
  hart: Hart,
  trap: { readonly code: number; readonly isInterrupt: boolean; readonly value: bigint },
): void {
  const { csr } = hart;
  const pc = bigOf(hart.pcLo, hart.pcHi);
  const code = BigInt(trap.code);
  const cause = trap.isInterrupt ? INTERRUPT | code : code;
  const delegated = trap.isInterrupt ? csr.mideleg : csr.medeleg;
  const toSupervisor = hart.mode !== MACHINE && ((delegated >> code) & 1n) === 1n;
  if (hart.hypervisor !== undefined && hart.isVirtual) {
    const toGuest = toSupervisor && !trap.isInterrupt && ((hart.hypervisor.csr.hedeleg >> code) & 1n) === 1n;
    if (toGuest) {
      enterGuest(hart, hart.hypervisor, { pc, cause, value: trap.value });
      return;
    }
    leaveGuest(hart, hart.hypervisor, toSupervisor);
  } else if (hart.hypervisor !== undefined && !toSupervisor) csr.mstatus &= ~(MPV | GVA);
  const vector = toSupervisor ? csr.stvec : csr.mtvec;
  const target = (vector & ~3n) + ((vector & 3n) === 1n && trap.isInterrupt ? 4n * code : 0n);
  if (target === pc && !trap.isInterrupt && hart.mode === MACHINE) {
    hart.lost = `hart ${hart.id}: trap ${trap.code} in the first instruction of its trap handler at 0x${target.toString(16)}, value 0x${trap.value.toString(16)}`;
  }
  if (toSupervisor) {
    csr.sepc = pc;
    csr.scause = cause;
    csr.stval = trap.value;
    csr.mstatus = pushed(csr.mstatus, hart.mode);
    hart.mode = SUPERVISOR;
  } else {
    csr.mepc = pc;
    csr.mcause = cause;
    csr.mtval = trap.value;
    const enabled = (csr.mstatus & MIE) !== 0n ? MPIE : 0n;
    csr.mstatus = (csr.mstatus & ~(MIE | MPIE | MPP)) | enabled | (BigInt(hart.mode) << 11n);
    hart.mode = MACHINE;
  }
  jump(hart, target);
}

/** A trap that the guest takes itself: its own registers stand for the supervisor's. */
function enterGuest(
  hart: Hart,
  hypervisor: Hypervisor,
  trap: { readonly pc: bigint; readonly cause: bigint; readonly value: bigint },
): void {
  const { csr } = hypervisor;
  csr.vsepc = trap.pc;
  csr.vscause = trap.cause;
  csr.vstval = trap.value;
  csr.vsstatus = pushed(csr.vsstatus, hart.mode);
  hart.mode = SUPERVISOR;
  jump(hart, csr.vstvec & ~3n);
}

/** A trap out of a guest: notes for whoever takes it that there was one, and where it faulted. */
function leaveGuest(hart: Hart, hypervisor: Hypervisor, toSupervisor: boolean): void {
  const { value, instruction } = hypervisor.takeFault();
  const { csr } = hypervisor;
  const isAddress = ADDRESS_FAULTS.has(hart.trap.cause) ? GVA : 0n;
  if (toSupervisor) {
    csr.htval = value;
    csr.htinst = instruction;
    const previous = hart.mode === SUPERVISOR ? SPVP : 0n;
    csr.hstatus = (csr.hstatus & ~(HSTATUS_GVA | SPVP)) | SPV | previous | (isAddress === 0n ? 0n : HSTATUS_GVA);
  } else {
    csr.mtval2 = value;
    csr.mtinst = instruction;
    hart.csr.mstatus = (hart.csr.mstatus & ~GVA) | MPV | isAddress;
  }
  hypervisor.virtual = false;
}

/** A status register of supervisor mode after a trap from `mode`. */
function pushed(status: bigint, mode: number): bigint {
  const enabled = (status & SIE) !== 0n ? SPIE : 0n;
  return (status & ~(SIE | SPIE | SPP)) | enabled | (mode === SUPERVISOR ? SPP : 0n);
}

/** Back from a trap of machine mode. */
export function returnFromMachine(hart: Hart): void {
  const { csr } = hart;
  const mode = Number((csr.mstatus >> 11n) & 3n);
  const enabled = (csr.mstatus & MPIE) !== 0n ? MIE : 0n;
  if (hart.hypervisor !== undefined) {
    hart.hypervisor.virtual = mode !== MACHINE && (csr.mstatus & MPV) !== 0n;
    csr.mstatus &= ~MPV;
  }
  csr.mstatus = (csr.mstatus & ~(MIE | MPP | (mode === MACHINE ? 0n : MPRV))) | enabled | MPIE;
  hart.mode = mode;
  leave(hart, csr.mepc);
}

/** Back from a trap of supervisor mode. */
export function returnFromSupervisor(hart: Hart): void {
  const { csr, hypervisor } = hart;
  if (hypervisor?.virtual === true) {
    returnInGuest(hart, hypervisor);
    return;
  }
  if (hypervisor !== undefined) {
    hypervisor.virtual = (hypervisor.csr.hstatus & SPV) !== 0n;
    hypervisor.csr.hstatus &= ~SPV;
  }
  const mode = (csr.mstatus & SPP) !== 0n ? SUPERVISOR : USER;
  const enabled = (csr.mstatus & SPIE) !== 0n ? SIE : 0n;
  csr.mstatus = (csr.mstatus & ~(SIE | SPP | MPRV)) | enabled | SPIE;
  hart.mode = mode;
  leave(hart, csr.sepc);
}

function returnInGuest(hart: Hart, { csr }: Hypervisor): void {
  hart.mode = (csr.vsstatus & SPP) !== 0n ? SUPERVISOR : USER;
  const enabled = (csr.vsstatus & SPIE) !== 0n ? SIE : 0n;
  csr.vsstatus = (csr.vsstatus & ~(SIE | SPP)) | enabled | SPIE;
  leave(hart, csr.vsepc);
}

function jump(hart: Hart, target: bigint): void {
  hart.pcLo = loOf(target);
  hart.pcHi = hiOf(target);
  hart.mmu.changeContext();
}

function leave(hart: Hart, target: bigint): void {
  hart.nextLo = loOf(target);
  hart.nextHi = hiOf(target);
  hart.mmu.changeContext();
  noteInterrupts(hart);
}
