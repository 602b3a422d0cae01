/**
 * What the clusters for tests are made of, whatever their clock: an API server on the memory store, and controllers, scheduler and kubelets
 * with the `fake` runtime, each connected to it in this process and under an identity of its own.
 *
 * Invariant: what was started has stopped when `stop` has resolved. Opens no sockets and reads no files.
 */
import { resourceOfKind } from '#pkg/api/resources.ts';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import type { ApiHandler } from '#pkg/apimachinery/http.ts';
import type { JsonObject, KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import { clientCertificateAuthenticator } from '#pkg/apiserver/authn/client-certificate.ts';
import { alwaysAllow } from '#pkg/apiserver/authz/authorizer.ts';
import { createDocumentProvider } from '#pkg/apiserver/discovery/provider.ts';
import { createApiServer } from '#pkg/apiserver/server.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { type Logger, silentLogger } from '#pkg/base/logger.ts';
import { type Random, SeededRandom } from '#pkg/base/random.ts';
import type { Client } from '#pkg/client/client.ts';
import { type InProcessIdentity, inProcessTransport } from '#pkg/client/in-process-transport.ts';
import type { Informer } from '#pkg/client/informer.ts';
import { depsOf, type PartContext, withInformers } from '#pkg/cluster/parts.ts';
import { identitySubject } from '#pkg/cluster/pki.ts';
import { kubernetesRelease } from '#pkg/cluster/settings.ts';
import type { Component, ComponentDeps } from '#pkg/component/component.ts';
import { createControllerManager } from '#pkg/controllers/manager.ts';
import { createKubelet, sharedNodeSource, sharedPodSource } from '#pkg/kubelet/kubelet.ts';
import { createFakeRuntime } from '#pkg/kubelet/runtime/fake/fake-runtime.ts';
import { memoryVolumeHost } from '#pkg/kubelet/volumes/volume-host.ts';
import { createLoopbackNetwork } from '#pkg/network/loopback/loopback-network.ts';
import { createAdmissionPlugins } from '#pkg/registry/admission/table.ts';
import { createStrategies } from '#pkg/registry/table.ts';
import { createScheduler } from '#pkg/scheduler/scheduler.ts';
import { createMemoryStore } from '#pkg/storage/drivers/memory/memory-store.ts';
import type { Store } from '#pkg/storage/store.ts';
import type { TestClusterOptions, TestNode } from './cluster.ts';
import { Recording } from './recording.ts';

export interface CompositionOptions {
  readonly cluster: TestClusterOptions;
  readonly clock: Clock;
  /** Lets everything happen that can without time passing, as far as the clock can tell. */
  readonly settle: () => Promise<void>;
  /** Port that the Service `kubernetes` leads to. */
  readonly apiServerPort?: number;
  /** PEM of the authority that pods are told of. */
  readonly rootCa?: string;
}

const capacityDefault = { cpu: '4', memory: '8Gi', pods: '110', 'ephemeral-storage': '100Gi' };
const podCidr = '127.128.0.0/9';
const serviceCidr = '127.96.0.0/12';

/** A component that runs, and how to end it. */
interface Running {
  readonly controller: AbortController;
  readonly ended: Promise<void>;
}

type NodeSources = Pick<Parameters<typeof createKubelet>[0], 'nodeSource' | 'podSource'> & {
  readonly deps: ComponentDeps;
};

export class Composition {
  readonly random: Random;
  readonly client: Client;
  readonly handle: ApiHandler;
  readonly nodes: readonly TestNode[];
  readonly recording: Recording;
  readonly #options: CompositionOptions;
  readonly #log: Logger;
  readonly #store: Store;
  readonly #server: ReturnType<typeof createApiServer>;
  readonly #running = new Set<Running>();
  readonly #observer: ComponentDeps;
  #serving: Running | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(options: CompositionOptions) {
    const { cluster, clock, apiServerPort } = options;
    this.#options = options;
    this.#log = cluster.log ?? silentLogger;
    this.random = new SeededRandom(cluster.seed ?? 1);
    this.#store = createMemoryStore({ clock });
    this.#server = createApiServer({
      store: this.#store,
      clock,
      random: this.random,
      log: this.#log,
      strategies: createStrategies({ serviceCidr, ...(apiServerPort === undefined ? {} : { apiServerPort }) }),
      admission: createAdmissionPlugins(),
      authenticators: [clientCertificateAuthenticator()],
      authorizer: alwaysAllow(),
      documents: createDocumentProvider,
    });
    this.handle = this.#server.handle;
    this.#observer = this.#deps('observer', identityOf('admin'));
    this.client = this.#observer.client;
    this.recording = new Recording(clock, this.#observer.informers);
    const shared = this.#deps('kubelet', { commonName: 'system:node:shared', organizations: ['system:nodes'] });
    const sources = { deps: shared, podSource: sharedPodSource(shared), nodeSource: sharedNodeSource(shared) };
    this.nodes = Array.from({ length: cluster.nodes ?? 1 }, (_, index) => this.#node(`node-${index + 1}`, sources));
    this.#start({ run: (signal) => shared.informers.run(signal) });
  }

  /** Starts everything; resolves when the kubelets run. */
  async start(): Promise<void> {
    this.#serving = this.#start(this.#server);
    await this.#server.ready();
    this.#start({ run: (signal) => this.#observer.informers.run(signal) });
    const manager = this.#deps('kube-controller-manager', identityOf('controller-manager'));
    const { controllers } = this.#options.cluster;
    this.#start(
      createControllerManager({
        deps: manager,
        options: { rootCa: this.#options.rootCa ?? '', clusterCidr: podCidr },
        ...(controllers === undefined ? {} : { controllers }),
      }),
    );
    const scheduler = this.#deps('kube-scheduler', identityOf('scheduler'));
    this.#start(withInformers(scheduler, createScheduler({ deps: scheduler })));
    await Promise.all(this.nodes.map((node) => node.resume()));
  }

  /** Whether every node was seen to be Ready. */
  get areNodesReady(): boolean {
    return this.recording.nodesReady === this.nodes.length;
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
    await this.#options.settle();
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
    const clients = [...this.#running].filter((running) => running !== this.#serving);
    await this.#end(clients);
    // Last, as what its clients still wait for is to be answered: one that is asked to try later would wait for time that does not pass.
    if (this.#serving !== undefined) await this.#end([this.#serving]);
    await this.#store.close();
  }

  async #end(running: readonly Running[]): Promise<void> {
    for (const { controller } of running) controller.abort();
    await this.#options.settle();
    await Promise.all(running.map(({ ended }) => ended));
  }

  #deps(userAgent: string, identity: InProcessIdentity): ComponentDeps {
    const transport = inProcessTransport((request) => this.#server.handle(request), identity);
    const context: PartContext = { transport, clock: this.#options.clock, random: this.random, log: this.#log };
    return depsOf(context, userAgent);
  }

  #node(name: string, shared: NodeSources): TestNode {
    const { clock, settle, cluster } = this.#options;
    const runtime = createFakeRuntime({ clock, random: this.random });
    const deps = { ...this.#deps('kubelet', identityOf(`node:${name}`)), informers: shared.deps.informers };
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
        capacity: cluster.capacity ?? capacityDefault,
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
        await settle();
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
}

function identityOf(name: string): InProcessIdentity {
  const { commonName, organizations = [] } = identitySubject(name);
  return { commonName, organizations };
}
