/**
 * What the clusters for tests are made of, whatever their clock: the components of the table that `up` starts too (`pkg/cluster/components.ts`),
 * on the memory store and the `fake` runtime, each connected to the API server in this process and under its own identity. Those that open
 * sockets are left out: pods that run nothing have no traffic.
 *
 * Invariant: what was started has stopped when `stop` has resolved. Opens no sockets and reads no files.
 */

import { resourceOfKind } from '#pkg/api/resources.ts';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { customResourceDefinitions } from '#pkg/api/types/refs.ts';
import { findCondition } from '#pkg/apimachinery/conditions.ts';
import type { ApiHandler } from '#pkg/apimachinery/http.ts';
import type { JsonObject, KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { type Logger, silentLogger } from '#pkg/base/logger.ts';
import { Metrics } from '#pkg/base/metrics.ts';
import type { SeededRandom } from '#pkg/base/random.ts';
import type { Client } from '#pkg/client/client.ts';
import { findResource } from '#pkg/client/discovery.ts';
import { inProcessTransport } from '#pkg/client/in-process-transport.ts';
import type { Informer } from '#pkg/client/informer.ts';
import type { ClusterHost } from '#pkg/cluster/cluster-host.ts';
import { Members } from '#pkg/cluster/members.ts';
import { depsOf, type PartContext } from '#pkg/cluster/parts.ts';
import { accountSubject, identitySubject } from '#pkg/cluster/pki.ts';
import type { ClusterSettings } from '#pkg/cluster/settings.ts';
import { type ClusterTables, clusterTables } from '#pkg/cluster/tables.ts';
import type { Component, ComponentDeps } from '#pkg/component/component.ts';
import type { ClusterFaults } from '#pkg/faults/cluster-faults.ts';
import type { FaultRule } from '#pkg/faults/fault-rule.ts';
import type { CertificatePair } from '#pkg/pki/pair.ts';
import type { TestClusterOptions, TestFaults, TestNode } from './cluster.ts';
import { Recording } from './recording.ts';
import { SwitchedNode } from './switched-node.ts';

/** An API server over `store`, and how components reach it. */
export interface ComposedApi extends Component {
  readonly handle: ApiHandler;
  addKubelet(nodeName: string, handle: ApiHandler | undefined): void;
}

export interface CompositionOptions {
  readonly cluster: TestClusterOptions;
  readonly clock: Clock;
  readonly random: SeededRandom;
  /** Answers by now. Runs until everything else has stopped. */
  readonly api: ComposedApi;
  /** Lets everything happen that can without time passing, as far as the clock can tell. */
  readonly settle: () => Promise<void>;
  /** PEM of the authority that pods are told of. */
  readonly rootCa?: string;
  /** That authority with its key. */
  readonly clusterSigning?: CertificatePair;
  /** PEM of the key that signs tokens of service accounts. */
  readonly serviceAccountKey?: string;
  /** Default: all that there is. */
  readonly tables?: ClusterTables;
  /** What goes wrong on demand; absent: nothing. */
  readonly faults?: ClusterFaults | undefined;
  /**
   * Whether everything is made, and its modules loaded, before any of it runs: how long loading takes would else be seen in the order of what
   * happens. Default false: each part runs as soon as it is there.
   */
  readonly startsTogether?: boolean;
}

const capacityDefault = { cpu: '4', memory: '8Gi', pods: '110', 'ephemeral-storage': '100Gi' };

/** Turns of the event loop that a definition may take to be established: many more than it does. */
const turnsMax = 10_000;

/** What acts on a kind and is loaded with its first object: how long that takes would be seen in what happens, so it is there before. */
const loadedLate: Readonly<Record<string, () => Promise<unknown>>> = {
  NodePool: () => import('#pkg/controllers/nodepool/autoscaler.ts'),
};

/** What a cluster for tests is made of, but for its nodes. */
export const testSettings: Omit<ClusterSettings, 'nodes'> = {
  name: 'test',
  runtime: 'fake',
  store: 'memory',
  network: 'loopback',
  apiPort: 0,
  podCidr: '127.128.0.0/9',
  serviceCidr: '127.96.0.0/12',
  nodeAddress: '127.0.0.1',
  componentFlags: {},
};

/** The faults of a cluster for tests; what they need is loaded by those that have them. Throws for rules that cannot be used. */
export async function faultsOf(clock: Clock, seed: number, data: readonly FaultRule[]): Promise<ClusterFaults> {
  const { clusterFaults } = await import('#pkg/faults/cluster-faults.ts');
  return clusterFaults(clock, { seed, data });
}

export class Composition {
  readonly client: Client;
  readonly recording: Recording;
  readonly #options: CompositionOptions;
  readonly #log: Logger;
  readonly #nodes: SwitchedNode[] = [];
  readonly #stopping = new AbortController();
  readonly #metrics = new Metrics();
  readonly #members = new Members(this.#stopping.signal);
  readonly #observer: ComponentDeps;
  #failure: { readonly error: unknown } | undefined;

  constructor(options: CompositionOptions) {
    this.#options = options;
    this.#log = options.cluster.log ?? silentLogger;
    this.#observer = depsOf(this.#as('admin'), 'observer');
    this.client = this.#observer.client;
    this.recording = new Recording(options.clock, this.#observer.informers);
    this.#members.stopped.catch((error: unknown) => {
      this.#failure = { error };
    });
    this.#members.start('kube-apiserver', options.api, { last: true });
  }

  get metrics(): Metrics {
    return this.#metrics;
  }

  get nodes(): readonly TestNode[] {
    return this.#nodes;
  }

  get faults(): TestFaults {
    const rules = this.#options.faults?.rules;
    if (rules === undefined)
      throw new Error('Cannot inject faults as the cluster was started without the option faults');
    return {
      add: (...added) => rules.add(added),
      remove: (name) => rules.remove(name),
      list: () => rules.list(),
    };
  }

  /** Starts everything; resolves when the kubelets run. */
  async start(): Promise<void> {
    const {
      cluster,
      api,
      rootCa = '',
      clusterSigning,
      serviceAccountKey,
      settle,
      tables = clusterTables,
    } = this.#options;
    const { nodes = 1, controllers } = cluster;
    const release = this.#options.startsTogether === true ? this.#members.hold() : undefined;
    this.#members.start('observer', { run: (signal) => this.#observer.informers.run(signal) });
    const host: ClusterHost = {
      settings: { ...testSettings, nodes },
      tables,
      nodeNames: Array.from({ length: nodes }, (_, index) => `node-${index + 1}`),
      folder: '',
      rootCa,
      ...(clusterSigning === undefined ? {} : { clusterSigning }),
      ...(serviceAccountKey === undefined ? {} : { serviceAccountKey }),
      ...(controllers === undefined ? {} : { controllers }),
      // The same on every machine.
      machine: { capacity: cluster.capacity ?? capacityDefault, facts: {} },
      members: this.#members,
      flagsOf: async (component) => {
        if (cluster.flags === undefined) return {};
        const { componentValues } = await import('#pkg/cluster/component-flags.ts');
        return componentValues(cluster.flags, component, tables);
      },
      as: (identity) => this.#as(identity),
      asAccount: (name) => inProcessTransport(api.handle, accountSubject(name)),
      addKubelet: api.addKubelet,
      onNodesReady: () => {},
      runNode: (part) => {
        const node = new SwitchedNode(part, settle);
        this.#nodes.push(node);
        const { faults } = this.#options;
        if (faults !== undefined) node.runtime.failProbes((probed) => faults.probe({ ...probed, node: node.name }));
        return {
          run: async (signal) => {
            await node.run(signal);
            // One that was asked for by a claim goes before the cluster does.
            if (!this.#stopping.signal.aborted) this.#nodes.splice(this.#nodes.indexOf(node), 1);
          },
        };
      },
    };
    for (const [name, { start, opensSockets }] of Object.entries(tables.components)) {
      const isWanted = name !== 'kube-scheduler' || cluster.schedules !== false;
      if (isWanted && !opensSockets) await start?.(host);
    }
    release?.();
  }

  /** Whether every node was seen to be Ready. */
  get areNodesReady(): boolean {
    return this.recording.nodesReady === this.#nodes.length;
  }

  async apply(...objects: readonly KubeObject[]): Promise<void> {
    for (const object of objects) {
      const { apiVersion = '', kind = '' } = object;
      // Of a kind that the API does not have by itself the server knows, once its definition is established.
      const info = resourceOfKind(apiVersion, kind) ?? (await findResource(this.client, apiVersion, kind));
      if (info === undefined) {
        throw new Error(`Cannot apply ${object.apiVersion} ${object.kind} as there is no such resource`);
      }
      await loadedLate[kind]?.();
      if (!object.metadata?.name) throw new Error(`Cannot apply a ${object.kind} as it has no name`);
      const namespace = info.namespaced ? { namespace: object.metadata?.namespace ?? 'default' } : {};
      const how = { type: 'apply', fieldManager: 'test', force: true, ...namespace } as const;
      await this.client.resource(info).patch(object.metadata.name, object as JsonObject, how);
      if (info.resource === customResourceDefinitions.resource) await this.#established(object.metadata.name);
    }
    await this.#options.settle();
  }

  /** Lets what a definition defines be served, unless its names are taken. */
  async #established(name: string): Promise<void> {
    for (let turn = 0; turn < turnsMax; turn++) {
      const { status } = await this.client.resource(customResourceDefinitions).get(name);
      if (findCondition(status?.conditions, 'Established') !== undefined) return;
      await this.#options.settle();
    }
  }

  pods(namespace?: string): readonly Pod[] {
    const name = (pod: Pod): string => `${pod.metadata?.namespace}/${pod.metadata?.name}`;
    return this.recording.pods.list(namespace).toSorted((a, b) => (name(a) < name(b) ? -1 : 1));
  }

  informer<T extends KubeObject>(ref: ResourceRef<T>): Informer<T> {
    return this.#observer.informers.informer(ref);
  }

  /** Throws what a component has failed of. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async stop(): Promise<void> {
    const { settle } = this.#options;
    this.#stopping.abort();
    // What is left to do needs no time, but its turn.
    await settle();
    const ended = this.#members.stop();
    await settle();
    await ended;
  }

  #as(identity: string): PartContext {
    const { clock, random, api, cluster, tables = clusterTables } = this.#options;
    const { commonName, organizations = [] } = identitySubject(identity, tables.components);
    const transport = inProcessTransport(api.handle, { commonName, organizations });
    const { recordsEvents = true } = cluster;
    return { transport, clock, random, log: this.#log, metrics: this.#metrics, recordsEvents };
  }
}
