/**
 * Which devices a DeviceTaintRule taints: what the scheduler, which keeps pods off them, and the eviction of pods that use them must agree on.
 * Source: API reference, `DeviceTaintSelector` v1beta2.
 */
import type { DeviceTaintRule } from '#pkg/api/types/resource-v1beta2.ts';

/** Names a device in the cluster. */
export interface DeviceName {
  readonly driver: string;
  readonly pool: string;
  readonly device: string;
}

/** Whether the rule taints the device. Without a selector it taints none; with an empty one, all. */
export function taintsDevice({ spec }: DeviceTaintRule, { driver, pool, device }: DeviceName): boolean {
  const selector = spec.deviceSelector;
  if (selector === undefined) return false;
  return (
    (selector.driver ?? driver) === driver && (selector.pool ?? pool) === pool && (selector.device ?? device) === device
  );
}
