/** Words of memory to instructions. Pure; a word that is no instruction becomes one whose run is the trap. */
import { atomicOperations } from './atomic.ts';
import { expand } from './compressed.ts';
import { floatOperations } from './float.ts';
import type { Format, Instruction, Operation } from './instruction.ts';
import { integerOperations } from './integer.ts';
import { multiplyOperations } from './multiply.ts';
import { illegalOperation, systemOperations } from './system.ts';

/** Bits that say what an instruction is, by format. */
const masks: Readonly<Record<Format, number>> = {
  R: 0xfe00_707f,
  I: 0x707f,
  shift64: 0xfc00_707f,
  shift32: 0xfe00_707f,
  S: 0x707f,
  B: 0x707f,
  U: 0x7f,
  J: 0x7f,
  csr: 0x707f,
  atomic: 0xf800_707f,
  float: 0xfe00_007f,
  fused: 0x600_007f,
  exact: 0xffff_ffff,
  fence: 0x707f,
  sfence: 0xfe00_7fff,
};

/** Operations by the low seven bits. */
const byOpcode = new Map<number, Operation[]>();
for (const operation of [
  ...integerOperations,
  ...multiplyOperations,
  ...atomicOperations,
  ...floatOperations,
  ...systemOperations,
]) {
  const opcode = operation.match & 0x7f;
  byOpcode.set(opcode, [...(byOpcode.get(opcode) ?? []), operation]);
}

function immediateOf(format: Format, word: number): number {
  switch (format) {
    case 'I':
      return word >> 20;
    case 'S':
      return ((word >> 25) << 5) | ((word >>> 7) & 31);
    case 'B':
      return (
        ((word >> 31) << 12) | (((word >>> 7) & 1) << 11) | (((word >>> 25) & 63) << 5) | (((word >>> 8) & 15) << 1)
      );
    case 'U':
      return word & 0xffff_f000;
    case 'J':
      return ((word >> 31) << 20) | (word & 0xf_f000) | (((word >>> 20) & 1) << 11) | (((word >>> 21) & 0x3ff) << 1);
    case 'shift64':
      return (word >>> 20) & 63;
    case 'shift32':
      return (word >>> 20) & 31;
    case 'csr':
      return word >>> 20;
    case 'R':
    case 'atomic':
    case 'float':
    case 'fused':
    case 'exact':
    case 'fence':
    case 'sfence':
      return 0;
  }
}

/** The instruction of a word: of its low half if that is a compressed one. */
export function decode(raw: number): Instruction {
  const isCompressed = (raw & 3) !== 3;
  const word = isCompressed ? expand(raw & 0xffff) : raw | 0;
  const candidates = byOpcode.get(word & 0x7f) ?? [];
  const operation =
    candidates.find(({ format, match, mask }) => (word & (masks[format] | (mask ?? 0))) === (match | 0)) ??
    illegalOperation;
  return {
    operation,
    run: operation.run,
    rd: (word >>> 7) & 31,
    rs1: (word >>> 15) & 31,
    rs2: (word >>> 20) & 31,
    imm: immediateOf(operation.format, word),
    word,
    raw: isCompressed ? raw & 0xffff : raw | 0,
    length: isCompressed ? 2 : 4,
  };
}
