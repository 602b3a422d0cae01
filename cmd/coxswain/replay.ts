/** `coxswain replay`: plays a recording, a dump or an audit log again on virtual time, and compares runs with other settings. */
import { readFile, writeFile } from 'node:fs/promises';
import { isObject } from '#pkg/apimachinery/json.ts';
import { humanDuration } from '#pkg/apimachinery/time.ts';
import { sleep } from '#pkg/base/async.ts';
import { errorCode } from '#pkg/base/error-code.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { schedulings } from '#pkg/cluster/scheduler-flags.ts';
import { duration, type FlagTable, helpText, integer, parseFlags, repeated, text } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { readRuleText } from '#pkg/faults/read-rules.ts';
import { TableLayout } from '#pkg/kubectl/tables.ts';
import { conditionOf } from '#pkg/replay/condition.ts';
import { historyOfAudit, historyOfDump } from '#pkg/replay/foreign-history.ts';
import { type History, HistoryError } from '#pkg/replay/history.ts';
import { readRecording } from '#pkg/replay/recording-file.ts';
import {
  type RunLimits,
  type RunResult,
  type RunSettings,
  type RunState,
  recordedRun,
  replay as replayHistory,
} from '#pkg/replay/replay.ts';
import { comparison, type NamedRun, picture } from '#pkg/replay/report.ts';
import { formatted, outputFlag } from './output.ts';
import type { World } from './world.ts';

const flags = {
  seed: integer({ help: 'Every random choice follows from it.', fallback: 1, min: 0, max: 2 ** 31 }),
  speed: integer({ help: 'Virtual seconds per second. 0: as fast as it goes.', fallback: 0, min: 0, max: 1_000_000 }),
  until: duration({
    help: 'Where to stop, from the start on. Default: the end of the recording, and ten minutes of a dump.',
    fallback: 0,
  }),
  'until-condition': text({
    help: 'CEL over run.ms, run.pods, run.pending, run.running, run.nodes, run.nodesUsed and run.evictions, looked at each minute: stop where it holds.',
    placeholder: 'expression',
  }),
  branch: repeated({
    help: 'Another run with other settings, joined by commas: scheduling=spreading, nodes=+5 or nodes=-5, seed=7, faults=FILE; may be given again.',
    placeholder: 'settings',
  }),
  'branch-at': duration({
    help: 'When branches begin, from the start on; until then they are as the replay.',
    fallback: 0,
  }),
  'branch-at-condition': text({
    help: 'As --until-condition: branches begin where it first holds in the replay.',
    placeholder: 'expression',
  }),
  output: outputFlag,
  svg: text({ help: 'Also draw the comparison into this file.', placeholder: 'file' }),
} satisfies FlagTable;

const summary = 'Play a recording (or a dump of kubectl, or an audit log) again on virtual time, and compare runs.';

const dumpMs = 600_000;

