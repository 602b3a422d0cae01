/**
 * Endpoints shared out over zones in proportion to the zones' processors, as the annotation `service.kubernetes.io/topology-mode: Auto` asks: each is for
 * clients of its own zone, unless that zone has more than its part and another less. Pure, and the same for the same endpoints and nodes in whatever
 * order slices are written. Upstream counterpart: `staging/src/k8s.io/endpointslice/topologycache`, KEP-2433.
 */
import type { Node } from '#pkg/api/types/core-v1.ts';
import type { Endpoint } from '#pkg/api/types/discovery-v1.ts';
import { findCondition } from '#pkg/apimachinery/conditions.ts';
import { parseQuantity, quantityMilliValue } from '#pkg/apimachinery/quantity.ts';

/** How much more than its part an endpoint may get. Source: `overloadThreshold`. */
const overload = 0.2;
const zoneLabel = 'topology.kubernetes.io/zone';
const excluded = ['node-role.kubernetes.io/control-plane', 'node-role.kubernetes.io/master'];

/** Part of all processors that each zone has; undefined where that cannot be told, or where there is one zone alone. */
export type ZoneShares = ReadonlyMap<string, number> | undefined;

/** The shares of the nodes that are ready, those of the control plane left out. One of them without zone or processors: they cannot be told. */
export function zoneShares(nodes: readonly Node[]): ZoneShares {
  const cpus = new Map<string, number>();
  let total = 0;
  for (const { metadata, status } of nodes) {
    const labels = metadata?.labels ?? {};
    const isReady = findCondition(status?.conditions, 'Ready')?.status === 'True';
    if (!isReady || excluded.some((label) => labels[label] !== undefined)) continue;
    const zone = labels[zoneLabel] ?? '';
    const quantity = parseQuantity(status?.allocatable?.cpu ?? '0');
    const cpu = quantity === undefined ? 0 : quantityMilliValue(quantity);
    if (zone === '' || cpu === 0) return undefined;
    cpus.set(zone, (cpus.get(zone) ?? 0) + cpu);
    total += cpu;
  }
  if (cpus.size < 2) return undefined;
  return new Map([...cpus].map(([zone, cpu]) => [zone, cpu / total] as const).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** The zone that each ready endpoint is for, in the order of the endpoints, or why none can be said. */
export type ZonesOfEndpoints =
  | { readonly zones: readonly string[]; readonly problem?: undefined }
  | { readonly problem: string };

/** Shares out endpoints that are all ready. */
export function shareOut(ready: readonly Endpoint[], shares: ZoneShares): ZonesOfEndpoints {
  if (shares === undefined)
    return {
      problem: 'Insufficient Node information: allocatable CPU or zone not specified on one or more nodes',
    };
  const counts = `(${ready.length} endpoints, ${shares.size} zones)`;
  if (shares.size > ready.length) return { problem: `Insufficient number of endpoints ${counts}` };
  const wanted = new Map<string, number>();
  let least = 0;
  for (const [zone, share] of shares) {
    const minimum = Math.ceil((share * ready.length) / (1 + overload));
    least += minimum;
    wanted.set(zone, Math.max(share * ready.length, minimum));
  }
  if (least > ready.length)
    return {
      problem: `Unable to allocate minimum required endpoints to each zone without exceeding overload threshold ${counts}`,
    };
  const zones: string[] = [];
  for (const { zone } of ready) {
    if (!zone) return { problem: 'One or more endpoints do not have a zone specified' };
    zones.push(zone);
  }
  move(zones, wanted);
  return { zones };
}

/** Moves endpoints from the zone that has most too many to the one that has most too few, while that brings both nearer to what they are to have. */
function move(zones: string[], wanted: ReadonlyMap<string, number>): void {
  const surplus = new Map([...wanted].map(([zone, count]) => [zone, -count] as const));
  for (const zone of zones) if (surplus.has(zone)) surplus.set(zone, (surplus.get(zone) ?? 0) + 1);
  for (;;) {
    const order = [...surplus].toSorted(([, a], [, b]) => b - a);
    const [giving, receiving] = [order[0], order.at(-1)];
    if (giving === undefined || receiving === undefined) return;
    const [more, fewer] = [giving[1], -receiving[1]];
    if (more < 0.5 || fewer < 0.5 || (more < 1 && fewer < 1)) return;
    zones[zones.lastIndexOf(giving[0])] = receiving[0];
    surplus.set(giving[0], more - 1);
    surplus.set(receiving[0], 1 - fewer);
  }
}
