/** A cluster with two control planes on an etcd of its own, as `up --processes --control-planes 2` starts it: its servers, and its processes by name. */
import process from 'node:process';
import { findEtcd, startTestEtcd } from '#pkg/storage/drivers/etcd/test-etcd.ts';
import { eventually, RunningCluster } from '#tests/e2e/running-cluster.ts';
import { Connection } from './connection.ts';
import { interrupted } from './interrupted.ts';
import { readTarget, type Target } from './kubeconfig.ts';

/** The cluster, as long as it is measured. */
export interface ControlPlanes {
  readonly kubeconfig: string;
  /** Both API servers, with what to be let in by. */
  readonly targets: readonly [Target, Target];
  readonly serverPids: readonly number[];
  readonly etcdPid: number;
  /** Of a process by its name; 0 while there is none. */
  pidOf(name: string): number;
  /** Looks anew which processes there are. */
  refresh(): Promise<void>;
  /** Where the process of that name says what it has to say. */
  logFile(name: string): string;
}

interface ClusterStatus {
  readonly processes: readonly { readonly name: string; readonly pid?: number }[];
}

interface EndpointsObject {
  readonly subsets?: readonly {
    readonly addresses?: readonly { readonly ip: string }[];
    readonly ports?: readonly { readonly port: number }[];
  }[];
}

/** Starts it, measures it and leaves nothing behind, on a signal too. `flags` go to `up`. */
export async function withControlPlanes<T>(
  flags: readonly string[],
  measure: (planes: ControlPlanes) => Promise<T>,
): Promise<T> {
  const stopped = interrupted();
  await using planes = await startControlPlanes(flags);
  return await Promise.race([measure(planes), stopped]);
}

async function startControlPlanes(flags: readonly string[]): Promise<AsyncDisposable & ControlPlanes> {
  const program = findEtcd(process.env.PATH);
  if (program === undefined) throw new Error("Cannot find etcd on the PATH (Debian's package is etcd-server)");
  await using ending = new AsyncDisposableStack();
  const etcd = await startTestEtcd(program);
  ending.defer(() => etcd.cleanup());
  const own = ['--store', etcd.endpoint, '--processes', '--control-planes', '2', '--runtime', 'fake'];
  const cluster = await RunningCluster.start({ flags: [...own, ...flags] });
  ending.defer(() => cluster.remove());
  const target = readTarget(cluster.kubeconfig);
  const urls = await eventually(
    () => publishedServers(target),
    (found) => found.length === 2,
  );
  const pids = new Map<string, number>();
  const refresh = async (): Promise<void> => {
    const { stdout } = await cluster.coxswain(['status', '-o', 'json']);
    pids.clear();
    for (const { name, pid = 0 } of (JSON.parse(stdout) as ClusterStatus).processes) pids.set(name, pid);
  };
  await refresh();
  const pidOf = (name: string): number => pids.get(name) ?? 0;
  const rest = ending.move();
  return {
    kubeconfig: cluster.kubeconfig,
    targets: [
      { ...target, url: urls[0]! },
      { ...target, url: urls[1]! },
    ],
    serverPids: [pidOf('kube-apiserver'), pidOf('kube-apiserver-2')],
    etcdPid: etcd.pid,
    pidOf,
    refresh,
    logFile: (name) => `${cluster.dataDir}/logs/${name}.log`,
    [Symbol.asyncDispose]: () => rest.disposeAsync(),
  };
}

/** What the Service `kubernetes` leads to. */
async function publishedServers(target: Target): Promise<readonly URL[]> {
  const connection = await Connection.open(target);
  const path = '/api/v1/namespaces/default/endpoints/kubernetes';
  const { status, body } = await connection.request({ method: 'GET', path, keepBody: true });
  connection.close();
  if (status !== 200) return [];
  const { subsets = [] } = JSON.parse(body) as EndpointsObject;
  return subsets.flatMap(({ addresses = [], ports = [] }) =>
    addresses.map(({ ip }) => new URL(`https://${ip}:${ports[0]?.port}`)),
  );
}
