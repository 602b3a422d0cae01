import { expect, test } from 'vitest';
import { customResourceDefinitions, storageVersionMigrations } from '#pkg/api/types/refs.ts';
import type { KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import { startHarness, until } from '../testing/harness.ts';

const boats: ResourceRef<KubeObject> = {
  group: 'example.com',
  version: 'v1',
  resource: 'boats',
  kind: 'Boat',
  namespaced: true,
};

const definition = (stored: string) => ({
  metadata: { name: 'boats.example.com' },
  spec: {
    group: 'example.com',
    names: { plural: 'boats', kind: 'Boat' },
    scope: 'Namespaced' as const,
    versions: ['v1', 'v2'].map((name) => ({
      name,
      served: true,
      storage: name === stored,
      schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
    })),
  },
});

const start = () =>
  startHarness({
    controllers: ['storage-version-migrator-controller'],
    runtimeConfig: { 'storagemigration.k8s.io/v1beta1': true },
    runPods: false,
  });

test('what lies in another version is written anew, once', async () => {
  const harness = await start();
  const { client } = harness;
  await client.resource(customResourceDefinitions).create(definition('v1'));
  await harness.clock.advance(1_000);
  for (const name of ['a', 'b']) await client.resource(boats).create({ metadata: { name, namespace: 'default' } });
  const versions = async () =>
    (await harness.list(boats, 'default')).map(({ metadata }) => metadata?.resourceVersion ?? '');
  const before = await versions();
  await client
    .resource(customResourceDefinitions)
    .patch('boats.example.com', { spec: definition('v2').spec }, { type: 'merge' });
  await harness.clock.advance(1_000);
  await client.resource(boats).create({ metadata: { name: 'c', namespace: 'default' } });
  const migrate = async (name: string, resource = { group: 'example.com', resource: 'boats' }) => {
    const spec = { resource };
    await client.resource(storageVersionMigrations).create({ metadata: { name }, spec });
    const status = async () => (await harness.get(storageVersionMigrations, name))?.status;
    await until(harness, async () => (await status())?.conditions?.some(({ type }) => type === 'Succeeded') === true);
    return status();
  };
  const between = await versions();
  expect(between.slice(0, 2)).toEqual(before);
  expect(await migrate('first')).toMatchObject({
    resourceVersion: expect.stringMatching(/^\d+$/),
    conditions: [
      { type: 'Running', status: 'False' },
      { type: 'Succeeded', status: 'True', reason: 'StorageVersionMigrationSucceeded' },
    ],
  });
  const after = await versions();
  expect(after.map((version, index) => version === between[index])).toEqual([false, false, true]);
  await migrate('second');
  await migrate('core', { group: '', resource: 'namespaces' });
  expect(await versions()).toEqual(after);
  await harness.stop();
});

test('what cannot be migrated fails with a line, and a migration stays as it ended', async () => {
  const harness = await start();
  const resource = harness.client.resource(storageVersionMigrations);
  await resource.create({
    metadata: { name: 'none' },
    spec: { resource: { group: 'example.com', resource: 'boats' } },
  });
  await harness.clock.advance(1_000);
  const ended = await resource.get('none');
  expect(ended.status?.conditions).toMatchObject([
    { type: 'Running', status: 'False' },
    { type: 'Failed', status: 'True', message: 'the server has no resource boats.example.com' },
  ]);
  const again = { ...ended, status: { conditions: [] } };
  await expect(resource.update(again, { subresource: 'status' })).rejects.toThrow(
    'Failed condition cannot be set to false once it is true',
  );
  const other = { spec: { resource: { resource: 'pods' } } };
  await expect(resource.patch('none', other, { type: 'merge' })).rejects.toThrow('spec: Invalid value');
  await expect(
    resource.create({ metadata: { name: 'bad' }, spec: { resource: { group: '', resource: '' } } }),
  ).rejects.toThrow('spec.resource.resource: Required value');
  await harness.stop();
});
