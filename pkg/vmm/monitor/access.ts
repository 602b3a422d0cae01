/** Loads and stores that a monitor does for a guest: what an instruction asks, and how its value reaches registers. */
import type { Hart } from '../hart/hart.ts';
import type { Instruction } from '../isa/instruction.ts';
import { PAGE_SIZE } from '../memory-map.ts';
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

/** Where a load or store goes. */
export function transferAddress(hart: Hart, { rs1, imm }: Instruction): bigint {
  return BigInt.asUintN(64, hart.big(rs1) + BigInt(imm));
}

/** Whether it is of two pages, of which the one that a trap tells of may be the second. */
export function isAcross(hart: Hart, instruction: Instruction, { size }: Pick<Transfer, 'size'>): boolean {
  return Number(transferAddress(hart, instruction) % BigInt(PAGE_SIZE)) + size > PAGE_SIZE;
}

/** Devices, as the hart's own bus has them. */
interface Bus {
  load(address: number, size: number): number | undefined;
  store(address: number, size: number, value: number): boolean;
}

/** What of a machine a device is used by. */
interface User {
  readonly hart: Hart;
  readonly devices: Bus;
}

/** A load or store of a device. */
interface Use {
  readonly instruction: Instruction;
  readonly transfer: Transfer;
  /** The machine's address of the device's register. */
  readonly address: number;
}

/** Does a device's load or store as the hart does. False where nothing answers, or a part of it is elsewhere. */
export function useDevice({ hart, devices }: User, { instruction, transfer, address }: Use): boolean {
  if (isAcross(hart, instruction, transfer)) return false;
  if (transfer.kind === 'store') return storeDevice(devices, address, transfer.size, hart.big(instruction.rs2));
  const value = loadDevice(devices, address, transfer.size);
  if (value === undefined) return false;
  hart.setBig(instruction.rd, transfer.signed ? BigInt.asUintN(64, BigInt.asIntN(8 * transfer.size, value)) : value);
  return true;
}

/** The cause of the fault then. */
export function deviceFault({ kind }: Transfer): number {
  return accessFaults[kind === 'store' ? 'write' : 'read'];
}

/** Stores to a device as the hart does. False where nothing answers. */
export function storeDevice(bus: Bus, address: number, size: number, value: bigint): boolean {
  if (address % size !== 0) return false;
  const low = Number(BigInt.asUintN(Math.min(size, 4) * 8, value));
  const isDone = bus.store(address, Math.min(size, 4), low);
  return isDone && (size !== 8 || bus.store(address + 4, 4, Number(BigInt.asUintN(32, value >> 32n))));
}

/** Loads of a device as the hart does: 8 bytes are two accesses, and none is misaligned. Undefined where nothing answers. */
function loadDevice(bus: Bus, address: number, size: number): bigint | undefined {
  if (address % size !== 0) return undefined;
  const low = bus.load(address, Math.min(size, 4));
  const high = size === 8 ? bus.load(address + 4, 4) : 0;
  if (low === undefined || high === undefined) return undefined;
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
}
