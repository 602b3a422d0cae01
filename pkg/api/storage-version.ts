/**
 * StorageVersions: in which version each API server of a cluster writes the objects of a resource into the store, and which it can read. The table of API
 * facts does not have the kind, which is served only where it is switched on. Pure.
 * Source: `k8s.io/api` `apiserverinternal/v1alpha1`; apiserver `storageversion/updater.go`; KEP-2339.
 */
import { type Condition, setCondition } from '#pkg/apimachinery/conditions.ts';
import type { KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';

/** What one API server says of a resource; versions are `group/version`. */
export interface ServerStorageVersion {
  /** Name of the Lease by which the server says that it is there. */
  readonly apiServerID?: string;
  readonly encodingVersion?: string;
  readonly decodableVersions?: readonly string[];
  readonly servedVersions?: readonly string[];
}

/** One condition of a StorageVersion. */
export interface StorageVersionCondition extends Condition {
  readonly observedGeneration?: number;
}

/** What all servers say. */
export interface StorageVersionStatus {
  readonly storageVersions?: readonly ServerStorageVersion[];
  /** Absent where they do not agree, or there are none. */
  readonly commonEncodingVersion?: string;
  readonly conditions?: readonly StorageVersionCondition[];
}

/** One resource; its name is `<group>.<resource>`. */
export interface StorageVersion extends KubeObject {
  readonly spec?: object;
  readonly status?: StorageVersionStatus;
}

/** Names the resource and its type. */
export const storageVersions: ResourceRef<StorageVersion> = {
  group: 'internal.apiserver.k8s.io',
  version: 'v1alpha1',
  resource: 'storageversions',
  kind: 'StorageVersion',
  namespaced: false,
};

/** What has no group is written so in names. */
const coreGroup = 'core';

/** The name of the StorageVersion of a resource. */
export function storageVersionName({ group, resource }: { readonly group: string; readonly resource: string }): string {
  return `${group === '' ? coreGroup : group}.${resource}`;
}

/** By this label of its Lease an API server is known. */
export const serverLeaseLabel = { key: 'apiserver.kubernetes.io/identity', value: 'kube-apiserver' } as const;

/** The version in which all servers write; undefined where they differ, or there are none. */
export function commonEncodingVersion(servers: readonly ServerStorageVersion[]): string | undefined {
  const [first, ...others] = servers.map((server) => server.encodingVersion ?? '');
  return others.every((other) => other === first) ? first : undefined;
}

/** The status of an object of which these servers speak. Its condition keeps the time of its last transition where it stays; else that is `now`. */
export function withServers(
  { metadata, status }: StorageVersion,
  servers: readonly ServerStorageVersion[],
  now: string,
): StorageVersionStatus {
  const common = commonEncodingVersion(servers);
  const condition: StorageVersionCondition = {
    type: 'AllEncodingVersionsEqual',
    observedGeneration: metadata?.generation ?? 0,
    ...(common === undefined
      ? { status: 'False', reason: 'CommonEncodingVersionUnset', message: 'Common encoding version unset' }
      : { status: 'True', reason: 'CommonEncodingVersionSet', message: 'Common encoding version set' }),
  };
  return {
    storageVersions: servers,
    ...(common === undefined ? {} : { commonEncodingVersion: common }),
    conditions: setCondition(status?.conditions, condition, now),
  };
}
