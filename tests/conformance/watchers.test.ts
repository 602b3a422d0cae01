/** What watchers of ConfigMaps see, from where they start. */
import { expect } from 'vitest';
import { configMaps } from '#pkg/api/types/refs.ts';
import { behaviour, type Stage } from './behaviour.ts';
import { configMap } from './objects.ts';
import { observe } from './observe.ts';

const area = '[sig-api-machinery] Watchers';
const label = 'watch-this-configmap';

const make = (name: string, value: string, mutation = '0') =>
  configMap(name, { mutation }, { labels: { [label]: value } });

const mutate = (stage: Stage, name: string, mutation: string) =>
  stage.of(configMaps).patch(name, { data: { mutation } }, { namespace: stage.namespace, type: 'merge' });

const relabel = (stage: Stage, name: string, value: string) =>
  stage
    .of(configMaps)
    .patch(name, { metadata: { labels: { [label]: value } } }, { namespace: stage.namespace, type: 'merge' });

const seen = (observer: {
  readonly events: readonly { type: string; object: { metadata?: { name?: string }; data?: object } }[];
}) =>
  observer.events.map(
    ({ type, object }) => `${type} ${object.metadata?.name} ${Object.values(object.data ?? {}).join()}`,
  );

behaviour(`${area} should observe add, update, and delete watch notifications on configmaps`, async (stage) => {
  const { namespace } = stage;
  const a = observe(stage, configMaps, { namespace, labelSelector: `${label}=a` });
  const b = observe(stage, configMaps, { namespace, labelSelector: `${label}=b` });
  const both = observe(stage, configMaps, { namespace, labelSelector: `${label} in (a,b)` });
  await stage.cluster.advance(1000);
  const client = stage.of(configMaps);
  await client.create(make('map-a', 'a'));
  await mutate(stage, 'map-a', '1');
  await mutate(stage, 'map-a', '2');
  await client.delete('map-a', { namespace });
  await client.create(make('map-b', 'b'));
  await client.delete('map-b', { namespace });
  await both.saw('DELETED', ({ metadata }) => metadata?.name === 'map-b');
  const ofA = ['ADDED map-a 0', 'MODIFIED map-a 1', 'MODIFIED map-a 2', 'DELETED map-a 2'];
  const ofB = ['ADDED map-b 0', 'DELETED map-b 0'];
  expect([seen(a), seen(b), seen(both)]).toEqual([ofA, ofB, [...ofA, ...ofB]]);
  await Promise.all([a.stop(), b.stop(), both.stop()]);
});

behaviour(`${area} should be able to start watching from a specific resource version`, async (stage) => {
  const { namespace } = stage;
  await stage.of(configMaps).create(make('map', 'version'));
  const first = await mutate(stage, 'map', '1');
  await mutate(stage, 'map', '2');
  await stage.of(configMaps).delete('map', { namespace });
  const observer = observe(stage, configMaps, {
    namespace,
    labelSelector: `${label}=version`,
    resourceVersion: first.metadata!.resourceVersion!,
  });
  await observer.saw('DELETED');
  expect(seen(observer)).toEqual(['MODIFIED map 2', 'DELETED map 2']);
  await observer.stop();
});

behaviour(
  `${area} should be able to restart watching from the last resource version observed by the previous watch`,
  async (stage) => {
    const { namespace } = stage;
    const labelSelector = `${label}=restarted`;
    const before = observe(stage, configMaps, { namespace, labelSelector });
    await stage.cluster.advance(1000);
    await stage.of(configMaps).create(make('map', 'restarted'));
    await mutate(stage, 'map', '1');
    const last = await before.saw('MODIFIED');
    await before.stop();
    await mutate(stage, 'map', '2');
    await stage.of(configMaps).delete('map', { namespace });
    const resourceVersion = last.metadata!.resourceVersion!;
    const after = observe(stage, configMaps, { namespace, labelSelector, resourceVersion });
    await after.saw('DELETED');
    expect(seen(after)).toEqual(['MODIFIED map 2', 'DELETED map 2']);
    await after.stop();
  },
);

behaviour(
  `${area} should observe an object deletion if it stops meeting the requirements of the selector`,
  async (stage) => {
    const { namespace } = stage;
    const observer = observe(stage, configMaps, { namespace, labelSelector: `${label}=original` });
    await stage.cluster.advance(1000);
    await stage.of(configMaps).create(make('map', 'original'));
    await mutate(stage, 'map', '1');
    await relabel(stage, 'map', 'wrong');
    await mutate(stage, 'map', '2');
    await stage.cluster.advance(10_000);
    expect(seen(observer)).toEqual(['ADDED map 0', 'MODIFIED map 1', 'DELETED map 1']);
    await relabel(stage, 'map', 'original');
    await mutate(stage, 'map', '3');
    await stage.of(configMaps).delete('map', { namespace });
    await stage.cluster.until(() => observer.events.length === 6);
    expect(seen(observer).slice(3)).toEqual(['ADDED map 2', 'MODIFIED map 3', 'DELETED map 3']);
    await observer.stop();
  },
);

behaviour(`${area} should receive events on concurrent watches in same order`, async (stage) => {
  const { namespace } = stage;
  const start = (await stage.of(configMaps).list({ namespace })).metadata!.resourceVersion!;
  const first = observe(stage, configMaps, { namespace, resourceVersion: start });
  const alive: string[] = [];
  for (let index = 0; index < 60; index++) {
    const oldest = alive[0];
    if (index % 3 === 2 && oldest !== undefined) {
      await stage.of(configMaps).delete(oldest, { namespace });
      alive.shift();
    } else if (index % 3 === 1 && oldest !== undefined) await mutate(stage, oldest, String(index));
    else {
      await stage.of(configMaps).create(make(`map-${index}`, 'order'));
      alive.push(`map-${index}`);
    }
  }
  await stage.cluster.until(() => first.events.length === 60);
  const versions = (observer: typeof first) => observer.events.map(({ object }) => object.metadata!.resourceVersion!);
  const all = versions(first);
  const others = all.map((resourceVersion) => observe(stage, configMaps, { namespace, resourceVersion }));
  await stage.cluster.until(() => others.every(({ events }, index) => events.length === 59 - index));
  expect(others.map(versions)).toEqual(all.map((_, index) => all.slice(index + 1)));
  await Promise.all([first, ...others].map((observer) => observer.stop()));
});
