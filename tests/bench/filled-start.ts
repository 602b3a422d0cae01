/**
 * What a folder full of pods, or of definitions of custom resources, adds to a start: two clusters, one with nothing but what a start makes and one with that many more,
 * are started and stopped in turns. `node tests/bench/filled-start.ts --help`.
 *
 * A start is `up --detach`, from the command's begin to its end, which is when the nodes are Ready. What counts is the difference within a pair. The processor time
 * that the cluster's process has had until then says the same of a machine that does much else, less what waits.
 */
import process from 'node:process';
import { parseArgs } from 'node:util';
import { errorText } from '#pkg/base/error-text.ts';
import { definition, definitionsPath } from './bars-definitions.ts';
import { ownCheckout, precompile } from './checkout.ts';
import { interrupted } from './interrupted.ts';
import { KeptCluster } from './kept-cluster.ts';
import { sendAll } from './load.ts';
import { Session } from './session.ts';
import { median } from './statistics.ts';

const usage = `Usage: node tests/bench/filled-start.ts [flags]

  --pods <n>          Pods in the full folder. Default: 30000, without definitions.
  --definitions <n>   Definitions of custom resources in the full folder. Default: 0.
  --rounds <n>        Starts of each. Default: 9.
  --checkout <dir>    Where the coxswain is that is started. Default: this one.
  --profile <dir>     Write CPU profiles of the full cluster there.
  --trace             Say of the last start of each when its parts were done.
`;

interface Flags {
  readonly pods: number;
  readonly definitions: number;
  readonly rounds: number;
  readonly checkout: string;
  readonly profile: string | undefined;
  readonly trace: boolean;
}

const podsDefault = 30_000;

const say = (line: string): void => void process.stdout.write(`${line}\n`);

async function fill(cluster: KeptCluster, { pods, definitions }: Pick<Flags, 'definitions' | 'pods'>): Promise<void> {
  const sizes = { rowMs: 1_000, nodes: 1, pods: 1 };
  const session = await Session.open(cluster.target, { sizes, poolPods: 0 });
  if (pods > 0) await session.makePods('kept', pods);
  const requests = Array.from({ length: definitions }, (_, n) => ({
    method: 'POST',
    path: definitionsPath,
    body: definition(n),
  }));
  await sendAll(session.connections, requests);
  for (const connection of session.connections) connection.close();
}

function sayRow(what: string, values: readonly number[]): void {
  const [least, most] = [Math.min(...values), Math.max(...values)].map((ms) => ms.toFixed(0));
  say(`${what.padEnd(32)}${median(values).toFixed(0).padStart(6)} ms   ${least} to ${most}`);
}

/** The lines of `--trace-startup` of the last start. */
function sayTrace(cluster: KeptCluster): void {
  const lines = cluster.log().split('\n');
  const first = lines.findLastIndex((line) => line.endsWith(': loaded'));
  for (const line of lines.slice(first)) if (line.includes(' ms since the process began: ')) say(`  ${line}`);
}

async function measure({ empty, full }: Readonly<Record<'empty' | 'full', KeptCluster>>, flags: Flags): Promise<void> {
  for (const cluster of [empty, full]) {
    await cluster.up();
    if (cluster === full) await fill(full, flags);
    await cluster.down();
  }
  const times = { empty: [] as number[], full: [] as number[] };
  const processor = { empty: [] as number[], full: [] as number[] };
  for (let round = 0; round < flags.rounds; round++) {
    const order = [['empty', empty] as const, ['full', full] as const];
    for (const [name, cluster] of round % 2 === 0 ? order : order.reverse()) {
      times[name].push(await cluster.up());
      processor[name].push(cluster.processorMs());
      await cluster.down();
    }
  }
  for (const [what, figures] of [
    ['', times],
    ['processor: ', processor],
  ] as const) {
    sayRow(`${what}empty folder`, figures.empty);
    sayRow(`${what}full folder`, figures.full);
    sayRow(
      `${what}added, within a pair`,
      figures.full.map((ms, round) => ms - figures.empty[round]!),
    );
  }
  if (!flags.trace) return;
  for (const [name, cluster] of Object.entries({ empty, full })) {
    say(`\n${name}:`);
    sayTrace(cluster);
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      pods: { type: 'string' },
      definitions: { type: 'string', default: '0' },
      rounds: { type: 'string', default: '9' },
      checkout: { type: 'string', default: ownCheckout },
      profile: { type: 'string' },
      trace: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return void process.stdout.write(usage);
  const [definitions, rounds] = [Number(values.definitions), Number(values.rounds)];
  const pods = Number(values.pods ?? (definitions > 0 ? 0 : podsDefault));
  if (![pods, definitions, rounds].every(Number.isSafeInteger) || pods < 0 || definitions < 0 || rounds < 1)
    throw new Error('--pods, --definitions and --rounds must be whole numbers');
  const { checkout, profile, trace } = values;
  const flags: Flags = { pods, definitions, rounds, checkout, profile, trace };
  await precompile(checkout, new AbortController().signal);
  const clusterOf = (name: string, own: { readonly profile?: string | undefined } = {}): KeptCluster =>
    new KeptCluster({ name, checkout, flags: trace ? ['--trace-startup'] : [], ...own });
  const clusters = { empty: clusterOf('empty'), full: clusterOf('full', { profile }) };
  const stopped = interrupted();
  try {
    await Promise.race([measure(clusters, flags), stopped]);
  } finally {
    for (const cluster of Object.values(clusters)) {
      await cluster.down().catch(() => {});
      cluster.remove();
    }
  }
}

try {
  await main();
} catch (error) {
  process.stderr.write(`filled-start: ${errorText(error)}\n`);
  process.exitCode = 1;
}
