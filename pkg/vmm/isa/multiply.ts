/**
 * M: multiplication and division. The low half of a product is made of 32-bit pieces, the rest of bigints.
 * Source: RISC-V unprivileged architecture 20191213, chapter 7.
 */
import type { Hart } from '../hart/hart.ts';
import { type Handler, type Operation, op } from './instruction.ts';

/** High half of the product of two unsigned 32-bit numbers. */
function highProduct(a: number, b: number): number {
  const aHigh = a >>> 16;
  const bHigh = b >>> 16;
  const aLow = a & 0xffff;
  const bLow = b & 0xffff;
  const low = aLow * bLow;
  const middle = aHigh * bLow + (low >>> 16);
  const other = aLow * bHigh + (middle % 0x1_0000);
  return (aHigh * bHigh + Math.floor(middle / 0x1_0000) + Math.floor(other / 0x1_0000)) | 0;
}

const multiply: Handler = (hart, { rd, rs1, rs2 }) => {
  const aLo = hart.lo(rs1);
  const bLo = hart.lo(rs2);
  const crossed = (Math.imul(aLo, hart.hi(rs2)) + Math.imul(hart.hi(rs1), bLo)) | 0;
  hart.set(rd, Math.imul(aLo, bLo), (highProduct(aLo, bLo) + crossed) | 0);
};

const signed = (hart: Hart, register: number): bigint => BigInt.asIntN(64, hart.big(register));
const unsigned = (hart: Hart, register: number): bigint => hart.big(register);
type Reader = typeof signed;

const high =
  (a: Reader, b: Reader): Handler =>
  (hart, { rd, rs1, rs2 }) =>
    hart.setBig(rd, (a(hart, rs1) * b(hart, rs2)) >> 64n);

/** Division by 0 gives all ones, its remainder the dividend; the one overflow wraps by itself. */
const divide =
  (read: Reader): Handler =>
  (hart, { rd, rs1, rs2 }) => {
    const divisor = read(hart, rs2);
    hart.setBig(rd, divisor === 0n ? -1n : read(hart, rs1) / divisor);
  };
const remainder =
  (read: Reader): Handler =>
  (hart, { rd, rs1, rs2 }) => {
    const divisor = read(hart, rs2);
    hart.setBig(rd, divisor === 0n ? read(hart, rs1) : read(hart, rs1) % divisor);
  };

type Word = (a: number, b: number) => number;
const words =
  (apply: Word): Handler =>
  (hart, { rd, rs1, rs2 }) =>
    hart.setWord(rd, apply(hart.lo(rs1), hart.lo(rs2)) | 0);

/** The instructions of M. */
export const multiplyOperations: readonly Operation[] = [
  op('mul', 'R', 0x200_0033, multiply),
  op('mulh', 'R', 0x200_1033, high(signed, signed)),
  op('mulhsu', 'R', 0x200_2033, high(signed, unsigned)),
  op('mulhu', 'R', 0x200_3033, high(unsigned, unsigned)),
  op('div', 'R', 0x200_4033, divide(signed)),
  op('divu', 'R', 0x200_5033, divide(unsigned)),
  op('rem', 'R', 0x200_6033, remainder(signed)),
  op('remu', 'R', 0x200_7033, remainder(unsigned)),
  op('mulw', 'R', 0x200_003b, words(Math.imul)),
  op(
    'divw',
    'R',
    0x200_403b,
    words((a, b) => (b === 0 ? -1 : a / b)),
  ),
  op(
    'divuw',
    'R',
    0x200_503b,
    words((a, b) => (b === 0 ? -1 : (a >>> 0) / (b >>> 0))),
  ),
  op(
    'remw',
    'R',
    0x200_603b,
    words((a, b) => (b === 0 ? a : a % b)),
  ),
  op(
    'remuw',
    'R',
    0x200_703b,
    words((a, b) => (b === 0 ? a : (a >>> 0) % (b >>> 0))),
  ),
];
