/**
 * From a Service and its pods to the slices it should have, changing as few of those it has as possible. Pure.
 * Upstream counterpart: `staging/src/k8s.io/endpointslice/reconciler.go`.
 */

import { isPodReady } from '#pkg/api/core/pod.ts';
import type { Node, Pod, Service } from '#pkg/api/types/core-v1.ts';
import type { Endpoint, EndpointPort, EndpointSlice } from '#pkg/api/types/discovery-v1.ts';
import { services } from '#pkg/api/types/refs.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import { controllerReference } from '#pkg/apimachinery/owner.ts';
import { distribute, type PortGroup, portList, type SliceChanges } from './distribution.ts';
import { isByProcessors, withHints } from './hints.ts';
import {
  addressFamilies,
  canBeEndpoint,
  endpointHostname,
  inheritedLabels,
  podAddress,
  targetPort,
} from './service-pods.ts';
import { withTriggerTime } from './trigger-times.ts';
import { shareOut, type ZoneShares } from './zone-shares.ts';

/** The label that names the Service of a slice. */
export const serviceNameLabel = 'kubernetes.io/service-name';
/** The label that names the controller of a slice. */
export const managedByLabel = 'endpointslice.kubernetes.io/managed-by';
/** The name of this controller in that label. */
export const managerName = 'endpointslice-controller.k8s.io';
const zoneLabel = 'topology.kubernetes.io/zone';

/** The Service, its pods, and the slices that it has. */
export interface SlicesInput {
  readonly service: Service;
  readonly pods: readonly Pod[];
  readonly existing: readonly EndpointSlice[];
  readonly nodeOf: (name: string) => Node | undefined;
  /** When what led to a change happened, for those slices that change. */
  readonly triggerTime: string | undefined;
  /** Parts of the zones in all processors, for Services that ask for zones by them. */
  readonly shares?: ZoneShares;
}

/** The changes, and of a Service that asks for zones by their processors, whether it gets them: why not, by family. */
export interface SlicesOutput extends SliceChanges {
  readonly problems: readonly string[];
}

/** What to create, update and delete. */
export function sliceChanges(input: SlicesInput): SlicesOutput {
  const families = addressFamilies(input.service);
  const remove = input.existing.filter(
    (slice) => !families.includes(slice.addressType) || slice.metadata?.deletionTimestamp !== undefined,
  );
  const create: EndpointSlice[] = [];
  const update: EndpointSlice[] = [];
  const problems: string[] = [];
  for (const family of families) {
    const existing = input.existing.filter((slice) => slice.addressType === family && !remove.includes(slice));
    const { problem, ...part } = familyChanges(input, { family, existing });
    create.push(...part.create);
    update.push(...part.update);
    remove.push(...part.remove);
    if (problem !== undefined) problems.push(`${problem}, addressType: ${family}`);
  }
  return { create, update, remove, problems };
}

function familyChanges(
  input: SlicesInput,
  scope: { readonly family: string; readonly existing: readonly EndpointSlice[] },
): SliceChanges & { readonly problem: string | undefined } {
  const { family, existing } = scope;
  const sliceOf = (part: PortGroup, old: EndpointSlice | undefined): EndpointSlice =>
    sliceObject(input, { family, part, old });
  const { groups, problem } = withZones(portGroups(input, family), input);
  const keyOf = ({ targetRef }: Endpoint): string => targetRef?.uid ?? '';
  if (groups.length > 0) return { ...distribute(groups, existing, { keyOf, sliceOf, isSame: sameSlice }), problem };
  // A Service without endpoints keeps one empty slice, which says that there are none.
  const [old, ...others] = existing;
  const empty = sliceOf({ ports: [], endpoints: [] }, old);
  if (old === undefined) return { create: [empty], update: [], remove: [], problem };
  return { create: [], update: sameSlice(old, empty) ? [] : [empty], remove: others, problem };
}

