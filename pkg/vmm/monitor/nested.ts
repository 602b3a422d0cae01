/**
 * Monitors within each other (Popek and Goldberg 1974, theorem 2): `guests/nested` is a monitor that is itself a guest, so it runs on the bare machine, under any monitor here
 * that promises it the bare machine, and under itself. Levels are counted from the outside. What each of them did is known twice: the monitors in the machine print their
 * counts when they end, and a full trace of the outermost one tells what the one within it was asked (`innerExits`) and what each of that cost (`costs`).
 */
import type { UserStatus } from '../hart/hart-state.ts';
import { decode } from '../isa/decode.ts';
import type { ExitEvent, MonitorCounters, Outcome, TraceEvent, Way } from './contract.ts';
import { createMonitor } from './monitor.ts';
import { reasonOf } from './recount.ts';

/** Reasons for exits as monitors in a machine print them. */
const reasons = ['register', 'return', 'fence', 'wait', 'syscall', 'reflected', 'shadow-fault', 'device'] as const;

/** One of them. */
export type InnerReason = (typeof reasons)[number];

/** What to run. */
export interface NestedConfig {
  /** The outermost way; `native` is none, so that the first monitor is a program on the bare machine. */
  readonly way: Exclude<Way, 'paravirtual'>;
  /** A monitor with what it runs. */
  readonly guest: Uint8Array;
  /** Bytes of the outermost guest's memory; each monitor gives half of its memory to its guest. */
  readonly memory: number;
  /** Of the innermost guest, four. */
  readonly parameters: readonly number[];
  readonly userStatus?: UserStatus;
  readonly trace?: (event: TraceEvent) => void;
}

/** What one monitor did. */
export interface Level {
  readonly level: number;
  readonly exits: Readonly<Record<string, number>>;
}

/** How it went. */
export interface Nested {
  readonly outcome: Outcome;
  /** What the innermost guest wrote. */
  readonly console: string;
  /** From the outermost to the innermost. */
  readonly levels: readonly Level[];
  readonly instructions: number;
  /** Of the outermost monitor, or of the hart where the first is a program on it. */
  readonly counters: MonitorCounters;
  /** The innermost guest's memory, if it is so many bytes. */
  memory(bytes: number): Uint8Array;
}

const INSTRUCTIONS_MAX = 2_000_000_000;

/** Runs monitors within each other, to the end. */
export function runNested({ way, guest, memory, parameters, userStatus, trace }: NestedConfig): Nested {
  const isBare = way === 'native';
  const monitor = createMonitor({
    ...{ way, io: 'emulated', guest, memory },
    parameters: [...parameters, memory, isBare ? 1 : 2],
    ...(userStatus === undefined ? {} : { userStatus }),
    ...(trace === undefined ? {} : { trace }),
  });
  const outcome = monitor.run(INSTRUCTIONS_MAX);
  const { counters } = monitor;
  const lines = monitor.console.split('\n');
  const inner = lines.map(levelOf).filter((level) => level !== undefined);
  const own = isBare ? [] : [{ level: 1, exits: counters.exits }];
  return {
    outcome,
    console: lines.filter((line) => levelOf(line) === undefined).join('\n'),
    // The innermost one ends first.
    levels: [...own, ...inner.toReversed()],
    instructions: counters.instructions + counters.interpreted,
    counters,
    memory: (bytes) => monitor.memory().subarray(memory - bytes),
  };
}

/** A line such as "level 2 register 10 return 3 …". */
function levelOf(line: string): Level | undefined {
  const [, level, rest] = /^level (\d+)((?: [a-z-]+ \d+)+)$/.exec(line) ?? [];
  if (level === undefined || rest === undefined) return undefined;
  const exits: Record<string, number> = {};
  for (const [, name = '', count = ''] of rest.matchAll(/ ([a-z-]+) (\d+)/g)) exits[name] = Number(count);
  return { level: Number(level), exits };
}

/** All exits of a level. */
export function exitsOfLevel({ exits }: Level): number {
  return Object.values(exits).reduce((sum, count) => sum + count, 0);
}

/** Kinds of exits of the second level that its cause and instruction tell apart. */
export type InnerKind = 'register' | 'return' | 'fence' | 'wait' | 'syscall' | 'memory' | 'other';

/** What of the exits that a monitor in the machine printed is of a kind. */
export function ofKind(exits: Readonly<Record<string, number>>): Readonly<Record<InnerKind, number>> {
  const count = (reason: InnerReason): number => exits[reason] ?? 0;
  return {
    register: count('register'),
    return: count('return'),
    fence: count('fence'),
    wait: count('wait'),
    syscall: count('syscall'),
    memory: count('shadow-fault') + count('device'),
    other: count('reflected'),
  };
}

/** What the second level did for one kind of exit, and how many exits of the first that took. */
export interface Cost {
  readonly exits: number;
  readonly outer: number;
}

/**
 * From a full trace of the first level, under which the second runs a guest that takes no faults of memory itself: each trap that was passed on out of mode U is an exit of the second
 * level, and all exits from there to the next one are what it cost, but those for memory of the second's guest that the second was not asked about.
 */
export function costs(events: readonly TraceEvent[], way: Way): Readonly<Record<InnerKind, Cost>> {
  const found: Record<InnerKind, { exits: number; outer: number }> = {
    ...{
      register: none(),
      return: none(),
      fence: none(),
      wait: none(),
      syscall: none(),
      memory: none(),
      other: none(),
    },
  };
  let current: InnerKind | undefined;
  for (const event of events) {
    if (event.kind !== 'exit') continue;
    const reason = reasonOf(event, way);
    if (!event.kernel && (reason === 'reflected' || reason === 'syscall')) {
      current = kindOf(event);
      found[current].exits++;
    } else if (!event.kernel) continue;
    if (current !== undefined) found[current].outer++;
  }
  return found;
}

const none = (): { exits: number; outer: number } => ({ exits: 0, outer: 0 });

function kindOf({ cause, word }: ExitEvent): InnerKind {
  if (cause === 8) return 'syscall';
  if (cause === 12 || cause === 13 || cause === 15) return 'memory';
  if (cause !== 2) return 'other';
  const { operation } = decode(word ?? 0);
  if (operation.name === 'sret') return 'return';
  if (operation.name === 'sfence.vma') return 'fence';
  if (operation.name === 'wfi') return 'wait';
  return operation.format === 'csr' ? 'register' : 'other';
}
