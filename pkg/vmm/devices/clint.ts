/**
 * The core-local interruptor: software interrupts between harts, and the clock with one comparator per hart. Its time is the machine's.
 * Source: SiFive FU540-C000 manual v1p0, chapter 9.
 */
import { type HartState, MSIP, MTIP } from '../hart/hart-state.ts';
import { CLINT_BASE } from '../memory-map.ts';
import type { Plain, PlainReader } from '../plain-state.ts';
import type { Device } from './device.ts';

const COMPARE = 0x4000;
const TIME = 0xbff8;
const LOW = 0xffff_ffffn;

/** Time as the guest sees it. */
export interface GuestClock {
  readonly ticks: number;
  /** The guest wrote its clock: ticks of the machine plus this. */
  shift(ticks: number): void;
}

/** The CLINT. */
export class Clint implements Device {
  readonly base = CLINT_BASE;
  readonly size = 0x1_0000;
  readonly due = Infinity;
  private readonly harts: readonly HartState[];
  private readonly clock: GuestClock;
  private compare: bigint[];
  /** The same as numbers, which are exact for all times that there are. */
  private times: number[];

  constructor(harts: readonly HartState[], clock: GuestClock) {
    this.harts = harts;
    this.clock = clock;
    this.compare = harts.map(() => 0xffff_ffff_ffff_ffffn);
    this.times = this.compare.map(Number);
  }

  /** When a hart's comparator is reached; far beyond any count where it never is. */
  compareOf(hart: number): number {
    return this.times[hart] ?? 0;
  }

  /** Raises and lowers the timers' lines by the time that it is. */
  refresh(): void {
    const now = this.clock.ticks;
    for (const hart of this.harts) {
      if (now >= this.compareOf(hart.id)) hart.lines |= MTIP;
      else hart.lines &= ~MTIP;
    }
  }

  process(): void {}

  load(offset: number, size: number): number | undefined {
    if (size !== 4) return undefined;
    if (offset < COMPARE) return ((this.harts[offset >> 2]?.lines ?? 0) & MSIP) === 0 ? 0 : 1;
    if (offset >= TIME) return this.half(BigInt(this.clock.ticks), offset);
    return this.half(this.compare[(offset - COMPARE) >> 3] ?? 0n, offset);
  }

  store(offset: number, size: number, value: number): boolean {
    if (size !== 4) return false;
    if (offset < COMPARE) {
      const hart = this.harts[offset >> 2];
      if (hart !== undefined) hart.lines = (hart.lines & ~MSIP) | ((value & 1) === 1 ? MSIP : 0);
    } else if (offset >= TIME) {
      const now = BigInt(this.clock.ticks);
      this.clock.shift(Number(this.replaced(now, offset, value) - now));
    } else {
      const index = (offset - COMPARE) >> 3;
      const old = this.compare[index];
      if (old !== undefined) this.compare[index] = this.replaced(old, offset, value);
      this.times = this.compare.map(Number);
    }
    this.refresh();
    return true;
  }

  save(): { readonly [name: string]: Plain } {
    return { compare: this.compare.map((value) => ({ at: value.toString() })) };
  }

  restore(state: PlainReader): void {
    this.compare = state.parts('compare').map((part) => part.big('at'));
    this.times = this.compare.map(Number);
  }

  private half(value: bigint, offset: number): number {
    return Number((offset & 4) === 0 ? value & LOW : value >> 32n);
  }

  private replaced(old: bigint, offset: number, value: number): bigint {
    return (offset & 4) === 0 ? (old & ~LOW) | BigInt(value) : (old & LOW) | (BigInt(value) << 32n);
  }
}