/** Runs the command; resolves to its exit code. Throws `UserError` for what cannot be read or used. */
export async function replay(world: World, args: readonly string[]): Promise<number> {
  const hint = '(see "coxswain replay --help")';
  const parsed = parseFlags(flags, args);
  if (!parsed.ok) throw new UserError(`${parsed.message} ${hint}`);
  if (parsed.help) {
    world.write(helpText(flags, { usage: 'coxswain replay FILE [flags]', summary }));
    return 0;
  }
  const { values, rest } = parsed;
  const [path, surplus] = rest;
  if (path === undefined) throw new UserError(`say FILE ${hint}`);
  if (surplus !== undefined) throw new UserError(`unexpected argument: ${surplus} ${hint}`);
  const branches = await Promise.all(
    values.branch.map(async (words) => ({ name: words, settings: await settingsOf(words, values.seed) })),
  );
  checkBranches(branches, values);
  try {
    const condition = values['until-condition'] === '' ? undefined : conditionOf(values['until-condition']);
    const moment = new BranchMoment(values);
    const history = await readHistory(path);
    const untilMs = values.until > 0 ? values.until : history.endMs > 0 ? history.endMs : dumpMs;
    const limits: RunLimits = {
      untilMs,
      ...(condition === undefined ? {} : { isOver: condition }),
      ...(values.speed === 0 ? {} : { pace: paceOf(world, values.speed) }),
    };
    const replayed = await replayHistory(history, { seed: values.seed }, moment.watching(limits));
    const runs: { readonly name: string; readonly result: RunResult }[] = [{ name: 'replay', result: replayed }];
    for (const { name, settings } of branches)
      runs.push({ name, result: await replayHistory(history, { ...settings, ...moment.settings }, limits) });
    const recorded: readonly NamedRun[] =
      history.endMs > 0 ? [{ name: 'recorded', ...recordedRun(history, untilMs) }] : [];
    const named = [...recorded, ...runs.map(({ name, result }) => ({ name, ...result }))];
    if (values.svg !== '') await writeFile(values.svg, picture(named));
    const renewals = { recorded: history.renewals, aMinute: aMinute(history) };
    if (values.output !== '') world.write(await formatted({ untilMs, renewals, recorded, runs }, values.output));
    else world.write(`${textOf(named, runs)}${renewalText(renewals.aMinute, runs)}${moment.text(branches.length)}`);
    return 0;
  } catch (error) {
    throw error instanceof HistoryError ? new UserError(error.message, error) : error;
  }
}

interface BranchFlags {
  readonly 'branch-at': number;
  readonly 'branch-at-condition': string;
}

/** Throws `UserError` for branches that cannot begin later. */
function checkBranches(
  branches: readonly { readonly name: string; readonly settings: RunSettings }[],
  flagged: BranchFlags & { readonly seed: number },
): void {
  const { 'branch-at': atMs, 'branch-at-condition': condition, seed } = flagged;
  if (atMs === 0 && condition === '') return;
  if (atMs > 0 && condition !== '') throw new UserError('say --branch-at or --branch-at-condition, not both');
  if (branches.length === 0) throw new UserError('say --branch too: what differs from then on');
  const seeded = branches.find(({ settings }) => settings.seed !== seed);
  if (seeded !== undefined)
    throw new UserError(`invalid value ${JSON.stringify(seeded.name)} for --branch: a seed is that of a whole run`);
}

/** When branches begin: at the start, at a time, or where a condition first holds in the replay. */
class BranchMoment {
  readonly #condition: ((state: RunState) => boolean) | undefined;
  readonly #expression: string;
  #ms: number | undefined;

  /** Throws `HistoryError` for a condition that is none. */
  constructor({ 'branch-at': atMs, 'branch-at-condition': expression }: BranchFlags) {
    this.#expression = expression;
    this.#condition = expression === '' ? undefined : conditionOf(expression);
    this.#ms = expression === '' ? atMs : undefined;
  }

