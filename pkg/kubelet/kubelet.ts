/**
 * The kubelet: runs the pods of one node through its runtimes and tells the API how they are. It keeps one worker per pod
 * and none of its parts does anything while nothing happens but the node's lease and status.
 *
 * It opens no sockets: its own API is `handle`, probes go through an injected transport. Containers are left alone when it
 * stops; whoever made the runtimes closes them. Upstream counterpart: `pkg/kubelet/kubelet.go`.
 */
import { isPodTerminal } from '#pkg/api/pod-phase.ts';
import type { ContainerImage, Node, Pod } from '#pkg/api/types/core-v1.ts';
import { configMaps, nodes, pods, runtimeClasses, secrets, services } from '#pkg/api/types/refs.ts';
import type { ApiHandler } from '#pkg/apimachinery/http.ts';
import type { KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import { aborted, Deferred } from '#pkg/base/async.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { EventRecorder } from '#pkg/client/event-recorder.ts';
import { createEventRecorder } from '#pkg/client/recorder.ts';
import type { Component, ComponentDeps } from '#pkg/component/component.ts';
import type { PodNetwork } from '#pkg/network/pod-network.ts';
import { ImagePuller } from './images/image-puller.ts';
import { createJoinedSource, createKeyedSource, type KeyedSource } from './keyed-source.ts';
import type { KubeletOptions } from './kubelet-options.ts';
import { BackOff } from './model/back-off.ts';
import { NodeAgent } from './node/node-agent.ts';
import type { MachineFacts, NodeFacts } from './node/node-status.ts';
import { Allocations } from './pods/allocations.ts';
import type { PodContext } from './pods/pod-context.ts';
import { PodWorker } from './pods/pod-worker.ts';
import type { Runtime, RuntimeContainer, Sandbox } from './runtime/runtime.ts';
import { createKubeletHandler } from './server/kubelet-handler.ts';
import type { PodFailure } from './status/pod-status.ts';
import { StatusManager } from './status/status-manager.ts';
import { volumePlugins } from './volumes/plugins/table.ts';
import { VolumeManager } from './volumes/volume-manager.ts';
import { WatchedObjects } from './volumes/watched-objects.ts';

export interface Kubelet extends Component {
  readonly nodeName: string;
  /** The kubelet's own API: pods, logs, statistics. */
  readonly handle: ApiHandler;
}

/** One watch of all pods that have a node, for many kubelets in one process. */
export function sharedPodSource(deps: ComponentDeps): KeyedSource<Pod> {
  return createKeyedSource(
    deps.informers.informer(pods, { fieldSelector: 'spec.nodeName!=' }),
    (pod) => pod.spec?.nodeName,
  );
}

/** A watch of the pods of each node, for few kubelets in one process: they are told of nothing else. */
export function podSourceOf(deps: ComponentDeps, names: readonly string[]): KeyedSource<Pod> {
  const source = (name: string) =>
    createKeyedSource(
      deps.informers.informer(pods, { fieldSelector: `spec.nodeName=${name}` }),
      (pod) => pod.spec?.nodeName,
    );
  return createJoinedSource(new Map(names.map((name) => [name, source(name)])));
}

/** The same of the nodes themselves. */
export function nodeSourceOf(deps: ComponentDeps, names: readonly string[]): KeyedSource<Node> {
  const source = (name: string) =>
    createKeyedSource(
      deps.informers.informer(nodes, { fieldSelector: `metadata.name=${name}` }),
      (node) => node.metadata?.name,
    );
  return createJoinedSource(new Map(names.map((name) => [name, source(name)])));
}

/** One watch of all nodes, for many kubelets in one process. */
export function sharedNodeSource(deps: ComponentDeps): KeyedSource<Node> {
  return createKeyedSource(deps.informers.informer(nodes), (node) => node.metadata?.name);
}

/** A kubelet; nothing happens before `run`. */
export function createKubelet(options: KubeletOptions): Kubelet {
  return new NodeKubelet(options);
}

const defaultMachine: MachineFacts = {
  machineId: '',
  systemUuid: '',
  bootId: '',
  kernelVersion: '',
  osImage: 'Coxswain',
  operatingSystem: 'linux',
  architecture: 'amd64',
};

class NodeKubelet implements Kubelet {
  readonly nodeName: string;
  readonly handle: ApiHandler;
  readonly #options: KubeletOptions;
  readonly #log: Logger;
  readonly #workers = new Map<string, PodWorker>();
  readonly #allocations: Allocations;
  /** Resolved once the node is in the API and its range of addresses, if it has one, is known. */
  readonly #registered = new Deferred();
  readonly #background = new Set<Promise<void>>();
  readonly #node: NodeAgent;
  readonly #podSource: KeyedSource<Pod>;
  readonly #nodeSource: KeyedSource<Node>;
  #recorder: EventRecorder | undefined;
  #context: PodContext | undefined;
  #images: readonly ContainerImage[] = [];
  /** What the runtimes had when the kubelet started, by pod uid. */
  readonly #found = new Map<string, { sandboxes: Sandbox[]; containers: RuntimeContainer[] }>();

  constructor(options: KubeletOptions) {
    const { deps, nodeName } = options;
    this.#options = options;
    this.nodeName = nodeName;
    this.#log = deps.log.with({ node: nodeName });
    this.#node = new NodeAgent({
      client: deps.client,
      clock: deps.clock,
      log: this.#log,
      nodeName,
      podCidr: options.podCidr,
      facts: () => this.#facts(),
      record: (event) => this.#recorder?.record(this.#nodeReference(), { type: 'Normal', ...event }),
    });
    this.#allocations = new Allocations({
      node: () => this.#node.node ?? { metadata: { name: nodeName } },
      allocatable: () => this.#allocatable(),
      operatingSystem: this.#machine().operatingSystem,
      isOver: (uid) => this.#workers.get(uid)?.finished !== false,
      capabilitiesOf: (pod) => this.#runtimeOf(pod)?.capabilities,
      event: (pod, event) => this.#recorder?.record(pod, event),
      onAllotted: (uid) => this.#workers.get(uid)?.wake(),
    });
    this.#podSource =
      options.podSource ??
      createKeyedSource(
        deps.informers.informer(pods, { fieldSelector: `spec.nodeName=${nodeName}` }),
        (pod) => pod.spec?.nodeName,
      );
    this.#nodeSource =
      options.nodeSource ??
      createKeyedSource(
        deps.informers.informer(nodes, { fieldSelector: `metadata.name=${nodeName}` }),
        (node) => node.metadata?.name,
      );
    deps.informers.informer(services);
    deps.informers.informer(runtimeClasses);
    this.handle = createKubeletHandler({
      clock: deps.clock,
      nodeName,
      workers: () => [...this.#workers.values()],
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    const { deps, network, podCidr } = this.#options;
    if (podCidr !== undefined) network.configure([podCidr]);
    const recorder = createEventRecorder({ ...deps, component: 'kubelet', instance: this.nodeName, signal });
    const statuses = new StatusManager(deps);
    statuses.start(signal);
    const objects = new WatchedObjects({ ...deps, onChange: (uid) => this.#workers.get(uid)?.changed() });
    const volumes = new VolumeManager({
      host: this.#options.volumes,
      plugins: this.#options.volumePlugins ?? volumePlugins,
      objects,
      client: deps.client,
      clock: deps.clock,
      readsFiles: (pod) => this.#runtimeOf(pod)?.capabilities.features.has('files') === true,
    });
    this.#context = this.#makeContext({ recorder, statuses, volumes, stopping: signal });
    this.#recorder = recorder;
    recorder.record(this.#nodeReference(), { type: 'Normal', reason: 'Starting', message: 'Starting kubelet.' });
    const listening = Object.values(this.#options.runtimes).map((runtime) =>
      runtime.onExit((container) => this.#workers.get(container.podUid)?.exited(container)),
    );
    for (const runtime of Object.values(this.#options.runtimes)) {
      const stop = runtime.onTrouble?.((message) =>
        recorder.record(this.#nodeReference(), { type: 'Warning', reason: 'ContainerRuntimeFailed', message }),
      );
      if (stop !== undefined) listening.push(stop);
    }
    const node = this.#runNode(signal);
    const podsRun = this.#runPods(signal, volumes);
    await Promise.race([Promise.all([node, podsRun]), aborted(signal)]);
    for (const stop of listening) stop();
    for (const worker of this.#workers.values()) worker.stop();
    await Promise.all([node, podsRun, objects.close(), statuses.stopped()]);
    while (this.#background.size > 0) await Promise.all(this.#background);
    this.#workers.clear();
  }

  async #runNode(signal: AbortSignal): Promise<void> {
    const images = await Promise.all(Object.values(this.#options.runtimes).map((runtime) => runtime.images.list()));
    this.#images = images
      .flat()
      .map(({ repoDigests, repoTags, sizeBytes }) => ({ names: [...repoDigests, ...repoTags], sizeBytes }));
    await this.#node.register(signal);
    if (signal.aborted) return;
    const stop = this.#nodeSource.subscribe(this.nodeName, {
      set: (node) => this.#nodeSeen(node),
      removed: () => this.#node.statusChanged(),
    });
    const registered = this.#node.node;
    if (registered !== undefined) this.#nodeSeen(registered);
    this.#registered.resolve();
    await this.#node.run(signal);
    stop();
  }

  #nodeSeen(node: Node): void {
    this.#node.observed(node);
    const { network } = this.#options;
    const { podCIDR = '', podCIDRs } = node.spec ?? {};
    const ranges = podCIDRs ?? [podCIDR];
    if (podCIDR === '' || ranges.join() === network.podCidrs.join()) return;
    try {
      network.configure(ranges);
    } catch (error) {
      this.#log.error('Pod range not taken', { podCidrs: ranges.join(), error });
      return;
    }
    this.#node.statusChanged();
    for (const worker of this.#workers.values()) worker.changed();
  }

  async #runPods(signal: AbortSignal, volumes: VolumeManager): Promise<void> {
    const { informers } = this.#options.deps;
    if (!(await informers.synced(signal))) return;
    await Promise.race([this.#registered.promise, aborted(signal)]);
    if (signal.aborted) return;
    await this.#findContainers();
    const stop = this.#podSource.subscribe(this.nodeName, {
      set: (pod) => this.#podSeen(pod),
      removed: (pod) => this.#podRemoved(pod),
    });
    await this.#removeOrphans(volumes);
    await aborted(signal);
    stop();
  }

  #podSeen(pod: Pod): void {
    const uid = pod.metadata?.uid ?? '';
    const known = this.#workers.get(uid);
    if (known !== undefined) {
      this.#allocations.updated(pod);
      known.update(pod);
      return;
    }
    const worker = this.#makeWorker(pod);
    this.#workers.set(uid, worker);
    worker.update(pod);
  }

  #podRemoved(pod: Pod): void {
    const uid = pod.metadata?.uid ?? '';
    // Who bound the next pod here counts on its room, though its containers may take a moment to end.
    this.#allocations.release(uid);
    this.#workers.get(uid)?.removed();
  }

  #makeWorker(pod: Pod): PodWorker {
    const uid = pod.metadata?.uid ?? '';
    const context = this.#context!;
    const found = this.#found.get(uid);
    this.#found.delete(uid);
    const { network, defaultRuntime, runtimes } = this.#options;
    const runtime = this.#runtimeOf(pod);
    const addresses = pod.spec?.hostNetwork === true ? this.#hostIps() : this.#keptAddresses(pod, network);
    const rejected = this.#admit(pod, runtime);
    if (rejected !== undefined) {
      context.recorder.record(pod, { type: 'Warning', reason: rejected.reason, message: rejected.message });
    }
    return new PodWorker({
      context,
      runtime: runtime ?? runtimes[defaultRuntime]!,
      pod,
      ...(found === undefined ? {} : { found: { ...found, addresses } }),
      ...(rejected === undefined
        ? {}
        : { rejected: { ...rejected, message: `Pod was rejected: ${rejected.message}` } }),
    });
  }

  /** A pod that is started again keeps its addresses, so that those who know them still reach it. */
  #keptAddresses(pod: Pod, network: PodNetwork): readonly string[] {
    const { podIP = '', podIPs } = pod.status ?? {};
    const known = podIPs?.map(({ ip }) => ip) ?? (podIP === '' ? [] : [podIP]);
    if (known.length === 0 || isPodTerminal(pod)) return [];
    return network.recover(pod.metadata?.uid ?? '', known) ? known : [];
  }

  #admit(pod: Pod, runtime: Runtime | undefined): PodFailure | undefined {
    const isNew = pod.status?.startTime === undefined && pod.metadata?.deletionTimestamp === undefined;
    if (runtime === undefined && isNew && !isPodTerminal(pod)) {
      const message = `no runtime on this node for RuntimeClass "${pod.spec?.runtimeClassName}"`;
      return { reason: 'RuntimeClassNotSupported', message };
    }
    return this.#allocations.admit(pod);
  }

  /** The runtime of a pod, or undefined when the node has none for its RuntimeClass. */
  #runtimeOf(pod: Pod): Runtime | undefined {
    const { runtimes, defaultRuntime, deps } = this.#options;
    const name = pod.spec?.runtimeClassName;
    if (name === undefined || name === '') return runtimes[defaultRuntime];
    const handler = deps.informers.informer(runtimeClasses).lister.get(name)?.handler;
    return handler === undefined || !Object.hasOwn(runtimes, handler) ? undefined : runtimes[handler];
  }

  async #findContainers(): Promise<void> {
    for (const runtime of Object.values(this.#options.runtimes)) {
      for (const sandbox of await runtime.sandboxes.list())
        this.#foundOf(sandbox.config.podUid).sandboxes.push(sandbox);
      for (const container of await runtime.containers.list())
        this.#foundOf(container.podUid).containers.push(container);
    }
  }

  #foundOf(podUid: string): { sandboxes: Sandbox[]; containers: RuntimeContainer[] } {
    let found = this.#found.get(podUid);
    if (found === undefined) {
      found = { sandboxes: [], containers: [] };
      this.#found.set(podUid, found);
    }
    return found;
  }

  /** Ends what is left of pods that are no longer there. */
  async #removeOrphans(volumes: VolumeManager): Promise<void> {
    const orphans = [...this.#found.values()];
    this.#found.clear();
    for (const { sandboxes } of orphans) {
      for (const { id } of sandboxes) {
        for (const runtime of Object.values(this.#options.runtimes)) await runtime.sandboxes.remove(id);
      }
    }
    await volumes.removeOrphans(new Set(this.#workers.keys()));
  }

  #makeContext(parts: Pick<PodContext, 'recorder' | 'statuses' | 'stopping' | 'volumes'>): PodContext {
    const { deps, network, hostPorts, probes } = this.#options;
    const { client, clock, informers } = deps;
    const read = async <T extends KubeObject>(
      ref: ResourceRef<T>,
      namespace: string,
      name: string,
    ): Promise<T | undefined> => {
      try {
        return await client.resource(ref).get(name, { namespace });
      } catch (error) {
        if (isNotFound(error)) return undefined;
        throw error;
      }
    };
    return {
      ...parts,
      client,
      clock,
      log: this.#log,
      nodeName: this.nodeName,
      hostIps: this.#hostIps(),
      network,
      hostPorts,
      images: new ImagePuller(clock),
      crashBackOff: new BackOff(),
      probes,
      reader: {
        configMap: (namespace, name) => read(configMaps, namespace, name),
        secret: (namespace, name) => read(secrets, namespace, name),
      },
      services: () => informers.informer(services).lister.list(),
      allocatable: () => this.#allocatable(),
      allocations: this.#allocations,
      background: (work) => this.#inBackground(work),
      forget: (pod) => {
        const uid = pod.metadata?.uid ?? '';
        this.#workers.get(uid)?.stop();
        this.#workers.delete(uid);
        this.#allocations.release(uid);
      },
    };
  }

  #inBackground(work: () => Promise<void>): void {
    const running: Promise<void> = work()
      .catch((error: unknown) => this.#log.error('Background work failed', { error }))
      .finally(() => this.#background.delete(running));
    this.#background.add(running);
  }

  #hostIps(): readonly string[] {
    const internal = this.#options.addresses.filter(({ type }) => type === 'InternalIP');
    return internal.length === 0 ? ['127.0.0.1'] : internal.map(({ address }) => address);
  }

  #allocatable(): Readonly<Record<string, string>> {
    return this.#options.allocatable ?? this.#options.capacity;
  }

  #machine(): MachineFacts {
    return { ...defaultMachine, ...this.#options.machine };
  }

  #nodeReference(): KubeObject {
    return { apiVersion: 'v1', kind: 'Node', metadata: { name: this.nodeName, uid: this.nodeName } };
  }

  #facts(): NodeFacts {
    const { runtimes, defaultRuntime, network } = this.#options;
    const { name, version } = runtimes[defaultRuntime]!.capabilities;
    return {
      name: this.nodeName,
      labels: this.#options.nodeLabels ?? {},
      taints: this.#options.taints ?? [],
      addresses: this.#options.addresses,
      kubeletPort: this.#options.kubeletPort,
      capacity: this.#options.capacity,
      allocatable: this.#allocatable(),
      kubeletVersion: this.#options.version,
      runtimeVersion: `${name}://${version}`,
      runtimeHandlers: Object.keys(runtimes).sort(),
      machine: this.#machine(),
      images: this.#images,
      notReady:
        network.podCidrs.length === 0
          ? 'container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: the node has no pod range yet'
          : undefined,
    };
  }
}
