/**
 * Compressed instructions (C) as the full ones that they stand for. Pure. Source: RISC-V unprivileged architecture 20191213, chapter 16.
 */

/** Bits `from` and up of a halfword, `count` of them, moved to `to`. */
function field(half: number, from: number, count: number, to: number): number {
  return ((half >>> from) & ((1 << count) - 1)) << to;
}

const iType = (imm: number, rs1: number, f3: number, rd: number, opcode: number): number =>
  (imm << 20) | (rs1 << 15) | (f3 << 12) | (rd << 7) | opcode;
const sType = (imm: number, rs2: number, rs1: number, f3: number, opcode: number): number =>
  ((imm >> 5) << 25) | (rs2 << 20) | (rs1 << 15) | (f3 << 12) | ((imm & 31) << 7) | opcode;
const rType = (f7: number, rs2: number, rs1: number, f3: number, rd: number, opcode: number): number =>
  (f7 << 25) | (rs2 << 20) | (rs1 << 15) | (f3 << 12) | (rd << 7) | opcode;

/** A 6-bit immediate, sign-extended. */
const imm6 = (half: number): number => (((half >> 12) & 1) === 1 ? -32 : 0) | ((half >> 2) & 31);
const low = (half: number): number => ((half >> 2) & 7) + 8;
const high = (half: number): number => ((half >> 7) & 7) + 8;
const rdOf = (half: number): number => (half >> 7) & 31;
const rs2Of = (half: number): number => (half >> 2) & 31;

/** Load and store opcodes by the low two bits of funct3: 1 is double, 2 word, 3 doubleword of integers. */
const loads = [0, 0x07, 0x03, 0x03];
const stores = [0, 0x27, 0x23, 0x23];
const widths = [0, 3, 2, 3];

function firstQuadrant(half: number): number {
  const f3 = half >>> 13;
  if (f3 === 0) {
    const imm = field(half, 11, 2, 4) | field(half, 7, 4, 6) | field(half, 6, 1, 2) | field(half, 5, 1, 3);
    return imm === 0 ? 0 : iType(imm, 2, 0, low(half), 0x13);
  }
  const kind = f3 & 3;
  if (kind === 0) return 0;
  const imm =
    kind === 2
      ? field(half, 10, 3, 3) | field(half, 6, 1, 2) | field(half, 5, 1, 6)
      : field(half, 10, 3, 3) | field(half, 5, 2, 6);
  const width = widths[kind] ?? 0;
  return f3 < 4
    ? iType(imm, high(half), width, low(half), loads[kind] ?? 0)
    : sType(imm, low(half), high(half), width, stores[kind] ?? 0);
}

function jumpOffset(half: number): number {
  return (
    (((half >> 12) & 1) === 1 ? -2048 : 0) |
    field(half, 11, 1, 4) |
    field(half, 9, 2, 8) |
    field(half, 8, 1, 10) |
    field(half, 7, 1, 6) |
    field(half, 6, 1, 7) |
    field(half, 3, 3, 1) |
    field(half, 2, 1, 5)
  );
}

function branchOffset(half: number): number {
  return (
    (((half >> 12) & 1) === 1 ? -256 : 0) |
    field(half, 10, 2, 3) |
    field(half, 5, 2, 6) |
    field(half, 3, 2, 1) |
    field(half, 2, 1, 5)
  );
}

/** The instruction `jal x0`: a jump by `offset` bytes, less than 1 MiB either way. */
export function jump(offset: number): number {
  return (
    (((offset >> 20) & 1) << 31) |
    (((offset >> 1) & 0x3ff) << 21) |
    (((offset >> 11) & 1) << 20) |
    (((offset >> 12) & 0xff) << 12) |
    0x6f
  );
}

/** beq or bne of a register and x0. */
function branch(offset: number, rs1: number, f3: number): number {
  return (
    (((offset >> 12) & 1) << 31) |
    (((offset >> 5) & 0x3f) << 25) |
    (rs1 << 15) |
    (f3 << 12) |
    (((offset >> 1) & 0xf) << 8) |
    (((offset >> 11) & 1) << 7) |
    0x63
  );
}

