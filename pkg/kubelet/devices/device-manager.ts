/**
 * Devices of plugins for the containers of a node's pods: takes plugins in, gives devices out, and has them made ready before a container starts.
 *
 * Invariants: what is given is written down before a container is made with it, and so is the next kubelet's to know. One pod is given devices at a time. A plugin that is gone
 * may come back within five minutes; until then its devices are there and none may be used, then there are 0. Upstream counterpart: kubelet `cm/devicemanager/manager.go`.
 */
import type { Container, Pod, ResourceStatus } from '#pkg/api/types/core-v1.ts';
import type { Clock, Timer } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { Logger } from '#pkg/base/logger.ts';
import { Turns } from '#pkg/base/turns.ts';
import { Fields } from '#pkg/grpc/message.ts';
import { pathOnMachine } from '../plugins/kubelet-folder.ts';
import { type AllocateOptions, noPluginParts, type PluginNeed, type PluginParts } from '../plugins/plugin-needs.ts';
import type { NumaMask } from '../topology/numa-hints.ts';
import type { NumaResource } from '../topology/topology-manager.ts';
import { chosenOf, type DeviceWish, deviceWishes, nearDevices, offerOf, wishedDevices } from './device-choice.ts';
import { type DeviceAmounts, DeviceLedger, type GivenDevices } from './device-ledger.ts';
import { healthy, type PluginDevice, partsOf } from './device-messages.ts';
import { DevicePlugin } from './device-plugin.ts';
import type { DeviceRecord } from './device-record.ts';

/** Source: `endpointStopGracePeriod`. */
const absenceMsMax = 5 * 60_000;

/** Where others were faster than a pod whose devices were found near to what else it has. */
const notNear = 'Resources cannot be allocated with Topology locality';

/** What it works with. */
export interface DeviceManagerDeps {
  readonly clock: Clock;
  readonly log: Logger;
  /** The kubelet's folder. */
  readonly folder: string;
  /** What the last kubelet of the folder has written down. */
  readonly record: DeviceRecord | undefined;
  /** Throws where it cannot be written. */
  save(record: DeviceRecord): void;
  /** Nothing of the pod runs any more, nor will. */
  isOver(podUid: string): boolean;
  /** It is gone from the API, and ends. */
  isLeaving(podUid: string): boolean;
  /** NUMA nodes that a container's devices are to be near to; undefined where it does not matter. */
  nearOf(podUid: string, container: string): NumaMask | undefined;
  /** Whether a container is to have no others. */
  isNearOnly(): boolean;
  /** There are more devices, or fewer. */
  onAmounts(): void;
  /** Something of what the pod has has changed. */
  onPod(podUid: string): void;
}

interface Connected {
  readonly plugin: DevicePlugin;
  readonly socketPath: string;
}

/** The devices of one kubelet's pods. */
export class DeviceManager {
  readonly #deps: DeviceManagerDeps;
  readonly #ledger = new DeviceLedger();
  readonly #plugins = new Map<string, Connected>();
  readonly #absences = new Map<string, Timer>();
  readonly #turns = new Turns();
  /** Pods that wait for what others still have. */
  readonly #waiting = new Set<string>();
  /** All pods from before the kubelet started have been seen: what is not known then is gone. */
  #isSettled = false;
  #isClosed = false;

  constructor(deps: DeviceManagerDeps) {
    this.#deps = deps;
    if (deps.record !== undefined) this.#ledger.restore(deps.record.resources, deps.record.given);
  }

  /** What the node has of them. */
  amounts(): DeviceAmounts {
    return this.#ledger.amounts();
  }

  /** All pods that there were before have been seen. */
  settle(): void {
    this.#isSettled = true;
  }

