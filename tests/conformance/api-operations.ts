/**
 * What "supports API operations" means for a resource: it is in the discovery documents, and create, get, list, watch, patch, update, delete and
 * deletecollection do what they say, as do the operations on `status` where there is one.
 */
import { expect } from 'vitest';
import { type ResourceInfo, resourceOfKind } from '#pkg/api/resources.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import type { Stage } from './behaviour.ts';
import { observe } from './observe.ts';
import { rewrite } from './rewrite.ts';

export interface Operations {
  /** An object the server accepts; its name and namespace are set here. */
  readonly object: KubeObject & JsonObject;
  /** A merge patch of the status, and what must be there afterwards. */
  readonly status?: JsonObject;
  /** Annotations can be changed through `status` too. */
  readonly statusTakesAnnotations?: boolean;
  /** Further subresources that hold the object itself. */
  readonly approvals?: readonly string[];
  /** Objects have finalizers or grace, so that a deleted one may still be seen for a while. */
  readonly lingers?: boolean;
}

/** Holds that the resource of an object supports the API's operations. */
export async function supportsApiOperations(stage: Stage, operations: Operations): Promise<void> {
  const { object } = operations;
  const info = resourceOfKind(object.apiVersion ?? '', object.kind ?? '');
  if (info === undefined) throw new Error(`Cannot test ${object.kind} as there is no such resource`);
  await isDiscovered(stage, info, operations);
  await objectsCanBeChanged(stage, info, operations);
}

/** Holds that the discovery documents name a resource, each at its level. */
export async function isDiscovered(stage: Stage, info: ResourceInfo, operations?: Operations): Promise<void> {
  const { group, version, resource } = info;
  const groupVersion = group === '' ? version : `${group}/${version}`;
  if (group !== '') {
    const groups = await stage.request('GET', '/apis');
    const found = (groups.body['groups'] as unknown as { name: string; versions: unknown[] }[]).find(
      ({ name }) => name === group,
    );
    expect(found?.versions).toContainEqual({ groupVersion, version });
    const one = await stage.request('GET', `/apis/${group}`);
    expect(one.body).toMatchObject({ kind: 'APIGroup', name: group });
    expect(one.body['versions']).toContainEqual({ groupVersion, version });
  }
  const document = await stage.request('GET', group === '' ? `/api/${version}` : `/apis/${groupVersion}`);
  expect(document.body).toMatchObject({ kind: 'APIResourceList', groupVersion });
  const names = (document.body['resources'] as unknown as { name: string; kind: string }[]).map(({ name }) => name);
  expect(names).toContain(resource);
  if (operations?.status !== undefined) expect(names).toContain(`${resource}/status`);
  for (const name of operations?.approvals ?? []) expect(names).toContain(`${resource}/${name}`);
}

