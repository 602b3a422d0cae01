/**
 * Clusters for tests: API server on the memory store, controllers, scheduler, and kubelets with the `fake` runtime, all in this process.
 *
 * On virtual time, the default, there are no sockets, files or threads: a day of cluster life passes as fast as the work in it can be done,
 * and the same seed gives the same run, event for event.
 *
 *     const cluster = await startTestCluster({ nodes: 2 });
 *     await cluster.apply(makeDeployment('web', { replicas: 3 }));
 *     await cluster.until(() => cluster.pods().filter(isPodReady).length === 3);
 *     await cluster.stop();
 *
 * With `listen: true` it lives in real time and answers at an HTTPS address, for kubectl, Helm and client libraries.
 *
 * Laws: virtual time passes only in `advance` and `until`. Between them everything that can happen without time passing has happened. `stop`
 * resolves when every part has stopped, and nothing is left behind.
 */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import type { ApiHandler } from '#pkg/apimachinery/http.ts';
import type { KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Metrics } from '#pkg/base/metrics.ts';
import type { Random } from '#pkg/base/random.ts';
import type { VirtualClock } from '#pkg/base/virtual-clock.ts';
import type { Client } from '#pkg/client/client.ts';
import type { Lister } from '#pkg/client/informer.ts';
import type { ComponentFlags } from '#pkg/cluster/settings.ts';
import type { FaultRule } from '#pkg/faults/fault-rule.ts';
import type { FaultState } from '#pkg/faults/fault-set.ts';
import type { FakeRuntime } from '#pkg/kubelet/runtime/fake/fake-runtime.ts';
import type { ConnectRemote } from '#pkg/registry/apiregistration/remote-connection.ts';
import type { CallWebhook } from '#pkg/registry/remote/call-webhook.ts';
import type { Store } from '#pkg/storage/store.ts';

export interface TestClusterOptions {
  /** How many nodes, named `node-1` and so on. Default 1; 0 for an API server, controllers and scheduler alone. */
  readonly nodes?: number;
  /** Every random choice follows from it. Default 1. */
  readonly seed?: number;
  /** What each node offers. Default 4 CPUs, 8 GiB, 110 pods. */
  readonly capacity?: Readonly<Record<string, string>>;
  /** Names of the controllers that run, none where the list is empty. Default: all. */
  readonly controllers?: readonly string[];
  /** Flags of components that differ from their defaults, as `up --extra-config` takes them: `{ 'kube-scheduler': { scheduling: 'spreading' } }`. Of the API server's they are `runtime-config` and `feature-gates`, on virtual time. */
  readonly flags?: ComponentFlags;
  /** Files and folders of CustomResourceDefinitions that are established before anything else is applied. Default: none. */
  readonly crds?: readonly string[];
  /** Files and folders of manifests that are applied before it is returned, in their order, as `apply` does. Default: none. */
  readonly manifests?: readonly string[];
  /** Rules of faults that hold from the start (`docs/faults-on-demand.md`); an empty list lets some be added later. Default: there are none, and none can be added. */
  readonly faults?: readonly FaultRule[];
  /** Whether a scheduler runs; without one pods wait. Default true. */
  readonly schedules?: boolean;
  /** Whether components record events. Default true. */
  readonly recordsEvents?: boolean;
  /** Default: silent. */
  readonly log?: Logger;
  /** Answers what webhooks are asked, in place of the network. Default: on virtual time there is no connection to them. */
  readonly callWebhook?: CallWebhook;
  /** The connection to API servers behind this one. Default: none. Only on virtual time. */
  readonly connectRemote?: ConnectRemote;
}

/** Options of a cluster in real time, at an address of its own. */
export interface ListeningTestClusterOptions extends TestClusterOptions {
  readonly listen: true;
  /** Where its data is kept, which it closes when it stops. Default: in memory. */
  readonly store?: Store;
}

/** A node of the simulated cluster. */
export interface TestNode {
  readonly name: string;
  readonly runtime: FakeRuntime;
  /** The kubelet stops as if the machine had lost power: nothing is said to anyone. Does nothing when it is silent already. */
  silence(): Promise<void>;
  /** The kubelet starts again. Does nothing when it runs. */
  resume(): Promise<void>;
}

/** The faults of a cluster that was started with `faults`. */
export interface TestFaults {
  /** Adds all these rules, from now on, or, where something is wrong with one of them, throws and adds none. */
  add(...rules: readonly FaultRule[]): void;
  /** Ends a rule; returns whether there was one of that name. */
  remove(name: string): boolean;
  /** The rules, with how often each has hit. */
  list(): readonly FaultState[];
}

/** What every cluster for tests has. */
interface AnyTestCluster {
  /** A client that may do everything. */
  readonly client: Client;
  /** The API server itself. */
  readonly handle: ApiHandler;
  readonly nodes: readonly TestNode[];
  /** What goes wrong on demand. Throws where the cluster was started without `faults`. */
  readonly faults: TestFaults;
  /** What the components beside the API server and the kubelets count, which say it themselves at `/metrics`. */
  readonly metrics: Metrics;
  /** What happened to pods, nodes and in events since the start, a line each, with their times. */
  readonly transcript: readonly string[];
  /** Creates or changes objects as `kubectl apply --server-side` does. */
  apply(...objects: readonly KubeObject[]): Promise<void>;
  /** The pods there are now, in the order of their names. */
  pods(namespace?: string): readonly Pod[];
  /** What there is of a resource: asks for a copy of it to be kept from then on. */
  lister<T extends KubeObject>(ref: ResourceRef<T>): Promise<Lister<T>>;
  /**
   * Lets time pass until `condition` holds; throws when it does not within `limitMs` (default ten minutes of virtual time, one of real time), or when
   * a part of the cluster has failed.
   */
  until(condition: () => boolean | Promise<boolean>, limitMs?: number): Promise<void>;
  stop(): Promise<void>;
}

/** A cluster on virtual time. */
export interface TestCluster extends AnyTestCluster {
  readonly clock: VirtualClock;
  readonly random: Random;
  /** Lets time pass. */
  advance(durationMs: number): Promise<void>;
}

/** A cluster in real time that answers over HTTPS. */
export interface ListeningTestCluster extends AnyTestCluster {
  /** `https://127.0.0.1:port`. */
  readonly server: string;
  /** A kubeconfig, as text, whose user may do everything. */
  readonly kubeconfig: string;
  /** Path of a file with the same, which is there until the cluster stops. */
  readonly kubeconfigFile: string;
}

/** Starts a cluster and returns once its nodes are Ready. */
export function startTestCluster(options: ListeningTestClusterOptions): Promise<ListeningTestCluster>;
export function startTestCluster(options?: TestClusterOptions): Promise<TestCluster>;
export async function startTestCluster(
  options: TestClusterOptions & Partial<ListeningTestClusterOptions> = {},
): Promise<ListeningTestCluster | TestCluster> {
  const paths = [...(options.crds ?? []), ...(options.manifests ?? [])];
  // Read before there is a cluster: on virtual time nothing may wait for files.
  const objects = paths.length === 0 ? [] : await (await import('./manifests.ts')).manifestsOf(paths);
  const cluster = await startAny(options);
  try {
    await cluster.apply(...objects);
    return cluster;
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

async function startAny(
  options: TestClusterOptions & Partial<ListeningTestClusterOptions>,
): Promise<ListeningTestCluster | TestCluster> {
  if (options.listen === true) {
    const { startListeningCluster } = await import('./listening-cluster.ts');
    return startListeningCluster(options);
  }
  const { startVirtualCluster } = await import('./virtual-cluster.ts');
  return startVirtualCluster(options);
}
