/** What a server does with definitions that another one has established: it serves them from its start, and looks at them again only where there is something to do. */
import { expect, test } from 'vitest';
import { customResourceDefinitions } from '#pkg/api/types/refs.ts';
import type { KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import { isInvalid, isNotFound } from '#pkg/apimachinery/status-error.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { discoverResources } from '#pkg/client/discovery.ts';
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
    client,
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

/** A store in which a server has established as many definitions of one group. */
async function storeWith(plurals: readonly string[]) {
  const store = createMemoryStore({ clock });
  const first = await start(store);
  await first.run();
  for (const plural of plurals) await first.definitions.create(namedDefinition(plural));
  await clock.settle();
  await first.end();
  return store;
}

function namedDefinition(plural: string, kind = plural.toUpperCase()) {
  const { spec, ...rest } = definition;
  const metadata = { name: `${plural}.example.com` };
  return { ...rest, metadata, spec: { ...spec, names: { plural, kind } } };
}

test('a change of definitions that nobody has asked for since the start is followed: one goes, another comes and gets no name that is taken', async () => {
  const second = await start(await storeWith(['foos', 'bars', 'bazs']));
  await second.run();
  await second.definitions.create(namedDefinition('quxs', 'BARS'));
  await second.definitions.delete('foos.example.com');
  await clock.settle();
  await expect(second.foos.list()).rejects.toSatisfy(isNotFound);
  const { items } = await second.definitions.list();
  const accepted = ({ status }: (typeof items)[number]) =>
    status?.conditions?.find(({ type }) => type === 'NamesAccepted')?.status;
  expect(items.map((crd) => [crd.spec.names.plural, accepted(crd)])).toEqual([
    ['bars', 'True'],
    ['bazs', 'True'],
    ['quxs', 'False'],
  ]);
  await second.end();
});

test('definitions that nobody has asked for are read a while after the start, and one that was deleted meanwhile by another server is not served any more', async () => {
  const store = await storeWith(['foos', 'bars']);
  const second = await start(store);
  expect((await second.foos.list()).items).toEqual([]);
  const third = await start(store);
  await third.run();
  await third.definitions.delete('foos.example.com');
  await clock.settle();
  await second.run();
  await clock.advance(3_000);
  await expect(second.foos.list()).rejects.toSatisfy(isNotFound);
  await second.end();
  await third.end();
});

test('discovery says what there is, whoever has asked for it before', async () => {
  const second = await start(await storeWith(['foos', 'bars']));
  const { resources } = await discoverResources(second.client);
  const own = resources.filter(({ ref }) => ref.group === 'example.com').map(({ ref }) => ref.resource);
  expect(own.sort()).toEqual(['bars', 'foos']);
  await second.end();
});

test('of a definition that today’s rules would refuse objects are read and not written, which its status says until it is mended', async () => {
  const store = await storeWith(['foos']);
  const key = '/registry/apiextensions.k8s.io/customresourcedefinitions/foos.example.com';
  const stored = await store.get(key);
  const text = Buffer.from(stored?.value ?? []).toString();
  const value = Buffer.from(text.replace('^[sml]$', '^[sml'));
  expect(value.toString()).not.toBe(text);
  await store.write({ type: 'put', key, value, ifModRevision: stored?.modRevision ?? 0 });
  const second = await start(store);
  await second.run();
  const foo: Foo = { apiVersion: 'example.com/v1', kind: 'FOOS', metadata: { name: 'a' }, size: 's' };
  await expect(second.foos.create(foo)).rejects.toMatchObject({
    code: 500,
    message: 'Internal error occurred: error resolving resource',
  });
  expect((await second.foos.list()).items).toEqual([]);
  await clock.advance(3_000);
  const read = () => second.definitions.get('foos.example.com');
  const structural = ({ status }: Awaited<ReturnType<typeof read>>) =>
    status?.conditions?.find(({ type }) => type === 'NonStructuralSchema');
  const broken = await read();
  expect(structural(broken)).toMatchObject({
    status: 'True',
    reason: 'Violations',
    message: expect.stringContaining(
      'spec.versions[0].schema.openAPIV3Schema.properties[size].pattern: Invalid value: "^[sml": must be a valid regular expression',
    ),
  });
  await second.definitions.update({ ...broken, spec: namedDefinition('foos').spec });
  await clock.settle();
  expect(structural(await read())).toBeUndefined();
  expect(await second.foos.create(foo)).toMatchObject({ size: 's' });
  await second.end();
});
