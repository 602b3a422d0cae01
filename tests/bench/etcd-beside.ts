/**
 * The rows of the benchmark on an etcd, in turns with the same on lmdb and, where its programs are given, with Kubernetes on an etcd of its own; and where a
 * create's time goes there. `node tests/bench/etcd-beside.ts --help`.
 *
 * All folders are in the temporary folder, on one disk. The parts of Kubernetes are its API server and controller manager, which are not halted while others have
 * their turns, and have nothing to do then.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { errorText } from '#pkg/base/error-text.ts';
import { findEtcd, startTestEtcd } from '#pkg/storage/drivers/etcd/test-etcd.ts';
import { startControlPlane } from '#tests/conformance/upstream/control-plane.ts';
import { serverOf } from './bench.ts';
import { ownCheckout, precompile } from './checkout.ts';
import { Clients } from './clients.ts';
import { startCluster } from './cluster.ts';
import { readTarget } from './kubeconfig.ts';
import { drive, openAll, percentiles } from './load.ts';
import { podBody, podsPath } from './objects.ts';
import { turnsHeader, turnsLines } from './report.ts';
import { cpuMsOf } from './server.ts';
import { clients } from './session.ts';
import { type Side, Turns } from './turns.ts';

const usage = `Usage: node tests/bench/etcd-beside.ts [flags]

  --apiserver <file>   A kube-apiserver to measure beside; and
  --manager <file>     the kube-controller-manager that goes with it.
  --only <text>        Only rows whose name contains this. Default: create pods.
  --seconds <n>        How long each turn lasts. Default: 1.
  --pairs <n>          Turns of each side for each row. Default: 9.
  --profile <folder>   Write a CPU profile of the cluster on etcd there.
`;

interface Flags {
  readonly apiserver: string | undefined;
  readonly manager: string | undefined;
  readonly only: string;
  readonly seconds: number;
  readonly pairs: number;
  readonly profile: string | undefined;
}

/** How long is looked at where time goes. */
const partsMs = 5_000;
/** As much as makes a pod of the benchmark's size, about. */
const paddingBytes = 2_000;

const say = (line: string): void => void process.stdout.write(`${line}\n`);

/** What an etcd has done so far, as it says itself. */
interface EtcdFigures {
  readonly transactions: number;
  readonly ranges: number;
  readonly syncs: number;
  readonly syncMs: number;
}

async function figuresOf(endpoint: string): Promise<EtcdFigures> {
  const text = await (await fetch(`${endpoint}/metrics`)).text();
  const value = (line: string): number => {
    const found = text.split('\n').find((each) => each.startsWith(`${line} `));
    return Number(found?.slice(line.length) ?? 0);
  };
  const handled = (method: string): number =>
    value(
      `grpc_server_handled_total{grpc_code="OK",grpc_method="${method}",grpc_service="etcdserverpb.KV",grpc_type="unary"}`,
    );
  return {
    transactions: handled('Txn'),
    ranges: handled('Range'),
    syncs: value('etcd_disk_wal_fsync_duration_seconds_count'),
    syncMs: value('etcd_disk_wal_fsync_duration_seconds_sum') * 1_000,
  };
}

/** The cluster on etcd, as it is looked at. */
interface OnEtcd {
  readonly kubeconfig: string;
  readonly endpoint: string;
  readonly serverPids: readonly number[];
  readonly etcdPid: number;
}

/** What creates are made of: requests and syncs of etcd, and processor time. */
async function sayParts({ kubeconfig, endpoint, serverPids, etcdPid }: OnEtcd, durationMs: number): Promise<void> {
  const connections = await openAll(readTarget(kubeconfig), clients);
  say('\nWhere a create on etcd spends its time');
  for (const count of [clients, 1]) {
    const cpu = (): readonly [number, number] => [cpuMsOf(serverPids), cpuMsOf([etcdPid])];
    const [before, [serverMs, etcdMs]] = [await figuresOf(endpoint), cpu()];
    const { operations, latenciesMs, failure } = await drive({
      connections: connections.slice(0, count),
      durationMs,
      request: (n) => ({
        method: 'POST',
        path: podsPath('default'),
        body: podBody(`parts-${count}-${n}`, { paddingBytes }),
      }),
    });
    const [after, [serverEndMs, etcdEndMs]] = [await figuresOf(endpoint), cpu()];
    if (failure !== undefined) throw new Error(`A create was refused: ${failure}`);
    const { p50Ms = 0 } = percentiles(latenciesMs);
    const each = (value: number): string => (value / operations).toFixed(2);
    const asked = (name: keyof EtcdFigures): string => each(after[name] - before[name]);
    const syncMs = (after.syncMs - before.syncMs) / Math.max(1, after.syncs - before.syncs);
    say(
      `${String(count).padStart(2)} clients: ${operations} creates, the middle one took ${p50Ms.toFixed(2)} ms. Each was`,
    );
    say(
      `  ${asked('transactions')} transactions, ${asked('ranges')} ranges, ${asked('syncs')} syncs (of ${syncMs.toFixed(2)} ms),`,
    );
    say(
      `  ${each(serverEndMs - serverMs)} ms of the cluster's processor time and ${each(etcdEndMs - etcdMs)} ms of etcd's`,
    );
  }
  for (const connection of connections) connection.close();
}

