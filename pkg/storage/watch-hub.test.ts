import { expect, test } from 'vitest';
import type { StoreEvent } from './store.ts';
import { eventKey, WatchHub } from './watch-hub.ts';

function put(key: string, revision: number): StoreEvent {
  return { type: 'put', kv: { key, value: new Uint8Array(1), createRevision: revision, modRevision: revision } };
}

const events = [
  put('/registry/pods/a/x', 1),
  put('/registry/pods/ab/x', 2),
  put('/registry/nodes/n', 3),
  put('/other', 4),
  put('/registry/pods/a/y', 5),
];

const cases: readonly { prefix: string; from?: number; seen: readonly number[] }[] = [
  { prefix: '', seen: [0, 1, 2, 3, 4] },
  { prefix: '/', seen: [0, 1, 2, 3, 4] },
  { prefix: '/registry', seen: [0, 1, 2, 4] },
  { prefix: '/registry/pods', seen: [0, 1, 4] },
  { prefix: '/registry/pods/', seen: [0, 1, 4] },
  { prefix: '/registry/pods/a/', seen: [0, 4] },
  { prefix: '/registry/pods/a', seen: [0, 1, 4] },
  { prefix: '/registry/pods/', from: 2, seen: [1, 4] },
  { prefix: '/registry/nodes/', seen: [2] },
  { prefix: '/registry/services/', seen: [] },
];

test.each(cases)('a watch of "$prefix" gets what begins with it, in order', async ({ prefix, from = 1, seen }) => {
  const hub = new WatchHub({ revision: 0, since: () => [] });
  const got: string[] = [];
  const sink = { onEvents: (some: readonly StoreEvent[]) => void got.push(...some.map(eventKey)), onError: () => {} };
  const watch = hub.watch({ prefix, fromRevision: from }, sink);
  await Promise.resolve();
  hub.publish(events.slice(0, 2), 2);
  hub.publish(events.slice(2), 5);
  expect(got).toEqual(seen.map((i) => eventKey(events[i]!)));
  watch.close();
  hub.publish(events, 5);
  expect(got).toHaveLength(seen.length);
});

test.each(cases)(
  'where progress is told, that of "$prefix" gets the same and hears of each revision',
  async ({ prefix, from = 1, seen }) => {
    const hub = new WatchHub({ revision: 0, since: () => [] }, { tellProgress: true });
    const got: string[] = [];
    const heard: number[] = [];
    const onEvents = (some: readonly StoreEvent[], revision: number): void => {
      got.push(...some.map(eventKey));
      heard.push(revision);
    };
    const watch = hub.watch({ prefix, fromRevision: from }, { onEvents, onError: () => {} });
    hub.publish([], 0);
    await Promise.resolve();
    hub.publish(events.slice(0, 2), 2);
    hub.publish(events.slice(2), 5);
    watch.close();
    hub.publish(events, 6);
    expect(got).toEqual(seen.map((i) => eventKey(events[i]!)));
    expect(heard).toEqual([0, 2, 5]);
  },
);
