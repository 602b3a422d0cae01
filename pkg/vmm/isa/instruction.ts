/**
 * What a decoded instruction is: what runs it, and its operands. Made once per place in memory and kept with the page (`CodeCache`).
 */
import type { Hart } from '../hart/hart.ts';

/** Runs one instruction: may change the hart's registers and `next`; ends early by throwing TRAP or MISSING_PAGE with nothing changed. */
export type Handler = (hart: Hart, instruction: Instruction) => void;

/** Where the immediate of an instruction is, and which bits of its word say what it is. */
export type Format =
  | 'R'
  | 'I'
  | 'shift64'
  | 'shift32'
  | 'S'
  | 'B'
  | 'U'
  | 'J'
  | 'csr'
  | 'atomic'
  | 'float'
  | 'fused'
  | 'exact'
  | 'fence'
  | 'sfence';

/** An instruction of the table: `match` are its fixed bits. */
export interface Operation {
  readonly name: string;
  readonly format: Format;
  readonly match: number;
  readonly run: Handler;
  /** Bits fixed besides those of the format. */
  readonly mask?: number;
}

/** One instruction in memory. */
export interface Instruction {
  readonly operation: Operation;
  readonly run: Handler;
  readonly rd: number;
  readonly rs1: number;
  readonly rs2: number;
  /** Sign-extended 32 bits; the number of the register for CSRs, the amount for shifts. */
  readonly imm: number;
  /** The word, expanded if it was compressed; `raw` is what stands in memory. */
  readonly word: number;
  readonly raw: number;
  /** 2 or 4. */
  readonly length: number;
}

/** An entry of the table. */
export function op(name: string, format: Format, match: number, run: Handler, mask?: number): Operation {
  return mask === undefined ? { name, format, match, run } : { name, format, match, run, mask };
}
