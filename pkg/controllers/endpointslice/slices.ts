/**
 * From a Service and its pods to the slices it should have, changing as few of those it has as possible. Pure.
 * Upstream counterpart: `staging/src/k8s.io/endpointslice/reconciler.go`.
 */
import type { Node, Pod, Service } from '#pkg/api/types/core-v1.ts';
import type { Endpoint, EndpointPort, EndpointSlice } from '#pkg/api/types/discovery-v1.ts';
import { services } from '#pkg/api/types/refs.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import { controllerReference } from '#pkg/apimachinery/owner.ts';
import { isPodReady } from '../common/pod.ts';
import {
  canBeEndpoint,
  endpointHostname,
  headlessLabel,
  isHeadless,
  targetPort,
  triggerTime,
  triggerTimeAnnotation,
} from './service-pods.ts';

/** Most endpoints in one slice, so that a change of one sends little to every node. */
const endpointsMax = 100;
export const serviceNameLabel = 'kubernetes.io/service-name';
export const managedByLabel = 'endpointslice.kubernetes.io/managed-by';
export const managerName = 'endpointslice-controller.k8s.io';
const zoneLabel = 'topology.kubernetes.io/zone';

export interface SlicesInput {
  readonly service: Service;
  readonly pods: readonly Pod[];
  readonly existing: readonly EndpointSlice[];
  readonly nodeOf: (name: string) => Node | undefined;
}

export interface SliceChanges {
  readonly create: readonly EndpointSlice[];
  readonly update: readonly EndpointSlice[];
  readonly remove: readonly EndpointSlice[];
}

interface PortGroup {
  readonly ports: readonly EndpointPort[];
  readonly endpoints: Endpoint[];
}

/** What to create, update and delete. */
export function sliceChanges(input: SlicesInput): SliceChanges {
  const families = addressTypes(input.service);
  const remove = input.existing.filter(
    (slice) => !families.includes(slice.addressType) || slice.metadata?.deletionTimestamp !== undefined,
  );
  const changes = { create: [] as EndpointSlice[], update: [] as EndpointSlice[], remove: [...remove] };
  for (const family of families) {
    const existing = input.existing.filter((slice) => slice.addressType === family && !remove.includes(slice));
    const part = familyChanges(input, { family, existing });
    changes.create.push(...part.create);
    changes.update.push(...part.update);
    changes.remove.push(...part.remove);
  }
  return changes;
}

function addressTypes(service: Service): readonly string[] {
  const families = service.spec?.ipFamilies ?? [];
  if (families.length > 0) return families;
  return [service.spec?.clusterIP?.includes(':') ? 'IPv6' : 'IPv4'];
}

function familyChanges(
  input: SlicesInput,
  scope: { readonly family: string; readonly existing: readonly EndpointSlice[] },
): SliceChanges {
  const groups = portGroups(input, scope.family);
  const fresh: { readonly ports: readonly EndpointPort[]; readonly endpoints: readonly Endpoint[] }[] = [];
  const update: EndpointSlice[] = [];
  const kept = new Set<EndpointSlice>();
  for (const group of groups) {
    const slices = scope.existing.filter((slice) => deepEqual(portList(slice.ports), group.ports));
    for (const slice of slices) kept.add(slice);
    const placed = place(group, slices);
    for (const [slice, endpoints] of placed.inSlices) {
      if (endpoints.length === 0) {
        kept.delete(slice);
        continue;
      }
      const wanted = sliceObject(input, { ...scope, ports: group.ports, endpoints, old: slice });
      if (!sameSlice(slice, wanted)) update.push(wanted);
    }
    for (const endpoints of placed.inNew) fresh.push({ ports: group.ports, endpoints });
  }
  const remove = scope.existing.filter((slice) => !kept.has(slice));
  if (groups.length > 0) {
    // A slice that is not needed any more becomes one that is: its name stays, and nobody sees a moment without it.
    const reused = fresh.splice(0, remove.length);
    update.push(...reused.map((part, index) => sliceObject(input, { ...scope, ...part, old: remove[index] })));
    const create = fresh.map((part) => sliceObject(input, { ...scope, ...part, old: undefined }));
    return { create, update, remove: remove.slice(reused.length) };
  }
  // A Service without endpoints keeps one empty slice, which says that there are none.
  const [placeholder, ...others] = [...remove];
  const old = placeholder;
  const empty = sliceObject(input, { ...scope, ports: [], endpoints: [], old });
  if (old === undefined) return { create: [empty], update: [], remove: [] };
  return { create: [], update: sameSlice(old, empty) ? [] : [empty], remove: others };
}

/** Endpoints by the ports they have: pods may give different numbers to one named port. */
function portGroups(input: SlicesInput, family: string): readonly PortGroup[] {
  const { service, pods } = input;
  const groups = new Map<string, PortGroup>();
  for (const pod of pods) {
    if (!canBeEndpoint(pod, { includeTerminating: true })) continue;
    const addresses = podAddresses(pod, family);
    if (addresses.length === 0) continue;
    const ports = portsOn(service, pod);
    if (ports.length === 0 && (service.spec?.ports ?? []).length > 0) continue;
    const key = JSON.stringify(ports);
    const group = groups.get(key) ?? { ports, endpoints: [] };
    groups.set(key, group);
    group.endpoints.push(endpointOf(input, pod, addresses));
  }
  return [...groups.values()];
}

