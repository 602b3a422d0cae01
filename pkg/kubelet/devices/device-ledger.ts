/**
 * Which devices there are, and whose. Pure.
 *
 * Laws:
 * 1. A device is at most one container's, but for an init container's, which those of its pod that come after may have in turn.
 * 2. Only healthy devices are given; what is given stays its container's, whatever becomes of the device or its plugin, until the pod is released.
 * 3. A resource that had a plugin once stays known, with nothing of it: the node says that there are 0.
 * 4. What was written down gives the same again, but for devices: of these a plugin has to tell anew.
 *
 * Upstream counterpart: kubelet `cm/devicemanager` `ManagerImpl`, `podDevices`.
 */
import type { PluginDevice } from './device-messages.ts';
import { healthy } from './device-messages.ts';

/** A container, and a resource that it asks for. */
export interface DeviceUse {
  readonly podUid: string;
  readonly container: string;
  readonly resource: string;
}

/** What a container has of a resource. */
export interface GivenDevices extends DeviceUse {
  readonly ids: readonly string[];
  /** What the plugin said of it when it was given. */
  readonly allocation: Buffer;
}

/** How many devices of each resource there are, and how many of them may be used. */
export interface DeviceAmounts {
  readonly capacity: Readonly<Record<string, string>>;
  readonly allocatable: Readonly<Record<string, string>>;
}

/** The devices of a node. */
export class DeviceLedger {
  /** By resource and id. */
  readonly #devices = new Map<string, ReadonlyMap<string, PluginDevice>>();
  readonly #given: GivenDevices[] = [];

  /** All that a plugin has now. */
  setDevices(resource: string, devices: readonly PluginDevice[]): void {
    this.#devices.set(resource, new Map(devices.map((device) => [device.id, device])));
  }

  /** Its plugin is gone: none may be given until another tells of them. */
  loseHealth(resource: string): void {
    const devices = [...(this.#devices.get(resource)?.values() ?? [])];
    this.setDevices(
      resource,
      devices.map((device) => ({ ...device, health: 'Unhealthy' })),
    );
  }

  /** Whether a plugin has ever told of it, or a container has some of it. */
  knows(resource: string): boolean {
    return this.#devices.has(resource) || this.#given.some((one) => one.resource === resource);
  }

  get resources(): readonly string[] {
    return [...this.#devices.keys()];
  }

  devicesOf(resource: string): readonly PluginDevice[] {
    return [...(this.#devices.get(resource)?.values() ?? [])];
  }

  /** Ids of those that may be used, in the order in which the plugin has them. */
  healthyOf(resource: string): readonly string[] {
    return this.devicesOf(resource).flatMap(({ id, health }) => (health === healthy ? [id] : []));
  }

  /** Of those the ones that are nobody's. */
  freeOf(resource: string): readonly string[] {
    const used = new Set(this.#given.filter((one) => one.resource === resource).flatMap(({ ids }) => ids));
    return this.healthyOf(resource).filter((id) => !used.has(id));
  }

  amounts(): DeviceAmounts {
    const count = (of: (resource: string) => number) =>
      Object.fromEntries(this.resources.map((resource) => [resource, String(of(resource))]));
    return {
      capacity: count((resource) => this.#devices.get(resource)?.size ?? 0),
      allocatable: count((resource) => this.healthyOf(resource).length),
    };
  }

  /** What a container has of a resource. */
  given({ podUid, container, resource }: DeviceUse): GivenDevices | undefined {
    return this.#given.find((one) => one.podUid === podUid && one.container === container && one.resource === resource);
  }

  /** All that the containers of a pod have. */
  ofPod(podUid: string): readonly GivenDevices[] {
    return this.#given.filter((one) => one.podUid === podUid);
  }

  get podUids(): ReadonlySet<string> {
    return new Set(this.#given.map(({ podUid }) => podUid));
  }

  /** Pods of which a container has a device of the resource. */
  usersOf(resource: string): ReadonlySet<string> {
    return new Set(this.#given.filter((one) => one.resource === resource).map(({ podUid }) => podUid));
  }

  /** Gives devices, which are free or an init container's of the pod. */
  give(given: GivenDevices): void {
    this.#given.push(given);
  }

  /** Whether it had any. */
  release(podUid: string): boolean {
    const kept = this.#given.filter((one) => one.podUid !== podUid);
    const had = kept.length < this.#given.length;
    this.#given.splice(0, this.#given.length, ...kept);
    return had;
  }

  /** All that was given. */
  get all(): readonly GivenDevices[] {
    return this.#given;
  }

  /** Takes over what was written down, before anything else is known. */
  restore(resources: readonly string[], given: readonly GivenDevices[]): void {
    for (const resource of resources) this.setDevices(resource, []);
    this.#given.push(...given);
  }
}
