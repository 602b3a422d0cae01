/** Which devices a container gets. Pure. Source: kubelet `cm/devicemanager` `devicesToAllocate`, `generateDeviceTopologyHints`. */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { quantityValue } from '../model/amounts.ts';
import { containersInOrder } from '../topology/containers-in-order.ts';
import { CountedResource } from '../topology/counted-resource.ts';
import { maskOf, type NumaMask } from '../topology/numa-hints.ts';
import type { DeviceLedger, DeviceUse } from './device-ledger.ts';
import type { PluginDevice } from './device-messages.ts';

/** A container of a pod that asks for devices. */
export interface DeviceWish {
  readonly container: string;
  readonly resource: string;
  readonly count: number;
  /** It has ended before those that come after it begin. */
  readonly isInit: boolean;
}

/** What containers of a pod ask for of resources that plugins have told of, in the order in which they run. */
export function deviceWishes(pod: Pod, ledger: DeviceLedger): readonly DeviceWish[] {
  return containersInOrder(pod).flatMap(({ container, isInit }) =>
    Object.entries(container.resources?.limits ?? {}).flatMap(([resource, amount]) => {
      const count = Math.ceil(quantityValue(amount));
      return count > 0 && ledger.knows(resource) ? [{ container: container.name, resource, count, isInit }] : [];
    }),
  );
}

/** Devices that can be had, or why too few can. */
export type DeviceOffer =
  | {
      readonly ok: true;
      /** Those that are had in any case: what init containers of the pod leave. */
      readonly again: readonly string[];
      /** How many more are to be chosen, of these. */
      readonly count: number;
      readonly free: readonly string[];
    }
  | { readonly ok: false; readonly message: string };

/** What there is for a wish that has nothing yet; `initNames` are the pod's init containers that have ended by then. */
export function offerOf(
  ledger: DeviceLedger,
  { podUid, resource }: Pick<DeviceUse, 'podUid' | 'resource'>,
  { count, initNames }: { readonly count: number; readonly initNames: ReadonlySet<string> },
): DeviceOffer {
  const healthyIds = ledger.healthyOf(resource);
  if (healthyIds.length === 0)
    return { ok: false, message: `no healthy devices present; cannot allocate unhealthy devices ${resource}` };
  const own = ledger.ofPod(podUid).filter((one) => one.resource === resource);
  const lasting = new Set(own.filter((one) => !initNames.has(one.container)).flatMap(({ ids }) => ids));
  const left = new Set(own.filter((one) => initNames.has(one.container)).flatMap(({ ids }) => ids));
  const again = [...left].filter((id) => !lasting.has(id) && healthyIds.includes(id)).slice(0, count);
  const free = ledger.freeOf(resource);
  const needed = count - again.length;
  if (free.length < needed) {
    const amounts = `Requested: ${needed}, Available: ${free.length}`;
    return { ok: false, message: `requested number of devices unavailable for ${resource}. ${amounts}` };
  }
  return { ok: true, again, count: needed, free };
}

/** Where a device is; 0 where its plugin does not say. */
function placeOf({ numaNodes }: Pick<PluginDevice, 'numaNodes'>): NumaMask {
  return maskOf(numaNodes);
}

/** What a pod wants of resources whose devices are somewhere. */
export function wishedDevices(pod: Pod, ledger: DeviceLedger): readonly CountedResource[] {
  const byResource = Map.groupBy(deviceWishes(pod, ledger), ({ resource }) => resource);
  return [...byResource].flatMap(([resource, wishes]) => {
    const places = new Map(ledger.devicesOf(resource).map((device) => [device.id, placeOf(device)]));
    const placesOf = (ids: readonly string[]): readonly NumaMask[] => ids.flatMap((id) => places.get(id) || []);
    if (placesOf([...places.keys()]).length === 0) return [];
    const all = placesOf(ledger.healthyOf(resource));
    return [new CountedResource({ wishes, all, free: placesOf(ledger.freeOf(resource)) })];
  });
}

/** The free devices of an offer that are near to some NUMA nodes, and the others. Where no device of the resource is anywhere, all are near. */
export function nearDevices(
  ledger: DeviceLedger,
  resource: string,
  { free, near }: { readonly free: readonly string[]; readonly near: NumaMask | undefined },
): { readonly near: readonly string[]; readonly far: readonly string[] } {
  const devices = ledger.devicesOf(resource);
  if (near === undefined || devices.every((device) => placeOf(device) === 0)) return { near: free, far: [] };
  const ids = new Set(devices.filter((device) => (placeOf(device) & near) !== 0).map(({ id }) => id));
  return { near: free.filter((id) => ids.has(id)), far: free.filter((id) => !ids.has(id)) };
}

/** The devices of an offer: those that the plugin would take first. */
export function chosenOf(
  { again, count, free }: Extract<DeviceOffer, { ok: true }>,
  preferred: readonly string[],
): readonly string[] {
  const liked = [...new Set(preferred)].filter((id) => free.includes(id));
  const rest = free.filter((id) => !liked.includes(id));
  return [...again, ...[...liked, ...rest].slice(0, count)];
}
