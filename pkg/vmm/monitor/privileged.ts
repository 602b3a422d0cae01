/**
 * One privileged instruction of a guest's kernel, done on the guest's registers. The same function serves what trapped and what translated code calls out for, so
 * the two cannot differ.
 */
import type { Hart } from '../hart/hart.ts';
import type { Instruction } from '../isa/instruction.ts';
import type { ExitReason } from './contract.ts';
import { type VirtualRegisters, virtualName } from './virtual-registers.ts';

/** What came of it: where the guest goes on, or that the instruction is illegal there. */
export type Done =
  | {
      readonly kind: 'done';
      readonly reason: ExitReason;
      readonly next: bigint;
      readonly changes: 'nothing' | 'view' | 'root';
    }
  | { readonly kind: 'illegal' };

const ILLEGAL: Done = { kind: 'illegal' };

/** Does the instruction at `pc`, which the guest's kernel ran. */
export function doPrivileged(hart: Hart, registers: VirtualRegisters, instruction: Instruction, pc: bigint): Done {
  const next = pc + BigInt(instruction.length);
  switch (instruction.operation.name) {
    case 'sret':
      return { kind: 'done', reason: 'return', next: registers.leaveTrap(), changes: 'view' };
    case 'sfence.vma':
      return { kind: 'done', reason: 'fence', next, changes: 'nothing' };
    case 'wfi':
      return { kind: 'done', reason: 'wait', next, changes: 'nothing' };
    default:
      return instruction.operation.format === 'csr' ? doRegister(hart, registers, instruction, next) : ILLEGAL;
  }
}

function doRegister(hart: Hart, registers: VirtualRegisters, instruction: Instruction, next: bigint): Done {
  const { operation, rs1, rd, imm } = instruction;
  const name = virtualName(imm & 0xfff);
  if (name === undefined) return ILLEGAL;
  const given = operation.name.endsWith('i') ? BigInt(rs1) : hart.big(rs1);
  const old = registers.get(name);
  const isSwap = operation.name.startsWith('csrrw');
  if (isSwap || rs1 !== 0) {
    const isSet = operation.name.startsWith('csrrs');
    registers.set(name, BigInt.asUintN(64, isSwap ? given : isSet ? old | given : old & ~given));
  }
  hart.setBig(rd, old);
  const changes = name === 'satp' ? 'root' : name === 'sstatus' ? 'view' : 'nothing';
  return { kind: 'done', reason: 'register', next, changes };
}
