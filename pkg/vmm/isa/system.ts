/**
 * Zicsr, Zifencei and the privileged instructions. Memory is coherent for loads, stores and fetches alike, so fences have nothing to do.
 * Source: RISC-V unprivileged architecture 20191213, chapters 3 and 9; privileged architecture 20211203, sections 3.3 and 4.2.
 */
import { controlRegister, isVirtualAccess } from '../hart/control-registers.ts';
import type { Hart } from '../hart/hart.ts';
import { MACHINE, SUPERVISOR, USER } from '../hart/hart-state.ts';
import { callCause, returnFromMachine, returnFromSupervisor } from '../hart/traps.ts';
import { type Handler, type Instruction, type Operation, op } from './instruction.ts';

const VIRTUAL_INSTRUCTION = 22;
/** Of hstatus: as TVM, TW and TSR of mstatus for guests. */
const VTVM = 1n << 20n;
const VTW = 1n << 21n;
const VTSR = 1n << 22n;
const TVM = 1n << 20n;
const TW = 1n << 21n;
const TSR = 1n << 22n;

/** Ends with an illegal-instruction trap. */
function illegal(hart: Hart, { raw }: Instruction): never {
  return hart.fault(2, raw, 0);
}

/** The same, as a virtual-instruction trap where a guest ran it. */
function refused(hart: Hart, { raw }: Instruction): never {
  return hart.fault(hart.isVirtual ? VIRTUAL_INSTRUCTION : 2, raw, 0);
}

type Change = (old: bigint, given: bigint) => bigint;

/** `isWrite` is about the instruction that runs: set and clear with x0 only read. */
function access(hart: Hart, i: Instruction, given: bigint, change: Change | undefined): void {
  const register = controlRegister(hart, i.imm & 0xfff, change !== undefined);
  if (register === undefined || isTrapped(hart, i.imm & 0xfff)) {
    if (register !== undefined || isVirtualAccess(hart, i.imm & 0xfff)) refused(hart, i);
    illegal(hart, i);
  }
  const old = register.read(hart);
  if (change !== undefined) {
    const kept = register.kept?.(hart) ?? old;
    register.write?.(hart, BigInt.asUintN(64, change(kept, given)));
  }
  hart.setBig(i.rd, old);
}

const swap: Change = (_, given) => given;
const set: Change = (old, given) => old | given;
const clear: Change = (old, given) => old & ~given;

const fromRegister =
  (change: Change): Handler =>
  (hart, i) =>
    access(hart, i, hart.big(i.rs1), change === swap || i.rs1 !== 0 ? change : undefined);
const fromImmediate =
  (change: Change): Handler =>
  (hart, i) =>
    access(hart, i, BigInt(i.rs1), change === swap || i.rs1 !== 0 ? change : undefined);

const ecall: Handler = (hart) => hart.fault(callCause(hart), 0, 0);

/** Ends where user mode runs what is the supervisor's, or a bit keeps it from the supervisor, or from the one of a guest. */
function forSupervisor(hart: Hart, i: Instruction, bit: bigint, guestBit: bigint): void {
  if (hart.isVirtual) {
    if (hart.mode === USER || ((hart.hypervisor?.csr.hstatus ?? 0n) & guestBit) !== 0n) refused(hart, i);
    return;
  }
  if (hart.mode === USER || (hart.mode === SUPERVISOR && (hart.csr.mstatus & bit) !== 0n)) illegal(hart, i);
}

/** satp of a guest whose hypervisor wants to hear of it. */
function isTrapped(hart: Hart, number: number): boolean {
  return number === 0x180 && hart.isVirtual && ((hart.hypervisor?.csr.hstatus ?? 0n) & VTVM) !== 0n;
}

const nothing: Handler = () => undefined;

const mret: Handler = (hart, i) => {
  if (hart.mode !== MACHINE) illegal(hart, i);
  returnFromMachine(hart);
};

const sret: Handler = (hart, i) => {
  forSupervisor(hart, i, TSR, VTSR);
  returnFromSupervisor(hart);
};

const wfi: Handler = (hart, i) => {
  forSupervisor(hart, i, TW, VTW);
  hart.waiting = true;
  hart.attention = true;
};

const fenceAddresses: Handler = (hart, i) => {
  forSupervisor(hart, i, TVM, VTVM);
  hart.mmu.flush();
};

const fenceGuests: Handler = (hart, i) => {
  if (hart.hypervisor === undefined) illegal(hart, i);
  if (hart.isVirtual || hart.mode === USER) refused(hart, i);
  hart.mmu.flush();
  hart.attention = true;
};

/** Also what an instruction that is none decodes to. */
export const illegalOperation: Operation = op('illegal', 'exact', 0, illegal);

/** The call of whoever runs the mode that is above. */
export const callOperation: Operation = op('ecall', 'exact', 0x73, ecall);

/** Instructions of control registers, fences and the privileged ones. */
export const systemOperations: readonly Operation[] = [
  op('csrrw', 'csr', 0x1073, fromRegister(swap)),
  op('csrrs', 'csr', 0x2073, fromRegister(set)),
  op('csrrc', 'csr', 0x3073, fromRegister(clear)),
  op('csrrwi', 'csr', 0x5073, fromImmediate(swap)),
  op('csrrsi', 'csr', 0x6073, fromImmediate(set)),
  op('csrrci', 'csr', 0x7073, fromImmediate(clear)),
  op('fence', 'fence', 0x0f, nothing),
  op('fence.i', 'fence', 0x100f, nothing),
  callOperation,
  op('ebreak', 'exact', 0x10_0073, (hart) => hart.fault(3, 0, 0)),
  op('mret', 'exact', 0x3020_0073, mret),
  op('sret', 'exact', 0x1020_0073, sret),
  op('wfi', 'exact', 0x1050_0073, wfi),
  op('sfence.vma', 'sfence', 0x1200_0073, fenceAddresses),
  op('hfence.vvma', 'sfence', 0x2200_0073, fenceGuests),
  op('hfence.gvma', 'sfence', 0x6200_0073, fenceGuests),
];
