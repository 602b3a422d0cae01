/**
 * Endpoints over slices, such that few slices change: an endpoint stays in the slice it is in, new ones go where something changes anyway, and
 * what is left goes together into one slice with room for all of it or into new ones. Pure.
 * Upstream counterpart: `reconcileByPortMapping` in `staging/src/k8s.io/endpointslice/reconciler.go`.
 */
import type { Endpoint, EndpointPort, EndpointSlice } from '#pkg/api/types/discovery-v1.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';

/** Most endpoints in one slice, so that a change of one sends little to every node. */
const endpointsMax = 100;

/** What is to become of the slices; the ones to remove as they are now. */
export interface SliceChanges {
  readonly create: readonly EndpointSlice[];
  readonly update: readonly EndpointSlice[];
  readonly remove: readonly EndpointSlice[];
}

/** Endpoints that have the same ports. */
export interface PortGroup {
  readonly ports: readonly EndpointPort[];
  readonly endpoints: readonly Endpoint[];
}

/** How endpoints and slices are told apart and made. */
export interface DistributionOptions {
  /** Tells an endpoint from the others of its group. */
  readonly keyOf: (endpoint: Endpoint) => string;
  /** The slice that holds `part`, under the name of `old` if there is one. */
  readonly sliceOf: (part: PortGroup, old: EndpointSlice | undefined) => EndpointSlice;
  /** Whether an update would change nothing. */
  readonly isSame: (old: EndpointSlice, slice: EndpointSlice) => boolean;
}

/** What to create, update and delete among `existing`, the slices of one address type. */
export function distribute(
  groups: readonly PortGroup[],
  existing: readonly EndpointSlice[],
  options: DistributionOptions,
): SliceChanges {
  const { sliceOf, isSame } = options;
  const update: EndpointSlice[] = [];
  const fresh: PortGroup[] = [];
  const kept = new Set<EndpointSlice>();
  for (const { ports, endpoints } of groups) {
    const slices = existing.filter((slice) => deepEqual(portList(slice.ports), ports));
    const placed = place(endpoints, slices, options.keyOf);
    for (const [old, part] of placed.inSlices) {
      kept.add(old);
      const slice = sliceOf({ ports, endpoints: part }, old);
      if (!isSame(old, slice)) update.push(slice);
    }
    for (const part of placed.inNew) fresh.push({ ports, endpoints: part });
  }
  // A slice that is not needed any more becomes one that is: its name stays, and nobody sees a moment without it.
  const unused = existing.filter((slice) => !kept.has(slice));
  const reused = fresh.splice(0, unused.length);
  update.push(...reused.map((part, index) => sliceOf(part, unused[index])));
  const create = fresh.map((part) => sliceOf(part, undefined));
  return { create, update, remove: unused.slice(reused.length) };
}

function place(
  endpoints: readonly Endpoint[],
  slices: readonly EndpointSlice[],
  keyOf: DistributionOptions['keyOf'],
): { readonly inSlices: ReadonlyMap<EndpointSlice, readonly Endpoint[]>; readonly inNew: readonly Endpoint[][] } {
  const left = new Map(endpoints.map((endpoint) => [keyOf(endpoint), endpoint]));
  const inSlices = new Map<EndpointSlice, Endpoint[]>();
  const changing: Endpoint[][] = [];
  const unchanged: Endpoint[][] = [];
  for (const slice of slices) {
    const old = slice.endpoints ?? [];
    const stay: Endpoint[] = [];
    for (const key of old.map(keyOf)) {
      const endpoint = left.get(key);
      if (endpoint === undefined || stay.length >= endpointsMax) continue;
      stay.push(endpoint);
      left.delete(key);
    }
    if (stay.length === 0) continue;
    inSlices.set(slice, stay);
    (deepEqual(old, stay) ? unchanged : changing).push(stay);
  }
  const rest = [...left.values()];
  const fullestFirst = (a: readonly Endpoint[], b: readonly Endpoint[]): number => b.length - a.length;
  for (const part of changing.sort(fullestFirst)) part.push(...rest.splice(0, endpointsMax - part.length));
  const inNew: Endpoint[][] = [];
  while (rest.length >= endpointsMax) inNew.push(rest.splice(0, endpointsMax));
  if (rest.length === 0) return { inSlices, inNew };
  const roomy = unchanged.sort(fullestFirst).find((part) => part.length + rest.length <= endpointsMax);
  if (roomy === undefined) inNew.push(rest);
  else roomy.push(...rest);
  return { inSlices, inNew };
}

/** Ports with the defaults that the server fills in. */
export function portList(ports: readonly EndpointPort[] | null | undefined): readonly EndpointPort[] {
  return (ports ?? []).map((port) => ({ ...port, name: port.name ?? '', protocol: port.protocol ?? 'TCP' }));
}
