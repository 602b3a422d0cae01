/** A pod's spec that an update leaves as it is stays the stored one: nothing copies it, looks at it again or changes it. */
import { expect, test } from 'vitest';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { pods } from '#pkg/api/types/refs.ts';
import { deepFreeze } from '#pkg/apimachinery/json.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import type { Client } from '#pkg/client/client.ts';
import { createAdmissionPlugins } from '#pkg/registry/admission/table.ts';
import { startBareApi } from '#pkg/testing/bare-api.ts';

const namespace = 'default';
const merge = { namespace, type: 'merge' } as const;

async function startedClient(): Promise<Client> {
  const admission = createAdmissionPlugins({ disabled: ['ServiceAccount'] });
  const api = await startBareApi({ clock: new VirtualClock(), random: new SeededRandom(1), admission });
  return api.connect('tester', 'test').client;
}

function pod(annotations: Readonly<Record<string, string>> = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', namespace, annotations },
    spec: { containers: [{ name: 'c', image: 'web:1', ports: [{ containerPort: 80 }] }] },
  };
}

test('patches of metadata and status share the spec with what was stored, and nobody changes it', async () => {
  const resource = (await startedClient()).resource(pods);
  const before = deepFreeze(await resource.create(pod()));
  const labelled = deepFreeze(await resource.patch('web', { metadata: { labels: { a: 'b' } } }, merge));
  expect(labelled.metadata?.labels).toEqual({ a: 'b' });
  expect(labelled.spec).toBe(before.spec);
  expect(labelled.status).toBe(before.status);
  const status = { status: { message: 'well' } };
  const reported = await resource.patch('web', status, { ...merge, subresource: 'status' });
  expect(reported.status).toEqual({ ...before.status, message: 'well' });
  expect(reported.spec).toBe(before.spec);
});

test('a strategic patch of metadata does so too, one of the spec does not', async () => {
  const resource = (await startedClient()).resource(pods);
  const before = deepFreeze(await resource.create(pod()));
  const strategic = { namespace, type: 'strategic' } as const;
  const labelled = deepFreeze(await resource.patch('web', { metadata: { labels: { a: 'b' } } }, strategic));
  expect(labelled.spec).toBe(before.spec);
  const changed = await resource.patch('web', { spec: { containers: [{ name: 'c', image: 'web:2' }] } }, strategic);
  expect(changed.spec?.containers[0]).toEqual({ ...before.spec?.containers[0], image: 'web:2' });
  expect(before.spec?.containers[0]?.image).toBe('web:1');
});

test.each<[string, object, string]>([
  ['spec', { spec: { nodeName: 'other node' } }, 'spec.nodeName'],
  [
    'annotations that speak of the spec',
    { metadata: { annotations: { 'controller.kubernetes.io/pod-deletion-cost': 'dear' } } },
    'must be a 32bit integer',
  ],
  ['labels', { metadata: { labels: { a: 'not a value!' } } }, 'metadata.labels'],
])('a patch is refused for its %s as before', async (_, patch, text) => {
  const resource = (await startedClient()).resource(pods);
  await resource.create(pod());
  await expect(resource.patch('web', { ...patch }, merge)).rejects.toThrow(text);
});

test('a binding changes the name of the node and shares the rest', async () => {
  const resource = (await startedClient()).resource(pods);
  const before = deepFreeze(await resource.create(pod()));
  const binding = { metadata: { name: 'web' }, target: { kind: 'Node', name: 'n1' } };
  await resource.createSubresource('web', 'binding', binding, { namespace });
  const { spec } = await resource.get('web', { namespace });
  expect(spec).toEqual({ ...before.spec, nodeName: 'n1' });
  expect(spec?.containers).toBe(before.spec?.containers);
  expect(before.spec?.nodeName).toBeUndefined();
});

test('pods that are made alike have their specs in memory once, as far as they are the same', async () => {
  const resource = (await startedClient()).resource(pods);
  const named = (name: string): Pod => ({ ...pod(), metadata: { name, namespace } });
  const first = deepFreeze(await resource.create(named('first')));
  const second = deepFreeze(await resource.create(named('second')));
  const third = await resource.create(named('third'));
  expect(second.spec?.containers[0]).toBe(first.spec?.containers[0]);
  expect(third.spec?.tolerations).toBe(first.spec?.tolerations);
  expect(third.spec).toEqual(first.spec);
});