  /** Takes a plugin in, in the place of the one that there was for the resource. Rejects where it does not answer. */
  async connect(resource: string, socketPath: string): Promise<void> {
    const { clock, log } = this.#deps;
    const plugin = await DevicePlugin.connect({ socketPath, clock });
    if (this.#isClosed) return plugin.close();
    const before = this.#plugins.get(resource);
    const connected: Connected = { plugin, socketPath };
    this.#plugins.set(resource, connected);
    this.#absences.get(resource)?.cancel();
    this.#absences.delete(resource);
    await before?.plugin.close();
    plugin.watch({
      devices: (devices) => {
        if (this.#plugins.get(resource) === connected) this.#tell(resource, devices);
      },
      gone: () => {
        if (this.#plugins.get(resource) === connected) this.disconnect(resource, socketPath);
      },
    });
    log.info('Device plugin connected', { resource, socketPath });
  }

  /** The plugin at this socket is gone; another may have taken its place. */
  disconnect(resource: string, socketPath: string): void {
    const { clock, log } = this.#deps;
    const connected = this.#plugins.get(resource);
    if (connected?.socketPath !== socketPath) return;
    this.#plugins.delete(resource);
    void connected.plugin.close();
    log.info('Device plugin gone', { resource });
    this.#ledger.loseHealth(resource);
    this.#absences.set(
      resource,
      clock.setTimeout(() => this.#tell(resource, []), absenceMsMax),
    );
    this.#announce(resource);
  }

  /** What a pod wants of devices that are near to some memory. */
  wishedBy(pod: Pod): readonly NumaResource[] {
    return wishedDevices(pod, this.#ledger);
  }

  /** Gives a pod what its containers ask for; those that run have it already. Undefined where nothing is missing. */
  async allocate(pod: Pod, options: AllocateOptions): Promise<PluginNeed> {
    if (deviceWishes(pod, this.#ledger).length === 0) return undefined;
    return this.#turns.take(() => this.#allocateAll(pod, options));
  }

  /** What a container gets with its devices, which are about to be used. Rejects with what a plugin says against it. */
  async partsFor(pod: Pod, { name }: Pick<Container, 'name'>, signal: AbortSignal): Promise<PluginParts> {
    const given = this.#ledger.ofPod(pod.metadata?.uid ?? '').filter(({ container }) => container === name);
    let parts = noPluginParts;
    for (const { resource, ids, allocation } of given) {
      const connected = this.#plugins.get(resource);
      if (connected === undefined)
        throw new Error(`endpoint not found in cache for a registered resource: ${resource}`);
      await connected.plugin.preStart(ids, signal);
      parts = this.#joined(parts, partsOf(new Fields(allocation)));
    }
    return parts;
  }

  /** Nothing of the pod runs any more: what it had may be another's. */
  over(podUid: string): void {
    this.#waiting.delete(podUid);
    if (!this.#ledger.release(podUid)) return;
    this.#trySave();
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const uid of waiting) this.#deps.onPod(uid);
  }

  /** How the devices of a container are, by resource. */
  statusOf(podUid: string, container: string): readonly ResourceStatus[] {
    return this.#ledger
      .ofPod(podUid)
      .filter((one) => one.container === container)
      .map(({ resource, ids }) => {
        const known = new Map(this.#ledger.devicesOf(resource).map(({ id, health }) => [id, health]));
        const resources = ids.map((id) => ({ resourceID: id, health: healthOf(known.get(id)) }));
        return { name: resource, resources };
      });
  }

  /** What the containers of a pod have, for those who look at the node. */
  givenTo(podUid: string): readonly GivenDevices[] {
    return this.#ledger.ofPod(podUid);
  }

  /** Devices that may be used, by resource. */
  usable(): ReadonlyMap<string, readonly PluginDevice[]> {
    const usable = (resource: string) => this.#ledger.devicesOf(resource).filter(({ health }) => health === healthy);
    return new Map(this.#ledger.resources.map((resource) => [resource, usable(resource)]));
  }

  /** What a plugin said of a device. */
  device(resource: string, id: string): PluginDevice | undefined {
    return this.#ledger.devicesOf(resource).find((device) => device.id === id);
  }

  /** Takes nobody in any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const timer of this.#absences.values()) timer.cancel();
    const all = [...this.#plugins.values()];
    this.#plugins.clear();
    await Promise.all(all.map(({ plugin }) => plugin.close()));
  }

  #tell(resource: string, devices: readonly PluginDevice[]): void {
    const isNew = !this.#ledger.resources.includes(resource);
    this.#ledger.setDevices(resource, devices);
    if (isNew) this.#trySave();
    this.#announce(resource);
  }

  #announce(resource: string): void {
    this.#deps.onAmounts();
    for (const podUid of this.#ledger.usersOf(resource)) this.#deps.onPod(podUid);
  }

  async #allocateAll(pod: Pod, options: AllocateOptions): Promise<PluginNeed> {
    const { isNew, signal } = options;
    this.#forgetEnded();
    const podUid = pod.metadata?.uid ?? '';
    const had = this.#ledger.ofPod(podUid).length;
    const initNames = new Set<string>();
    for (const wish of deviceWishes(pod, this.#ledger)) {
      const problem = options.isRunning(wish.container)
        ? undefined
        : await this.#grant(podUid, wish, { initNames, signal });
      if (problem !== undefined) return this.#refused(podUid, problem, isNew);
      if (wish.isInit) initNames.add(wish.container);
    }
    if (this.#ledger.ofPod(podUid).length === had) return undefined;
    try {
      this.#save();
      return undefined;
    } catch (error) {
      return this.#refused(podUid, errorText(error), isNew);
    }
  }

  /** Gives a container what it asks for of a resource; resolves with why it cannot. */
  async #grant(
    podUid: string,
    { container, resource, count }: DeviceWish,
    { initNames, signal }: { readonly initNames: ReadonlySet<string>; readonly signal: AbortSignal },
  ): Promise<string | undefined> {
    const known = this.#ledger.given({ podUid, container, resource });
    if (known !== undefined) return this.#unusable(known);
    const connected = this.#plugins.get(resource);
    const offer = offerOf(this.#ledger, { podUid, resource }, { count, initNames });
    if (!offer.ok) {
      // Who counts on what a pod has that is gone waits until it has ended.
      if ([...this.#ledger.usersOf(resource)].some((uid) => this.#deps.isLeaving(uid))) this.#waiting.add(podUid);
      return offer.message;
    }
    if (connected === undefined) return `cannot allocate unregistered device ${resource}`;
    try {
      const { again: mustInclude, free } = offer;
      const { near, far } = nearDevices(this.#ledger, resource, { free, near: this.#deps.nearOf(podUid, container) });
      if (near.length < offer.count && this.#deps.isNearOnly()) return notNear;
      const offered = near.length < offer.count ? free : near;
      const available = [...mustInclude, ...offered];
      const preferred =
        offer.count > 0 && offer.count < offered.length
          ? await connected.plugin.preferred({ available, mustInclude, count }, signal)
          : [];
      const ids = chosenOf({ ...offer, free: offered === near ? near : [...near, ...far] }, preferred);
      const allocation = await connected.plugin.allocate(ids, signal);
      partsOf(new Fields(allocation));
      this.#ledger.give({ podUid, container, resource, ids, allocation });
      return undefined;
    } catch (error) {
      return errorText(error);
    }
  }

  /** Why devices that a container has from before cannot be used by the next one. */
  #unusable({ resource, ids }: GivenDevices): string | undefined {
    const usable = this.#ledger.healthyOf(resource);
    if (ids.every((id) => usable.includes(id))) return undefined;
    return `previously allocated devices are no longer healthy; cannot allocate unhealthy devices ${resource}`;
  }

  /** A pod that is new is refused, and has nothing then; one that was here before waits for its plugin. */
  #refused(podUid: string, problem: string, isNew: boolean): PluginNeed {
    const message = `Allocate failed due to ${problem}, which is unexpected`;
    if (!isNew || this.#waiting.has(podUid)) return { kind: 'later', message };
    this.#ledger.release(podUid);
    return { kind: 'never', failure: { reason: 'UnexpectedAdmissionError', message } };
  }

  #joined(a: PluginParts, b: PluginParts): PluginParts {
    const onMachine = <T extends { readonly hostPath: string }>(all: readonly T[]): readonly T[] =>
      all.map((one) => ({ ...one, hostPath: pathOnMachine(this.#deps.folder, one.hostPath) }));
    return {
      env: { ...a.env, ...b.env },
      mounts: [...a.mounts, ...onMachine(b.mounts)],
      devices: [...a.devices, ...onMachine(b.devices)],
      annotations: { ...a.annotations, ...b.annotations },
      cdiDevices: [...new Set([...a.cdiDevices, ...b.cdiDevices])],
    };
  }

  #forgetEnded(): void {
    if (!this.#isSettled) return;
    const over = [...this.#ledger.podUids].filter((uid) => this.#deps.isOver(uid));
    for (const uid of over) this.#ledger.release(uid);
    if (over.length > 0) this.#trySave();
  }

  #save(): void {
    this.#deps.save({ resources: this.#ledger.resources, given: this.#ledger.all });
  }

  /** Where what is written says too much, or names no resource without devices: the next write says all of it. */
  #trySave(): void {
    try {
      this.#save();
    } catch (error) {
      this.#deps.log.warn('Devices of containers not written down', { error });
    }
  }
}

function healthOf(said: string | undefined): string {
  if (said === undefined) return 'Unknown';
  return said === healthy ? 'Healthy' : 'Unhealthy';
}
