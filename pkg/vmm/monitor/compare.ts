/**
 * The ways side by side: the same work under each, what was counted, and how long this host took. The work is the guest of `guests/pages`; the ported kernel is the same
 * source with another half for the machine. All numbers are of runs that were made; time is the host's, so it is noisy, and compares within one run only.
 */
import type { Choice } from './choices.ts';
import { type DeviceName, deviceNames, type MonitorCounters, type Outcome, type Way } from './contract.ts';
import { createMonitor } from './monitor.ts';
import { exitsOfLevel, runNested } from './nested.ts';
import { noExits } from './tally.ts';

/** How much of each there is to do. */
export interface Workload {
  /** Entries of page tables written, at most 262,144, which map 1 GiB. */
  readonly updates: number;
  /** Loads and stores of a word through them. */
  readonly touches: number;
  /** Pages over which they are spread. */
  readonly spread: number;
  readonly syscalls: number;
  /** In place of all that: what another guest (`guests/io`) does with a device. */
  readonly use?: Use;
}

/** How often a device is used: bytes written to the console, sectors written to the disk and read again, or frames sent that come back. */
export interface Use {
  readonly device: DeviceName;
  readonly count: number;
}

/** Binaries of guests: the work and its ports, the monitor in C that has the first in it, and those that use their devices. */
export type GuestName = 'pages/pages' | 'pages/ported' | 'pages/writable' | 'nested/one' | 'io/io' | 'io/ported';

/** What to compare with. */
export interface Bench {
  readonly guest: (name: GuestName) => Uint8Array;
  /** Milliseconds of the host's processor. */
  readonly now: () => number;
}

/** One way's run. */
export interface Row {
  /** The way, and what was chosen of it. */
  readonly name: string;
  readonly way: Way;
  /** The monitor ran on the hart itself. */
  readonly isBare: boolean;
  readonly outcome: Outcome;
  readonly milliseconds: number;
  /** Of a monitor that is a program of the machine, exits as it counted them; the rest is the hart's, which ran it too. What of the guest's tables it read is not known then. */
  readonly counters: MonitorCounters;
  /** What the guest printed. */
  readonly console: string;
}

/** One point of the question whether shadow or nested tables are the quicker ones; milliseconds are those of the shortest of a few runs. */
export interface Crossing {
  /** Touches per entry written; each touch misses the translation buffer. */
  readonly touchesPerUpdate: number;
  readonly shadow: { readonly milliseconds: number; readonly references: number; readonly exits: number };
  readonly nested: { readonly milliseconds: number; readonly references: number; readonly exits: number };
  /** Neither: a buffer that the monitor fills. */
  readonly filled: { readonly milliseconds: number; readonly references: number; readonly exits: number };
}

const MEMORY = 16 << 20;
const INSTRUCTIONS_MAX = 1_000_000_000;
/** Pages that the crossing is measured with: four times what the translation buffer holds, so that every touch misses. */
const CROSSING_PAGES = 1024;
/** Runs of each point at most, and milliseconds that suffice: the shortest run counts, as what is short is disturbed most. */
const CROSSING_RUNS = 5;
const CROSSING_MS = 300;
const crossingTouches = [1, 4, 16, 64, 128, 256] as const;

/** Runs the work under one way. */
export function measure(bench: Bench, choice: Choice, work: Workload): Row {
  const { name, way, isBare } = choice;
  const start = bench.now();
  const ran = isBare ? runBare(bench, work) : runHosted(bench, choice, work);
  return { name, way, isBare, milliseconds: bench.now() - start, ...ran };
}

type Ran = Pick<Row, 'outcome' | 'counters' | 'console'>;

function runHosted({ guest }: Bench, { way, io, paging, isWritable }: Choice, work: Workload): Ran {
  const { updates, touches, spread, syscalls, use } = work;
  const ofPages = way !== 'paravirtual' ? 'pages/pages' : isWritable ? 'pages/writable' : 'pages/ported';
  const ofDevice = way === 'paravirtual' ? 'io/ported' : 'io/io';
  const monitor = createMonitor({
    ...{ way, io, paging, memory: MEMORY },
    guest: guest(use === undefined ? ofPages : ofDevice),
    parameters:
      use === undefined
        ? [updates, touches, spread, syscalls]
        : [use.count, io === 'split' ? 1 : 0, deviceNames.indexOf(use.device)],
  });
  const outcome = monitor.run(INSTRUCTIONS_MAX);
  return { outcome, counters: monitor.counters, console: monitor.console };
}

/** The monitor gives half of the machine's memory to its guest. */
function runBare({ guest }: Bench, { updates, touches, spread, syscalls }: Workload): Ran {
  const parameters = [updates, touches, spread, syscalls];
  const ran = runNested({ way: 'native', guest: guest('nested/one'), memory: 2 * MEMORY, parameters });
  const [level] = ran.levels;
  const exits = { ...noExits(), ...level?.exits };
  if (level !== undefined && exitsOfLevel(level) !== exitsOf({ ...ran.counters, exits }))
    throw new TypeError('the monitor counted exits of reasons that there are not');
  return { outcome: ran.outcome, counters: { ...ran.counters, exits }, console: ran.console };
}

/** All exits together. */
export function exitsOf({ exits }: MonitorCounters): number {
  return Object.values(exits).reduce((sum, count) => sum + count, 0);
}

/** Runs the same work under trap-and-emulate, with its shadow tables and with a buffer that it fills, and with nested tables, for more and more touches of what was mapped once. */
export function measureCrossing(bench: Bench): readonly Crossing[] {
  const base = { io: 'emulated', isWritable: false, isBare: false } as const;
  const side = (choice: Choice, touchesPerUpdate: number) => {
    const touches = CROSSING_PAGES * touchesPerUpdate;
    const work = { updates: CROSSING_PAGES, touches, spread: CROSSING_PAGES, syscalls: 0 };
    const { counters, milliseconds: first } = measure(bench, choice, work);
    let milliseconds = first;
    let sum = first;
    for (let run = 1; run < CROSSING_RUNS && sum < CROSSING_MS; run++) {
      const again = measure(bench, choice, work).milliseconds;
      milliseconds = Math.min(milliseconds, again);
      sum += again;
    }
    const references = counters.walkReferences + counters.monitorReferences;
    return { milliseconds, references, exits: exitsOf(counters) };
  };
  return crossingTouches.map((touchesPerUpdate) => ({
    touchesPerUpdate,
    shadow: side({ ...base, name: 'trap', way: 'trap', paging: 'shadow' }, touchesPerUpdate),
    nested: side({ ...base, name: 'hardware', way: 'hardware', paging: 'shadow' }, touchesPerUpdate),
    filled: side({ ...base, name: 'trap/software', way: 'trap', paging: 'software' }, touchesPerUpdate),
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
