/**
 * What a simulated container does, read from its pod's annotations. `fake.coxswain.dev/<setting>` holds for all containers of the
 * pod, `fake.coxswain.dev/<container>.<setting>` for one of them.
 *
 * | setting | value | default |
 * |---|---|---|
 * | `pull-delay`, `start-delay` | duration such as `1.5s` | 0 |
 * | `pull-error` | message of a pull that fails; with it the image is never there | |
 * | `run-time` | duration until it exits by itself, or `forever`; several, by commas, for one attempt each | `forever` |
 * | `exit-code` | number; several, by commas, for one attempt each | 0 |
 * | `exit-reason` | such as `OOMKilled` | `Completed` or `Error` |
 * | `stop-time` | duration from SIGTERM to the exit, or `forever` for one that ignores it | 0 |
 * | `readiness`, `liveness`, `startup` | timeline since the start: `fail,ok@10s,500@1m` | `ok` |
 * | `cpu`, `memory` | what it uses, a timeline since the start: `100m,2@1m`, `64Mi` | nothing is known |
 * | `log` | lines of its output | |
 * | `termination-message` | what it leaves behind | |
 * | `fault.sandbox`, `fault.create`, `fault.start` | message of an error | |
 *
 * Lists are used item by item, the last one for all later attempts. A setting that cannot be read is an error of `create`.
 */
import { parseQuantity, quantityMilliValue } from '#pkg/apimachinery/quantity.ts';
import { parseDurationMs } from '#pkg/apimachinery/time.ts';
import { RuntimeError } from '../runtime.ts';

const prefix = 'fake.coxswain.dev/';

/** One step of a probe's timeline. */
export interface TimelineStep {
  readonly fromMs: number;
  readonly ok: boolean;
  /** Status code of HTTP probes. */
  readonly statusCode: number;
}

/** One step of what a container uses. */
export interface UsageStep {
  readonly fromMs: number;
  readonly amount: number;
}

/** The settings of one container; times in milliseconds. */
export interface ContainerScript {
  readonly pullDelayMs: number;
  readonly pullError?: string;
  readonly startDelayMs: number;
  /** Infinity: runs until it is stopped. */
  readonly runTimeMs: number;
  readonly exitCode: number;
  readonly exitReason?: string;
  readonly stopTimeMs: number;
  readonly readiness: readonly TimelineStep[];
  readonly liveness: readonly TimelineStep[];
  readonly startup: readonly TimelineStep[];
  /** What it uses, in cores and in bytes; absent: not known. */
  readonly cpu?: readonly UsageStep[];
  readonly memory?: readonly UsageStep[];
  readonly log: readonly string[];
  readonly terminationMessage?: string;
  readonly sandboxFault?: string;
  readonly createFault?: string;
  readonly startFault?: string;
}

const always: readonly TimelineStep[] = [{ fromMs: 0, ok: true, statusCode: 200 }];

/** What containers without annotations do: start at once and run until they are stopped. Shared, to be cheap. */
export const plainScript: ContainerScript = {
  pullDelayMs: 0,
  startDelayMs: 0,
  runTimeMs: Number.POSITIVE_INFINITY,
  exitCode: 0,
  stopTimeMs: 0,
  readiness: always,
  liveness: always,
  startup: always,
  log: [],
};

/** The script of one attempt of a container. Throws `RuntimeError` for a setting that cannot be read. */
export function readScript(
  annotations: Readonly<Record<string, string>>,
  container: { readonly name: string; readonly attempt: number },
): ContainerScript {
  const settings = settingsOf(annotations, container.name);
  if (settings === undefined) return plainScript;
  const text = (name: string): string | undefined => settings.get(name);
  const item = (name: string): string | undefined => {
    const items = settings.get(name)?.split(',');
    return items?.[Math.min(container.attempt, items.length - 1)]?.trim();
  };
  const optional: { -readonly [K in keyof ContainerScript]?: ContainerScript[K] } = {};
  const words = [
    ['pullError', 'pull-error'],
    ['exitReason', 'exit-reason'],
    ['terminationMessage', 'termination-message'],
    ['sandboxFault', 'fault.sandbox'],
    ['createFault', 'fault.create'],
    ['startFault', 'fault.start'],
  ] as const;
  for (const [key, name] of words) {
    const value = text(name);
    if (value !== undefined) optional[key] = value;
  }
  const [cpu, memory] = [text('cpu'), text('memory')];
  if (cpu !== undefined) optional.cpu = parseUsage(cpu);
  if (memory !== undefined) optional.memory = parseUsage(memory);
  return {
    ...optional,
    pullDelayMs: readDuration(text('pull-delay') ?? '0'),
    startDelayMs: readDuration(text('start-delay') ?? '0'),
    runTimeMs: readDuration(item('run-time') ?? 'forever'),
    exitCode: parseExitCode(item('exit-code') ?? '0'),
    stopTimeMs: readDuration(text('stop-time') ?? '0'),
    readiness: parseTimeline(text('readiness')),
    liveness: parseTimeline(text('liveness')),
    startup: parseTimeline(text('startup')),
    log: text('log')?.split('\n') ?? [],
  };
}

