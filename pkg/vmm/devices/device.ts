/** What a device is to the machine. */
import type { Plain, PlainReader } from '../plain-state.ts';

/**
 * A device in the guest's address space. Offsets are from its base; sizes 1, 2 or 4, aligned. What it does later it does in `process`, which the
 * machine calls at the first moment at or after `due`; that may throw MISSING_PAGE, with nothing changed, and is called again.
 */
export interface Device {
  readonly base: number;
  readonly size: number;
  load(offset: number, size: number): number | undefined;
  store(offset: number, size: number, value: number): boolean;
  /** Ticks; Infinity when there is nothing to do. */
  readonly due: number;
  process(): void;
  save(): { readonly [name: string]: Plain };
  restore(state: PlainReader): void;
}

/** Lines of interrupts that devices raise and lower. */
export interface Lines {
  setLine(interrupt: number, isHigh: boolean): void;
}