/** Starts what is measured; all of it ends with `ending`. */
async function sidesOf(
  flags: Flags,
  { ending, signal }: { readonly ending: AsyncDisposableStack; readonly signal: AbortSignal },
): Promise<{ readonly sides: readonly Side[]; readonly onEtcd: OnEtcd }> {
  const etcd = findEtcd(process.env.PATH);
  if (etcd === undefined) throw new Error("Cannot find etcd on the PATH (Debian's package is etcd-server)");
  const store = await startTestEtcd(etcd);
  ending.defer(() => store.cleanup());
  await precompile(ownCheckout, signal);
  const start = async (name: string, where: string) => {
    const profile = name === 'etcd' ? flags.profile : undefined;
    const cluster = await startCluster({ checkout: ownCheckout, name, store: where, audit: false, signal, profile });
    ending.defer(() => cluster.stop());
    return cluster;
  };
  const onEtcd = await start('etcd', store.endpoint);
  const onLmdb = await start('lmdb', 'lmdb');
  const sides: Side[] = [
    { name: 'etcd', role: 'ours', server: onEtcd },
    { name: 'lmdb', role: 'other', server: onLmdb },
  ];
  const { apiserver, manager } = flags;
  if (apiserver !== undefined && manager !== undefined) {
    const folder = mkdtempSync(join(tmpdir(), 'coxswain-bench-upstream-'));
    const plane = await startControlPlane({ apiserver, manager, etcd, nodes: 0, folder });
    ending.defer(() => plane.stop());
    await plane.startManager();
    const server = { ...serverOf(plane.kubeconfig), pids: async () => plane.pids(), goesOn: true };
    sides.push({ name: 'Kubernetes', role: 'other', server });
  }
  const serverPids = await onEtcd.pids();
  return {
    sides,
    onEtcd: { kubeconfig: onEtcd.kubeconfig, endpoint: store.endpoint, serverPids, etcdPid: store.pid },
  };
}

async function measure(flags: Flags, signal: AbortSignal): Promise<boolean> {
  await using ending = new AsyncDisposableStack();
  const worker = new Clients(signal);
  ending.defer(() => worker.end());
  const { sides, onEtcd } = await sidesOf(flags, { ending, signal });
  const turns = new Turns({
    clients: worker,
    sides,
    sizes: { rowMs: flags.seconds * 1_000, nodes: 100, pods: 100 },
    pairs: flags.pairs,
    longPairs: 3,
    signal,
    wants: (name) => name.includes(flags.only),
  });
  ending.defer(() => turns.goOn());
  process.stdout.write(turnsHeader('etcd'));
  await turns.open();
  let failures = 0;
  for await (const row of turns.measure()) {
    process.stdout.write(turnsLines(row));
    failures += row.failures;
  }
  await turns.close();
  await sayParts(onEtcd, partsMs);
  return failures === 0;
}

async function main(signal: AbortSignal): Promise<void> {
  const string = { type: 'string' } as const;
  const { values } = parseArgs({
    options: {
      apiserver: string,
      manager: string,
      only: { ...string, default: 'create pods' },
      seconds: { ...string, default: '1' },
      pairs: { ...string, default: '9' },
      profile: string,
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return void process.stdout.write(usage);
  const { apiserver, manager, only, profile } = values;
  if ((apiserver === undefined) !== (manager === undefined))
    throw new Error('Cannot measure Kubernetes without both --apiserver and --manager');
  const [seconds, pairs] = [Number(values.seconds), Number(values.pairs)];
  if (!(seconds > 0 && Number.isSafeInteger(pairs) && pairs > 0))
    throw new Error('Cannot measure as --seconds and --pairs must be numbers above 0');
  if (!(await measure({ apiserver, manager, only, seconds, pairs, profile }, signal))) process.exitCode = 1;
}

const interrupted = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const)
  process.once(name, () => interrupted.abort(new Error('Stopped before the measurement was over')));
try {
  await main(interrupted.signal);
} catch (error) {
  process.stderr.write(`etcd-beside: ${errorText(error)}\n`);
  process.exitCode = 1;
}
