/** The subsets of an Endpoints object from a Service and its pods. Pure. Upstream counterpart: `endpoints_controller.go`. */

import { isPodReady } from '#pkg/api/core/pod.ts';
import type { EndpointAddress, EndpointPort, EndpointSubset, Pod, Service } from '#pkg/api/types/core-v1.ts';
import {
  addressFamilies,
  canBeEndpoint,
  endpointHostname,
  isHeadless,
  podAddress,
  targetPort,
} from '../endpointslice/service-pods.ts';

/** Most addresses in one Endpoints object; more are left out and an annotation says so. */
const addressesMax = 1_000;

/** The subsets, and whether there are more addresses than one object may have. */
export interface Subsets {
  readonly subsets: readonly EndpointSubset[];
  readonly isTruncated: boolean;
}

interface Entry {
  readonly address: EndpointAddress;
  readonly isReady: boolean;
  readonly ports: readonly EndpointPort[];
}

/** Addresses grouped by the ports they have, each in order. */
export function endpointSubsets(service: Service, pods: readonly Pod[]): Subsets {
  const entries = pods.flatMap((pod) => entryOf(service, pod) ?? []);
  const isTruncated = entries.length > addressesMax;
  // Ready ones are worth more than others.
  const kept = isTruncated
    ? [...entries].sort((a, b) => Number(b.isReady) - Number(a.isReady)).slice(0, addressesMax)
    : entries;
  const groups = new Map<string, Entry[]>();
  for (const entry of kept) {
    const key = JSON.stringify(entry.ports);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [entry]);
    else group.push(entry);
  }
  const keys = [...groups.keys()].sort();
  return { subsets: keys.map((key) => subsetOf(groups.get(key)!)), isTruncated };
}

function subsetOf(entries: readonly Entry[]): EndpointSubset {
  const addresses = (isReady: boolean): readonly EndpointAddress[] =>
    entries
      .filter((entry) => entry.isReady === isReady)
      .map((entry) => entry.address)
      .sort((a, b) => (a.ip < b.ip ? -1 : 1));
  const [ready, notReady] = [addresses(true), addresses(false)];
  const ports = entries[0]!.ports;
  return {
    ...(ready.length === 0 ? {} : { addresses: ready }),
    ...(notReady.length === 0 ? {} : { notReadyAddresses: notReady }),
    ...(ports.length === 0 ? {} : { ports }),
  };
}

function entryOf(service: Service, pod: Pod): Entry | undefined {
  const publishNotReady = service.spec?.publishNotReadyAddresses === true;
  const ip = podAddress(pod, addressFamilies(service)[0]!);
  if (ip === undefined || !canBeEndpoint(pod, { includeTerminating: publishNotReady })) return undefined;
  const wanted = service.spec?.ports ?? [];
  const ports = wanted.flatMap((port): EndpointPort[] => {
    const number = targetPort(pod, port);
    if (number === undefined) return [];
    const { name, protocol = 'TCP', appProtocol } = port;
    return [
      {
        ...(name ? { name } : {}),
        port: number,
        protocol,
        ...(appProtocol === undefined ? {} : { appProtocol }),
      },
    ];
  });
  if (ports.length === 0 && (wanted.length > 0 || !isHeadless(service))) return undefined;
  const { name = '', namespace = '', uid = '' } = pod.metadata ?? {};
  const hostname = endpointHostname(pod, service);
  const address: EndpointAddress = {
    ip,
    ...(hostname === undefined ? {} : { hostname }),
    ...(pod.spec?.nodeName ? { nodeName: pod.spec.nodeName } : {}),
    targetRef: { kind: 'Pod', namespace, name, uid },
  };
  return { address, isReady: publishNotReady || isPodReady(pod), ports };
}
