/** The slices that mirror an Endpoints object which somebody keeps by hand. Pure. Upstream counterpart: `pkg/controller/endpointslicemirroring`. */
import type { EndpointAddress, EndpointSubset, Endpoints } from '#pkg/api/types/core-v1.ts';
import type { Endpoint, EndpointPort, EndpointSlice } from '#pkg/api/types/discovery-v1.ts';
import { endpoints as endpointsRef } from '#pkg/api/types/refs.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import { controllerReference } from '#pkg/apimachinery/owner.ts';
import { managedByLabel, type SliceChanges, serviceNameLabel } from '../endpointslice/slices.ts';

export const mirrorName = 'endpointslicemirroring-controller.k8s.io';
/** Most endpoints in one slice, and most that are mirrored of one subset. */
const endpointsMax = 100;
const subsetMax = 1_000;

const ownAnnotations: ReadonlySet<string> = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  'endpoints.kubernetes.io/last-change-trigger-time',
]);

interface Wanted {
  readonly addressType: string;
  readonly ports: readonly EndpointPort[];
  readonly endpoints: readonly Endpoint[];
}

/** What to create, update and delete so that the slices say what `source` says. */
export function mirrorChanges(source: Endpoints, existing: readonly EndpointSlice[]): SliceChanges {
  const left = [...existing];
  const create: EndpointSlice[] = [];
  const update: EndpointSlice[] = [];
  for (const wanted of wantedSlices(source)) {
    const index = left.findIndex(
      (slice) => slice.addressType === wanted.addressType && deepEqual(normalPorts(slice.ports), wanted.ports),
    );
    const old = index < 0 ? undefined : left.splice(index, 1)[0];
    const slice = sliceOf(source, wanted, old);
    if (old === undefined) create.push(slice);
    else if (!sameSlice(old, slice)) update.push(slice);
  }
  return { create, update, remove: left };
}

function wantedSlices(source: Endpoints): readonly Wanted[] {
  return (source.subsets ?? []).flatMap((subset) => {
    const all = subsetEndpoints(subset).slice(0, subsetMax);
    const ports = normalPorts(subset.ports);
    return ['IPv4', 'IPv6'].flatMap((addressType) => {
      const family = all.filter(({ addresses }) => addresses[0]!.includes(':') === (addressType === 'IPv6'));
      const chunks: Wanted[] = [];
      for (let start = 0; start < family.length; start += endpointsMax)
        chunks.push({ addressType, ports, endpoints: family.slice(start, start + endpointsMax) });
      return chunks;
    });
  });
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

function sliceOf(source: Endpoints, wanted: Wanted, old: EndpointSlice | undefined): EndpointSlice {
  const { name = '', namespace = '', labels, annotations = {} } = source.metadata ?? {};
  const kept = Object.fromEntries(Object.entries(annotations).filter(([key]) => !ownAnnotations.has(key)));
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      ...(old?.metadata ?? { generateName: `${name}-`, namespace }),
      labels: { ...labels, [serviceNameLabel]: name, [managedByLabel]: mirrorName },
      annotations: kept,
      ownerReferences: [controllerReference(source, endpointsRef)],
    },
    addressType: wanted.addressType,
    endpoints: wanted.endpoints,
    ports: wanted.ports,
  };
}

function sameSlice(a: EndpointSlice, b: EndpointSlice): boolean {
  return (
    deepEqual(a.endpoints ?? [], b.endpoints) &&
    deepEqual(a.metadata?.labels, b.metadata?.labels) &&
    deepEqual(a.metadata?.annotations ?? {}, b.metadata?.annotations) &&
    deepEqual(a.metadata?.ownerReferences, b.metadata?.ownerReferences)
  );
}

/** Ports with the defaults that the server fills in. */
function normalPorts(ports: readonly EndpointPort[] | undefined): readonly EndpointPort[] {
  return (ports ?? []).map((port) => ({ ...port, name: port.name ?? '', protocol: port.protocol ?? 'TCP' }));
}
