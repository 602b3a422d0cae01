/**
 * The devices of the cluster: what the newest slices of each pool say. A pool of which not all slices are there yet, or which names a device twice, is left out, as it
 * would change under the feet of whoever allocates from it. Source: `dynamic-resource-allocation/structured/internal` `pools`.
 */
import { type DeviceName, taintsDevice } from '#pkg/api/scheduling/device-taints.ts';
import { matchesNodeSelector } from '#pkg/api/scheduling/node-selector.ts';
import type { CounterSet, Device, DeviceTaint, ResourceSlice } from '#pkg/api/types/resource-v1.ts';
import type { DeviceTaintRule } from '#pkg/api/types/resource-v1beta2.ts';
import type { NodeInfo } from '../../model/node-info.ts';

/** A device, and where it is from. */
export interface PooledDevice {
  /** `driver/pool/device`. */
  readonly id: string;
  readonly driver: string;
  readonly pool: string;
  readonly device: Device;
  readonly slice: ResourceSlice;
  /** Its driver's and those of rules. */
  readonly taints: readonly DeviceTaint[];
  /** Counters that the devices of the pool share. */
  readonly counters: readonly CounterSet[];
}

/** Names a device in the cluster. */
export function deviceId({ driver, pool, device }: DeviceName): string {
  return `${driver}/${pool}/${device}`;
}

/** All devices of complete pools, in the order of slices and of what is in them, tainted by the rules too. */
export function pooledDevices(
  slices: readonly ResourceSlice[],
  rules: readonly DeviceTaintRule[],
): readonly PooledDevice[] {
  const pools = new Map<string, ResourceSlice[]>();
  for (const slice of slices) {
    const { driver, pool } = slice.spec;
    const key = `${driver}/${pool.name}`;
    const newest = pools.get(key);
    const generation = newest?.[0]?.spec.pool.generation ?? -1;
    if (newest === undefined || pool.generation > generation) pools.set(key, [slice]);
    else if (pool.generation === generation) newest.push(slice);
  }
  return Array.from(pools.values(), (newest) => devicesOf(newest, rules)).flat();
}

function devicesOf(slices: readonly ResourceSlice[], rules: readonly DeviceTaintRule[]): readonly PooledDevice[] {
  if (slices.length !== (slices[0]?.spec.pool.resourceSliceCount ?? 0)) return [];
  const sorted = slices.toSorted((a, b) => ((a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1));
  const counters = sorted.flatMap(({ spec }) => spec.sharedCounters ?? []);
  const devices = sorted.flatMap((slice) =>
    (slice.spec.devices ?? []).map((device): PooledDevice => {
      const { driver, pool } = slice.spec;
      const name = { driver, pool: pool.name, device: device.name };
      const fromRules = rules.filter((rule) => taintsDevice(rule, name)).map(({ spec }) => spec.taint);
      const taints = [...(device.taints ?? []), ...fromRules];
      return { id: deviceId(name), driver, pool: pool.name, device, slice, taints, counters };
    }),
  );
  return new Set(devices.map(({ id }) => id)).size === devices.length ? devices : [];
}

/** Whether a node reaches a device. */
export function isOnNode({ device, slice }: PooledDevice, node: NodeInfo): boolean {
  const { nodeName, nodeSelector, allNodes } = slice.spec.perDeviceNodeSelection === true ? device : slice.spec;
  if (allNodes === true) return true;
  if (nodeName) return nodeName === node.name;
  return nodeSelector !== undefined && matchesNodeSelector(nodeSelector, node);
}
