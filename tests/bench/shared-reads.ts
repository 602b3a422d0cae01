/**
 * Two API servers on one etcd under a fixed rate of reads: how they share it, and what a read costs both of them together beside what it costs when one of
 * them is asked alone. `node tests/bench/shared-reads.ts --help`.
 *
 * Connections are dealt out in turn, as a front does that counts them (`balance leastconn` in `deploy/compose/haproxy.cfg`). How many reads each server had is
 * what its own metrics say. Both ways are measured in turns; what counts is the ratio within a pair.
 */
import process from 'node:process';
import { parseArgs } from 'node:util';
import { errorText } from '#pkg/base/error-text.ts';
import { Connection } from './connection.ts';
import { type ControlPlanes, withControlPlanes } from './control-planes.ts';
import type { Target } from './kubeconfig.ts';
import { drive, openAll, percentiles } from './load.ts';
import { podBody, podsPath } from './objects.ts';
import { cpuMsOf } from './server.ts';
import { median } from './statistics.ts';

const usage = `Usage: node tests/bench/shared-reads.ts [flags]

  --rate <n>       Reads a second of all clients together. Default: 2000.
  --clients <n>    Connections. Default: 32.
  --seconds <n>    How long each turn lasts. Default: 5.
  --pairs <n>      Turns of each way. Default: 7.
`;

const pods = 100;
const say = (line: string): void => void process.stdout.write(`${line}\n`);

interface Flags {
  readonly rate: number;
  readonly clients: number;
  readonly seconds: number;
  readonly pairs: number;
}

/** What a turn came to. */
interface Turn {
  /** Reads by server. */
  readonly counts: readonly number[];
  /** Processor time of both servers for each read, in microseconds. */
  readonly serverUs: number;
  readonly etcdUs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Reads of pods that a server has answered, as it says itself. */
async function answered(connection: Connection): Promise<number> {
  const { body } = await connection.request({ method: 'GET', path: '/metrics', keepBody: true });
  let sum = 0;
  for (const line of body.split('\n')) {
    if (!line.startsWith('apiserver_request_total{')) continue;
    if (line.includes('verb="GET"') && line.includes('resource="pods"'))
      sum += Number(line.slice(line.lastIndexOf(' ') + 1));
  }
  return sum;
}

async function turn(planes: ControlPlanes, targets: readonly Target[], flags: Flags): Promise<Turn> {
  const looking = await Promise.all(planes.targets.map((target) => Connection.open(target)));
  const connections: Connection[] = [];
  for (const [i, target] of targets.entries())
    connections.push(...(await openAll(target, Math.floor((flags.clients + i) / targets.length))));
  const before = await Promise.all(looking.map(answered));
  const cpu = (): readonly [number, number] => [cpuMsOf(planes.serverPids), cpuMsOf([planes.etcdPid])];
  const [serversMs, etcdMs] = cpu();
  // One client after the other, whichever server it has.
  const result = await drive({
    connections,
    durationMs: flags.seconds * 1_000,
    perSecond: flags.rate,
    request: (n) => ({ method: 'GET', path: `${podsPath('default')}/read-${n % pods}` }),
  });
  const [serversEndMs, etcdEndMs] = cpu();
  const after = await Promise.all(looking.map(answered));
  for (const connection of [...looking, ...connections]) connection.close();
  if (result.failure !== undefined) throw new Error(`A read was refused: ${result.failure}`);
  const { p50Ms = 0, p99Ms = 0 } = percentiles(result.latenciesMs);
  const perRead = (ms: number): number => (ms * 1_000) / result.operations;
  return {
    counts: after.map((count, i) => count - before[i]!),
    serverUs: perRead(serversEndMs - serversMs),
    etcdUs: perRead(etcdEndMs - etcdMs),
    p50Ms,
    p99Ms,
  };
}

function lineOf(what: string, { counts, serverUs, etcdUs, p50Ms, p99Ms }: Turn): string {
  const share = counts.map((count) => `${((100 * count) / counts.reduce((sum, one) => sum + one, 0)).toFixed(1)} %`);
  const costs = `${serverUs.toFixed(0)} µs of the servers, ${etcdUs.toFixed(0)} µs of etcd`;
  return `${what}: ${share.join(' / ')}; ${costs} for each read; p50 ${p50Ms.toFixed(2)} ms, p99 ${p99Ms.toFixed(2)} ms`;
}

async function measure(planes: ControlPlanes, flags: Flags): Promise<void> {
  const [first] = planes.targets;
  const [connection] = await openAll(first, 1);
  for (let n = 0; n < pods; n++) {
    const body = podBody(`read-${n}`, { paddingBytes: 2_000 });
    await connection!.request({ method: 'POST', path: podsPath('default'), body });
  }
  connection!.close();
  const ways = { both: planes.targets, one: [first] } as const;
  const turns = { both: [] as Turn[], one: [] as Turn[] };
  const names = ['both', 'one'] as const;
  // Once for nothing: what is asked often enough is compiled.
  for (const name of names) await turn(planes, ways[name], flags);
  await turn(planes, planes.targets.slice(1), flags);
  for (let pair = 0; pair < flags.pairs; pair++) {
    for (const name of pair % 2 === 0 ? names : names.toReversed()) {
      const one = await turn(planes, ways[name], flags);
      turns[name].push(one);
      say(lineOf(name.padEnd(4), one));
    }
  }
  const counts = [0, 1].map((i) => turns.both.reduce((sum, one) => sum + one.counts[i]!, 0));
  const total = counts[0]! + counts[1]!;
  say(`\nshare of the reads: ${counts.map((count) => `${((100 * count) / total).toFixed(1)} %`).join(' / ')}`);
  for (const figure of ['serverUs', 'etcdUs'] as const) {
    const pairs = turns.both.map((one, i) => [one[figure], turns.one[i]![figure]] as const);
    const ratios = pairs.map(([both, one]) => both / one);
    const of = figure === 'serverUs' ? 'the servers' : 'etcd';
    const [low, high] = [Math.min(...ratios), Math.max(...ratios)].map((ratio) => ratio.toFixed(3));
    say(`processor time of ${of} for each read, two to one: ${median(ratios).toFixed(3)} (${low} to ${high})`);
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rate: { type: 'string', default: '2000' },
      clients: { type: 'string', default: '32' },
      seconds: { type: 'string', default: '5' },
      pairs: { type: 'string', default: '7' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return void process.stdout.write(usage);
  const number = (name: 'clients' | 'pairs' | 'rate' | 'seconds'): number => {
    const value = Number(values[name]);
    if (!(Number.isSafeInteger(value) && value > 0)) throw new Error(`--${name} must be a whole number above 0`);
    return value;
  };
  const flags: Flags = {
    rate: number('rate'),
    clients: number('clients'),
    seconds: number('seconds'),
    pairs: number('pairs'),
  };
  await withControlPlanes([], (planes) => measure(planes, flags));
}

try {
  await main();
} catch (error) {
  process.stderr.write(`shared-reads: ${errorText(error)}\n`);
  process.exitCode = 1;
}