/** The groups with a zone for each ready endpoint, if the Service asks for that and it can be said; hints of zones that cannot are none. */
function withZones(
  groups: readonly PortGroup[],
  { service, shares }: SlicesInput,
): { readonly groups: readonly PortGroup[]; readonly problem: string | undefined } {
  if (!isByProcessors(service)) return { groups, problem: undefined };
  const isReady = ({ conditions }: Endpoint): boolean => conditions?.ready === true;
  const ready = groups.flatMap(({ endpoints }) => endpoints.filter(isReady));
  const shared = shareOut(ready, shares);
  if (shared.problem !== undefined) return { groups, problem: shared.problem };
  const zones = new Map(ready.map((endpoint, index) => [endpoint, shared.zones[index]] as const));
  const hinted = (endpoint: Endpoint): Endpoint => {
    const zone = zones.get(endpoint);
    return zone === undefined ? endpoint : { ...endpoint, hints: { forZones: [{ name: zone }] } };
  };
  return {
    groups: groups.map((group) => ({ ...group, endpoints: group.endpoints.map(hinted) })),
    problem: undefined,
  };
}

/** Endpoints by the ports they have: pods may give different numbers to one named port. */
function portGroups(input: SlicesInput, family: string): readonly PortGroup[] {
  const groups = new Map<string, { readonly ports: readonly EndpointPort[]; readonly endpoints: Endpoint[] }>();
  for (const pod of input.pods) {
    if (!canBeEndpoint(pod, { includeTerminating: true }) || isOnLostNode(input, pod)) continue;
    const address = podAddress(pod, family);
    if (address === undefined) continue;
    const ports = portsOn(input.service, pod);
    const key = JSON.stringify(ports);
    const group = groups.get(key) ?? { ports, endpoints: [] };
    groups.set(key, group);
    group.endpoints.push(withHints(endpointOf(input, pod, address), input.service));
  }
  return [...groups.values()];
}

/** Whether a pod is bound to a node that is not there, and nobody wants it published all the same. */
function isOnLostNode({ service, nodeOf }: SlicesInput, { spec }: Pod): boolean {
  if (!spec?.nodeName || service.spec?.publishNotReadyAddresses === true) return false;
  return nodeOf(spec.nodeName) === undefined;
}

function portsOn(service: Service, pod: Pod): readonly EndpointPort[] {
  return (service.spec?.ports ?? []).flatMap((port) => {
    const number = targetPort(pod, port);
    if (number === undefined) return [];
    const { name = '', protocol = 'TCP', appProtocol } = port;
    return [{ name, protocol, port: number, ...(appProtocol === undefined ? {} : { appProtocol }) }];
  });
}

function endpointOf(input: SlicesInput, pod: Pod, address: string): Endpoint {
  const serving = isPodReady(pod);
  const terminating = pod.metadata?.deletionTimestamp !== undefined;
  const ready = input.service.spec?.publishNotReadyAddresses === true || (serving && !terminating);
  const { name = '', namespace = '', uid = '' } = pod.metadata ?? {};
  const nodeName = pod.spec?.nodeName;
  const zone = nodeName ? input.nodeOf(nodeName)?.metadata?.labels?.[zoneLabel] : undefined;
  const hostname = endpointHostname(pod, input.service);
  return {
    addresses: [address],
    conditions: { ready, serving, terminating },
    ...(hostname === undefined ? {} : { hostname }),
    targetRef: { kind: 'Pod', namespace, name, uid },
    ...(nodeName ? { nodeName } : {}),
    ...(zone === undefined ? {} : { zone }),
  };
}

function sliceObject(
  input: SlicesInput,
  slice: { readonly family: string; readonly part: PortGroup; readonly old: EndpointSlice | undefined },
): EndpointSlice {
  const { service } = input;
  const { name = '', namespace = '' } = service.metadata ?? {};
  const { annotations: old, ...metadata } = slice.old?.metadata ?? { generateName: `${name}-`, namespace };
  const annotations = withTriggerTime(old, input.triggerTime);
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      ...metadata,
      labels: {
        ...inheritedLabels(service),
        [serviceNameLabel]: name,
        [managedByLabel]: managerName,
      },
      ...(annotations === undefined ? {} : { annotations }),
      ownerReferences: [controllerReference(service, services)],
    },
    addressType: slice.family,
    endpoints: slice.part.endpoints,
    ports: slice.part.ports,
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
