/** Namespaces: their status, finalizers, and what their deletion takes along, in which order. */
import { expect } from 'vitest';
import { configMaps, namespaces, pods, services } from '#pkg/api/types/refs.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import { behaviour, type Stage } from './behaviour.ts';
import { configMap, container } from './objects.ts';

const area = '[sig-api-machinery] Namespaces [Serial]';

const create = (stage: Stage, name: string, labels = {}) =>
  stage.of(namespaces).create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });

const gone = (stage: Stage, name: string) =>
  stage
    .of(namespaces)
    .get(name)
    .then(
      () => false,
      (error: unknown) => {
        if (isNotFound(error)) return true;
        throw error;
      },
    );

behaviour(`${area} should apply a finalizer to a Namespace`, async (stage) => {
  const name = 'finalized';
  const created = await create(stage, name);
  const finalizers = [...created.spec!.finalizers!, 'e2e.example.com/fake-finalizer'];
  const finalize = async (list: readonly string[]) => {
    const current = await stage.of(namespaces).get(name);
    const path = `/api/v1/namespaces/${name}/finalize`;
    const answer = await stage.request('PUT', path, { body: { ...current, spec: { finalizers: list } } });
    expect(answer.status).toBe(200);
    return (await stage.of(namespaces).get(name)).spec?.finalizers;
  };
  expect(await finalize(finalizers)).toEqual(finalizers);
  expect(await finalize(created.spec!.finalizers!)).toEqual(['kubernetes']);
});

behaviour(`${area} should apply an update to a Namespace`, async (stage) => {
  const current = await create(stage, 'updated');
  const labels = { ...current.metadata?.labels, updated: 'true' };
  const updated = await stage.of(namespaces).update({ ...current, metadata: { ...current.metadata, labels } });
  expect(updated.metadata?.labels).toEqual({ 'kubernetes.io/metadata.name': 'updated', updated: 'true' });
});

behaviour(`${area} should patch a Namespace`, async (stage) => {
  await create(stage, 'patched');
  await stage
    .of(namespaces)
    .patch('patched', { metadata: { labels: { testLabel: 'testValue' } } }, { type: 'strategic' });
  expect((await stage.of(namespaces).get('patched')).metadata?.labels).toMatchObject({ testLabel: 'testValue' });
});

behaviour(`${area} should apply changes to a namespace status`, async (stage) => {
  await create(stage, 'statuses');
  const client = stage.of(namespaces);
  const subresource = 'status';
  expect((await client.get('statuses', { subresource })).status?.phase).toBe('Active');
  const condition = { type: 'StatusPatch', status: 'True', reason: 'E2E', message: 'Patched by an e2e test' };
  const body = { metadata: { annotations: { patched: 'true' } }, status: { conditions: [condition] } };
  const patched = await client.patch('statuses', body, { type: 'merge', subresource });
  expect(patched.status?.conditions).toEqual([expect.objectContaining(condition)]);
  const next = { type: 'StatusUpdate', status: 'True', reason: 'E2E', message: 'Updated by an e2e test' } as const;
  const current = await client.get('statuses', { subresource });
  const conditions = [...(current.status?.conditions ?? []), next];
  const updated = await client.update({ ...current, status: { ...current.status, conditions } }, { subresource });
  expect(updated.status?.conditions?.map(({ type }) => type)).toEqual(['StatusPatch', 'StatusUpdate']);
});

behaviour(`${area} should ensure that all pods are removed when a namespace is deleted`, async (stage) => {
  await create(stage, 'doomed');
  await stage.cluster.until(
    async () => (await stage.request('GET', '/api/v1/namespaces/doomed/serviceaccounts/default')).status === 200,
  );
  const metadata = { name: 'test-pod', namespace: 'doomed' };
  await stage.of(pods).create({ apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers: [container] } });
  await stage.cluster.until(() => stage.cluster.pods('doomed')[0]?.status?.phase === 'Running');
  await stage.of(namespaces).delete('doomed');
  await stage.cluster.until(() => gone(stage, 'doomed'));
  await create(stage, 'doomed');
  expect((await stage.of(pods).list({ namespace: 'doomed' })).items).toEqual([]);
});

behaviour(`${area} should ensure that all services are removed when a namespace is deleted`, async (stage) => {
  await create(stage, 'doomed');
  const spec = { selector: { foo: 'bar' }, ports: [{ port: 80, targetPort: 80 }] };
  const metadata = { name: 'test-service', namespace: 'doomed' };
  await stage.of(services).create({ apiVersion: 'v1', kind: 'Service', metadata, spec });
  await stage.of(namespaces).delete('doomed');
  await stage.cluster.until(() => gone(stage, 'doomed'));
  await create(stage, 'doomed');
  await expect(stage.of(services).get('test-service', { namespace: 'doomed' })).rejects.toSatisfy(isNotFound);
});

behaviour('[sig-api-machinery] OrderedNamespaceDeletion namespace deletion should delete pod first', async (stage) => {
  const finalizer = 'e2e.example.com/finalizer';
  await create(stage, 'ordered');
  await stage.cluster.until(
    async () => (await stage.request('GET', '/api/v1/namespaces/ordered/serviceaccounts/default')).status === 200,
  );
  const metadata = { name: 'test-pod', namespace: 'ordered', finalizers: [finalizer] };
  await stage.of(pods).create({ apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers: [container] } });
  await stage.of(configMaps).create(configMap('test-configmap', { key: 'value' }, { namespace: 'ordered' }));
  await stage.of(namespaces).delete('ordered');
  await stage.cluster.until(async () => {
    const { metadata } = await stage.of(pods).get('test-pod', { namespace: 'ordered' });
    return metadata?.deletionTimestamp !== undefined;
  });
  await stage.cluster.advance(60_000);
  const held = await stage.of(namespaces).get('ordered');
  expect(held.status?.phase).toBe('Terminating');
  const conditions = held.status?.conditions?.filter(({ status }) => status === 'True').map(({ type }) => type);
  expect(conditions).toEqual(expect.arrayContaining(['NamespaceContentRemaining', 'NamespaceFinalizersRemaining']));
  expect((await stage.of(configMaps).get('test-configmap', { namespace: 'ordered' })).metadata?.deletionTimestamp).toBe(
    undefined,
  );
  const options = { namespace: 'ordered', type: 'merge' } as const;
  await stage.of(pods).patch('test-pod', { metadata: { finalizers: null } }, options);
  await stage.cluster.until(() => gone(stage, 'ordered'));
});
