import { expect, test } from 'vitest';
import { serverLeaseLabel, storageVersions, withServers } from '#pkg/api/storage-version.ts';
import { leases } from '#pkg/api/types/refs.ts';
import { type Harness, startHarness } from '../testing/harness.ts';

const namespace = 'kube-system';

async function start(): Promise<Harness> {
  const runtimeConfig = { 'internal.apiserver.k8s.io/v1alpha1': true };
  const controllers = ['storageversion-garbage-collector-controller'];
  const harness = await startHarness({ controllers, runtimeConfig, runPods: false });
  for (const name of ['server-a', 'server-b']) {
    const labels = { [serverLeaseLabel.key]: serverLeaseLabel.value };
    await harness.client.resource(leases).create({ metadata: { name, namespace, labels }, spec: {} });
  }
  await harness.client.resource(leases).create({ metadata: { name: 'somebody', namespace }, spec: {} });
  await harness.clock.settle();
  return harness;
}

const said = (apiServerID: string, version: string) => ({
  apiServerID,
  encodingVersion: version,
  decodableVersions: [version],
  servedVersions: [version],
});

/** Makes one of which these servers speak. */
async function make({ client, clock }: Harness, name: string, servers: readonly ReturnType<typeof said>[]) {
  const resource = client.resource(storageVersions);
  const made = await resource.create({ metadata: { name }, spec: {} });
  const status = withServers(made, servers, '2026-01-01T00:00:00Z');
  await resource.update({ ...made, status }, { subresource: 'status' });
  await clock.settle();
}

test('what a server that is gone has said goes, and with the last word the object', async () => {
  const harness = await start();
  await make(harness, 'apps.deployments', [said('server-a', 'apps/v1'), said('server-b', 'apps/v2')]);
  await make(harness, 'core.pods', [said('server-b', 'v1')]);
  const statusOf = async (name: string) => (await harness.get(storageVersions, name))?.status;
  expect((await statusOf('apps.deployments'))?.conditions).toMatchObject([{ status: 'False' }]);
  expect((await statusOf('apps.deployments'))?.commonEncodingVersion).toBeUndefined();
  await harness.client.resource(leases).delete('server-b', { namespace });
  await harness.clock.advance(1_000);
  expect(await statusOf('apps.deployments')).toMatchObject({
    storageVersions: [said('server-a', 'apps/v1')],
    commonEncodingVersion: 'apps/v1',
    conditions: [{ type: 'AllEncodingVersionsEqual', status: 'True', reason: 'CommonEncodingVersionSet' }],
  });
  expect(await harness.get(storageVersions, 'core.pods')).toBeUndefined();
  await harness.client.resource(leases).delete('server-a', { namespace });
  await harness.clock.advance(1_000);
  expect(await harness.get(storageVersions, 'apps.deployments')).toBeUndefined();
  await harness.stop();
});

test('who has no Lease of an API server is none, and other Leases go without a consequence', async () => {
  const harness = await start();
  await make(harness, 'batch.jobs', [
    said('server-a', 'batch/v1'),
    said('somebody', 'batch/v1'),
    said('none', 'batch/v1'),
  ]);
  await make(harness, 'batch.cronjobs', [said('somebody', 'batch/v1')]);
  await harness.clock.advance(1_000);
  const left = await harness.get(storageVersions, 'batch.jobs');
  expect(left?.status?.storageVersions).toEqual([said('server-a', 'batch/v1')]);
  expect(await harness.get(storageVersions, 'batch.cronjobs')).toBeUndefined();
  await harness.client.resource(leases).delete('somebody', { namespace });
  await harness.clock.advance(1_000);
  expect((await harness.get(storageVersions, 'batch.jobs'))?.metadata?.resourceVersion).toBe(
    left?.metadata?.resourceVersion,
  );
  await harness.stop();
});