/** The step that holds `sinceMs` after the start, and when the next one begins (Infinity for the last). */
export function stepAt(
  timeline: readonly TimelineStep[],
  sinceMs: number,
): { readonly step: TimelineStep; readonly untilMs: number } {
  let index = 0;
  while (index + 1 < timeline.length && timeline[index + 1]!.fromMs <= sinceMs) index++;
  return { step: timeline[index]!, untilMs: timeline[index + 1]?.fromMs ?? Number.POSITIVE_INFINITY };
}

/** Settings of one container by name, its own before those of the whole pod; undefined when there are none. */
function settingsOf(
  annotations: Readonly<Record<string, string>>,
  containerName: string,
): ReadonlyMap<string, string> | undefined {
  let settings: Map<string, string> | undefined;
  let own: Map<string, string> | undefined;
  for (const [key, value] of Object.entries(annotations)) {
    if (!key.startsWith(prefix)) continue;
    const name = key.slice(prefix.length);
    settings ??= new Map();
    if (name.startsWith(`${containerName}.`)) {
      own ??= new Map();
      own.set(name.slice(containerName.length + 1), value);
    } else settings.set(name, value);
  }
  for (const [name, value] of own ?? []) settings?.set(name, value);
  return settings;
}

/** Milliseconds of a duration as Go writes it; infinity for `forever`. */
function readDuration(text: string): number {
  if (text === 'forever') return Number.POSITIVE_INFINITY;
  const ms = parseDurationMs(text);
  if (ms !== undefined && ms >= 0) return ms;
  throw new RuntimeError('failed', `Cannot read "${text}" as a duration such as 1m30s`);
}

function parseExitCode(text: string): number {
  const code = Number(text);
  if (Number.isInteger(code) && code >= 0 && code <= 255) return code;
  throw new RuntimeError('failed', `Cannot read "${text}" as an exit code from 0 to 255`);
}

function parseUsage(text: string): readonly UsageStep[] {
  const steps = text.split(',').map((part): UsageStep => {
    const [amount = '', from] = part.trim().split('@');
    const quantity = parseQuantity(amount);
    if (quantity === undefined) throw new RuntimeError('failed', `Cannot read "${amount}" as a quantity such as 250m`);
    return { fromMs: from === undefined ? 0 : readDuration(from), amount: quantityMilliValue(quantity) / 1_000 };
  });
  return steps.sort((a, b) => a.fromMs - b.fromMs);
}

/** What a timeline says of the moment `sinceMs` after the start, and what it has summed up to until then, in units times seconds. */
export function usageAt(
  steps: readonly UsageStep[],
  sinceMs: number,
): { readonly now: number; readonly total: number } {
  let now = 0;
  let total = 0;
  steps.forEach(({ fromMs, amount }, at) => {
    if (fromMs > sinceMs) return;
    now = amount;
    total += (amount * (Math.min(sinceMs, steps[at + 1]?.fromMs ?? sinceMs) - fromMs)) / 1_000;
  });
  return { now, total };
}

function parseTimeline(text: string | undefined): readonly TimelineStep[] {
  if (text === undefined) return always;
  const steps = text.split(',').map((part): TimelineStep => {
    const [answer = '', from] = part.trim().split('@');
    const fromMs = from === undefined ? 0 : readDuration(from);
    if (answer === 'ok') return { fromMs, ok: true, statusCode: 200 };
    if (answer === 'fail') return { fromMs, ok: false, statusCode: 500 };
    const statusCode = Number(answer);
    if (Number.isInteger(statusCode) && statusCode >= 100 && statusCode < 600) {
      return { fromMs, ok: statusCode >= 200 && statusCode < 400, statusCode };
    }
    throw new RuntimeError('failed', `Cannot read "${part}" as a step of a probe timeline such as fail@10s`);
  });
  return steps.sort((a, b) => a.fromMs - b.fromMs);
}
