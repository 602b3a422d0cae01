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
import { registerOffset } from './kept-registers.ts';

/** Of mstatus: the trap came out of a guest, and its value is an address of that guest. */
const MPV = 1n << 39n;
const GVA = 1n << 38n;
/** Of hstatus, the same, and the guest's mode. */
const SPV = 1n << 7n;
const SPVP = 1n << 8n;
const HSTATUS_GVA = 1n << 6n;
/** Traps whose value is a virtual address. */
const ADDRESS_FAULTS: ReadonlySet<number> = new Set([0, 1, 4, 5, 6, 7, 12, 13, 15, 20, 21, 23]);
/** Of the low half of mstatus. */
const SIE = 1 << 1;
const MIE = 1 << 3;
const SPIE = 1 << 5;
const MPIE = 1 << 7;
const SPP = 1 << 8;
const MPP = 3 << 11;
const MPRV = 1 << 17;
/** Of the high half of a cause. */
const INTERRUPT = 1 << 31;
const WORD = 0x1_0000_0000;

const of = {
  mstatus: registerOffset('mstatus'),
  mtvec: registerOffset('mtvec'),
  medeleg: registerOffset('medeleg'),
  mideleg: registerOffset('mideleg'),
  mie: registerOffset('mie'),
  mip: registerOffset('mip'),
  mepc: registerOffset('mepc'),
  mcause: registerOffset('mcause'),
  mtval: registerOffset('mtval'),
  menvcfg: registerOffset('menvcfg'),
  stvec: registerOffset('stvec'),
  sepc: registerOffset('sepc'),
  scause: registerOffset('scause'),
  stval: registerOffset('stval'),
  stimecmp: registerOffset('stimecmp'),
} as const;

/** In the order in which they are taken. */
const priorities = [MEIP, MSIP, MTIP, SEIP, SSIP, STIP];

/** Whether the timer of supervisor mode is a register of its own (Sstc). */
export function hasSupervisorTimer(state: HartState): boolean {
  return state.keptHi(of.menvcfg) < 0;
}

/** The tick at which that timer is due; far beyond any count where it never is. */
export function supervisorTimer(state: HartState): number {
  return (state.keptHi(of.stimecmp) >>> 0) * WORD + (state.keptLo(of.stimecmp) >>> 0);
}

/** The register mip: what software set, devices' lines, and the supervisor's timer. */
export function pendingBits(hart: Hart): number {
  const software = hart.keptLo(of.mip);
  if (!hasSupervisorTimer(hart)) return software | hart.lines;
  const isDue = hart.bus.ticks >= supervisorTimer(hart);
  return (software & ~STIP) | hart.lines | (isDue ? STIP : 0);
}

/** Interrupts that would be taken if they were let in; compiled code is told whether there are any. */
function wantedBits(hart: Hart): number {
  const wanted = pendingBits(hart) & hart.keptLo(of.mie);
  hart.noteWanted(wanted);
  return wanted;
}

/** The bit of the interrupt that is next, or 0. */
function nextInterrupt(hart: Hart, pending: number): number {
  const delegated = hart.keptLo(of.mideleg);
  const status = hart.keptLo(of.mstatus);
  const { mode } = hart;
  const isMachineOpen = mode !== MACHINE || (status & MIE) !== 0;
  const isSupervisorOpen = mode === USER || (mode === SUPERVISOR && (status & SIE) !== 0);
  const forMachine = isMachineOpen ? pending & ~delegated : 0;
  const chosen = forMachine !== 0 ? forMachine : isSupervisorOpen ? pending & delegated : 0;
  return priorities.find((bit) => (chosen & bit) !== 0) ?? 0;
}

/** After a change of what the hart lets in: has whoever runs it look, if there may be something. */
export function noteInterrupts(hart: Hart): void {
  if (wantedBits(hart) !== 0) hart.attention = true;
}

