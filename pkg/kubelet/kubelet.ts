/**
 * The kubelet: runs the pods of one node through its runtimes and tells the API how they are. It keeps one worker per pod
 * and none of its parts does anything while nothing happens but the node's lease and status.
 *
 * It opens no sockets: its own API is `handle`, probes go through an injected transport. Containers are left alone when it
 * stops; whoever made the runtimes closes them. Upstream counterpart: `pkg/kubelet/kubelet.go`.
 */
import type { ContainerImage, Node, Pod } from '#pkg/api/types/core-v1.ts';
import { configMaps, runtimeClasses, secrets, services } from '#pkg/api/types/refs.ts';
import type { ApiHandler } from '#pkg/apimachinery/http.ts';
import type { KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import { aborted, Deferred } from '#pkg/base/async.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { EventRecorder } from '#pkg/client/event-recorder.ts';
import { createEventRecorder } from '#pkg/client/recorder.ts';
import type { Component } from '#pkg/component/component.ts';
import { Background } from './background.ts';
import type { CpuManager } from './cpus/cpu-manager.ts';
import { EvictionManager } from './eviction/eviction-manager.ts';
import { ImagePuller } from './images/image-puller.ts';
import type { KeyedSource } from './keyed-source.ts';
import type { KubeletOptions } from './kubelet-options.ts';
import { BackOff } from './model/back-off.ts';
import { NodeAgent } from './node/node-agent.ts';
import { allocatableOf, factsOf, hostIpsOf, machineOf } from './node/node-settings.ts';
import { PodRuntimes } from './node/pod-runtimes.ts';
import { ownNode, ownPods } from './pod-sources.ts';
import { Allocations } from './pods/allocations.ts';
import { NodePods } from './pods/node-pods.ts';
import type { PodContext } from './pods/pod-context.ts';
import { ProbeCounts } from './probes/probe-counts.ts';
import { KubeletStoppingError, Leaving, leavingRuntime } from './runtime/leaving-runtime.ts';
import type { Runtime, RuntimeCapabilities } from './runtime/runtime.ts';
import { createKubeletHandler } from './server/kubelet-handler.ts';
import { StatusManager } from './status/status-manager.ts';
import { volumePlugins } from './volumes/plugins/table.ts';
import { VolumeManager } from './volumes/volume-manager.ts';
import { WatchedObjects } from './volumes/watched-objects.ts';

/** A kubelet that has been made; it works while it runs. */
export interface Kubelet extends Component {
  readonly nodeName: string;
  /** The kubelet's own API: pods, logs, statistics. */
  readonly handle: ApiHandler;
}

/** A kubelet; nothing happens before `run`, which can be called once. */
export function createKubelet(options: KubeletOptions): Kubelet {
  return new NodeKubelet(options);
}

interface Sources {
  readonly pods: KeyedSource<Pod>;
  readonly node: KeyedSource<Node>;
}

/** What outlives a run. */
interface Shared extends Sources {
  readonly probeCounts: ProbeCounts;
}

class NodeKubelet implements Kubelet {
  readonly nodeName: string;
  readonly handle: ApiHandler;
  readonly #options: KubeletOptions;
  readonly #sources: Sources;
  readonly #probeCounts: ProbeCounts;
  #run: KubeletRun | undefined;

  constructor(options: KubeletOptions) {
    const { deps, nodeName } = options;
    this.#options = options;
    this.nodeName = nodeName;
    this.#sources = {
      pods: options.podSource ?? ownPods(deps, nodeName),
      node: options.nodeSource ?? ownNode(deps, nodeName),
    };
    deps.informers.informer(services);
    deps.informers.informer(runtimeClasses);
    this.#probeCounts = new ProbeCounts();
    this.handle = createKubeletHandler({
      clock: deps.clock,
      nodeName,
      settings: options,
      probeCounts: this.#probeCounts,
      workers: () => this.#run?.pods.list() ?? [],
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    this.#run = new KubeletRun(this.#options, { ...this.#sources, probeCounts: this.#probeCounts }, signal);
    await this.#run.run();
  }
}

/** All that lives as long as one run. */
class KubeletRun {
  readonly pods: NodePods;
  readonly #options: KubeletOptions;
  readonly #sources: Shared;
  readonly #signal: AbortSignal;
  /** As long as this run lasts. */
  readonly #runtimes: Readonly<Record<string, Runtime>>;
  readonly #podRuntimes: PodRuntimes;
  readonly #log: Logger;
  readonly #recorder: EventRecorder;
  readonly #statuses: StatusManager;
  readonly #objects: WatchedObjects;
  readonly #volumes: VolumeManager;
  readonly #allocations: Allocations;
  readonly #cpus: CpuManager | undefined;
  readonly #node: NodeAgent;
  readonly #background: Background;
  readonly #eviction: EvictionManager | undefined;
  /** Resolved once the node is in the API and its range of addresses, if it has one, is known. */
  readonly #registered = new Deferred();
  #images: readonly ContainerImage[] = [];

  constructor(options: KubeletOptions, sources: Shared, signal: AbortSignal) {
    const { nodeName, network } = options;
    const deps = { ...options.deps, client: options.deps.client.until(signal) };
    this.#options = { ...options, deps };
    this.#sources = sources;
    this.#signal = signal;
    const leaving = new Leaving(signal);
    this.#runtimes = Object.fromEntries(
      Object.entries(options.runtimes).map(([name, runtime]) => [name, leavingRuntime(runtime, leaving)]),
    );
    this.#podRuntimes = this.#makePodRuntimes();
    this.#log = deps.log.with({ node: nodeName });
    this.#background = new Background(this.#log);
    this.#recorder = createEventRecorder({ ...deps, component: 'kubelet', instance: nodeName, signal });
    this.#statuses = new StatusManager(deps);
    this.#objects = new WatchedObjects({ ...deps, onChange: (uid) => this.pods.changed(uid) });
    this.#volumes = new VolumeManager({
      host: options.volumes,
      plugins: options.volumePlugins ?? volumePlugins,
      objects: this.#objects,
      client: deps.client,
      clock: deps.clock,
      readsFiles: (pod) => this.#capabilitiesOf(pod).features.has('files'),
    });
    this.#node = new NodeAgent({
      leaseSeconds: options.leaseSeconds,
      client: deps.client,
      clock: deps.clock,
      log: this.#log,
      nodeName,
      podCidr: options.podCidr,
      facts: () =>
        factsOf(options, {
          images: this.#images,
          hasNetwork: network.podCidrs.length > 0,
          pressure: this.#eviction?.pressure() ?? new Set(),
        }),
      record: (event) => this.#recorder.record(this.#nodeReference(), { type: 'Normal', ...event }),
    });
    this.#cpus = options.cpus?.({
      clock: deps.clock,
      log: this.#log,
      runtimes: Object.values(this.#runtimes),
      capabilitiesOf: (pod) => this.#capabilitiesOf(pod),
      isOver: (uid) => this.pods.isOver(uid),
    });
    this.#allocations = new Allocations({
      node: () => this.#node.node ?? { metadata: { name: nodeName } },
      allocatable: () => allocatableOf(options),
      operatingSystem: machineOf(options).operatingSystem,
      isOver: (uid) => this.pods.isOver(uid),
      capabilitiesOf: (pod) => this.#capabilitiesOf(pod),
      isPinned: (pod) => this.#cpus?.isPinned(pod) === true,
      event: (pod, event) => this.#recorder.record(pod, event),
      onAllotted: (uid) => this.pods.wake(uid),
    });
    const context = this.#makeContext();
    this.pods = new NodePods({
      ...options,
      runtimes: this.#runtimes,
      hostIps: hostIpsOf(options),
      allocations: this.#allocations,
      cpus: this.#cpus,
      podRuntimes: this.#podRuntimes,
      refusal: (pod) => this.#eviction?.refusal(pod),
      context: () => context,
    });
    this.#eviction = this.#makeEviction();
  }

  async run(): Promise<void> {
    const { network, podCidr } = this.#options;
    const signal = this.#signal;
    if (podCidr !== undefined) network.configure([podCidr]);
    this.#statuses.start(signal);
    const event = { type: 'Normal', reason: 'Starting', message: 'Starting kubelet.' } as const;
    this.#recorder.record(this.#nodeReference(), event);
    const listening = Object.values(this.#runtimes).flatMap((runtime) => this.#listen(runtime));
    const node = this.#runNode();
    const podsRun = this.#runPods();
    await Promise.race([Promise.all([node, podsRun]), aborted(signal)]);
    for (const stop of listening) stop();
    this.pods.stop();
    await Promise.all([node, podsRun, this.#objects.close(), this.#statuses.stopped()]);
    await this.#background.idle();
    this.pods.clear();
  }

  #listen(runtime: Runtime): readonly (() => void)[] {
    const stopExits = runtime.onExit((container) => this.pods.exited(container));
    const stopTrouble = runtime.onTrouble?.((message) =>
      this.#recorder.record(this.#nodeReference(), { type: 'Warning', reason: 'ContainerRuntimeFailed', message }),
    );
    return stopTrouble === undefined ? [stopExits] : [stopExits, stopTrouble];
  }

  async #runNode(): Promise<void> {
    const signal = this.#signal;
    const images = await Promise.all(Object.values(this.#options.runtimes).map((runtime) => runtime.images.list()));
    this.#images = images
      .flat()
      .map(({ repoDigests, repoTags, sizeBytes }) => ({ names: [...repoDigests, ...repoTags], sizeBytes }));
    await this.#node.register(signal);
    if (signal.aborted) return;
    const stop = this.#sources.node.subscribe(this.#options.nodeName, {
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
    this.pods.allChanged();
  }

  async #runPods(): Promise<void> {
    const { deps, nodeName } = this.#options;
    const signal = this.#signal;
    if (!(await deps.informers.synced(signal))) return;
    await Promise.race([this.#registered.promise, aborted(signal)]);
    if (signal.aborted) return;
    await this.pods.find();
    const stop = this.#sources.pods.subscribe(nodeName, {
      set: (pod) => this.pods.seen(pod),
      removed: (pod) => this.pods.removed(pod),
    });
    await this.#removeOrphans();
    this.#cpus?.settle();
    await Promise.all([
      this.#eviction?.run(signal) ?? aborted(signal),
      this.#collectImages(signal),
      this.#cpus?.run(signal),
    ]);
    stop();
  }

  async #removeOrphans(): Promise<void> {
    try {
      await this.#volumes.removeOrphans(await this.pods.removeOrphans());
    } catch (error) {
      // The next start finds what is left.
      if (!(error instanceof KubeletStoppingError)) throw error;
    }
  }

  #makeEviction(): EvictionManager | undefined {
    const { deps, eviction } = this.#options;
    if (eviction === undefined) return undefined;
    return new EvictionManager({
      clock: deps.clock,
      log: this.#log,
      settings: eviction,
      observe: eviction.observe,
      workers: () => this.pods.list(),
      volumeBytes: (pod) => this.#volumes.bytesOf(pod),
      onPressure: () => this.#node.statusChanged(),
      onReclaim: (resource) =>
        this.#recorder.record(this.#nodeReference(), {
          type: 'Warning',
          reason: 'EvictionThresholdMet',
          message: `Attempting to reclaim ${resource}`,
        }),
    });
  }

  async #collectImages(signal: AbortSignal): Promise<void> {
    const { deps, imageCollection } = this.#options;
    const services = Object.values(this.#runtimes).map(({ images }) => images);
    if (imageCollection === undefined || services.every(({ removal }) => removal === undefined)) return;
    const { ImageCollector } = await import('./images/image-collector.ts');
    const collector = new ImageCollector({
      clock: deps.clock,
      log: this.#log,
      settings: imageCollection,
      observe: imageCollection.observe,
      services,
      record: (event) => this.#recorder.record(this.#nodeReference(), { type: 'Warning', ...event }),
    });
    await collector.run(signal);
  }

  /** What the runtime of a pod can do; of one that has none yet, what that of pods without a class can. */
  #capabilitiesOf(pod: Pod): RuntimeCapabilities {
    return (this.#podRuntimes.of(pod)?.runtime ?? this.#podRuntimes.fallback).capabilities;
  }

  #makePodRuntimes(): PodRuntimes {
    const { defaultRuntime, deps } = this.#options;
    return new PodRuntimes({
      runtimes: this.#runtimes,
      defaultRuntime,
      classOf: (name) => deps.informers.informer(runtimeClasses).lister.get(name),
    });
  }

  #makeContext(): PodContext {
    const { deps, nodeName, network, hostPorts, names, probes } = this.#options;
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
      recorder: this.#recorder,
      statuses: this.#statuses,
      volumes: this.#volumes,
      stopping: this.#signal,
      client,
      clock,
      log: this.#log,
      nodeName,
      hostIps: hostIpsOf(this.#options),
      network,
      hostPorts,
      images: new ImagePuller(clock),
      crashBackOff: new BackOff(),
      names,
      probes,
      probeCounts: this.#sources.probeCounts,
      reader: {
        configMap: (namespace, name) => read(configMaps, namespace, name),
        secret: (namespace, name) => read(secrets, namespace, name),
      },
      runtimes: this.#podRuntimes,
      services: () => informers.informer(services).lister.list(),
      allocatable: () => allocatableOf(this.#options),
      allocations: this.#allocations,
      cpus: this.#cpus,
      background: (work) => this.#background.start(work),
      forget: (pod) => this.pods.forget(pod),
    };
  }

  #nodeReference(): KubeObject {
    const { nodeName } = this.#options;
    return { apiVersion: 'v1', kind: 'Node', metadata: { name: nodeName, uid: nodeName } };
  }
}
