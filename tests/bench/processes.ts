/**
 * What processes that are started for a moment take: `node tests/bench/processes.ts [part…]` with parts of `day`, `listening`, `replay`, `version`; without any, all.
 *
 * - `day`: a day of twenty nodes on virtual time (`tests/integration/node-failure.ts`), once what an install makes is there, in turns with another commit.
 * - `replay`: `coxswain replay` of a recording of a day of 500 nodes.
 * - `listening`: how soon a cluster for tests answers over HTTPS once its modules are loaded, and how long loading them takes.
 * - `version`: `coxswain version`, in turns with a Node that does nothing.
 *
 * Processor time of all of a process's threads is what is compared, as other things that the machine does change it less than they change times; the times of
 * `listening` are times. Each figure stands beside its bar; nothing fails by it, as machines differ.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import { errorText } from '#pkg/base/error-text.ts';
import { stopSignals } from '#pkg/component/signals.ts';
import { madeHistory } from '#pkg/replay/made-history.ts';
import { RecordingWriter } from '#pkg/replay/recording-file.ts';
import { checkOut, ownCheckout, precompile } from './checkout.ts';
import { clock } from './load.ts';
import { compare, median } from './statistics.ts';

const usage = `Usage: node tests/bench/processes.ts [flags] [part…]

Parts: day, listening, replay, version. Default: all.

  --against <commit>   What the day is compared with. Default: 49217b3.
  --pairs <n>          Turns of each side. Default: 3; of replay 1, of version 15.
  --help               Print this.
`;

const commitDefault = '49217b3';
/** A start of Node takes some hundredths of a second, so that a little of anything else shows. */
const versionPairs = 15;

/** A shell that says, as the last line of its standard error, which processor time a command took in user mode and in the kernel, and how long it took, in seconds. */
const timing = ['-c', 'TIMEFORMAT="%U %S %R"; time "$@"', 'bash', process.execPath];

interface Ended {
  readonly stdout: string;
  readonly cpuSeconds: number;
  /** By the clock: without what is compiled and collected on other processors meanwhile. */
  readonly tookSeconds: number;
}

interface Run {
  readonly args: readonly string[];
  readonly cwd: string;
  readonly signal: AbortSignal;
}

