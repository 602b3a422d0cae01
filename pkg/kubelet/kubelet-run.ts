/** One run of a kubelet: all of its parts, made anew, as they work together until it is told to stop. What outlives it comes in. */
import type { ContainerImage, Node, Pod } from '#pkg/api/types/core-v1.ts';
import { runtimeClasses, services } from '#pkg/api/types/refs.ts';
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import { aborted, Deferred } from '#pkg/base/async.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { EventRecorder } from '#pkg/client/event-recorder.ts';
import { createEventRecorder } from '#pkg/client/recorder.ts';
import { Background } from './background.ts';
import type { EvictionManager } from './eviction/eviction-manager.ts';
import { CredentialProviders } from './images/credential-providers.ts';
import { ImagePuller } from './images/image-puller.ts';
import type { KeyedSource } from './keyed-source.ts';
import type { KubeletOptions } from './kubelet-options.ts';
import { BackOff } from './model/back-off.ts';
import { NodeAgent } from './node/node-agent.ts';
import { allocatableOf, factsOf, hostIpsOf, machineOf } from './node/node-settings.ts';
import { PodRuntimes } from './node/pod-runtimes.ts';
import type { NodePlugins, NodePluginsDeps } from './node-plugins.ts';
import { objectReader } from './object-reader.ts';
import { Pinning } from './pinning/pinning.ts';
import { Allocations } from './pods/allocations.ts';
import { NodePods } from './pods/node-pods.ts';
import type { PodContext } from './pods/pod-context.ts';
import { sysctlRefusal } from './pods/sysctls.ts';
import type { ProbeCounts } from './probes/probe-counts.ts';
import { KubeletStoppingError, Leaving, leavingRuntime } from './runtime/leaving-runtime.ts';
import type { Runtime, RuntimeCapabilities } from './runtime/runtime.ts';
import { NodeShutdown } from './shutdown/node-shutdown.ts';
import { NodeStaticPods } from './static-pods/node-static-pods.ts';
import { StatusManager } from './status/status-manager.ts';
import { collectImages, evictionFor, type UpkeepDeps } from './upkeep.ts';
import { volumePlugins } from './volumes/plugins/table.ts';
import { VolumeManager } from './volumes/volume-manager.ts';
import type { PodVolumeUsage } from './volumes/volume-usage.ts';
import { WatchedObjects } from './volumes/watched-objects.ts';

/** What is watched for one node. */
export interface Sources {
  readonly pods: KeyedSource<Pod>;
  readonly node: KeyedSource<Node>;
}

/** What outlives a run. */
interface Shared extends Sources {
  readonly probeCounts: ProbeCounts;
}

/** All that lives as long as one run. */
export class KubeletRun {
  readonly pods: NodePods;
  readonly shutdown: NodeShutdown | undefined;
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
  readonly #pinning: Pinning;
  readonly #plugins: NodePlugins | undefined;
  readonly #staticPods: NodeStaticPods;
  readonly #node: NodeAgent;
  readonly #background: Background;
  readonly #eviction: EvictionManager | undefined;
  /** Resolved once the node is in the API and its range of addresses, if it has one, is known. */
  readonly #registered = new Deferred();
  #images: readonly ContainerImage[] = [];

