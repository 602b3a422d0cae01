/**
 * The documents of discovery, made of what is served. Pure.
 * Sources: API reference, `APIGroupList`, `APIResourceList`; KEP-3352 (aggregated discovery).
 */
import { createHash } from 'node:crypto';
import type { SubresourceInfo } from '#pkg/api/resources.ts';
import { apiVersionOf } from '#pkg/apimachinery/object.ts';
import type { RemoteVersion } from '../aggregation.ts';
import { compareVersions } from '../conversion.ts';
import type { ServedInfo } from '../definition.ts';
import { isFresh, remoteDiscovery } from './remote-discovery.ts';

/** Groups in the order upstream gives them. Others come after, by name. Source: `pkg/controlplane/apiserver/aggregator.go`. */
const groupOrder: readonly string[] = [
  '',
  'apiregistration.k8s.io',
  'apps',
  'events.k8s.io',
  'authentication.k8s.io',
  'authorization.k8s.io',
  'autoscaling',
  'batch',
  'certificates.k8s.io',
  'networking.k8s.io',
  'policy',
  'rbac.authorization.k8s.io',
  'storage.k8s.io',
  'admissionregistration.k8s.io',
  'apiextensions.k8s.io',
  'scheduling.k8s.io',
  'coordination.k8s.io',
  'node.k8s.io',
  'discovery.k8s.io',
  'flowcontrol.apiserver.k8s.io',
  'internal.apiserver.k8s.io',
  'resource.k8s.io',
  'storagemigration.k8s.io',
];

/** One served group: its versions, the preferred one first, each with its resources by name. */
export interface ServedGroup {
  readonly group: string;
  readonly versions: readonly ServedVersion[];
}

/** One version of a group. */
export interface ServedVersion {
  readonly version: string;
  readonly resources: readonly ServedInfo[];
  /** What is known of it where another server answers for it; `resources` is empty then. */
  readonly remote?: RemoteVersion;
}

function rankOf(group: string): number {
  const rank = groupOrder.indexOf(group);
  return rank < 0 ? groupOrder.length : rank;
}

/** Whether a group is one of Kubernetes itself, in whose place nothing else comes. */
export function isBuiltInGroup(group: string): boolean {
  return groupOrder.includes(group);
}

function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Orders what is served as clients are to see it. */
export function servedGroups(resources: readonly ServedInfo[]): readonly ServedGroup[] {
  const groups = new Map<string, Map<string, ServedInfo[]>>();
  for (const info of resources) {
    const versions = groups.get(info.group) ?? new Map<string, ServedInfo[]>();
    groups.set(info.group, versions);
    versions.set(info.version, [...(versions.get(info.version) ?? []), info]);
  }
  return [...groups]
    .sort(([a], [b]) => rankOf(a) - rankOf(b) || byText(a, b))
    .map(([group, versions]) => ({
      group,
      versions: [...versions]
        .sort(([a], [b]) => compareVersions(b, a))
        .map(([version, infos]) => ({
          version,
          resources: infos.toSorted((a, b) => byText(a.resource, b.resource)),
        })),
    }));
}

/** `/api`. */
export function apiVersions(groups: readonly ServedGroup[]): object {
  const core = groups.find(({ group }) => group === '');
  return {
    kind: 'APIVersions',
    versions: core?.versions.map(({ version }) => version) ?? [],
    serverAddressByClientCIDRs: [],
  };
}

/** `/apis/<group>`; an item of `/apis` without the type. */
export function apiGroup({ group, versions }: ServedGroup): object {
  const named = versions.map(({ version }) => ({ groupVersion: apiVersionOf({ group, version }), version }));
  return { name: group, versions: named, preferredVersion: named[0] };
}

/** `/apis`. */
export function apiGroupList(groups: readonly ServedGroup[]): object {
  const named = groups.filter(({ group }) => group !== '');
  return { kind: 'APIGroupList', apiVersion: 'v1', groups: named.map(apiGroup) };
}

/** `/api/v1`, `/apis/<group>/<version>`. */
export function apiResourceList(group: ServedGroup, version: string): object | undefined {
  const served = group.versions.find((candidate) => candidate.version === version);
  if (served === undefined) return undefined;
  const resources = served.resources.flatMap((info) => [
    apiResource(info),
    ...info.subresources.map((subresource) => apiSubresource(info, subresource)),
  ]);
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: apiVersionOf({ group: group.group, version }),
    resources: resources.sort((a, b) => byText(a.name, b.name)),
  };
}

function apiResource(info: ServedInfo): { readonly name: string } {
  return {
    name: info.resource,
    singularName: info.singular,
    namespaced: info.namespaced,
    kind: info.kind,
    verbs: info.verbs,
    ...(info.shortNames.length === 0 ? {} : { shortNames: info.shortNames }),
    ...(info.categories.length === 0 ? {} : { categories: info.categories }),
    ...(info.verbs.includes('watch') ? { storageVersionHash: storageVersionHash(info) } : {}),
  } as { readonly name: string };
}

function apiSubresource(info: ServedInfo, subresource: SubresourceInfo): { readonly name: string } {
  const isOwn = subresource.group === info.group && subresource.version === info.version;
  return {
    name: `${info.resource}/${subresource.name}`,
    singularName: '',
    namespaced: info.namespaced,
    ...(isOwn ? {} : { group: subresource.group, version: subresource.version }),
    kind: subresource.kind,
    verbs: subresource.verbs,
  } as { readonly name: string };
}

/** Lets clients see that two versions are the same objects. Source: apiserver `discovery.StorageVersionHash`. */
function storageVersionHash({ storedAs: { group, version, kind } }: ServedInfo): string {
  const stored = `${group}/${version}/${kind}`;
  return createHash('sha256').update(stored).digest().subarray(0, 8).toString('base64');
}

/** Versions of the aggregated documents that clients may ask for. */
export type AggregatedVersion = 'v2' | 'v2beta1';

/** `/api` (the core group) or `/apis` (all others), everything in one document. */
export function aggregatedDiscovery(groups: readonly ServedGroup[], version: AggregatedVersion): object {
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: `apidiscovery.k8s.io/${version}`,
    metadata: {},
    items: groups.map(({ group, versions }) => ({
      metadata: group === '' ? {} : { name: group },
      versions: versions.map((served) => ({
        version: served.version,
        resources:
          served.remote === undefined ? served.resources.map(resourceDiscovery) : remoteDiscovery(served.remote),
        freshness: isFresh(served.remote) ? 'Current' : 'Stale',
      })),
    })),
  };
}

function resourceDiscovery(info: ServedInfo): object {
  return {
    resource: info.resource,
    responseKind: { group: info.group, version: info.version, kind: info.kind },
    scope: info.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: info.singular,
    verbs: info.verbs,
    ...(info.shortNames.length === 0 ? {} : { shortNames: info.shortNames }),
    ...(info.categories.length === 0 ? {} : { categories: info.categories }),
    ...(info.subresources.length === 0
      ? {}
      : {
          subresources: info.subresources
            .map(({ name, group, version, kind, verbs }) => ({
              subresource: name,
              responseKind: { group, version, kind },
              verbs,
            }))
            .sort((a, b) => byText(a.subresource, b.subresource)),
        }),
  };
}
