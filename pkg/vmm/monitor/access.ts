/** Loads and stores that a monitor does for a guest: what an instruction asks, and how its value reaches registers. */
import type { Hart } from '../hart/hart.ts';
import type { Instruction } from '../isa/instruction.ts';
import type { Touch } from './guest-tables.ts';

/** What a fault of a page was about, by its cause: those of page tables, and the misses of a buffer that software fills. */
export const pageTouches: Readonly<Record<number, Touch>> = {
  ...{ 12: 'execute', 13: 'read', 15: 'write' },
  ...{ 24: 'execute', 25: 'read', 27: 'write' },
};

/** Causes of page faults. */
export const pageFaults: Readonly<Record<Touch, number>> = { execute: 12, read: 13, write: 15 };

/** Causes of access faults. */
export const accessFaults: Readonly<Record<Touch, number>> = { execute: 1, read: 5, write: 7 };

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

/** Devices, as the hart's own bus has them. */
interface Bus {
  load(address: number, size: number): number | undefined;
  store(address: number, size: number, value: number): boolean;
}

/** Loads of a device as the hart does: 8 bytes are two accesses, and none is misaligned. Undefined where nothing answers. */
export function loadDevice(bus: Bus, address: number, size: number): bigint | undefined {
  if (address % size !== 0) return undefined;
  const low = bus.load(address, Math.min(size, 4));
  const high = size === 8 ? bus.load(address + 4, 4) : 0;
  if (low === undefined || high === undefined) return undefined;
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
}

/** Stores to a device as the hart does. False where nothing answers. */
export function storeDevice(bus: Bus, address: number, size: number, value: bigint): boolean {
  if (address % size !== 0) return false;
  const low = Number(BigInt.asUintN(Math.min(size, 4) * 8, value));
  const isDone = bus.store(address, Math.min(size, 4), low);
  return isDone && (size !== 8 || bus.store(address + 4, 4, Number(BigInt.asUintN(32, value >> 32n))));
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
