/**
 * A large cluster of simulated nodes, one process per component: `node tests/bench/large-cluster.ts [nodes] [pods]`, by default 5,000 and 100,000. Nodes renew their Leases; pods are made by clients
 * as fast as they are answered, and are full once all are Ready. Then, at rest but for a few single-object calls a second: how long these take, what memory all processes have, and whether
 * all nodes are Ready. Each figure stands beside its bar; exits with 1 when one is missed. As others may use the machine, the processor time until then is given too.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { serverNodeFlags } from '#cmd/common/node-flags.js';
import { errorText } from '#pkg/base/error-text.ts';
import { RunningCluster } from '#tests/e2e/running-cluster.ts';
import type { Connection, Request } from './connection.ts';
import { interrupted } from './interrupted.ts';
import { readTarget } from './kubeconfig.ts';
import { clock, drive, openAll, percentiles, sendAll, settled } from './load.ts';
import { podBody, podsPath } from './objects.ts';
import { cpuMsOf, memoryOf } from './server.ts';
import { deletion } from './session.ts';
import { watchPods } from './watchers.ts';

const bars = { p99Ms: 100, megabytes: 4_000, fillSeconds: 240 };
const namespace = 'large';
const clients = 16;
/** Single-object calls a second while the cluster rests, and for how long. */
const calls = { perSecond: 100, seconds: 60 };
/** Pods that are made at rest and not deleted yet. */
const keptBeside = 100;
/** A Lease that is older has not been renewed: the default of `--node-lease-duration-seconds`. */
const leaseSeconds = 40;
/** Addresses for the pods of 8,192 nodes, 126 on each: a cluster that is begun with one node has them for 512. */
const ranges = {
  apiVersion: 'coxswain.dev/v1alpha1',
  kind: 'Cluster',
  networking: { podSubnet: '127.16.0.0/12' },
  components: { 'kube-controller-manager': { nodeCidrMaskSizeIpv4: 25 } },
};
/** For all pods to become Ready after the last was made. */
const settleRounds = 120;

const [nodeCount = 5_000, podCount = 100_000] = process.argv.slice(2).map(Number);
let isMissed = false;

function say(figure: string, value: string, bar?: { readonly text: string; readonly isReached: boolean }): void {
  process.stdout.write(`${figure.padEnd(60)} ${value.padStart(14)}${bar === undefined ? '' : `   bar ${bar.text}`}\n`);
  if (bar?.isReached === false) isMissed = true;
}

/** The processes of the cluster, by their names. */
async function processesOf(cluster: RunningCluster): Promise<ReadonlyMap<string, number>> {
  const { stdout } = await cluster.coxswain(['status', '-o', 'json']);
  const { processes } = JSON.parse(stdout) as {
    processes: readonly { readonly name: string; readonly pid?: number }[];
  };
  return new Map(processes.flatMap(({ name, pid }) => (pid === undefined ? [] : [[name, pid] as const])));
}

/** What each process has taken so far. */
function sayEach(processes: ReadonlyMap<string, number>): void {
  for (const [name, pid] of processes) {
    const seconds = (cpuMsOf([pid]) / 1_000).toFixed(1);
    say(`  ${name}: processor time, memory`, `${seconds} s, ${Math.round(memoryOf([pid]).resident / 1e6)} MB`);
  }
}

/** The process of the nodes, which ends when it is disposed of. */
interface NodesProcess extends AsyncDisposable {
  readonly pid: number;
  /** Resolves once all are Ready; rejects when the process ends before. */
  readonly ready: Promise<void>;
}

