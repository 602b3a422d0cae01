/** The slices that mirror an Endpoints object which somebody keeps by hand. Pure. Upstream counterpart: `pkg/controller/endpointslicemirroring`. */
import type { EndpointAddress, EndpointSubset, Endpoints } from '#pkg/api/types/core-v1.ts';
import type { Endpoint, EndpointPort, EndpointSlice } from '#pkg/api/types/discovery-v1.ts';
import { endpoints as endpointsRef } from '#pkg/api/types/refs.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import { controllerReference } from '#pkg/apimachinery/owner.ts';
import { distribute, type PortGroup, portList, type SliceChanges } from '../endpointslice/distribution.ts';
import { managedByLabel, serviceNameLabel } from '../endpointslice/slices.ts';

/** The name of this controller in the label of its slices. */
export const mirrorName = 'endpointslicemirroring-controller.k8s.io';
const families = ['IPv4', 'IPv6'] as const;
/** Most endpoints that are mirrored of one subset. */
const subsetMax = 1_000;

const ownAnnotations: ReadonlySet<string> = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  'endpoints.kubernetes.io/last-change-trigger-time',
]);

/** What to create, update and delete so that the slices say what `source` says. */
export function mirrorChanges(source: Endpoints, existing: readonly EndpointSlice[]): SliceChanges {
  const keyOf = ({ addresses }: Endpoint): string => addresses[0] ?? '';
  const parts = families.map((family) => {
    const sliceOf = (part: PortGroup, old: EndpointSlice | undefined): EndpointSlice =>
      sliceObject(source, { family, part, old });
    const slices = existing.filter(({ addressType }) => addressType === family);
    return distribute(portGroups(source, family), slices, { keyOf, sliceOf, isSame: sameSlice });
  });
  return {
    create: parts.flatMap(({ create }) => create),
    update: parts.flatMap(({ update }) => update),
    remove: parts.flatMap(({ remove }) => remove),
  };
}

/** The endpoints of one address family by their ports. */
function portGroups(source: Endpoints, family: string): readonly PortGroup[] {
  const groups = new Map<string, { readonly ports: readonly EndpointPort[]; readonly endpoints: Endpoint[] }>();
  for (const subset of source.subsets ?? []) {
    const mirrored = subsetEndpoints(subset).slice(0, subsetMax);
    const endpoints = mirrored.filter(({ addresses }) => addresses[0]!.includes(':') === (family === 'IPv6'));
    if (endpoints.length === 0) continue;
    const ports = portList(subset.ports);
    const key = JSON.stringify(ports);
    const group = groups.get(key) ?? { ports, endpoints: [] };
    groups.set(key, group);
    group.endpoints.push(...endpoints);
  }
  return [...groups.values()];
}

function subsetEndpoints(subset: EndpointSubset): readonly Endpoint[] {
  const endpointOf = (address: EndpointAddress, ready: boolean): Endpoint => ({
    addresses: [address.ip],
    conditions: { ready },
    ...(address.hostname ? { hostname: address.hostname } : {}),
    ...(address.targetRef === undefined ? {} : { targetRef: address.targetRef }),
    ...(address.nodeName === undefined ? {} : { nodeName: address.nodeName }),
  });
  return [
    ...(subset.addresses ?? []).map((address) => endpointOf(address, true)),
    ...(subset.notReadyAddresses ?? []).map((address) => endpointOf(address, false)),
  ];
}

function sliceObject(
  source: Endpoints,
  slice: { readonly family: string; readonly part: PortGroup; readonly old: EndpointSlice | undefined },
): EndpointSlice {
  const { name = '', namespace = '', labels, annotations = {} } = source.metadata ?? {};
  const copied = Object.entries(annotations).filter(([key]) => !ownAnnotations.has(key));
  const { annotations: _, ...metadata } = slice.old?.metadata ?? { generateName: `${name}-`, namespace };
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      ...metadata,
      labels: { ...labels, [serviceNameLabel]: name, [managedByLabel]: mirrorName },
      ...(copied.length === 0 ? {} : { annotations: Object.fromEntries(copied) }),
      ownerReferences: [controllerReference(source, endpointsRef)],
    },
    addressType: slice.family,
    endpoints: slice.part.endpoints,
    ports: slice.part.ports,
  };
}

function sameSlice(a: EndpointSlice, b: EndpointSlice): boolean {
  return (
    deepEqual(a.endpoints ?? [], b.endpoints) &&
    deepEqual(portList(a.ports), b.ports) &&
    deepEqual(a.metadata?.labels, b.metadata?.labels) &&
    deepEqual(a.metadata?.annotations ?? {}, b.metadata?.annotations ?? {}) &&
    deepEqual(a.metadata?.ownerReferences, b.metadata?.ownerReferences)
  );
}
