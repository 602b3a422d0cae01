import { afterAll, beforeAll, expect, test } from 'vitest';
import { customResourceDefinitions } from '#pkg/api/types/refs.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import type { Client } from '#pkg/client/client.ts';
import { type BareApi, startBareApi } from '#pkg/testing/bare-api.ts';
import { apiServices } from './api-service.ts';

const clock = new VirtualClock();
const stopping = new AbortController();
let api: BareApi;
let client: Client;
let running: Promise<void>;

beforeAll(async () => {
  api = await startBareApi({ clock, random: new SeededRandom(1), registersGroups: true });
  running = api.run(stopping.signal);
  client = api.connect('admin', 'test').client;
  await clock.advance(1_000);
});

afterAll(async () => {
  stopping.abort();
  await clock.advance(10_000);
  await running;
});

async function named(name: string) {
  const { items } = await client.resource(apiServices).list();
  return items.find(({ metadata }) => metadata?.name === name);
}

const managed = 'kube-aggregator.kubernetes.io/automanaged';

test("each group in a version that is served has an APIService, with upstream's priorities", async () => {
  expect(await named('v1.')).toMatchObject({
    metadata: { labels: { [managed]: 'onstart' } },
    spec: { version: 'v1', groupPriorityMinimum: 18_000, versionPriority: 1 },
  });
  expect(await named('v2.autoscaling')).toMatchObject({
    spec: { group: 'autoscaling', version: 'v2', groupPriorityMinimum: 17_500, versionPriority: 16 },
  });
  expect(await named('v1.apiregistration.k8s.io')).toBeUndefined();
});

test('a strategic merge patch adds a label, and conditions are merged by their types', async () => {
  const services = client.resource(apiServices);
  const name = 'v1.patched.example.com';
  const service = { namespace: 'default', name: 'patched' };
  const spec = { group: 'patched.example.com', version: 'v1', service, groupPriorityMinimum: 10, versionPriority: 10 };
  await services.create({ metadata: { name }, spec });
  const labelled = await services.patch(name, { metadata: { labels: { a: 'b' } } }, { type: 'strategic' });
  expect(labelled).toMatchObject({ metadata: { labels: { a: 'b' } }, spec: { service } });
  const told = async (type: string): Promise<readonly string[] | undefined> => {
    const patch = { status: { conditions: [{ type, status: 'True', reason: 'Told' }] } };
    const { status } = await services.patch(name, patch, { type: 'strategic', subresource: 'status' });
    return status?.conditions?.map((one) => one.type).toSorted();
  };
  expect([await told('First'), await told('Second')]).toEqual([['First'], ['First', 'Second']]);
  // What clients in Go make of a time that they do not know.
  const untimed = JSON.parse('{"type":"Third","status":"True","lastTransitionTime":null}');
  const updated = await services.update(
    { ...(await services.get(name)), status: { conditions: [untimed] } },
    { subresource: 'status' },
  );
  expect(updated.status?.conditions).toEqual([{ type: 'Third', status: 'True' }]);
  await services.delete(name);
});

test('those of custom resources come and go with them; what people have made stays', async () => {
  const definitions = client.resource(customResourceDefinitions);
  await definitions.create({
    metadata: { name: 'things.example.com' },
    spec: {
      group: 'example.com',
      names: { plural: 'things', kind: 'Thing' },
      scope: 'Namespaced',
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
    },
  });
  await clock.advance(3_000);
  expect(await named('v1.example.com')).toMatchObject({
    metadata: { labels: { [managed]: 'true' } },
    spec: { groupPriorityMinimum: 1_000, versionPriority: 100 },
  });
  const own = { group: 'own.example.com', version: 'v1', groupPriorityMinimum: 1, versionPriority: 1 };
  await client.resource(apiServices).create({ metadata: { name: 'v1.own.example.com' }, spec: own });
  await definitions.delete('things.example.com');
  await clock.advance(5_000);
  expect(await named('v1.example.com')).toBeUndefined();
  expect(await named('v1.own.example.com')).toMatchObject({ spec: own });
});
