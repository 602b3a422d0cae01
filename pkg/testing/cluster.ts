/**
 * The whole cluster in one process on virtual time: API server on the memory store, controllers, scheduler, and kubelets with the
 * `fake` runtime, without sockets, files or threads. A day of cluster life passes as fast as the work in it can be done, and the
 * same seed gives the same run, event for event.
 *
 *     const cluster = await startTestCluster({ nodes: 2 });
 *     await cluster.apply(makeDeployment('web', { replicas: 3 }));
 *     await cluster.until(() => cluster.pods().filter(isPodReady).length === 3);
 *     await cluster.stop();
 *
 * Laws: time passes only in `advance` and `until`. Between them everything that can happen without time passing has happened. `stop`
 * resolves when every part has stopped.
 */

import { resourceOfKind } from '#pkg/api/resources.ts';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { isConditionTrue } from '#pkg/apimachinery/conditions.ts';
import type { ApiHandler } from '#pkg/apimachinery/http.ts';
import type { JsonObject, KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import { clientCertificateAuthenticator } from '#pkg/apiserver/authn/client-certificate.ts';
import { alwaysAllow } from '#pkg/apiserver/authz/authorizer.ts';
import { createDocumentProvider } from '#pkg/apiserver/discovery/provider.ts';
import { createApiServer } from '#pkg/apiserver/server.ts';
import { type Logger, silentLogger } from '#pkg/base/logger.ts';
import { type Random, SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import type { Client } from '#pkg/client/client.ts';
import { type InProcessIdentity, inProcessTransport } from '#pkg/client/in-process-transport.ts';
import type { Lister } from '#pkg/client/informer.ts';
import { depsOf, type PartContext, withInformers } from '#pkg/cluster/parts.ts';
import { kubernetesRelease } from '#pkg/cluster/settings.ts';
import type { Component, ComponentDeps } from '#pkg/component/component.ts';
import { createControllerManager } from '#pkg/controllers/manager.ts';
import { createKubelet, sharedNodeSource, sharedPodSource } from '#pkg/kubelet/kubelet.ts';
import { createFakeRuntime, type FakeRuntime } from '#pkg/kubelet/runtime/fake/fake-runtime.ts';
import { memoryVolumeHost } from '#pkg/kubelet/volumes/volume-host.ts';
import { createLoopbackNetwork } from '#pkg/network/loopback/loopback-network.ts';
import { createAdmissionPlugins } from '#pkg/registry/admission/table.ts';
import { createStrategies } from '#pkg/registry/table.ts';
import { createScheduler } from '#pkg/scheduler/scheduler.ts';
import { createMemoryStore } from '#pkg/storage/drivers/memory/memory-store.ts';
import { Recording } from './recording.ts';

export interface TestClusterOptions {
  /** How many nodes, named `node-1` and so on. Default 1. */
  readonly nodes?: number;
  /** Every random choice follows from it. Default 1. */
  readonly seed?: number;
  /** What each node offers. Default 4 CPUs, 8 GiB, 110 pods. */
  readonly capacity?: Readonly<Record<string, string>>;
  /** Names of the controllers that run. Default: all. */
  readonly controllers?: readonly string[];
  /** Default: silent. */
  readonly log?: Logger;
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

export interface TestCluster {
  readonly clock: VirtualClock;
  readonly random: Random;
  /** A client that may do everything. */
  readonly client: Client;
  /** The API server itself. */
  readonly handle: ApiHandler;
  readonly nodes: readonly TestNode[];
  /** What happened to pods, nodes and in events since the start, a line each, with virtual times. */
  readonly transcript: readonly string[];
  /** Creates or changes objects as `kubectl apply --server-side` does. */
  apply(...objects: readonly KubeObject[]): Promise<void>;
  /** The pods there are now, in the order of their names. */
  pods(namespace?: string): readonly Pod[];
  /** What there is of a resource: asks for a copy of it to be kept from then on. */
  lister<T extends KubeObject>(ref: ResourceRef<T>): Promise<Lister<T>>;
  /** Lets time pass. */
  advance(durationMs: number): Promise<void>;
  /** Lets time pass until `condition` holds; throws when it does not within `limitMs` of virtual time (default ten minutes). */
  until(condition: () => boolean | Promise<boolean>, limitMs?: number): Promise<void>;
  stop(): Promise<void>;
}

const untilMsDefault = 600_000;
const capacityDefault = { cpu: '4', memory: '8Gi', pods: '110', 'ephemeral-storage': '100Gi' };
const podCidr = '127.128.0.0/9';
const serviceCidr = '127.96.0.0/12';
const admin: InProcessIdentity = { commonName: 'kubernetes-admin', organizations: ['system:masters'] };

/** Whether the pod's Ready condition is True. */
export function isPodReady(pod: Pod): boolean {
  return isConditionTrue(pod.status?.conditions, 'Ready');
}

/** Starts a cluster and returns once its nodes are Ready. */
export async function startTestCluster(options: TestClusterOptions = {}): Promise<TestCluster> {
  const cluster = new SimulatedCluster(options);
  await cluster.start();
  return cluster;
}

/** A component that runs, and how to end it. */
interface Running {
  readonly controller: AbortController;
  readonly ended: Promise<void>;
}

class SimulatedCluster implements TestCluster {
  readonly clock = new VirtualClock();
  readonly random: Random;
  readonly client: Client;
  readonly handle: ApiHandler;
  readonly nodes: readonly TestNode[];
  readonly #options: TestClusterOptions;
  readonly #log: Logger;
  readonly #server: ReturnType<typeof createApiServer>;
  readonly #running = new Set<Running>();
  readonly #observer: ComponentDeps;
  readonly #recording: Recording;
  #serving: Running | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(options: TestClusterOptions) {
    this.#options = options;
    this.#log = options.log ?? silentLogger;
    this.random = new SeededRandom(options.seed ?? 1);
    this.#server = createApiServer({
      store: createMemoryStore({ clock: this.clock }),
      clock: this.clock,
      random: this.random,
      log: this.#log,
      strategies: createStrategies({ serviceCidr }),
      admission: createAdmissionPlugins(),
      authenticators: [clientCertificateAuthenticator()],
      authorizer: alwaysAllow(),
      documents: createDocumentProvider,
    });
    this.handle = this.#server.handle;
    this.#observer = this.#deps('observer', admin);
    this.client = this.#observer.client;
    this.#recording = new Recording(this.clock, this.#observer.informers);
    const shared = this.#deps('kubelet', { commonName: 'system:node:shared', organizations: ['system:nodes'] });
    const sources = { deps: shared, podSource: sharedPodSource(shared), nodeSource: sharedNodeSource(shared) };
    this.nodes = Array.from({ length: options.nodes ?? 1 }, (_, index) => this.#node(`node-${index + 1}`, sources));
    this.#start({ run: (signal) => shared.informers.run(signal) });
  }

  get transcript(): readonly string[] {
    return this.#recording.lines;
  }

  async start(): Promise<void> {
    this.#serving = this.#start(this.#server);
    await this.#server.ready();
    this.#start({ run: (signal) => this.#observer.informers.run(signal) });
    const manager = this.#deps('kube-controller-manager', componentIdentity('kube-controller-manager'));
    const { controllers } = this.#options;
    this.#start(
      createControllerManager({
        deps: manager,
        options: { rootCa: '', clusterCidr: podCidr },
        ...(controllers === undefined ? {} : { controllers }),
      }),
    );
    const scheduler = this.#deps('kube-scheduler', componentIdentity('kube-scheduler'));
    this.#start(withInformers(scheduler, createScheduler({ deps: scheduler })));
    await Promise.all(this.nodes.map((node) => node.resume()));
    await this.until(() => this.#recording.nodesReady === this.nodes.length);
  }

  async apply(...objects: readonly KubeObject[]): Promise<void> {
    for (const object of objects) {
      const info = resourceOfKind(object.apiVersion ?? '', object.kind ?? '');
      if (info === undefined) {
        throw new Error(`Cannot apply ${object.apiVersion} ${object.kind} as there is no such resource`);
      }
      const namespace = info.namespaced ? { namespace: object.metadata?.namespace ?? 'default' } : {};
      const how = { type: 'apply', fieldManager: 'test', force: true, ...namespace } as const;
      await this.client.resource(info).patch(object.metadata?.name ?? '', object as JsonObject, how);
    }
    await this.clock.settle();
  }

  pods(namespace?: string): readonly Pod[] {
    const name = (pod: Pod): string => `${pod.metadata?.namespace}/${pod.metadata?.name}`;
    return this.#recording.pods.list(namespace).toSorted((a, b) => (name(a) < name(b) ? -1 : 1));
  }

  async lister<T extends KubeObject>(ref: ResourceRef<T>): Promise<Lister<T>> {
    const informer = this.#observer.informers.informer(ref);
    await this.until(() => informer.hasSynced());
    return informer.lister;
  }

  async advance(durationMs: number): Promise<void> {
    await this.clock.advance(durationMs);
    this.#check();
  }

  async until(condition: () => boolean | Promise<boolean>, limitMs: number = untilMsDefault): Promise<void> {
    const endMs = this.clock.monotonicMs() + limitMs;
    await this.clock.settle();
    for (;;) {
      this.#check();
      if (await condition()) return;
      const leftMs = endMs - this.clock.monotonicMs();
      if (leftMs <= 0 || !(await this.clock.step(leftMs))) {
        const last = this.transcript.slice(-20).join('\n');
        throw new Error(
          `Cannot reach the awaited state as ${limitMs} ms of virtual time have passed without it. Last:\n${last}`,
        );
      }
    }
  }

  async stop(): Promise<void> {
    const clients = [...this.#running].filter((running) => running !== this.#serving);
    await this.#end(clients);
    // Last, as what its clients still wait for is to be answered: one that is asked to try later would wait for time that does not pass.
    if (this.#serving !== undefined) await this.#end([this.#serving]);
  }

  async #end(running: readonly Running[]): Promise<void> {
    for (const { controller } of running) controller.abort();
    await this.clock.settle();
    await Promise.all(running.map(({ ended }) => ended));
  }

  #deps(userAgent: string, identity: InProcessIdentity): ComponentDeps {
    const { clock, random } = this;
    const transport = inProcessTransport((request) => this.#server.handle(request), identity);
    const context: PartContext = { transport, clock, random, log: this.#log };
    return depsOf(context, userAgent);
  }

  #node(
    name: string,
    shared: Pick<Parameters<typeof createKubelet>[0], 'nodeSource' | 'podSource'> & { deps: ComponentDeps },
  ): TestNode {
    const { clock, random } = this;
    const runtime = createFakeRuntime({ clock, random });
    const identity = { commonName: `system:node:${name}`, organizations: ['system:nodes'] };
    const deps = { ...this.#deps('kubelet', identity), informers: shared.deps.informers };
    let running: Running | undefined;
    const kubelet = (): Component =>
      createKubelet({
        deps,
        nodeName: name,
        runtimes: { fake: runtime },
        defaultRuntime: 'fake',
        network: createLoopbackNetwork(),
        volumes: memoryVolumeHost(),
        addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
        kubeletPort: 10_250,
        capacity: this.#options.capacity ?? capacityDefault,
        version: kubernetesRelease,
        podSource: shared.podSource!,
        nodeSource: shared.nodeSource!,
      });
    return {
      name,
      runtime,
      silence: async () => {
        if (running === undefined) return;
        const { controller, ended } = running;
        this.#running.delete(running);
        running = undefined;
        controller.abort();
        await clock.settle();
        await ended;
      },
      resume: async () => {
        running ??= this.#start(kubelet());
      },
    };
  }

  #start(component: Component): Running {
    const controller = new AbortController();
    const ended = component.run(controller.signal).catch((error: unknown) => {
      this.#failure ??= { error };
    });
    const running = { controller, ended };
    this.#running.add(running);
    return running;
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}

function componentIdentity(name: string): InProcessIdentity {
  return { commonName: `system:${name}`, organizations: [] };
}
