/**
 * Whether leaders keep their Leases under load, what keeping them costs, and how long the scheduler's work waits for the next leader when one is killed: two
 * control planes on an etcd, whose clients make, change, read and delete pods as fast as they can. `node tests/bench/elections.ts --help`.
 *
 * Leases are watched: whoever holds one is counted, and how long it was not renewed. Exits with 1 when a leader lost its Lease before one was killed, when a
 * pod was bound twice, and when one was not bound.
 */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { connectionOf } from '#cmd/common/connection.ts';
import type { Lease } from '#pkg/api/types/coordination-v1.ts';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { leases, pods } from '#pkg/api/types/refs.ts';
import { sleep } from '#pkg/base/async.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { SystemRandom } from '#pkg/base/random.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import { createInformers } from '#pkg/client/shared-informers.ts';
import { eventually } from '#tests/e2e/running-cluster.ts';
import type { Connection } from './connection.ts';
import { type ControlPlanes, withControlPlanes } from './control-planes.ts';
import { clock, openAll } from './load.ts';
import { podsPath } from './objects.ts';
import { cpuMsOf } from './server.ts';
import { deletion } from './session.ts';

const usage = `Usage: node tests/bench/elections.ts [flags]

  --seconds <n>    How long the load lasts. Default: 600.
  --clients <n>    Clients of the load, half of them at each server. Default: 32.
  --kills <n>      How often the leader of the schedulers is killed after that, under the same load. Default: 5.
`;

const namespace = 'default';
const elected = ['kube-scheduler', 'kube-controller-manager'] as const;
/** For a pod to be bound: longer than a Lease is waited for. */
const boundMsMax = 60_000;
/** Renewals of which the cost is measured. */
const renewals = 500;

const say = (line: string): void => void process.stdout.write(`${line}\n`);

interface Flags {
  readonly seconds: number;
  readonly clients: number;
  readonly kills: number;
}

/** What was seen of a Lease. */
class Seen {
  readonly holders: string[] = [];
  renewals = 0;
  longestMs = 0;
  #lastMs = Number.NaN;