async function objectsCanBeChanged(stage: Stage, info: ResourceInfo, operations: Operations): Promise<void> {
  const { object, status, lingers = false } = operations;
  const client = stage.of<KubeObject>(info as never);
  const inNamespace = info.namespaced ? { namespace: stage.namespace } : {};
  const labelSelector = 'conformance=operations';
  const make = (name: string): KubeObject => ({
    ...object,
    metadata: { ...object.metadata, name, ...inNamespace, labels: { conformance: 'operations' } },
  });
  const names = async (options = {}): Promise<readonly string[]> => {
    const { items } = await client.list({ labelSelector, ...options });
    return items
      .filter(({ metadata }) => metadata?.deletionTimestamp === undefined)
      .map(({ metadata }) => metadata!.name!);
  };
  const { metadata: start } = await client.list({ ...inNamespace });
  const created = await client.create(make('first'));
  for (const name of ['second', 'third']) await client.create(make(name));
  expect(await client.get('first', inNamespace)).toMatchObject({ metadata: { uid: created.metadata?.uid } });
  expect(await names(inNamespace)).toEqual(['first', 'second', 'third']);
  expect(await names()).toEqual(['first', 'second', 'third']);
  const resourceVersion = start?.resourceVersion ?? '';
  const observer = observe(stage, info as never, { ...inNamespace, labelSelector, resourceVersion });
  await observer.saw('ADDED', ({ metadata }) => metadata?.name === 'third');

  const patched = await client.patch(
    'first',
    { metadata: { annotations: { patched: 'true' } } },
    { ...inNamespace, type: 'merge' },
  );
  expect(patched.metadata?.annotations).toMatchObject({ patched: 'true' });
  const updated = await rewrite(client, 'first', { ...inNamespace, change: annotated('updated') });
  expect(updated.metadata?.annotations).toMatchObject({ patched: 'true', updated: 'true' });
  await observer.saw('MODIFIED', (seen) => seen.metadata?.annotations?.['patched'] === 'true');
  await observer.saw('MODIFIED', (seen) => seen.metadata?.annotations?.['updated'] === 'true');
  if (status !== undefined) await statusCanBeChanged(stage, info, operations);
  for (const subresource of operations.approvals ?? []) await annotationsPass(stage, info, subresource);

  await client.delete('first', inNamespace);
  if (!lingers) await expect(client.get('first', inNamespace)).rejects.toSatisfy(isNotFound);
  expect(await names(inNamespace)).toEqual(['second', 'third']);
  if (!lingers) await observer.saw('DELETED', (seen) => seen.metadata?.name === 'first');
  await client.deleteCollection({ ...inNamespace, labelSelector });
  expect(await names(inNamespace)).toEqual([]);
  await observer.stop();
}

async function statusCanBeChanged(stage: Stage, info: ResourceInfo, operations: Operations): Promise<void> {
  const client = stage.of<KubeObject & { readonly status?: unknown }>(info as never);
  const inNamespace = info.namespaced ? { namespace: stage.namespace } : {};
  const subresource = 'status';
  const { status = {} } = operations;
  // Controllers add conditions of their own, and the server fields.
  const { conditions } = status;
  const there = Array.isArray(conditions) ? conditions.map((one) => expect.objectContaining(one)) : undefined;
  const wanted = { status: there === undefined ? status : { ...status, conditions: expect.arrayContaining(there) } };
  const patched = await client.patch('first', { status }, { ...inNamespace, type: 'merge', subresource });
  expect(patched).toMatchObject(wanted);
  expect(await client.get('first', { ...inNamespace, subresource })).toMatchObject(wanted);
  const same = { ...inNamespace, subresource, change: (current: KubeObject) => current };
  expect(await rewrite(client, 'first', same)).toMatchObject(wanted);
  if (operations.statusTakesAnnotations === true) await annotationsPass(stage, info, subresource);
}

/** Holds that annotations can be patched and updated through a subresource. */
async function annotationsPass(stage: Stage, info: ResourceInfo, subresource: string): Promise<void> {
  const client = stage.of<KubeObject>(info as never);
  const inNamespace = info.namespaced ? { namespace: stage.namespace } : {};
  const [patch, update] = [`patched-${subresource}`, `updated-${subresource}`];
  const body = { metadata: { annotations: { [patch]: 'true' } } };
  const patched = await client.patch('first', body, { ...inNamespace, type: 'merge', subresource });
  expect(patched.metadata?.annotations).toMatchObject({ [patch]: 'true' });
  const updated = await rewrite(client, 'first', { ...inNamespace, subresource, change: annotated(update) });
  expect(updated.metadata?.annotations).toMatchObject({ [patch]: 'true', [update]: 'true' });
}

/** Adds an annotation. */
function annotated(name: string): (current: KubeObject) => KubeObject {
  return (current) => {
    const annotations = { ...current.metadata?.annotations, [name]: 'true' };
    return { ...current, metadata: { ...current.metadata, annotations } };
  };
}