  constructor(options: KubeletOptions, sources: Shared, signal: AbortSignal) {
    const { nodeName } = options;
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
    this.#staticPods = this.#makeStaticPods();
    this.#statuses = new StatusManager({ ...deps, apiPodOf: (pod) => this.#staticPods.apiPodOf(pod) });
    this.#objects = new WatchedObjects({ ...deps, onChange: (uid) => this.pods.changed(uid) });
    this.#plugins = options.plugins?.(this.#pluginsDeps());
    this.#volumes = new VolumeManager({
      host: options.volumes,
      plugins: options.volumePlugins ?? volumePlugins,
      objects: this.#objects,
      client: deps.client,
      clock: deps.clock,
      drivers: this.#plugins?.volumes,
      record: (pod, event) => this.#recorder.record(pod, event),
      readsFiles: (pod) => this.#capabilitiesOf(pod).features.has('files'),
    });
    this.#node = this.#makeNode();
    this.shutdown = this.#makeShutdown();
    this.#pinning = this.#makePinning();
    this.#allocations = new Allocations({
      node: () => this.#node.node ?? { metadata: { name: nodeName } },
      allocatable: () => ({ ...allocatableOf(options), ...this.#plugins?.amounts().allocatable }),
      operatingSystem: machineOf(options).operatingSystem,
      isOver: (uid) => this.pods.isOver(uid),
      capabilitiesOf: (pod) => this.#capabilitiesOf(pod),
      pinnedBy: (pod) => this.#pinning.pinnedBy(pod),
      event: (pod, event) => this.#recorder.record(pod, event),
      onAllotted: (uid) => this.pods.wake(uid),
    });
    const context = this.#makeContext();
    this.pods = new NodePods({
      ...options,
      runtimes: this.#runtimes,
      hostIps: hostIpsOf(options),
      allocations: this.#allocations,
      pinning: this.#pinning,
      podRuntimes: this.#podRuntimes,
      refusal: (pod) =>
        this.shutdown?.refusal() ??
        this.#eviction?.refusal(pod) ??
        sysctlRefusal(pod, options.allowedUnsafeSysctls ?? []),
      context: () => context,
    });
    this.#eviction = evictionFor(this.#upkeepDeps());
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
    const plugins = this.#runPlugins();
    await Promise.race([Promise.all([node, podsRun, plugins]), aborted(signal)]);
    for (const stop of listening) stop();
    this.pods.stop();
    await Promise.all([node, podsRun, plugins, this.#objects.close(), this.#statuses.stopped()]);
    await this.#background.idle();
    this.pods.clear();
  }

  /** How full the volumes of a pod are. */
  volumesOf(podUid: string): Promise<readonly PodVolumeUsage[]> {
    return this.#volumes.usageOf(podUid);
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
    this.#plugins?.nodeChanged(node);
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
    const stop = this.#sources.pods.subscribe(nodeName, this.#staticPods.ofApi);
    await this.#staticPods.begin();
    await this.#removeOrphans();
    this.#pinning.settle();
    this.#plugins?.settle();
    await Promise.all([
      this.#eviction?.run(signal) ?? aborted(signal),
      collectImages(this.#upkeepDeps(), this.#runtimes, signal),
      this.#pinning.run(signal),
      this.#staticPods.run(signal),
      this.#volumes.run(signal),
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

  #upkeepDeps(): UpkeepDeps {
    return {
      options: this.#options,
      log: this.#log,
      workers: () => this.pods.list(),
      volumeBytes: (pod) => this.#volumes.bytesOf(pod),
      onPressure: () => this.#node.statusChanged(),
      warn: (event) => this.#recorder.record(this.#nodeReference(), { type: 'Warning', ...event }),
    };
  }

  /** For what the node has of plugins. */
  #pluginsDeps(): NodePluginsDeps {
    const { deps, nodeName } = this.#options;
    return {
      clock: deps.clock,
      client: deps.client,
      log: this.#log,
      nodeName,
      stopping: this.#signal,
      pods: () => this.pods.list().flatMap(({ finished, pod }) => (finished ? [] : [pod])),
      isOver: (uid) => this.pods.isOver(uid),
      isLeaving: (uid) => this.pods.isLeaving(uid),
      pinning: () => this.#pinning,
      node: () => this.#node.node,
      giveTo: (path, group) => this.#options.volumes.giveTo(path, { group, isReadOnly: false }),
      onNode: () => this.#node.statusChanged(),
      onPod: (uid) => this.pods.wake(uid),
      onVolumes: (uid) => this.pods.changed(uid),
      record: (pod, event) => this.#recorder.record(pod, { type: 'Normal', ...event }),
      background: (work) => this.#background.start(work),
    };
  }

  async #runPlugins(): Promise<void> {
    await Promise.race([this.#registered.promise, aborted(this.#signal)]);
    if (!this.#signal.aborted) await this.#plugins?.run(this.#signal);
  }

  #makeStaticPods(): NodeStaticPods {
    const { client, clock } = this.#options.deps;
    const deps = {
      client,
      clock,
      log: this.#log,
      stopping: this.#signal,
      node: () => this.#node.node,
      background: (work: () => Promise<void>) => this.#background.start(work),
      seen: (pod: Pod) => this.pods.seen(pod),
      removed: (pod: Pod) => this.pods.removed(pod),
      wake: (podUid: string) => this.pods.wake(podUid),
    };
    return new NodeStaticPods(deps, this.#options.staticPods);
  }

  #makePinning(): Pinning {
    const deps = {
      clock: this.#options.deps.clock,
      log: this.#log,
      runtimes: Object.values(this.#runtimes),
      capabilitiesOf: (pod: Pod) => this.#capabilitiesOf(pod),
      isOver: (uid: string) => this.pods.isOver(uid),
      devicesOf: (pod: Pod) => this.#plugins?.wishedBy(pod) ?? [],
    };
    return new Pinning(deps, this.#options);
  }

  #makeShutdown(): NodeShutdown | undefined {
    const { deps, shutdown: periods = [] } = this.#options;
    if (periods.length === 0) return undefined;
    const message = 'Shutdown manager detected shutdown event';
    return new NodeShutdown({
      clock: deps.clock,
      log: this.#log,
      periods,
      pods: () => this.pods.list().filter(({ finished }) => !finished),
      onBegin: () => {
        this.#recorder.record(this.#nodeReference(), { type: 'Normal', reason: 'NodeShutdown', message });
        this.#node.statusChanged();
      },
      written: () => this.pods.written(),
    });
  }

  #makeNode(): NodeAgent {
    const options = this.#options;
    const { deps, network, nodeName } = options;
    return new NodeAgent({
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
          devices: this.#plugins?.amounts(),
          notReady: this.shutdown?.notReady,
          volumesInUse: this.#plugins?.volumesInUse(),
        }),
      record: (event) => this.#recorder.record(this.#nodeReference(), { type: 'Normal', ...event }),
    });
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
    const reader = objectReader(client);
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
      images: new ImagePuller({
        clock,
        readSecret: reader.secret,
        providers: new CredentialProviders({ clock, log: this.#log }, this.#options.credentialProviders ?? []),
      }),
      crashBackOff: new BackOff(),
      names,
      probes,
      probeCounts: this.#sources.probeCounts,
      reader,
      runtimes: this.#podRuntimes,
      services: () => informers.informer(services).lister.list(),
      allocatable: () => allocatableOf(this.#options),
      allocations: this.#allocations,
      pinning: this.#pinning,
      plugins: this.#plugins,
      background: (work) => this.#background.start(work),
      forget: (pod) => {
        this.pods.forget(pod);
        this.#staticPods.forgotten(pod);
      },
    };
  }

  #nodeReference(): KubeObject {
    const { nodeName } = this.#options;
    return { apiVersion: 'v1', kind: 'Node', metadata: { name: nodeName, uid: nodeName } };
  }
}
