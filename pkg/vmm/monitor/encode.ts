/** Words of the few instructions that translated code is made of besides the guest's own. Source: RISC-V unprivileged architecture 20191213, chapters 2 and 5. */

/** Registers that sequences borrow. */
export const T0 = 5;
/** The second. */
export const T1 = 6;
/** The third. */
export const T2 = 7;
/** Registers that a sequence may borrow, so many that three are none of an instruction's two. */
export const temporaries = [T0, T1, T2, 28, 29] as const;

const immediate = (rd: number, rs1: number, imm: number, rest: number): number =>
  ((imm & 0xfff) << 20) | (rs1 << 15) | (rd << 7) | rest;

/** rd = 8 bytes at rs1 + imm. */
export const ld = (rd: number, rs1: number, imm: number): number => immediate(rd, rs1, imm, 0x3003);
/** rd = rs1 + imm. */
export const addi = (rd: number, rs1: number, imm: number): number => immediate(rd, rs1, imm, 0x13);
/** rd = rs1 + rs2. */
export const add = (rd: number, rs1: number, rs2: number): number => (rs2 << 20) | (rs1 << 15) | (rd << 7) | 0x33;
/** rd = rs1 & imm. */
export const andi = (rd: number, rs1: number, imm: number): number => immediate(rd, rs1, imm, 0x7013);
/** To the address in rs1. */
export const jr = (rs1: number): number => immediate(0, rs1, 0, 0x67);
/** rd = where this instruction is. */
export const here = (rd: number): number => (rd << 7) | 0x17;
/** To the monitor. */
export const BREAK = 0x10_0073;

/** 8 bytes at rs1 + imm = rs2. */
export function sd(rs2: number, rs1: number, imm: number): number {
  return (((imm >> 5) & 0x7f) << 25) | (rs2 << 20) | (rs1 << 15) | ((imm & 31) << 7) | 0x3023;
}

/** The store `word` (its size and what is stored), to the address in rs1. */
export const storeAt = (word: number, rs1: number): number => (word & 0x1f0_707f) | (rs1 << 15);

/** The branch `word` (its condition and registers), by `offset` bytes. */
export function branch(word: number, offset: number): number {
  const bits =
    (((offset >> 12) & 1) << 31) |
    (((offset >> 5) & 63) << 25) |
    (((offset >> 1) & 15) << 8) |
    (((offset >> 11) & 1) << 7);
  return (word & 0x1ff_f07f) | bits;
}

/** A branch if two registers differ. */
export const bne = (rs1: number, rs2: number, offset: number): number =>
  branch((rs2 << 20) | (rs1 << 15) | 0x1063, offset);

/** A branch if two registers are the same. */
export const beq = (rs1: number, rs2: number, offset: number): number =>
  branch((rs2 << 20) | (rs1 << 15) | 0x63, offset);
