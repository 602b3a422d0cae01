/**
 * What there is once controllers have nothing left to do, without what differs from run to run: times, ids, versions, addresses, nodes, and the parts of
 * names that are chosen or computed. Two states that say the same are equal texts.
 */

import {
  clusterRoles,
  controllerRevisions,
  cronJobs,
  daemonSets,
  deployments,
  endpointSlices,
  endpoints,
  jobs,
  namespaces,
  persistentVolumeClaims,
  persistentVolumes,
  podDisruptionBudgets,
  pods,
  replicaSets,
  replicationControllers,
  resourceQuotas,
  serviceAccounts,
  statefulSets,
} from '#pkg/api/types/refs.ts';
import type { KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import type { Client } from '#pkg/client/client.ts';

const compared: readonly ResourceRef[] = [
  clusterRoles,
  controllerRevisions,
  cronJobs,
  daemonSets,
  deployments,
  endpointSlices,
  endpoints,
  jobs,
  namespaces,
  persistentVolumeClaims,
  persistentVolumes,
  podDisruptionBudgets,
  pods,
  replicaSets,
  replicationControllers,
  resourceQuotas,
  serviceAccounts,
  statefulSets,
];

const dropped = new Set([
  'uid',
  'generation',
  'observedGeneration',
  'resourceVersion',
  'creationTimestamp',
  'managedFields',
  'nodeName',
  'hostIP',
  'hostIPs',
  'podIP',
  'podIPs',
  'addresses',
  'ip',
  'clusterIP',
  'clusterIPs',
  'containerID',
  'imageID',
  'containerStatuses',
  'controller-uid',
  'batch.kubernetes.io/controller-uid',
  'endpoints.kubernetes.io/last-change-trigger-time',
]);
const isTime = (key: string): boolean => /(Time|Timestamp|At)$/.test(key);
const hashKeys = ['pod-template-hash', 'controller-revision-hash', 'controller.kubernetes.io/hash'];
/** Of such lists the order says nothing. */
const unordered = new Set(['endpoints', 'conditions', 'volumes']);

function without(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(without);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value)
    .filter(([key]) => !dropped.has(key) && !isTime(key))
    .map(([key, inner]) => [key, unordered.has(key) ? inOrder(without(inner)) : without(inner)] as const)
    .filter(([, inner]) => inner !== null && !(typeof inner === 'object' && Object.keys(inner ?? {}).length === 0));
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function inOrder(value: unknown): unknown {
  if (!Array.isArray(value)) return value;
  return value.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

/** Hashes that labels of the objects name, each of which stands in other names too. */
function hashesOf(objects: readonly KubeObject[]): readonly string[] {
  const found = new Set<string>();
  for (const { metadata } of objects)
    for (const key of hashKeys) {
      const value = metadata?.labels?.[key];
      if (value !== undefined) found.add(value.slice(value.lastIndexOf('-') + 1));
    }
  return [...found];
}

/** `Kind namespace/name` and the object, a line each, in order. Of pods that a controller made the end of the name is left out. */
export async function endState(client: Client): Promise<readonly string[]> {
  const all: (readonly [ResourceRef, KubeObject])[] = [];
  for (const ref of compared) {
    const { items } = await client.resource(ref).list();
    for (const item of items) if (isCompared(item)) all.push([ref, item]);
  }
  const hashes = hashesOf(all.map(([, object]) => object));
  const chosen = all
    .map(([, { metadata }]) => metadata)
    .filter((metadata) => metadata?.generateName !== undefined && !metadata.labels?.['apps.kubernetes.io/pod-index'])
    .map((metadata) => metadata?.name ?? '');
  return all
    .map(([ref, object]) => {
      const shown = JSON.stringify(without(object)).replaceAll(/kube-api-access-[a-z0-9]{5}/g, 'kube-api-access-*');
      let text = `${ref.kind} ${object.metadata?.name} ${shown}`;
      for (const name of chosen) text = text.replaceAll(name, `${name.slice(0, -5)}*`);
      for (const hash of hashes) text = text.replaceAll(hash, 'HASH');
      return text;
    })
    .toSorted();
}

function isCompared({ metadata }: KubeObject): boolean {
  const { name = '', namespace } = metadata ?? {};
  return namespace === 'compared' || (namespace === undefined && /^(compared|goes)/.test(name));
}
