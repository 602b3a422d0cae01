/** What a server says in StorageVersions of itself, and what may be said there. Words: upstream's. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type StorageVersion, serverLeaseLabel, storageVersions, withServers } from '#pkg/api/storage-version.ts';
import { customResourceDefinitions, leases } from '#pkg/api/types/refs.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import type { Client } from '#pkg/client/client.ts';
import { startBareApi } from '#pkg/testing/bare-api.ts';

const identity = 'apiserver-one';
const noticedMs = 11_000;

let clock: VirtualClock;
let client: Client;
let stop: AbortController;
let running: Promise<void>;

beforeEach(async () => {
  clock = new VirtualClock();
  const runtimeConfig = { 'internal.apiserver.k8s.io/v1alpha1': true };
  const api = await startBareApi({ clock, random: new SeededRandom(1), identity, runtimeConfig });
  client = api.connect('admin', 'test').client;
  stop = new AbortController();
  running = api.run(stop.signal);
  // The component is a file of its own.
  await import('./storage-versions.ts');
  await clock.advance(noticedMs);
});

afterEach(async () => {
  stop.abort();
  await running;
});

async function beThere(): Promise<void> {
  const labels = { [serverLeaseLabel.key]: serverLeaseLabel.value };
  const metadata = { name: identity, namespace: 'kube-system', labels };
  await client.resource(leases).create({ metadata, spec: {} });
  await clock.advance(noticedMs);
}

async function said(): Promise<ReadonlyMap<string, StorageVersion>> {
  const { items } = await client.resource(storageVersions).list();
  return new Map(items.map((one) => [one.metadata?.name ?? '', one]));
}

const refusal = (asked: Promise<unknown>): Promise<string> =>
  asked.then(
    () => 'accepted',
    (error: Error) => error.message,
  );

test('once its Lease is there a server tells of each resource that it stores, and again of what is taken away', async () => {
  expect([...(await said()).keys()]).toEqual([]);
  await beThere();
  const all = await said();
  expect(all.get('core.pods')?.status).toMatchObject({
    storageVersions: [
      { apiServerID: identity, encodingVersion: 'v1', decodableVersions: ['v1'], servedVersions: ['v1'] },
    ],
    commonEncodingVersion: 'v1',
    conditions: [{ type: 'AllEncodingVersionsEqual', status: 'True', message: 'Common encoding version set' }],
  });
  const scalers = all.get('autoscaling.horizontalpodautoscalers')?.status?.storageVersions?.[0];
  expect(scalers).toMatchObject({ decodableVersions: ['autoscaling/v1', 'autoscaling/v2'] });
  expect(all.get('events.k8s.io.events')?.status?.commonEncodingVersion).toBe('v1');
  expect([...all.keys()].filter((name) => name.includes('review') || name.endsWith('.bindings'))).toEqual([]);
  await client.resource(storageVersions).delete('core.pods');
  await clock.advance(noticedMs);
  expect((await said()).get('core.pods')?.status?.commonEncodingVersion).toBe('v1');
});

test('a definition of users is told of too, and what others say stays', async () => {
  await beThere();
  const versions = ['v1', 'v2'].map((name) => ({
    ...{ name, served: true, storage: name === 'v2' },
    schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
  }));
  const spec = { group: 'example.com', names: { plural: 'boats', kind: 'Boat' }, scope: 'Cluster', versions } as const;
  await client.resource(customResourceDefinitions).create({ metadata: { name: 'boats.example.com' }, spec });
  await clock.advance(noticedMs);
  const own = {
    apiServerID: identity,
    encodingVersion: 'example.com/v2',
    decodableVersions: ['example.com/v1', 'example.com/v2'],
    servedVersions: ['example.com/v1', 'example.com/v2'],
  };
  const boats = (await said()).get('example.com.boats');
  expect(boats?.status?.storageVersions).toEqual([own]);
  const other = { apiServerID: 'b', encodingVersion: 'example.com/v1', decodableVersions: ['example.com/v1'] };
  const status = withServers(boats!, [other], '2026-01-01T00:00:00Z');
  await client.resource(storageVersions).update({ ...boats, status }, { subresource: 'status' });
  await clock.advance(noticedMs);
  const after = (await said()).get('example.com.boats')?.status;
  expect([after?.storageVersions, after?.commonEncodingVersion]).toEqual([[other, own], undefined]);
  expect(after?.conditions).toMatchObject([{ status: 'False', reason: 'CommonEncodingVersionUnset' }]);
});

test('names and versions have their form, and what all servers agree on is what they say', async () => {
  const resource = client.resource(storageVersions);
  const create = (name: string) => refusal(resource.create({ metadata: { name }, spec: {} }));
  expect(await create('pods')).toContain('name must be in the form of <group>.<resource>');
  expect(await create('example.com.1s')).toContain('the resource segment a DNS-1035 label must consist of');
  const made = await resource.create({ metadata: { name: 'example.com.boats' }, spec: {} });
  const tell = (status: object) => refusal(resource.update({ ...made, status }, { subresource: 'status' }));
  const server = { apiServerID: 'a', encodingVersion: 'x/v1', decodableVersions: ['x/v1'] };
  for (const [status, why] of [
    [
      { storageVersions: [server] },
      'status.commonEncodingVersion: Invalid value: null: the common encoding version is x/v1',
    ],
    [{ commonEncodingVersion: 'x/v1' }, 'should be nil if servers do not agree on the same encoding version'],
    [{ storageVersions: [server], commonEncodingVersion: 'v1' }, 'the actual common encoding version is x/v1'],
    [
      { storageVersions: [{ ...server, decodableVersions: [] }], commonEncodingVersion: 'x/v1' },
      'status.storageVersions[0].decodableVersions: Invalid value: []: decodableVersions must include encodingVersion x/v1',
    ],
    [
      { storageVersions: [{ ...server, encodingVersion: '/', decodableVersions: ['/'] }], commonEncodingVersion: '/' },
      'group part: must be non-empty,version part: must be non-empty',
    ],
    [
      { storageVersions: [{ ...server, apiServerID: 'A' }], commonEncodingVersion: 'x/v1' },
      'storageVersions[0].apiServerID',
    ],
    [
      { conditions: [{ type: 'T', status: 'True', reason: '', message: 'm' }] },
      'status[0].reason: Required value: reason cannot be empty',
    ],
  ] as const) {
    expect(await tell(status)).toContain(why);
  }
  expect(await tell(withServers(made, [server], '2026-01-01T00:00:00Z'))).toBe('accepted');
});