function upper(half: number): number {
  const rd = rdOf(half);
  if (rd === 2) {
    const imm =
      (((half >> 12) & 1) === 1 ? -512 : 0) |
      field(half, 6, 1, 4) |
      field(half, 5, 1, 6) |
      field(half, 3, 2, 7) |
      field(half, 2, 1, 5);
    return imm === 0 ? 0 : iType(imm, 2, 0, 2, 0x13);
  }
  return imm6(half) === 0 ? 0 : (imm6(half) << 12) | (rd << 7) | 0x37;
}

function arithmetic(half: number): number {
  const rd = high(half);
  const kind = (half >> 10) & 3;
  const amount = imm6(half) & 63;
  if (kind === 0) return iType(amount, rd, 5, rd, 0x13);
  if (kind === 1) return iType(amount | 0x400, rd, 5, rd, 0x13);
  if (kind === 2) return iType(imm6(half), rd, 7, rd, 0x13);
  const rs2 = low(half);
  const which = (half >> 5) & 3;
  if (((half >> 12) & 1) === 1) {
    if (which > 1) return 0;
    return rType(which === 0 ? 0x20 : 0, rs2, rd, 0, rd, 0x3b);
  }
  return which === 0 ? rType(0x20, rs2, rd, 0, rd, 0x33) : rType(0, rs2, rd, [0, 4, 6, 7][which] ?? 0, rd, 0x33);
}

function secondQuadrant(half: number): number {
  const rd = rdOf(half);
  switch (half >>> 13) {
    case 0:
      return iType(imm6(half), rd, 0, rd, 0x13);
    case 1:
      return rd === 0 ? 0 : iType(imm6(half), rd, 0, rd, 0x1b);
    case 2:
      return iType(imm6(half), 0, 0, rd, 0x13);
    case 3:
      return upper(half);
    case 4:
      return arithmetic(half);
    case 5:
      return jump(jumpOffset(half));
    case 6:
      return branch(branchOffset(half), high(half), 0);
    default:
      return branch(branchOffset(half), high(half), 1);
  }
}

function registerJump(half: number): number {
  const rd = rdOf(half);
  const rs2 = rs2Of(half);
  if (((half >> 12) & 1) === 0) {
    if (rs2 !== 0) return rType(0, rs2, 0, 0, rd, 0x33);
    return rd === 0 ? 0 : iType(0, rd, 0, 0, 0x67);
  }
  if (rs2 !== 0) return rType(0, rs2, rd, 0, rd, 0x33);
  return rd === 0 ? 0x0010_0073 : iType(0, rd, 0, 1, 0x67);
}

function thirdQuadrant(half: number): number {
  const rd = rdOf(half);
  const f3 = half >>> 13;
  if (f3 === 0) return iType(imm6(half) & 63, rd, 1, rd, 0x13);
  if (f3 === 4) return registerJump(half);
  const kind = f3 & 3;
  const width = widths[kind] ?? 0;
  if (f3 < 4) {
    if (rd === 0 && kind !== 1) return 0;
    const imm =
      kind === 2
        ? field(half, 12, 1, 5) | field(half, 4, 3, 2) | field(half, 2, 2, 6)
        : field(half, 12, 1, 5) | field(half, 5, 2, 3) | field(half, 2, 3, 6);
    return iType(imm, 2, width, rd, loads[kind] ?? 0);
  }
  const imm = kind === 2 ? field(half, 9, 4, 2) | field(half, 7, 2, 6) : field(half, 10, 3, 3) | field(half, 7, 3, 6);
  return sType(imm, rs2Of(half), 2, width, stores[kind] ?? 0);
}

/** The 32-bit instruction that a halfword stands for, or 0 (which is illegal) for none. */
export function expand(half: number): number {
  const quadrant = half & 3;
  if (quadrant === 0) return firstQuadrant(half);
  return quadrant === 1 ? secondQuadrant(half) : thirdQuadrant(half);
}
