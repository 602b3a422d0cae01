/** Which resources a server serves, asked from its discovery documents: what walks over all of them starts here. */
import type { GroupVersionResource, JsonObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import { parseApiVersion } from '#pkg/apimachinery/object.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import { neverAborted } from '#pkg/base/async.ts';
import { bodyObject } from './body-object.ts';
import type { Client } from './client.ts';
import { errorOf } from './rest-client.ts';

/** A resource and what can be done with it. */
export interface DiscoveredResource {
  readonly ref: ResourceRef;
  readonly verbs: readonly string[];
}

/** What the server serves, as far as it could be asked. */
export interface Discovery {
  /** Each resource once, in the version that its group prefers; no subresources. */
  readonly resources: readonly DiscoveredResource[];
  /** Versions that could not be asked. What they serve is not known. */
  readonly failures: readonly { readonly groupVersion: string; readonly error: unknown }[];
}

interface ApiResourceList {
  readonly groupVersion: string;
  readonly resources?: readonly {
    readonly name: string;
    readonly kind: string;
    readonly namespaced?: boolean;
    readonly verbs?: readonly string[];
    readonly group?: string;
    readonly version?: string;
  }[];
}

interface ApiGroupList {
  readonly groups?: readonly {
    readonly name: string;
    readonly versions?: readonly { readonly groupVersion: string }[];
    readonly preferredVersion?: { readonly groupVersion: string };
  }[];
}

/** Asks for all resources. Rejects only when the list of groups cannot be had. */
export async function discoverResources(client: Client, signal?: AbortSignal): Promise<Discovery> {
  const groups = await getJson<ApiGroupList>(client, '/apis', signal);
  const versions = ['v1'];
  for (const group of groups.groups ?? []) {
    const preferred = group.preferredVersion?.groupVersion;
    if (preferred !== undefined) versions.push(preferred);
    for (const { groupVersion } of group.versions ?? []) if (groupVersion !== preferred) versions.push(groupVersion);
  }
  const found = new Map<string, DiscoveredResource>();
  const failures: Discovery['failures'][number][] = [];
  for (const groupVersion of versions) {
    try {
      const path = groupVersion.includes('/') ? `/apis/${groupVersion}` : `/api/${groupVersion}`;
      const list = await getJson<ApiResourceList>(client, path, signal);
      for (const resource of resourcesOf(list, groupVersion)) {
        const name = groupResource(resource.ref);
        if (!found.has(name)) found.set(name, resource);
      }
    } catch (error) {
      signal?.throwIfAborted();
      failures.push({ groupVersion, error });
    }
  }
  return { resources: [...found.values()], failures };
}

/** The resource of a kind in one version, as the server has it; undefined where there is none. */
export async function findResource(client: Client, apiVersion: string, kind: string): Promise<ResourceRef | undefined> {
  const path = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  let list: ApiResourceList;
  try {
    list = await getJson<ApiResourceList>(client, path, undefined);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
  return resourcesOf(list, apiVersion).find(({ ref }) => ref.kind === kind)?.ref;
}

/** The kind of a resource in one version, as the server has it; undefined where it serves no such resource. */
export async function findKind(client: Client, apiVersion: string, resource: string): Promise<string | undefined> {
  const path = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const list = await getJson<ApiResourceList>(client, path, undefined);
  return resourcesOf(list, apiVersion).find(({ ref }) => ref.resource === resource)?.ref.kind;
}

/** A document of the server by its address, which may have a query. Rejects with what the server refuses it with. */
export function getDocument(client: Client, address: string): Promise<JsonObject> {
  return getJson<JsonObject>(client, address, undefined);
}

/** `deployments.apps`, or `pods` for the core group. */
export function groupResource(resource: GroupVersionResource): string {
  return resource.group === '' ? resource.resource : `${resource.resource}.${resource.group}`;
}

/** What was read of a document, which a server in this process answers as it is for as long as nothing changes. */
const read = new WeakMap<ApiResourceList, readonly DiscoveredResource[]>();

function resourcesOf(list: ApiResourceList, groupVersion: string): readonly DiscoveredResource[] {
  let resources = read.get(list);
  if (resources === undefined) {
    resources = resourcesIn(list, groupVersion);
    read.set(list, resources);
  }
  return resources;
}

function resourcesIn(list: ApiResourceList, groupVersion: string): readonly DiscoveredResource[] {
  const own = parseApiVersion(groupVersion);
  if (own === undefined) return [];
  return (list.resources ?? [])
    .filter((resource) => !resource.name.includes('/'))
    .map((resource) => ({
      ref: { ...own, resource: resource.name, kind: resource.kind, namespaced: resource.namespaced === true },
      verbs: resource.verbs ?? [],
    }));
}

/** What the server answers at a path, with its query if it has one. Throws what it says where it refuses. */
export async function getJson<T>(client: Client, address: string, signal: AbortSignal | undefined): Promise<T> {
  const [path = '', query = ''] = address.split('?');
  const response = await client.transport.request({
    method: 'GET',
    path,
    query,
    headers: { accept: 'application/json' },
    peer: { address: '' },
    signal: signal ?? neverAborted,
  });
  if (response.status !== 200) throw await errorOf(response);
  return (await bodyObject(response)) as T;
}