/** Takes an interrupt if one is due and open; ends a WFI if one is due. To be called before anything runs, after what devices did. */
export function takeInterrupt(hart: Hart): void {
  const pending = wantedBits(hart);
  if (pending === 0) return;
  hart.waiting = false;
  const bit = nextInterrupt(hart, pending);
  if (bit === 0) return;
  hart.interrupts++;
  enter(hart, { code: 31 - Math.clz32(bit), isInterrupt: true, lo: 0, hi: 0 });
}

/** Takes the trap that ended the instruction at the hart's pc. */
export function takeTrap(hart: Hart): void {
  hart.traps++;
  const { cause, lo, hi } = hart.trap;
  enter(hart, { code: cause, isInterrupt: false, lo, hi });
  if (hart.lost !== undefined) hart.attention = true;
  hart.onTrap?.();
}

/** Has the ecall at the hart's pc happen: as it does nothing but trap, nothing need be thrown. */
export function callEnvironment(hart: Hart): void {
  hart.trap.cause = callCause(hart);
  hart.trap.lo = hart.trap.hi = 0;
  takeTrap(hart);
}

/** The cause of an ecall where the hart is. */
export function callCause(hart: Hart): number {
  return hart.isVirtual && hart.mode === SUPERVISOR ? 10 : 8 + hart.mode;
}

/** What is taken: the halves of its value are those of an exception. */
interface Taken {
  readonly code: number;
  readonly isInterrupt: boolean;
  readonly lo: number;
  readonly hi: number;
}

function enter(hart: Hart, trap: Taken): void {
  const { code, isInterrupt } = trap;
  const delegated = hart.keptLo(isInterrupt ? of.mideleg : of.medeleg);
  const toSupervisor = hart.mode !== MACHINE && code < 32 && ((delegated >>> code) & 1) === 1;
  if (hart.hypervisor !== undefined && enterFrom(hart, hart.hypervisor, { trap, toSupervisor })) return;
  const vector = toSupervisor ? of.stvec : of.mtvec;
  const base = hart.keptLo(vector);
  const isVectored = (base & 3) === 1 && isInterrupt;
  const lo = ((base & -4) + (isVectored ? 4 * code : 0)) | 0;
  const hi = (hart.keptHi(vector) + (isVectored && lo >>> 0 < (base & -4) >>> 0 ? 1 : 0)) | 0;
  if (lo === hart.pcLo && hi === hart.pcHi && !isInterrupt && hart.mode === MACHINE) {
    const [target, value] = [bigOf(lo, hi), bigOf(trap.lo, trap.hi)];
    hart.lost = `hart ${hart.id}: trap ${code} in the first instruction of its trap handler at 0x${target.toString(16)}, value 0x${value.toString(16)}`;
  }
  const status = hart.keptLo(of.mstatus);
  const after = toSupervisor
    ? pushed(status, hart.mode)
    : (status & ~(MIE | MPIE | MPP)) | ((status & MIE) !== 0 ? MPIE : 0) | (hart.mode << 11);
  hart.keep(of.mstatus, after, hart.keptHi(of.mstatus));
  hart.keep(toSupervisor ? of.sepc : of.mepc, hart.pcLo, hart.pcHi);
  hart.keep(toSupervisor ? of.scause : of.mcause, code, isInterrupt ? INTERRUPT : 0);
  hart.keep(toSupervisor ? of.stval : of.mtval, trap.lo, trap.hi);
  hart.mode = toSupervisor ? SUPERVISOR : MACHINE;
  jump(hart, lo, hi);
}

