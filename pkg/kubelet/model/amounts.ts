/** Amounts of resources as numbers, and what a pod asks for in all. */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { parseQuantity, quantityMilliValue } from '#pkg/apimachinery/quantity.ts';
import { isSidecar } from './pod-view.ts';

/** The value of a quantity in whole units, with a fraction down to thousandths; 0 for an absent or malformed one. */
export function quantityValue(quantity: number | string | undefined): number {
  if (quantity === undefined) return 0;
  const parsed = parseQuantity(quantity);
  return parsed === undefined ? 0 : quantityMilliValue(parsed) / 1000;
}

/**
 * What a pod asks for, by resource: what it says itself, else the sum of its containers and sidecars, or the largest moment of its
 * initialization, whichever is more; and its overhead. Source: `component-helpers` `PodRequests`.
 */
export function podRequests(pod: Pod): ReadonlyMap<string, number> {
  return podAmounts(pod, 'requests');
}

/** The same of its limits, as far as it and its containers have some. Source: `component-helpers` `PodLimits`. */
export function podLimits(pod: Pod): ReadonlyMap<string, number> {
  return podAmounts(pod, 'limits');
}

function podAmounts(pod: Pod, kind: 'limits' | 'requests'): ReadonlyMap<string, number> {
  const total = new Map<string, number>();
  const add = (into: Map<string, number>, list: Readonly<Record<string, string>> | undefined): void => {
    for (const [name, quantity] of Object.entries(list ?? {})) {
      into.set(name, (into.get(name) ?? 0) + quantityValue(quantity));
    }
  };
  for (const container of pod.spec?.containers ?? []) add(total, container.resources?.[kind]);
  const sidecars = new Map<string, number>();
  const peak = new Map<string, number>();
  for (const container of pod.spec?.initContainers ?? []) {
    const moment = new Map(sidecars);
    add(moment, container.resources?.[kind]);
    if (isSidecar(container)) {
      add(total, container.resources?.[kind]);
      add(sidecars, container.resources?.[kind]);
    }
    for (const [name, value] of moment) peak.set(name, Math.max(peak.get(name) ?? 0, value));
  }
  for (const [name, value] of peak) total.set(name, Math.max(total.get(name) ?? 0, value));
  const own = pod.spec?.resources?.[kind] ?? {};
  for (const [name, quantity] of Object.entries(own)) total.set(name, quantityValue(quantity));
  add(total, pod.spec?.overhead);
  return total;
}
