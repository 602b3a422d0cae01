/**
 * Physical memory protection (PMP): whether a mode may read, write or execute bytes. Pure; reads the hart's entries.
 * Source: RISC-V privileged architecture 20211203, section 3.7.
 */
import { type HartState, MACHINE, PMP_ENTRIES } from './hart-state.ts';

/** Bits of an entry's configuration. */
export const PMP_LOCK = 0x80;
const TOR = 1;
const NA4 = 2;

/** One range of addresses, `end` not in it. */
interface Range {
  readonly start: bigint;
  readonly end: bigint;
}

function rangeOf(state: HartState, entry: number): Range | undefined {
  const config = state.pmpConfig[entry] ?? 0;
  const address = state.pmpAddress[entry] ?? 0n;
  const kind = (config >> 3) & 3;
  if (kind === 0) return undefined;
  if (kind === TOR) return { start: entry === 0 ? 0n : (state.pmpAddress[entry - 1] ?? 0n) << 2n, end: address << 2n };
  if (kind === NA4) return { start: address << 2n, end: (address << 2n) + 4n };
  const ones = address ^ (address + 1n);
  const start = (address & ~ones) << 2n;
  return { start, end: start + ((ones + 1n) << 2n) };
}

/** Whether `mode` may access `length` bytes; `bit` is 1 for reading, 2 for writing, 4 for executing. An entry that matches some of the bytes only refuses. */
export function isPermitted(
  state: HartState,
  access: { readonly address: number; readonly length: number; readonly bit: number; readonly mode: number },
): boolean {
  const start = BigInt(access.address);
  const end = start + BigInt(access.length);
  for (let entry = 0; entry < PMP_ENTRIES; entry++) {
    const range = rangeOf(state, entry);
    if (range === undefined || end <= range.start || start >= range.end) continue;
    if (start < range.start || end > range.end) return false;
    const config = state.pmpConfig[entry] ?? 0;
    if (access.mode === MACHINE && (config & PMP_LOCK) === 0) return true;
    return (config & access.bit) !== 0;
  }
  return access.mode === MACHINE;
}

/** Whether one answer of `isPermitted` holds for all bytes of a page. */
export function isUniform(state: HartState, page: number): boolean {
  const start = BigInt(page);
  const end = start + 4096n;
  for (let entry = 0; entry < PMP_ENTRIES; entry++) {
    const range = rangeOf(state, entry);
    if (range === undefined || range.end <= range.start || end <= range.start || start >= range.end) continue;
    return start >= range.start && end <= range.end;
  }
  return true;
}