  take({ spec = {} }: Lease): void {
    const { holderIdentity = '' } = spec;
    const nowMs = clock.monotonicMs();
    if (holderIdentity !== '' && this.holders.at(-1) !== holderIdentity) this.holders.push(holderIdentity);
    else this.renewals++;
    this.longestMs = Math.max(this.longestMs, nowMs - (Number.isNaN(this.#lastMs) ? nowMs : this.#lastMs));
    this.#lastMs = nowMs;
  }
}

/** Follows Leases and bindings for as long as the measurement lasts. */
class Watching {
  readonly leases = new Map<string, Seen>(elected.map((name) => [name, new Seen()]));
  /** Nodes by the uid of their pods. */
  readonly bound = new Map<string, string>();
  readonly boundTwice: string[] = [];
  /** When pods were seen bound, by their names. */
  readonly boundMs = new Map<string, number>();

  takeLease(lease: Lease): void {
    this.leases.get(lease.metadata?.name ?? '')?.take(lease);
  }

  takePod({ metadata, spec }: Pod): void {
    const { uid = '', name = '' } = metadata ?? {};
    if (!spec?.nodeName) return;
    const before = this.bound.get(uid);
    if (before !== undefined && before !== spec.nodeName) this.boundTwice.push(`${name}: ${before}, ${spec.nodeName}`);
    if (before === undefined) this.boundMs.set(name, clock.monotonicMs());
    this.bound.set(uid, spec.nodeName);
  }
}

const podBody = (name: string): string =>
  JSON.stringify({ metadata: { name }, spec: { containers: [{ name: 'main', image: 'fake' }] } });

/** Makes, changes, reads and deletes pods until `signal` is aborted; resolves with how many requests were answered. */
async function load(connection: Connection, name: string, signal: AbortSignal): Promise<number> {
  const path = podsPath(namespace);
  let requests = 0;
  for (let n = 0; !signal.aborted; n++) {
    const own = `${path}/${name}-${n}`;
    const change = {
      path: own,
      contentType: 'application/merge-patch+json',
      body: '{"metadata":{"labels":{"a":"b"}}}',
    };
    for (const request of [
      { method: 'POST', path, body: podBody(`${name}-${n}`) },
      { method: 'PATCH', ...change },
      { method: 'GET', path: own },
      deletion(own),
    ]) {
      await connection.request(request);
      requests++;
    }
  }
  return requests;
}

/** The process that holds the Lease, by the log in which it says so under the name of its candidate. */
function leaderOf(planes: ControlPlanes, name: string, holder: string): number {
  for (const candidate of [name, `${name}-2`])
    if (readFileSync(planes.logFile(candidate), 'utf8').includes(`identity=${holder}`)) return planes.pidOf(candidate);
  throw new Error(`Cannot find the process of ${holder}`);
}

/** Kills the leader of the schedulers and makes a pod; resolves with how long it was until that was bound. */
async function killOnce(planes: ControlPlanes, watching: Watching, at: { connection: Connection; n: number }) {
  const seen = watching.leases.get('kube-scheduler')!;
  const holder = seen.holders.at(-1)!;
  // Whoever waits has to have seen the leader alive, and one that was killed before is there again by then.
  const isSeen = new RegExp(`The leader is seen to live.* leader=${holder}$`, 'm');
  await eventually(
    async () =>
      ['kube-scheduler', 'kube-scheduler-2'].some((name) => isSeen.test(readFileSync(planes.logFile(name), 'utf8'))),
    (isSo) => isSo,
    boundMsMax,
  );
  await planes.refresh();
  const pid = leaderOf(planes, 'kube-scheduler', holder);
  const name = `after-kill-${at.n}`;
  process.kill(pid, 'SIGKILL');
  const killedMs = clock.monotonicMs();
  await at.connection.request({ method: 'POST', path: podsPath(namespace), body: podBody(name) });
  const boundMs = await eventually(
    async () => watching.boundMs.get(name),
    (ms) => ms !== undefined,
    boundMsMax,
  );
  await eventually(
    async () => seen.holders.at(-1),
    (last) => last !== holder,
    boundMsMax,
  );
  return boundMs! - killedMs;
}

/** What a renewal of a Lease costs the API servers and the etcd: many of one are written as fast as one client can. */
async function sayCost(planes: ControlPlanes, connection: Connection): Promise<void> {
  const path = '/apis/coordination.k8s.io/v1/namespaces/default/leases';
  const body = (n: number): string =>
    JSON.stringify({
      metadata: { name: 'cost' },
      spec: { holderIdentity: 'bench', leaseDurationSeconds: 15, leaseTransitions: n },
    });
  await connection.request({ method: 'POST', path, body: body(0) });
  const cpu = (): readonly [number, number] => [cpuMsOf(planes.serverPids), cpuMsOf([planes.etcdPid])];
  const before = cpu();
  for (let n = 1; n <= renewals; n++) await connection.request({ method: 'PUT', path: `${path}/cost`, body: body(n) });
  const [servers = 0, etcd = 0] = cpu().map((ms, i) => (ms - before[i]!) / renewals);
  await connection.request(deletion(`${path}/cost`));
  // Two Leases are renewed every two seconds.
  const share = ((servers + etcd) * elected.length) / 2 / 10;
  say(
    `a renewal costs ${servers.toFixed(2)} ms of the API servers and ${etcd.toFixed(2)} ms of etcd: both Leases together ${share.toFixed(2)} % of a core`,
  );
}

/** True when no Lease was lost, no pod bound twice, and none forgotten. */
async function measure(planes: ControlPlanes, watching: Watching, flags: Flags): Promise<boolean> {
  const half = Math.ceil(flags.clients / 2);
  const connections = [
    ...(await openAll(planes.targets[0], half)),
    ...(await openAll(planes.targets[1], flags.clients - half)),
  ];
  const [own] = await openAll(planes.targets[0], 1);
  await eventually(
    async () => [...watching.leases.values()].every(({ holders }) => holders.length > 0),
    (isSo) => isSo,
  );
  await sayCost(planes, own!);
  for (const seen of watching.leases.values()) seen.longestMs = 0;
  const end = new AbortController();
  const startMs = clock.monotonicMs();
  const loading = Promise.all(connections.map((connection, i) => load(connection, `load-${i}`, end.signal)));
  await Promise.race([sleep(clock, flags.seconds * 1_000), loading]);
  let isGood = true;
  for (const [name, { holders, renewals: count, longestMs }] of watching.leases) {
    isGood &&= holders.length === 1;
    say(
      `${name}: ${holders.length} holder${holders.length === 1 ? '' : 's'}, ${count} renewals, at most ${(longestMs / 1_000).toFixed(1)} s apart, of the 10 s that there are`,
    );
  }
  const delays: number[] = [];
  for (let n = 0; n < flags.kills; n++) delays.push(await killOnce(planes, watching, { connection: own!, n }));
  end.abort();
  const requests = (await loading).reduce((sum, one) => sum + one, 0);
  say(`${requests} requests in ${((clock.monotonicMs() - startMs) / 1_000).toFixed(0)} s`);
  if (delays.length > 0)
    say(
      `a pod made when the scheduler's leader was killed was bound after ${delays.map((ms) => ms.toFixed(0)).join(', ')} ms`,
    );
  say(`${watching.bound.size} pods seen bound, ${watching.boundTwice.length} of them twice`);
  for (const connection of [...connections, own!]) connection.close();
  return isGood && watching.boundTwice.length === 0;
}

async function main(): Promise<boolean> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '600' },
      clients: { type: 'string', default: '32' },
      kills: { type: 'string', default: '5' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    return true;
  }
  const flags = { seconds: Number(values.seconds), clients: Number(values.clients), kills: Number(values.kills) };
  if (!(Object.values(flags).every(Number.isSafeInteger) && flags.clients > 1 && flags.seconds > 0 && flags.kills >= 0))
    throw new Error('--seconds, --clients and --kills must be whole numbers, and clients two or more');
  return withControlPlanes(['--nodes', '4'], (planes) => watchAndMeasure(planes, flags));
}

async function watchAndMeasure(planes: ControlPlanes, flags: Flags): Promise<boolean> {
  const servers = planes.targets.map(({ url }) => url.origin);
  const transport = await connectionOf(planes.kubeconfig, { servers });
  const client = createClient({ transport, userAgent: 'elections' });
  const informers = createInformers({ client, clock, random: new SystemRandom(), log: silentLogger });
  const watching = new Watching();
  const takePod = (pod: Pod): void => watching.takePod(pod);
  const takeLease = (lease: Lease): void => watching.takeLease(lease);
  informers.informer(pods, { namespace }).addHandler({ added: takePod, updated: (_, pod) => takePod(pod) });
  informers
    .informer(leases, { namespace: 'kube-system' })
    .addHandler({ added: takeLease, updated: (_, lease) => takeLease(lease) });
  const end = new AbortController();
  const running = informers.run(end.signal);
  try {
    return await measure(planes, watching, flags);
  } finally {
    end.abort();
    await running;
    await transport.close();
  }
}

try {
  process.exitCode = (await main()) ? 0 : 1;
} catch (error) {
  process.stderr.write(`elections: ${errorText(error)}\n`);
  process.exitCode = 1;
}
