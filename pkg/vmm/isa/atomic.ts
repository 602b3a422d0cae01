/**
 * A: load-reserved, store-conditional and atomic read-modify-write, on memory only. Harts run one after the other, so each access is atomic by
 * itself; a reservation is an address, and ends with the hart's next SC, with a store of another hart's SC or AMO to it, or with its trap.
 * Source: RISC-V unprivileged architecture 20191213, chapter 8.
 */
import type { Hart } from '../hart/hart.ts';
import { bigOf } from '../hart/hart-state.ts';
import { type Access, READ, WRITE } from '../hart/mmu.ts';
import { type Handler, type Operation, op } from './instruction.ts';

function address(hart: Hart, access: Access, register: number, size: number): number {
  return hart.atomicAddress(access, hart.lo(register), hart.hi(register), size);
}

const reserve =
  (size: number): Handler =>
  (hart, { rd, rs1 }) => {
    const at = address(hart, READ, rs1, size);
    hart.take(hart.memory.readable(at), size);
    hart.reservation = at;
    setLoaded(hart, rd, size);
  };

const conditional =
  (size: number): Handler =>
  (hart, { rd, rs1, rs2 }) => {
    const at = address(hart, WRITE, rs1, size);
    const isHeld = hart.reservation === at;
    if (isHeld) hart.put(hart.memory.writable(at, size), size, hart.lo(rs2), hart.hi(rs2));
    hart.reservation = -1;
    hart.set(rd, isHeld ? 0 : 1, 0);
  };

function setLoaded(hart: Hart, rd: number, size: number): void {
  if (size === 8) hart.set(rd, hart.valueLo, hart.valueHi);
  else hart.setWord(rd, hart.valueLo);
}

type Combine = (old: bigint, given: bigint) => bigint;

const modify =
  (size: number, combine: Combine): Handler =>
  (hart, { rd, rs1, rs2 }) => {
    const offset = hart.memory.writable(address(hart, WRITE, rs1, size), size);
    hart.take(offset, size);
    const width = size * 8;
    const old = BigInt.asIntN(width, bigOf(hart.valueLo, hart.valueHi));
    const result = combine(old, BigInt.asIntN(width, hart.big(rs2)));
    hart.put(offset, size, Number(BigInt.asIntN(32, result)), Number(BigInt.asIntN(32, result >> 32n)));
    setLoaded(hart, rd, size);
  };

const asUnsigned = (value: bigint): bigint => BigInt.asUintN(64, value);

const combinations: readonly (readonly [string, number, Combine])[] = [
  ['amoswap', 0x0800_0000, (_, given) => given],
  ['amoadd', 0, (old, given) => old + given],
  ['amoxor', 0x2000_0000, (old, given) => old ^ given],
  ['amoand', 0x6000_0000, (old, given) => old & given],
  ['amoor', 0x4000_0000, (old, given) => old | given],
  ['amomin', 0x8000_0000, (old, given) => (old < given ? old : given)],
  ['amomax', 0xa000_0000, (old, given) => (old > given ? old : given)],
  ['amominu', 0xc000_0000, (old, given) => (asUnsigned(old) < asUnsigned(given) ? old : given)],
  ['amomaxu', 0xe000_0000, (old, given) => (asUnsigned(old) > asUnsigned(given) ? old : given)],
];

/** The instructions of A. */
export const atomicOperations: readonly Operation[] = [
  op('lr.w', 'atomic', 0x1000_202f, reserve(4), 0x1f0_0000),
  op('lr.d', 'atomic', 0x1000_302f, reserve(8), 0x1f0_0000),
  op('sc.w', 'atomic', 0x1800_202f, conditional(4)),
  op('sc.d', 'atomic', 0x1800_302f, conditional(8)),
  ...combinations.flatMap(([name, bits, combine]) => [
    op(`${name}.w`, 'atomic', bits | 0x202f, modify(4, combine)),
    op(`${name}.d`, 'atomic', bits | 0x302f, modify(8, combine)),
  ]),
];
