/**
 * The ways side by side: the same work under each, what was counted, and how long this host took. The work is the guest of `guests/pages`; the ported kernel is the same
 * source with another half for the machine. All numbers are of runs that were made; time is the host's, so it is noisy, and compares within one run only.
 */
import type { Monitor, MonitorCounters, Outcome, Way } from './contract.ts';
import { createMonitor } from './monitor.ts';

/** How much of each there is to do. */
export interface Workload {
  /** Entries of page tables written, at most 262,144, which map 1 GiB. */
  readonly updates: number;
  /** Loads and stores of a word through them. */
  readonly touches: number;
  /** Pages over which they are spread. */
  readonly spread: number;
  readonly syscalls: number;
}

/** What to compare with. */
export interface Bench {
  /** The guest's binary, and that of its port. */
  readonly guest: Uint8Array;
  readonly ported: Uint8Array;
  /** Milliseconds of the host's processor. */
  readonly now: () => number;
}

/** One way's run. */
export interface Row {
  readonly way: Way;
  readonly outcome: Outcome;
  readonly milliseconds: number;
  readonly counters: MonitorCounters;
  /** What the guest printed. */
  readonly console: string;
}

/** One point of the question whether shadow or nested tables are the quicker ones. */
export interface Crossing {
  /** Touches per entry written; each touch misses the translation buffer. */
  readonly touchesPerUpdate: number;
  readonly shadow: { readonly milliseconds: number; readonly references: number; readonly exits: number };
  readonly nested: { readonly milliseconds: number; readonly references: number; readonly exits: number };
}

const MEMORY = 16 << 20;
const INSTRUCTIONS_MAX = 1_000_000_000;
/** Pages that the crossing is measured with: four times what the translation buffer holds, so that every touch misses. */
const CROSSING_PAGES = 1024;
const crossingTouches = [1, 4, 16, 64, 128, 256] as const;

/** Runs the work under one way. */
export function measure(bench: Bench, way: Way, { updates, touches, spread, syscalls }: Workload): Row {
  const isPorted = way === 'paravirtual';
  const monitor: Monitor = createMonitor({
    way,
    io: isPorted ? 'split' : 'emulated',
    guest: isPorted ? bench.ported : bench.guest,
    memory: MEMORY,
    parameters: [updates, touches, spread, syscalls],
  });
  const start = bench.now();
  const outcome = monitor.run(INSTRUCTIONS_MAX);
  return { way, outcome, milliseconds: bench.now() - start, counters: monitor.counters, console: monitor.console };
}

/** All exits together. */
export function exitsOf({ exits }: MonitorCounters): number {
  return Object.values(exits).reduce((sum, count) => sum + count, 0);
}

/** Runs the same work under trap-and-emulate, with its shadow tables, and with nested ones, for more and more touches of what was mapped once. */
export function measureCrossing(bench: Bench): readonly Crossing[] {
  const side = (way: Way, touchesPerUpdate: number) => {
    const touches = CROSSING_PAGES * touchesPerUpdate;
    const { milliseconds, counters } = measure(bench, way, {
      updates: CROSSING_PAGES,
      touches,
      spread: CROSSING_PAGES,
      syscalls: 0,
    });
    return { milliseconds, references: counters.walkReferences, exits: exitsOf(counters) };
  };
  return crossingTouches.map((touchesPerUpdate) => ({
    touchesPerUpdate,
    shadow: side('trap', touchesPerUpdate),
    nested: side('hardware', touchesPerUpdate),
  }));
}

/** Between which numbers of touches per entry the two change places by a measure; undefined where they do not. */
export function crossingOf(
  points: readonly Crossing[],
  measureOf: (side: Crossing['shadow']) => number,
): readonly [number, number] | undefined {
  for (const [index, point] of points.entries()) {
    const before = points[index - 1];
    if (before === undefined) continue;
    const wasNested = measureOf(before.nested) <= measureOf(before.shadow);
    const isShadow = measureOf(point.shadow) < measureOf(point.nested);
    if (wasNested && isShadow) return [before.touchesPerUpdate, point.touchesPerUpdate];
  }
  return undefined;
}
