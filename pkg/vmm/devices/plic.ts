/**
 * The platform-level interrupt controller: devices' lines to contexts, which are machine and supervisor mode of each hart in turn. An interrupt
 * that is claimed comes again only when it was completed. A device requests one each time that it raises its line, also if that was high: a driver
 * that leaves a cause standing hears of it once, as on QEMU's board, and not for ever. Source: RISC-V PLIC specification 1.0.0; QEMU, sifive_plic.c.
 */
import { type HartState, MEIP, SEIP } from '../hart/hart-state.ts';
import { PLIC_BASE } from '../memory-map.ts';
import type { Plain, PlainReader } from '../plain-state.ts';
import type { Device, Lines } from './device.ts';

/** Sources; 0 is none. */
const PLIC_SOURCES = 96;
const PENDING = 0x1000;
const ENABLE = 0x2000;
const ENABLE_STRIDE = 0x80;
const CONTEXT = 0x20_0000;
const CONTEXT_STRIDE = 0x1000;
const PRIORITY_MASK = 7;
const WORDS = PLIC_SOURCES / 32;

/** The PLIC of some harts. */
export class Plic implements Device, Lines {
  readonly base = PLIC_BASE;
  readonly size = 0x60_0000;
  readonly due = Infinity;
  private readonly harts: readonly HartState[];
  private readonly priority = new Uint8Array(PLIC_SOURCES);
  /** A bit for each source, as in `enabled`. */
  private readonly pending = new Uint32Array(WORDS);
  private readonly claimed = new Uint32Array(WORDS);
  /** Words of enabled sources by context, one after the other. */
  private readonly enabled: Uint32Array;
  private readonly threshold: Uint8Array;

  constructor(harts: readonly HartState[]) {
    this.harts = harts;
    this.enabled = new Uint32Array(harts.length * 2 * WORDS);
    this.threshold = new Uint8Array(harts.length * 2);
  }

  setLine(interrupt: number, isHigh: boolean): void {
    put(this.pending, interrupt, isHigh);
    this.update();
  }

  process(): void {}

  load(offset: number, size: number): number | undefined {
    if (size !== 4) return undefined;
    if (offset < PENDING) return this.priority[offset >> 2] ?? 0;
    if (offset < ENABLE) return this.pending[(offset - PENDING) >> 2] ?? 0;
    if (offset < CONTEXT) return this.enabled[this.enableIndex(offset)] ?? 0;
    const context = Math.floor((offset - CONTEXT) / CONTEXT_STRIDE);
    const register = (offset - CONTEXT) % CONTEXT_STRIDE;
    if (context >= this.threshold.length) return 0;
    if (register === 0) return this.threshold[context] ?? 0;
    return register === 4 ? this.claim(context) : 0;
  }

  store(offset: number, size: number, value: number): boolean {
    if (size !== 4) return false;
    if (offset < PENDING) {
      const source = offset >> 2;
      if (source > 0 && source < PLIC_SOURCES) this.priority[source] = value & PRIORITY_MASK;
    } else if (offset >= ENABLE && offset < CONTEXT) {
      const index = this.enableIndex(offset);
      if (index >= 0) this.enabled[index] = index % WORDS === 0 ? value & ~1 : value;
    } else if (offset >= CONTEXT) this.storeContext(offset - CONTEXT, value);
    this.update();
    return true;
  }

  save(): { readonly [name: string]: Plain } {
    const { priority, enabled, threshold } = this;
    const lists = { priority, pending: flagsOf(this.pending), claimed: flagsOf(this.claimed), enabled, threshold };
    return Object.fromEntries(Object.entries(lists).map(([name, list]) => [name, Array.from(list)]));
  }

  restore(state: PlainReader): void {
    this.priority.set(state.numbers('priority'));
    for (const [source, flag] of state.numbers('pending').entries()) put(this.pending, source, flag === 1);
    for (const [source, flag] of state.numbers('claimed').entries()) put(this.claimed, source, flag === 1);
    this.enabled.set(state.numbers('enabled'));
    this.threshold.set(state.numbers('threshold'));
    this.update();
  }

  private storeContext(offset: number, value: number): void {
    const context = Math.floor(offset / CONTEXT_STRIDE);
    const register = offset % CONTEXT_STRIDE;
    if (context >= this.threshold.length) return;
    if (register === 0) this.threshold[context] = value & PRIORITY_MASK;
    else if (register === 4 && value < PLIC_SOURCES && this.isEnabled(context, value)) put(this.claimed, value, false);
  }

  /** Index of a word of enabled sources, or -1. */
  private enableIndex(offset: number): number {
    const context = Math.floor((offset - ENABLE) / ENABLE_STRIDE);
    const word = ((offset - ENABLE) % ENABLE_STRIDE) >> 2;
    return word < WORDS && context < this.threshold.length ? context * WORDS + word : -1;
  }

  private isEnabled(context: number, source: number): boolean {
    return (((this.enabled[context * WORDS + (source >> 5)] ?? 0) >>> (source & 31)) & 1) === 1;
  }

  /** The pending source of highest priority, then lowest number, above `floor`; 0 if there is none. */
  private best(context: number, floor: number): number {
    let best = 0;
    let bestPriority = floor;
    for (let word = 0; word < WORDS; word++) {
      const waiting = (this.pending[word] ?? 0) & ~(this.claimed[word] ?? 0);
      for (let left = waiting & (this.enabled[context * WORDS + word] ?? 0); left !== 0; left &= left - 1) {
        const source = word * 32 + 31 - Math.clz32(left & -left);
        const priority = this.priority[source] ?? 0;
        if (priority <= bestPriority) continue;
        best = source;
        bestPriority = priority;
      }
    }
    return best;
  }

  private claim(context: number): number {
    const source = this.best(context, 0);
    if (source !== 0) {
      put(this.pending, source, false);
      put(this.claimed, source, true);
      this.update();
    }
    return source;
  }

  private update(): void {
    for (const hart of this.harts) {
      const machine = this.best(hart.id * 2, this.threshold[hart.id * 2] ?? 0) === 0 ? 0 : MEIP;
      const supervisor = this.best(hart.id * 2 + 1, this.threshold[hart.id * 2 + 1] ?? 0) === 0 ? 0 : SEIP;
      hart.lines = (hart.lines & ~(MEIP | SEIP)) | machine | supervisor;
    }
  }
}

/** Sets a source's bit, or clears it. */
function put(words: Uint32Array, source: number, flag: boolean): void {
  const old = words[source >> 5] ?? 0;
  words[source >> 5] = flag ? old | (1 << (source & 31)) : old & ~(1 << (source & 31));
}

/** The bits as a number each. */
function flagsOf(words: Uint32Array): readonly number[] {
  return Array.from({ length: PLIC_SOURCES }, (_, source) => ((words[source >> 5] ?? 0) >>> (source & 31)) & 1);
}