  /** The limits of the replay, in which the moment is looked for. */
  watching(limits: RunLimits): RunLimits {
    const condition = this.#condition;
    if (condition === undefined) return limits;
    return {
      ...limits,
      isOver: (state) => {
        if (this.#ms === undefined && condition(state)) this.#ms = state.ms;
        return limits.isOver?.(state) === true;
      },
    };
  }

  /** A line that says it, where branches begin later. */
  text(branches: number): string {
    return branches === 0 || !this.#ms ? '' : `Branches begin at ${humanDuration(this.#ms)}.\n`;
  }

  /** What branches have of it, after the replay. Throws `UserError` where the condition has not held. */
  get settings(): Pick<RunSettings, 'fromMs'> {
    if (this.#ms === undefined) throw new UserError(`the replay has no moment at which ${this.#expression} holds`);
    return { fromMs: this.#ms };
  }
}

function textOf(
  named: readonly NamedRun[],
  runs: readonly { readonly name: string; readonly result: RunResult }[],
): string {
  const lines = runs.flatMap(({ name, result: { refused, refusedCount } }) =>
    refusedCount === 0 ? [] : [`${name}: the API refused ${refusedCount} of the causes, first ${refused[0]}`],
  );
  return `${new TableLayout().render(comparison(named))}${lines.map((line) => `${line}\n`).join('')}`;
}

const minuteMs = 60_000;

/** Renewals in a minute of the recording. */
const aMinute = ({ renewals, endMs }: History): number => (endMs === 0 ? 0 : Math.round((renewals * minuteMs) / endMs));

/** How renewals were recorded, and how often they are done in the runs. */
function renewalText(recorded: number, runs: readonly { readonly name: string; readonly result: RunResult }[]): string {
  const periods = Object.groupBy(runs, ({ result }) => humanDuration(result.renewedEveryMs));
  const replayed = Object.entries(periods).map(
    ([period, of = []]) => `each ${period} for each node in ${of.map(({ name }) => name).join(' and ')}`,
  );
  const rate = recorded === 0 ? 'Renewals were not recorded' : `Renewals were recorded as a rate, ${recorded} a minute`;
  return `${rate}, and are done ${replayed.join(', ')}.\n`;
}

/** Keeps virtual time from running ahead of real time by more than `speed` allows. */
function paceOf({ clock }: World, speed: number): (ms: number) => Promise<void> {
  const startMs = clock.monotonicMs();
  return async (ms) => {
    const waitMs = startMs + ms / speed - clock.monotonicMs();
    if (waitMs > 0) await sleep(clock, waitMs);
  };
}

async function settingsOf(words: string, seed: number): Promise<RunSettings> {
  let settings: RunSettings = { seed };
  for (const word of words.split(',')) {
    const at = word.indexOf('=');
    const [key, value] = [word.slice(0, Math.max(0, at)), word.slice(at + 1)];
    const refuse = (why: string): never => {
      throw new UserError(`invalid value ${JSON.stringify(word)} for --branch: ${why}`);
    };
    if (key === 'scheduling') {
      if (!schedulings.some((known) => known === value)) refuse(`it must be one of ${schedulings.join(', ')}`);
      settings = { ...settings, scheduling: value };
    } else if (key === 'nodes') {
      if (!/^[+-]\d{1,5}$/.test(value)) refuse('it must be how many nodes more or fewer, such as +5 or -5');
      settings = { ...settings, moreNodes: Number(value) };
    } else if (key === 'seed') {
      if (!/^\d{1,9}$/.test(value)) refuse('it must be a number');
      settings = { ...settings, seed: Number(value) };
    } else if (key === 'faults') settings = { ...settings, faults: await rulesIn(value) };
    else refuse('it must be scheduling=, nodes=, seed= or faults=');
  }
  return settings;
}

async function rulesIn(path: string): Promise<NonNullable<RunSettings['faults']>> {
  const content = await readText(path);
  try {
    return readRuleText(content, ['cluster', 'server', 'store']);
  } catch (error) {
    throw new UserError(`${path}: ${errorText(error)}`, error);
  }
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new UserError(`Cannot read ${path} (${errorCode(error)})`, error);
  }
}

/** The first byte of what gzip has made. */
const gzipFirst = '\u001f';

/** By what the file begins with. */
async function readHistory(path: string): Promise<History> {
  const content = await readText(path);
  if (content.startsWith(gzipFirst)) return readRecording(path);
  const noHistory = new UserError(`${path} is no recording, no list of objects and no audit log`);
  if (!content.trimStart().startsWith('{')) throw noHistory;
  const [first = ''] = content.trimStart().split('\n', 1);
  if (isAuditEvent(first)) {
    const lines = content.split('\n').filter((line) => line.trim() !== '');
    return historyOfAudit(
      lines.map((line, index) => objectOf(line, `${path}: line ${index + 1}`)),
      path,
    );
  }
  const { items, kind } = objectOf(content, path);
  if (!Array.isArray(items) || !`${kind}`.endsWith('List')) throw noHistory;
  return historyOfDump(items);
}

function isAuditEvent(line: string): boolean {
  try {
    const value: unknown = JSON.parse(line);
    return isObject(value) && value.kind === 'Event' && `${value.apiVersion}`.startsWith('audit.k8s.io/');
  } catch {
    return false;
  }
}

function objectOf(source: string, where: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(source);
    if (isObject(value)) return value;
  } catch {
    // Said below.
  }
  throw new UserError(`${where} is no object of JSON`);
}