/** Of a hart with the hypervisor extension: what is noted of where the trap came from. True where a guest takes it itself. */
function enterFrom(
  hart: Hart,
  hypervisor: Hypervisor,
  { trap, toSupervisor }: { readonly trap: Taken; readonly toSupervisor: boolean },
): boolean {
  if (!hart.isVirtual) {
    if (!toSupervisor) hart.csr.mstatus &= ~(MPV | GVA);
    return false;
  }
  const toGuest = toSupervisor && !trap.isInterrupt && ((hypervisor.csr.hedeleg >> BigInt(trap.code)) & 1n) === 1n;
  if (toGuest) enterGuest(hart, hypervisor, trap);
  else leaveGuest(hart, hypervisor, toSupervisor);
  return toGuest;
}

/** A trap that the guest takes itself: its own registers stand for the supervisor's. */
function enterGuest(hart: Hart, { csr }: Hypervisor, { code, lo, hi }: Taken): void {
  csr.vsepc = bigOf(hart.pcLo, hart.pcHi);
  csr.vscause = BigInt(code);
  csr.vstval = bigOf(lo, hi);
  csr.vsstatus = bigOf(pushed(loOf(csr.vsstatus), hart.mode), hiOf(csr.vsstatus));
  hart.mode = SUPERVISOR;
  jump(hart, loOf(csr.vstvec) & -4, hiOf(csr.vstvec));
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

/** The low half of a status register of supervisor mode after a trap from `mode`. */
function pushed(status: number, mode: number): number {
  const enabled = (status & SIE) !== 0 ? SPIE : 0;
  return (status & ~(SIE | SPIE | SPP)) | enabled | (mode === SUPERVISOR ? SPP : 0);
}

/** The same after the way back. */
function popped(status: number): number {
  return (status & ~(SIE | SPP)) | ((status & SPIE) !== 0 ? SIE : 0) | SPIE;
}

/** Back from a trap of machine mode. */
export function returnFromMachine(hart: Hart): void {
  const { csr, hypervisor } = hart;
  const status = hart.keptLo(of.mstatus);
  const mode = (status >>> 11) & 3;
  if (hypervisor !== undefined) {
    hypervisor.virtual = mode !== MACHINE && (csr.mstatus & MPV) !== 0n;
    csr.mstatus &= ~MPV;
  }
  const enabled = (status & MPIE) !== 0 ? MIE : 0;
  const kept = status & ~(MIE | MPP | (mode === MACHINE ? 0 : MPRV));
  hart.keep(of.mstatus, kept | enabled | MPIE, hart.keptHi(of.mstatus));
  hart.mode = mode;
  leave(hart, hart.keptLo(of.mepc), hart.keptHi(of.mepc));
}

/** Back from a trap of supervisor mode. */
export function returnFromSupervisor(hart: Hart): void {
  const { hypervisor } = hart;
  if (hypervisor?.virtual === true) {
    returnInGuest(hart, hypervisor);
    return;
  }
  if (hypervisor !== undefined) {
    hypervisor.virtual = (hypervisor.csr.hstatus & SPV) !== 0n;
    hypervisor.csr.hstatus &= ~SPV;
  }
  const status = hart.keptLo(of.mstatus);
  hart.keep(of.mstatus, popped(status) & ~MPRV, hart.keptHi(of.mstatus));
  hart.mode = (status & SPP) !== 0 ? SUPERVISOR : USER;
  leave(hart, hart.keptLo(of.sepc), hart.keptHi(of.sepc));
}

function returnInGuest(hart: Hart, { csr }: Hypervisor): void {
  const status = loOf(csr.vsstatus);
  hart.mode = (status & SPP) !== 0 ? SUPERVISOR : USER;
  csr.vsstatus = bigOf(popped(status), hiOf(csr.vsstatus));
  leave(hart, loOf(csr.vsepc), hiOf(csr.vsepc));
}

function jump(hart: Hart, lo: number, hi: number): void {
  hart.pcLo = lo;
  hart.pcHi = hi;
  hart.mmu.changeContext();
}

function leave(hart: Hart, lo: number, hi: number): void {
  hart.nextLo = lo;
  hart.nextHi = hi;
  hart.mmu.changeContext();
  noteInterrupts(hart);
}
