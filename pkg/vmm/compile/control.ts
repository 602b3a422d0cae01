/**
 * Control registers as WebAssembly: those that hold what is written, and mstatus with its view for the supervisor, where a write changes no more than which interrupts are let in and what a trap
 * left. Whatever else an access may come to (one that is not allowed, an interrupt that waits for what is written, another register) is left to the interpreter.
 */
import { registerOffset } from '../hart/kept-registers.ts';
import type { Instruction } from '../isa/instruction.ts';
import { hartLayout } from '../memory-map.ts';
import { read, type Target, write } from './translate.ts';
import { wasm } from './wasm-writer.ts';

const MSTATUS = registerOffset('mstatus');
const FS = 3n << 13n;
/** Bits of mstatus that the supervisor sees. */
const SSTATUS = BigInt.asIntN(64, 0x8000_0003_000c_6122n);

/** A register that is reached here. */
interface Kept {
  readonly offset: number;
  /** Bits of a value that are kept. */
  readonly mask?: bigint;
  /** Where one of these bits is written, the interpreter says what comes of it. */
  readonly odd?: bigint;
}

const kept: ReadonlyMap<number, Kept> = new Map([
  [0x105, { offset: registerOffset('stvec'), odd: 2n }],
  [0x140, { offset: registerOffset('sscratch') }],
  [0x141, { offset: registerOffset('sepc'), mask: -2n }],
  [0x142, { offset: registerOffset('scause') }],
  [0x143, { offset: registerOffset('stval') }],
  [0x305, { offset: registerOffset('mtvec'), odd: 2n }],
  [0x340, { offset: registerOffset('mscratch') }],
  [0x341, { offset: registerOffset('mepc'), mask: -2n }],
  [0x342, { offset: registerOffset('mcause') }],
  [0x343, { offset: registerOffset('mtval') }],
]);

/** A view of mstatus: what is seen of it, what can be written, and of that what may be written here. */
interface View {
  readonly seen: bigint;
  readonly writable: bigint;
  readonly quick: bigint;
}

const views: ReadonlyMap<number, View> = new Map([
  [0x100, { seen: SSTATUS, writable: 0xc_6122n, quick: 0x122n }],
  [0x300, { seen: -1n, writable: 0x7e_79aan, quick: 0x1aan }],
]);
/** SIE and MIE. */
const ENABLES = 0xan;

/** Whether an instruction is of a register that is reached here. */
export function isControl({ operation: { format }, imm }: Instruction): boolean {
  return format === 'csr' && (kept.has(imm & 0xfff) || views.has(imm & 0xfff));
}

/** Writes such an instruction; `interpret` writes what has the interpreter do it. */
export function translateControl(target: Target, instruction: Instruction, interpret: () => void): void {
  const { out, locals } = target;
  const number = instruction.imm & 0xfff;
  const register = kept.get(number);
  const view = views.get(number);
  out.block('done');
  out.block('interpreted');
  out.get(locals.base);
  out.memory(wasm.i32Load, hartLayout.rights);
  out.i32((number >> 8) & 3);
  out.op(wasm.i32LtS);
  out.brIf('interpreted');
  if (register !== undefined) access(target, instruction, register);
  else if (view !== undefined) accessStatus(target, instruction, view);
  out.br('done');
  out.end();
  interpret();
  out.end();
}

function access(target: Target, instruction: Instruction, { offset, mask, odd }: Kept): void {
  const { out, locals } = target;
  out.get(locals.base);
  out.memory(wasm.i64Load, offset);
  out.set(locals.address);
  if (changes(instruction)) {
    changed(target, instruction);
    if (mask !== undefined) {
      out.i64(mask);
      out.op(wasm.i64And);
    }
    out.set(locals.value);
    if (odd !== undefined) {
      out.get(locals.value);
      out.i64(odd);
      out.op(wasm.i64And, wasm.i64Eqz, wasm.i32Eqz);
      out.brIf('interpreted');
    }
    out.get(locals.base);
    out.get(locals.value);
    out.memory(wasm.i64Store, offset);
  }
  if (instruction.rd === 0) return;
  out.get(locals.address);
  write(target, instruction.rd);
}

function accessStatus(target: Target, instruction: Instruction, { seen, writable, quick }: View): void {
  const { out, locals } = target;
  out.get(locals.base);
  out.memory(wasm.i64Load, MSTATUS);
  out.set(locals.address);
  if (changes(instruction)) {
    changed(target, instruction);
    out.get(locals.address);
    out.op(wasm.i64Xor);
    out.i64(writable);
    out.op(wasm.i64And);
    out.tee(locals.value);
    out.i64(~quick);
    out.op(wasm.i64And, wasm.i64Eqz, wasm.i32Eqz);
    out.brIf('interpreted');
    // What lets interrupts in now, and there is one.
    out.get(locals.address);
    out.i64(-1);
    out.op(wasm.i64Xor);
    out.get(locals.value);
    out.op(wasm.i64And);
    out.i64(ENABLES);
    out.op(wasm.i64And, wasm.i64Eqz, wasm.i32Eqz);
    out.get(locals.base);
    out.memory(wasm.i32Load, hartLayout.wanted);
    out.i32(0);
    out.op(wasm.i32Ne, wasm.i32And);
    out.brIf('interpreted');
    out.get(locals.base);
    out.get(locals.address);
    out.get(locals.value);
    out.op(wasm.i64Xor);
    out.memory(wasm.i64Store, MSTATUS);
  }
  if (instruction.rd === 0) return;
  out.get(locals.address);
  out.i64(seen);
  out.op(wasm.i64And);
  // The bit that sums up: floating registers have changed.
  out.get(locals.address);
  out.i64(FS);
  out.op(wasm.i64And);
  out.i64(FS);
  out.op(wasm.i64Eq, wasm.i64ExtendU);
  out.i64(63);
  out.op(wasm.i64Shl, wasm.i64Or);
  write(target, instruction.rd);
}

const isImmediate = ({ operation: { name } }: Instruction): boolean => name.endsWith('i');

/** Set and clear with x0 only read. */
function changes(instruction: Instruction): boolean {
  return instruction.operation.name.startsWith('csrrw') || instruction.rs1 !== 0;
}

/** Leaves on the stack what is written, where `address` has what was there. */
function changed(target: Target, instruction: Instruction): void {
  const { out, locals } = target;
  if (isImmediate(instruction)) out.i64(instruction.rs1);
  else read(target, instruction.rs1);
  if (instruction.operation.name.startsWith('csrrw')) return;
  if (instruction.operation.name.startsWith('csrrc')) {
    out.i64(-1);
    out.op(wasm.i64Xor);
  }
  out.get(locals.address);
  out.op(instruction.operation.name.startsWith('csrrc') ? wasm.i64And : wasm.i64Or);
}
