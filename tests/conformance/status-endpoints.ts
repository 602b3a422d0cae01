/** What the `scale` and `status` subresources of workloads must do. */
import { expect } from 'vitest';
import type { JsonObject, KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import type { Stage } from './behaviour.ts';
import { rewrite } from './rewrite.ts';

/** Holds that scale can be read, updated to 2 and patched to 4 from 1. */
export async function workingScale(stage: Stage, object: string): Promise<void> {
  const path = `${object}/scale`;
  const scale = await stage.request('GET', path);
  expect(scale.body).toMatchObject({ kind: 'Scale', apiVersion: 'autoscaling/v1', spec: { replicas: 1 } });
  // Without a resourceVersion, as upstream's test has it: the controller may write the object's status meanwhile.
  const { resourceVersion: _, ...metadata } = (scale.body as KubeObject).metadata ?? {};
  const body = { ...(scale.body as JsonObject), metadata, spec: { replicas: 2 } } as JsonObject;
  const updated = await stage.request('PUT', path, { body });
  expect(updated.body).toMatchObject({ spec: { replicas: 2 } });
  expect((await stage.request('GET', object)).body).toMatchObject({ spec: { replicas: 2 } });
  const headers = { 'content-type': 'application/strategic-merge-patch+json' };
  const patched = await stage.request('PATCH', path, { headers, body: { spec: { replicas: 4 } } });
  expect(patched.body).toMatchObject({ spec: { replicas: 4 } });
  expect((await stage.request('GET', object)).body).toMatchObject({ spec: { replicas: 4 } });
}

type WithStatus = KubeObject & { readonly status?: { readonly conditions?: readonly { readonly type: string }[] } };

/** Holds that the status can be read, updated and patched, and that each write is seen by the next read. */
export async function statusEndpoints<T extends KubeObject>(
  stage: Stage,
  ref: ResourceRef<T>,
  name: string,
): Promise<void> {
  const client = stage.of(ref as unknown as ResourceRef<WithStatus>);
  const options = { namespace: stage.namespace, subresource: 'status' };
  const condition = (type: string) => ({ type, status: 'True', reason: 'E2E', message: 'Set from an e2e test' });
  const updated = await rewrite(client, name, {
    ...options,
    change: (current) => {
      const conditions = [...(current.status?.conditions ?? []), condition('StatusUpdate')];
      return { ...current, status: { ...current.status, conditions } };
    },
  });
  expect(updated.status?.conditions).toContainEqual(expect.objectContaining(condition('StatusUpdate')));
  const patch: JsonObject = { status: { conditions: [condition('StatusPatched')] } };
  const patched = await client.patch(name, patch, { ...options, type: 'merge' });
  expect(patched.status?.conditions).toEqual([expect.objectContaining(condition('StatusPatched'))]);
}
