/**
 * Physical memory protection (PMP): whether a mode may read, write or execute bytes. Pure; reads the hart's entries. Bounds above 2^53 are rounded, which is
 * beyond all memory and devices. Source: RISC-V privileged architecture 20211203, section 3.7.
 */
import { type HartState, MACHINE, PMP_ENTRIES, type PmpRange } from './hart-state.ts';

/** The bit of an entry's configuration that locks it. */
export const PMP_LOCK = 0x80;
const TOR = 1;
const NA4 = 2;

function boundsOf(state: HartState, entry: number): { readonly start: bigint; readonly end: bigint } | undefined {
  const address = state.pmpAddress[entry] ?? 0n;
  const kind = ((state.pmpConfig[entry] ?? 0) >> 3) & 3;
  if (kind === 0) return undefined;
  if (kind === TOR) return { start: entry === 0 ? 0n : (state.pmpAddress[entry - 1] ?? 0n) << 2n, end: address << 2n };
  if (kind === NA4) return { start: address << 2n, end: (address << 2n) + 4n };
  const ones = address ^ (address + 1n);
  const start = (address & ~ones) << 2n;
  return { start, end: start + ((ones + 1n) << 2n) };
}

function rangesOf(state: HartState): readonly PmpRange[] {
  if (state.pmpRanges !== undefined) return state.pmpRanges;
  const ranges: PmpRange[] = [];
  for (let entry = 0; entry < PMP_ENTRIES; entry++) {
    const bounds = boundsOf(state, entry);
    if (bounds === undefined || bounds.end <= bounds.start) continue;
    ranges.push({ start: Number(bounds.start), end: Number(bounds.end), config: state.pmpConfig[entry] ?? 0 });
  }
  state.pmpRanges = ranges;
  return ranges;
}

/** Whether `mode` may access `length` bytes; `bit` is 1 for reading, 2 for writing, 4 for executing. An entry that matches some of the bytes only refuses. */
export function isPermitted(state: HartState, address: number, length: number, bit: number, mode: number): boolean {
  const ranges = rangesOf(state);
  const first = ranges[0];
  // As it mostly is: all of them are in the entry before all others, which lets everybody do it.
  if (first !== undefined && address >= first.start && address + length <= first.end && (first.config & bit) !== 0)
    return true;
  for (const { start, end, config } of ranges) {
    if (address + length <= start || address >= end) continue;
    if (address < start || address + length > end) return false;
    if (mode === MACHINE && (config & PMP_LOCK) === 0) return true;
    return (config & bit) !== 0;
  }
  return mode === MACHINE;
}

/** Whether one answer of `isPermitted` holds for all bytes of a page. */
export function isUniform(state: HartState, page: number): boolean {
  for (const { start, end } of rangesOf(state)) {
    if (page + 4096 <= start || page >= end) continue;
    return page >= start && page + 4096 <= end;
  }
  return true;
}