function spawnNodes(kubeconfig: string): NodesProcess {
  const beganMs = clock.monotonicMs();
  const file = join(import.meta.dirname, 'simulated-nodes.ts');
  // The node that the cluster has counts too.
  const args = [...serverNodeFlags(), file, kubeconfig, String(nodeCount - 1)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const said = once(createInterface({ input: child.stdout }), 'line');
  const untilReady = async (): Promise<void> => {
    const early = ended.then(() => Promise.reject(new Error('The process of the nodes ended')));
    await Promise.race([said, early]);
    say(`${nodeCount} nodes Ready after`, `${((clock.monotonicMs() - beganMs) / 1_000).toFixed(1)} s`);
  };
  return {
    pid: child.pid ?? 0,
    ready: untilReady(),
    async [Symbol.asyncDispose]() {
      child.kill();
      await ended;
    },
  };
}

/** The items of a list, without what each says beyond what is asked. */
async function listed<Item>(connection: Connection, path: string): Promise<readonly Item[]> {
  const { body } = await connection.request({ method: 'GET', path, keepBody: true });
  return (JSON.parse(body) as { readonly items: readonly Item[] }).items;
}

interface Conditions {
  readonly status: { readonly conditions: readonly { readonly type: string; readonly status: string }[] };
}

async function sayNodes(connection: Connection): Promise<void> {
  const nodes = await listed<Conditions>(connection, '/api/v1/nodes');
  const ready = nodes.filter(({ status }) =>
    status.conditions.some(({ type, status: is }) => type === 'Ready' && is === 'True'),
  ).length;
  say('nodes Ready', `${ready}`, { text: `${nodeCount}`, isReached: ready === nodeCount });
  const path = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases';
  const leases = await listed<{ readonly spec: { readonly renewTime: string } }>(connection, path);
  const since = Date.now() - leaseSeconds * 1_000;
  const fresh = leases.filter(({ spec }) => Date.parse(spec.renewTime) > since).length;
  say('Leases renewed in time', `${fresh}`, { text: `${nodeCount}`, isReached: fresh === nodeCount });
}

/** One call in four of each kind: reads, patches, creates, deletes, of single objects. What is deleted was made long before, by whichever client. */
function call(n: number): Request {
  const path = `${podsPath(namespace)}/scheduled-${n % podCount}`;
  const made = n >> 2;
  const contentType = 'application/merge-patch+json';
  switch (n & 3) {
    case 0:
      return { method: 'GET', path };
    case 1:
      return { method: 'PATCH', path, contentType, body: JSON.stringify({ metadata: { labels: { call: `c${n}` } } }) };
    case 2:
      return { method: 'POST', path: podsPath(namespace), body: podBody(`made-${made}`, {}) };
    default:
      return made < keptBeside ? { method: 'GET', path } : deletion(`${podsPath(namespace)}/made-${made - keptBeside}`);
  }
}

/** Fills the cluster, and looks at it at rest. */
async function measure(cluster: RunningCluster, nodesPid: number): Promise<void> {
  const processes = new Map([...(await processesOf(cluster)), ['nodes', nodesPid]]);
  const pids = [...processes.values()];
  say('  processor time of all processes', `${(cpuMsOf(pids) / 1_000).toFixed(1)} s`);
  const target = readTarget(cluster.kubeconfig);
  const filling = await openAll(target, clients);
  await sendAll(filling, [{ method: 'POST', path: '/api/v1/namespaces', body: namespaceBody() }]);
  await fill(cluster, filling, pids);
  sayEach(processes);
  // A server ends connections that rest, as those do on which the last pod was made long before it was Ready.
  for (const connection of filling) connection.close();
  const connections = await openAll(target, clients);
  const [asking] = connections;
  if (asking === undefined) return;
  await callAtRest(connections);
  const { resident, files } = memoryOf(pids);
  say(
    `memory of ${pids.length} processes (${Math.round(files / 1e6)} MB of it files)`,
    `${Math.round(resident / 1e6)} MB`,
    { text: `${bars.megabytes} MB`, isReached: resident / 1e6 < bars.megabytes },
  );
  await sayNodes(asking);
}

/** Makes all pods, and waits until they are Ready. */
async function fill(
  cluster: RunningCluster,
  connections: readonly Connection[],
  pids: readonly number[],
): Promise<void> {
  const watchers = await openAll(readTarget(cluster.kubeconfig), 1);
  const tally = await watchPods(watchers, { namespace, asking: connections[0]!, what: 'ready' });
  const [fillMs, before] = [clock.monotonicMs(), cpuMsOf(pids) + ownMs()];
  const creation = (n: number): Request => {
    const body = podBody(`scheduled-${n}`, { scheduled: true, spec: anywhere });
    return { method: 'POST', path: podsPath(namespace), body };
  };
  const made = await drive({
    connections,
    durationMs: Number.POSITIVE_INFINITY,
    request: (n) => (n < podCount ? creation(n) : undefined),
  });
  if (made.failure !== undefined) throw new Error(`Cannot fill the cluster: ${made.failure}`);
  for (let round = 0; round < settleRounds && tally.found.size < podCount; round++)
    await settled(() => tally.found.size >= podCount);
  for (const watcher of watchers) watcher.close();
  const seconds = (tally.lastFoundMs - fillMs) / 1_000;
  say(`${tally.found.size} of ${podCount} pods Ready after`, `${seconds.toFixed(1)} s`, {
    text: `${bars.fillSeconds} s`,
    isReached: tally.found.size === podCount && seconds < bars.fillSeconds,
  });
  const used = (cpuMsOf(pids) + ownMs() - before) / 1_000;
  say(`  processor time of all, clients too (${cpus().length} cores here)`, `${used.toFixed(1)} s`);
}

async function callAtRest(connections: readonly Connection[]): Promise<void> {
  const { latenciesMs, failure } = await drive({
    connections,
    durationMs: calls.seconds * 1_000,
    perSecond: calls.perSecond,
    request: call,
  });
  if (failure !== undefined) say('a call failed', failure, { text: 'none', isReached: false });
  const { p50Ms = Number.NaN, p99Ms = Number.NaN } = percentiles(latenciesMs);
  say(`p99 of ${latenciesMs.length} single-object calls (p50 ${p50Ms.toFixed(1)} ms)`, `${p99Ms.toFixed(1)} ms`, {
    text: `${bars.p99Ms} ms`,
    isReached: p99Ms < bars.p99Ms,
  });
}

/** The nodes of this measurement have no labels that its pods ask for. */
const anywhere = { nodeSelector: {} };

function namespaceBody(): string {
  return JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
}

/** Processor time of this process, which is the clients. */
function ownMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/** Starts the cluster and its nodes, and measures; what is to be ended is added to `ending` before it is begun. */
async function main(ending: AsyncDisposableStack): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'coxswain-large-'));
  ending.defer(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'cluster.json');
  writeFileSync(file, JSON.stringify(ranges));
  const starting = RunningCluster.start({ flags: ['--processes', '--runtime', 'fake', '--config', file] });
  ending.defer(async () => (await starting.catch(() => undefined))?.remove());
  const cluster = await starting;
  // Interrupted while it started: whoever did that ends it.
  if (ending.disposed) return;
  const nodes = spawnNodes(cluster.kubeconfig);
  ending.use(nodes);
  await nodes.ready;
  await measure(cluster, nodes.pid);
}

const stopped = interrupted();
try {
  await using ending = new AsyncDisposableStack();
  await Promise.race([main(ending), stopped]);
} catch (error) {
  process.stderr.write(`large-cluster: ${errorText(error)}\n`);
  isMissed = true;
}
process.exit(isMissed ? 1 : 0);
