/** What a server does with definitions that another one has established: it serves them from its start, and looks at them again only where there is something to do. */
import { expect, test } from 'vitest';
import { customResourceDefinitions } from '#pkg/api/types/refs.ts';
import type { KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import { isInvalid } from '#pkg/apimachinery/status-error.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { createMemoryStore } from '#pkg/storage/drivers/memory/memory-store.ts';
import { startBareApi } from '#pkg/testing/bare-api.ts';

const definition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'foos.example.com' },
  spec: {
    group: 'example.com',
    scope: 'Cluster',
    names: { plural: 'foos', kind: 'Foo' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              size: { type: 'string', pattern: '^[sml]$' },
              count: { type: 'integer', default: 1, 'x-kubernetes-validations': [{ rule: 'self < 10' }] },
            },
          },
        },
      },
    ],
  },
} as const;

interface Foo extends KubeObject {
  readonly size?: string;
  readonly count?: number;
  readonly more?: string;
}
const foos: ResourceRef<Foo> = {
  group: 'example.com',
  version: 'v1',
  resource: 'foos',
  kind: 'Foo',
  namespaced: false,
};

const clock = new VirtualClock();

/** A server on `store`, which ends with the test's own `end`. */
async function start(store: ReturnType<typeof createMemoryStore>) {
  const api = await startBareApi({ clock, random: new SeededRandom(1), store });
  const { client } = api.connect('admin', 'test');
  const stop = new AbortController();
  let running: Promise<void> | undefined;
  return {
    definitions: client.resource(customResourceDefinitions),
    foos: client.resource(foos),
    async run(): Promise<void> {
      running = api.run(stop.signal);
      await clock.settle();
    },
    async end(): Promise<void> {
      stop.abort();
      await running;
    },
  };
}

test('a definition that was established is served before the server runs, with its schema, and is not written again', async () => {
  const store = createMemoryStore({ clock });
  const first = await start(store);
  await first.run();
  await first.definitions.create(definition);
  await clock.settle();
  const made = await first.definitions.get('foos.example.com');
  await first.end();
  const second = await start(store);
  const foo = (name: string, fields: object): Foo => ({
    apiVersion: 'example.com/v1',
    kind: 'Foo',
    metadata: { name },
    ...fields,
  });
  expect(await second.foos.create(foo('a', { size: 's', more: 'x' }))).toMatchObject({ size: 's', count: 1 });
  expect((await second.foos.get('a')).more).toBeUndefined();
  await expect(second.foos.create(foo('b', { size: 'xl' }))).rejects.toSatisfy(isInvalid);
  await expect(second.foos.create(foo('b', { count: 10 }))).rejects.toSatisfy(isInvalid);
  await second.run();
  const kept = await second.definitions.get('foos.example.com');
  expect(kept.metadata?.resourceVersion).toBe(made.metadata?.resourceVersion);
  const [version] = kept.spec.versions;
  await second.definitions.update({
    ...kept,
    spec: { ...kept.spec, versions: [{ ...version!, schema: { openAPIV3Schema: { type: 'object' } } }] },
  });
  await clock.settle();
  expect(await second.foos.create(foo('b', { size: 'xl' }))).not.toHaveProperty('size');
  await second.end();
});