async function runNode({ args, cwd, signal }: Run): Promise<Ended> {
  signal.throwIfAborted();
  const child = spawn('bash', [...timing, ...args], { cwd, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  // With what the shell has started.
  const end = (): void => void process.kill(-child.pid!, 'SIGTERM');
  signal.addEventListener('abort', end, { once: true });
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  signal.removeEventListener('abort', end);
  signal.throwIfAborted();
  if (code !== 0) throw new Error(`node ${args.join(' ')}: exit ${code}\n${stdout}${stderr}`);
  const [user = '', system = '', took = ''] = stderr.trimEnd().split('\n').at(-1)?.split(' ') ?? [];
  return { stdout, cpuSeconds: Number(user) + Number(system), tookSeconds: Number(took) };
}

type Pairs = readonly (readonly [number, number])[];

/** Seconds of both, in turns. */
async function inTurns(
  pairs: number,
  ours: Run,
  theirs: Run,
): Promise<{ readonly cpuSeconds: Pairs; readonly tookSeconds: Pairs }> {
  const found: (readonly [Ended, Ended])[] = [];
  for (let pair = 0; pair < pairs; pair++) found.push([await runNode(ours), await runNode(theirs)]);
  return {
    cpuSeconds: found.map(([one, other]) => [one.cpuSeconds, other.cpuSeconds]),
    tookSeconds: found.map(([one, other]) => [one.tookSeconds, other.tookSeconds]),
  };
}

interface Plan {
  readonly against: string;
  readonly pairs: number | undefined;
  readonly signal: AbortSignal;
}

async function measureDay({ against, pairs = 3, signal }: Plan): Promise<void> {
  await precompile(ownCheckout, signal);
  const { folder, commit, remove } = await checkOut(against, signal);
  try {
    const args = [join('tests', 'integration', 'node-failure.ts'), '1'];
    const found = await inTurns(pairs, { args, cwd: ownCheckout, signal }, { args, cwd: folder, signal });
    say(
      `virtual day, time against ${commit}`,
      ratioOf(found.tookSeconds),
      'at most 0.5 on a machine that does nothing else',
    );
    say(`virtual day, processor time against ${commit}`, ratioOf(found.cpuSeconds), 'at most 0.5');
  } finally {
    await remove();
  }
}

async function measureVersion({ pairs = versionPairs, signal }: Plan): Promise<void> {
  await precompile(ownCheckout, signal);
  const ours = { args: [join('cmd', 'coxswain', 'bin.js'), 'version'], cwd: ownCheckout, signal };
  const found = await inTurns(pairs, ours, { args: ['-e', '0'], cwd: ownCheckout, signal });
  say('coxswain version, processor time against node -e 0', ratioOf(found.cpuSeconds), 'at most 1.3');
}

async function measureReplay({ pairs = 1, signal }: Plan): Promise<void> {
  await precompile(ownCheckout, signal);
  const folder = await mkdtemp(join(tmpdir(), 'coxswain-replay-'));
  try {
    const path = join(folder, 'day.recording');
    const { header, changes, renewals, endMs } = madeHistory({ nodes: 500, hours: 24 });
    const writer = new RecordingWriter(path, header, { append: false });
    for (const change of changes) writer.write(change);
    writer.write({ ms: endMs, renewals, leases: 500 });
    await writer.close();
    const args = [join('cmd', 'coxswain', 'bin.js'), 'replay', path];
    const found: Ended[] = [];
    for (let turn = 0; turn < pairs; turn++) found.push(await runNode({ args, cwd: ownCheckout, signal }));
    process.stdout.write(found[0]?.stdout ?? '');
    say(
      'replay of a day of 500 nodes, processor time',
      seconds(found.map((run) => run.cpuSeconds * 1_000)),
      'under 30 s',
    );
  } finally {
    await rm(folder, { recursive: true });
  }
}

interface ListeningTimes {
  readonly loadedMs: number;
  readonly firstMs: number;
  readonly nextMs: number;
}

async function measureListening({ pairs = 3, signal }: Plan): Promise<void> {
  const nextMs: number[] = [];
  const loadMs: number[] = [];
  for (let turn = 0; turn < pairs; turn++) {
    const { stdout } = await runNode({ args: [import.meta.filename, '--listen'], cwd: ownCheckout, signal });
    const times = JSON.parse(stdout) as ListeningTimes;
    nextMs.push(times.nextMs);
    loadMs.push(times.loadedMs + times.firstMs - times.nextMs);
  }
  say('listening test cluster, until it answers', seconds(nextMs), 'under 0.3 s');
  say('its modules, until they are loaded', seconds(loadMs), 'under 2.8 s');
}

/** Starts two clusters that listen, the first of which loads what both need, and says how long each took to answer. */
async function listenTwice(): Promise<ListeningTimes> {
  const beganMs = clock.monotonicMs();
  const { startTestCluster } = await import('#pkg/entry/testing.ts');
  const loadedMs = clock.monotonicMs() - beganMs;
  const started = async (): Promise<number> => {
    const startMs = clock.monotonicMs();
    const cluster = await startTestCluster({ listen: true });
    const tookMs = clock.monotonicMs() - startMs;
    await cluster.stop();
    return tookMs;
  };
  return { loadedMs, firstMs: await started(), nextMs: await started() };
}

function ratioOf(pairs: Pairs): string {
  // What takes less is better: its inverse is how much of the other's time it takes.
  const found = compare(pairs, 'less');
  const all = pairs.map(([ours, theirs]) => `${ours.toFixed(2)}/${theirs.toFixed(2)}`).join(' ');
  return `${found === undefined ? 'none' : (1 / found.ratio).toFixed(3)} (${all} s)`;
}

function seconds(times: readonly number[]): string {
  const [middle, ...all] = [median(times), ...times].map((ms) => (ms / 1_000).toFixed(2));
  return `${middle} s (${all.join(' ')})`;
}

function say(what: string, figure: string, bar: string): void {
  process.stdout.write(`${what}: ${figure}, bar ${bar}\n`);
}

const parts: Readonly<Record<string, (plan: Plan) => Promise<void>>> = {
  day: measureDay,
  listening: measureListening,
  replay: measureReplay,
  version: measureVersion,
};

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      against: { type: 'string', default: commitDefault },
      pairs: { type: 'string' },
      listen: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.listen) {
    process.stdout.write(JSON.stringify(await listenTwice()));
    return 0;
  }
  const pairs = values.pairs === undefined ? undefined : Number(values.pairs);
  const unknown = positionals.find((name) => !Object.hasOwn(parts, name));
  const isWrong = unknown !== undefined || (pairs !== undefined && !(Number.isInteger(pairs) && pairs > 0));
  if (values.help || isWrong) {
    process.stdout.write(usage);
    return isWrong ? 1 : 0;
  }
  const stop = new AbortController();
  for (const name of stopSignals) process.once(name, () => stop.abort(new Error(`stopped by ${name}`)));
  try {
    for (const name of positionals.length === 0 ? Object.keys(parts) : positionals)
      await parts[name]?.({ against: values.against, pairs, signal: stop.signal });
    return 0;
  } catch (error) {
    process.stderr.write(`processes: ${errorText(stop.signal.aborted ? stop.signal.reason : error)}\n`);
    return 1;
  }
}

process.exitCode = await main();
