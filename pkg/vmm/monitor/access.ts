/** Loads and stores that a monitor does for a guest: what an instruction asks, and how its value reaches registers. */
import type { Hart } from '../hart/hart.ts';
import type { Instruction } from '../isa/instruction.ts';

const loads: Readonly<Record<string, { readonly size: number; readonly signed: boolean }>> = {
  lb: { size: 1, signed: true },
  lbu: { size: 1, signed: false },
  lh: { size: 2, signed: true },
  lhu: { size: 2, signed: false },
  lw: { size: 4, signed: true },
  lwu: { size: 4, signed: false },
  ld: { size: 8, signed: false },
};
const stores: Readonly<Record<string, number>> = { sb: 1, sh: 2, sw: 4, sd: 8 };

/** What a load or store is. */
export type Transfer =
  | { readonly kind: 'load'; readonly size: number; readonly signed: boolean }
  | { readonly kind: 'store'; readonly size: number };

/** The transfer of an instruction; undefined where it is none that a monitor can do, as atomic ones. */
export function transferOf({ operation }: Instruction): Transfer | undefined {
  const load = loads[operation.name];
  if (load !== undefined) return { kind: 'load', ...load };
  const size = stores[operation.name];
  return size === undefined ? undefined : { kind: 'store', size };
}

/** Puts what was loaded into the instruction's register. */
export function putLoaded(
  hart: Hart,
  instruction: Instruction,
  value: bigint,
  { size, signed }: Transfer & { readonly kind: 'load' },
): void {
  hart.setBig(instruction.rd, signed ? BigInt.asUintN(64, BigInt.asIntN(8 * size, value)) : value);
}