function podAddresses(pod: Pod, family: string): readonly string[] {
  const ips = (pod.status?.podIPs ?? []).map(({ ip }) => ip);
  const all = ips.length > 0 ? ips : [pod.status?.podIP ?? ''];
  return all.filter((ip) => ip !== '' && ip.includes(':') === (family === 'IPv6')).slice(0, 1);
}

function portsOn(service: Service, pod: Pod): readonly EndpointPort[] {
  return (service.spec?.ports ?? []).flatMap((port) => {
    const number = targetPort(pod, port);
    if (number === undefined) return [];
    const { name = '', protocol = 'TCP', appProtocol } = port;
    return [{ name, protocol, port: number, ...(appProtocol === undefined ? {} : { appProtocol }) }];
  });
}

function endpointOf(input: SlicesInput, pod: Pod, addresses: readonly string[]): Endpoint {
  const serving = isPodReady(pod);
  const terminating = pod.metadata?.deletionTimestamp !== undefined;
  const ready = input.service.spec?.publishNotReadyAddresses === true || (serving && !terminating);
  const { name = '', namespace = '', uid = '' } = pod.metadata ?? {};
  const nodeName = pod.spec?.nodeName;
  const zone = nodeName ? input.nodeOf(nodeName)?.metadata?.labels?.[zoneLabel] : undefined;
  const hostname = endpointHostname(pod, input.service);
  return {
    addresses,
    conditions: { ready, serving, terminating },
    ...(hostname === undefined ? {} : { hostname }),
    targetRef: { kind: 'Pod', namespace, name, uid },
    ...(nodeName ? { nodeName } : {}),
    ...(zone === undefined ? {} : { zone }),
  };
}

/** Leaves endpoints in the slices they are in, fills those with room, and opens new ones for the rest. */
function place(
  group: PortGroup,
  slices: readonly EndpointSlice[],
): { readonly inSlices: ReadonlyMap<EndpointSlice, Endpoint[]>; readonly inNew: readonly Endpoint[][] } {
  const left = new Map(group.endpoints.map((endpoint) => [endpoint.targetRef?.uid ?? '', endpoint]));
  const inSlices = new Map<EndpointSlice, Endpoint[]>();
  for (const slice of slices) {
    const stay: Endpoint[] = [];
    for (const { targetRef } of slice.endpoints ?? []) {
      const endpoint = left.get(targetRef?.uid ?? '');
      if (endpoint === undefined || stay.length >= endpointsMax) continue;
      stay.push(endpoint);
      left.delete(targetRef?.uid ?? '');
    }
    inSlices.set(slice, stay);
  }
  const rest = [...left.values()];
  const fullestFirst = [...inSlices.values()].sort((a, b) => b.length - a.length);
  for (const endpoints of fullestFirst)
    while (rest.length > 0 && endpoints.length < endpointsMax) endpoints.push(rest.shift()!);
  const inNew: Endpoint[][] = [];
  while (rest.length > 0) inNew.push(rest.splice(0, endpointsMax));
  return { inSlices, inNew };
}

function sliceObject(
  input: SlicesInput,
  slice: {
    readonly family: string;
    readonly ports: readonly EndpointPort[];
    readonly endpoints: readonly Endpoint[];
    readonly old: EndpointSlice | undefined;
  },
): EndpointSlice {
  const { service } = input;
  const { name = '', namespace = '' } = service.metadata ?? {};
  const changed = triggerTime(service, input.pods);
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      ...(slice.old?.metadata ?? { generateName: `${name}-`, namespace }),
      labels: {
        ...service.metadata?.labels,
        ...(isHeadless(service) ? { [headlessLabel]: '' } : {}),
        [serviceNameLabel]: name,
        [managedByLabel]: managerName,
      },
      annotations: {
        ...slice.old?.metadata?.annotations,
        ...(changed === undefined ? {} : { [triggerTimeAnnotation]: changed }),
      },
      ownerReferences: [controllerReference(service, services)],
    },
    addressType: slice.family,
    endpoints: slice.endpoints,
    ports: slice.ports,
  };
}

/** Whether two slices say the same. The time of the last change alone is not worth a write. */
function sameSlice(a: EndpointSlice, b: EndpointSlice): boolean {
  return (
    deepEqual(a.endpoints ?? [], b.endpoints) &&
    deepEqual(portList(a.ports), b.ports) &&
    deepEqual(a.metadata?.labels, b.metadata?.labels) &&
    deepEqual(a.metadata?.ownerReferences, b.metadata?.ownerReferences)
  );
}

/** Ports with the defaults that the server fills in. */
function portList(ports: readonly EndpointPort[] | undefined): readonly EndpointPort[] {
  return (ports ?? []).map((port) => ({ ...port, name: port.name ?? '', protocol: port.protocol ?? 'TCP' }));
}
