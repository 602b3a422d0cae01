import { expect, test } from 'vitest';
import { silentLogger } from '#pkg/base/logger.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import type { CacheCodec, CacheEntry, CacheEvent } from './cache.ts';
import { createMemoryStore } from './drivers/memory/memory-store.ts';
import type { EventHistoryLimits } from './event-history.ts';
import { CompactedError, type KeyValue, type Store, StoreUnavailableError, type WatchSink } from './store.ts';
import { createResourceCache, type RunningResourceCache } from './watch-cache.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const codec: CacheCodec = {
  entry: (kv) => entryOf(kv, kv.modRevision),
  deletedEntry: (previous, revision) => entryOf(previous, revision),
};

function entryOf(kv: KeyValue, modRevision: number): CacheEntry {
  return { key: kv.key, modRevision, createRevision: kv.createRevision, object: {}, bytes: kv.value };
}

async function put(store: Store, key: string, value: string): Promise<number> {
  const current = await store.get(key);
  const result = await store.write({
    type: 'put',
    key,
    value: encoder.encode(value),
    ifModRevision: current?.modRevision ?? 0,
  });
  if (!result.ok) throw new Error('conflict');
  return result.revision;
}

async function remove(store: Store, key: string): Promise<number> {
  const current = await store.get(key);
  const result = await store.write({ type: 'delete', key, ifModRevision: current?.modRevision ?? 0 });
  if (!result.ok) throw new Error('conflict');
  return result.revision;
}

/** A store whose watches can be broken and that can be down. */
function faultyStore() {
  const inner = createMemoryStore({ clock: new VirtualClock() });
  const sinks = new Set<WatchSink>();
  const faults = { down: false };
  const check = (): void => {
    if (faults.down) throw new StoreUnavailableError('Cannot reach the store');
  };
  const store: Store = {
    get: (key) => inner.get(key),
    range: async (options) => {
      check();
      return inner.range(options);
    },
    write: (operation) => inner.write(operation),
    watch: (options, sink) => {
      sinks.add(sink);
      const watch = inner.watch(options, {
        onEvents: (events, revision) => sink.onEvents(events, revision),
        onError: () => {},
      });
      return {
        close: () => {
          sinks.delete(sink);
          watch.close();
        },
      };
    },
    currentRevision: async () => {
      check();
      return inner.currentRevision();
    },
    compact: (revision) => inner.compact(revision),
    close: () => inner.close(),
    localRevision: () => inner.localRevision!(),
  };
  const breakWatches = (error: Error): void => {
    for (const sink of [...sinks]) sink.onError(error);
  };
  return { store, faults, breakWatches };
}

function recorder() {
  const lines: string[] = [];
  const events: CacheEvent[] = [];
  return {
    lines,
    events,
    onEvents(batch: readonly CacheEvent[]): void {
      for (const event of batch) {
        events.push(event);
        const before = event.previous === undefined ? '' : ` was ${decoder.decode(event.previous.bytes)}`;
        lines.push(
          `${event.type} ${event.entry.key}@${event.entry.modRevision} ${decoder.decode(event.entry.bytes)}${before}`,
        );
      }
    },
    onProgress(revision: number): void {
      lines.push(`progress ${revision}`);
    },
    onError(error: Error): void {
      lines.push(`error ${error.name}`);
    },
  };
}

function makeCache(store: Store, clock = new VirtualClock(), history?: EventHistoryLimits) {
  return createResourceCache({
    store,
    prefix: '/r/pods/',
    codec,
    clock,
    log: silentLogger,
    ...(history && { history }),
  });
}

function keysOf(cache: RunningResourceCache, prefix = '/r/pods/'): string[] {
  return cache.list(prefix).map((entry) => entry.key);
}

test('reads before the first fresh are refused, and after it see all that was written', async () => {
  const store = createMemoryStore({ clock: new VirtualClock() });
  await put(store, '/r/pods/a/1', 'x');
  await put(store, '/r/services/a/1', 'x');
  const cache = makeCache(store);
  expect(() => cache.list('/r/pods/')).toThrow(StoreUnavailableError);
  expect(await cache.fresh()).toBe(3);
  expect(keysOf(cache)).toEqual(['/r/pods/a/1']);
  await put(store, '/r/pods/b/2', 'y');
  await put(store, '/r/services/a/2', 'x');
  expect(await cache.fresh()).toBe(5);
  expect(keysOf(cache)).toEqual(['/r/pods/a/1', '/r/pods/b/2']);
  expect(cache.count('/r/pods/b/')).toBe(1);
  expect(cache.get('/r/pods/b/2')?.modRevision).toBe(4);
});

test('a write in between the range and the watch of a fill is not lost', async () => {
  const store = createMemoryStore({ clock: new VirtualClock() });
  const cache = makeCache(store);
  const fresh = cache.fresh();
  const writes = ['1', '2', '3', '4'].map((name) => put(store, `/r/pods/a/${name}`, 'x'));
  await fresh;
  await Promise.all(writes);
  expect(cache.count('/r/pods/')).toBe(4);
});

test('a list is in key order, begins at the start key and ends at the limit', async () => {
  const store = createMemoryStore({ clock: new VirtualClock() });
  for (const name of ['c', 'a', 'd', 'b']) await put(store, `/r/pods/ns/${name}`, name);
  const cache = makeCache(store);
  await cache.fresh();
  const found = cache.list('/r/pods/ns/', { startKey: '/r/pods/ns/b', limit: 2 });
  expect(found.map((entry) => entry.key)).toEqual(['/r/pods/ns/b', '/r/pods/ns/c']);
});

test('a watcher gets the events of its prefix after its revision, each once, with the state before', async () => {
  const store = createMemoryStore({ clock: new VirtualClock() });
  const cache = makeCache(store);
  await cache.fresh();
  const first = await put(store, '/r/pods/a/1', 'v1');
  await put(store, '/r/pods/a/1', 'v2');
  const sink = recorder();
  const watch = cache.watch({ prefix: '/r/pods/a/', afterRevision: first }, sink);
  const all = recorder();
  cache.watch({ prefix: '/r/pods/', afterRevision: first + 1 }, all);
  const one = recorder();
  cache.watch({ prefix: '/r/pods/b/2', afterRevision: first }, one);
  await put(store, '/r/pods/b/2', 'w1');
  await remove(store, '/r/pods/a/1');
  watch.close();
  await put(store, '/r/pods/a/1', 'v3');
  expect(sink.lines).toEqual(['MODIFIED /r/pods/a/1@3 v2 was v1', 'DELETED /r/pods/a/1@5 v2 was v2']);
  expect(all.lines).toEqual(['ADDED /r/pods/b/2@4 w1', 'DELETED /r/pods/a/1@5 v2 was v2', 'ADDED /r/pods/a/1@6 v3']);
  expect(one.lines).toEqual(['ADDED /r/pods/b/2@4 w1']);
  expect(all.events[1]).toBe(sink.events[1]);
});

test('a watch from the future skips what comes before it', async () => {
  const store = createMemoryStore({ clock: new VirtualClock() });
  const cache = makeCache(store);
  await cache.fresh();
  const sink = recorder();
  cache.watch({ prefix: '/r/pods/', afterRevision: 2 }, sink);
  await put(store, '/r/pods/a/1', 'v1');
  await put(store, '/r/pods/a/2', 'v2');
  expect(sink.lines).toEqual(['ADDED /r/pods/a/2@3 v2']);
});

test('a watch from before the history fails, and the history keeps its least count however old', async () => {
  const store = createMemoryStore({ clock: new VirtualClock() });
  const clock = new VirtualClock();
  const cache = makeCache(store, clock, { windowMs: 1000, minEvents: 2, maxEvents: 4, maxBytes: 1000 });
  await put(store, '/r/pods/a/0', 'x');
  await cache.fresh();
  const watchFrom = (afterRevision: number) => cache.watch({ prefix: '/r/pods/', afterRevision }, recorder());
  expect(() => watchFrom(1)).toThrow(CompactedError);
  for (let i = 1; i <= 6; i++) await put(store, `/r/pods/a/${i}`, 'x');
  expect(() => watchFrom(3)).toThrow(new CompactedError(4));
  watchFrom(4).close();
  await clock.advance(5000);
  await put(store, '/r/pods/a/7', 'x');
  expect(() => watchFrom(6)).toThrow(new CompactedError(7));
  watchFrom(7).close();
});

test('the history of a resource that nobody writes to any more shrinks to its least count', async () => {
  const store = createMemoryStore({ clock: new VirtualClock() });
  const clock = new VirtualClock();
  const cache = makeCache(store, clock, { windowMs: 1000, minEvents: 2, maxEvents: 10, maxBytes: 1000 });
  await cache.fresh();
  const watchFrom = (afterRevision: number) => cache.watch({ prefix: '/r/pods/', afterRevision }, recorder());
  for (let i = 2; i <= 6; i++) await put(store, `/r/pods/a/${i}`, 'x');
  await clock.advance(900);
  watchFrom(1).close();
  await clock.advance(1200);
  expect(() => watchFrom(3)).toThrow(new CompactedError(4));
  watchFrom(4).close();
});

test('a history of large objects is short, but has at least the last event', async () => {
  const store = createMemoryStore({ clock: new VirtualClock() });
  const cache = makeCache(store, new VirtualClock(), { windowMs: 1000, minEvents: 2, maxEvents: 100, maxBytes: 25 });
  await cache.fresh();
  const watchFrom = (afterRevision: number) => cache.watch({ prefix: '/r/pods/', afterRevision }, recorder());
  for (let i = 2; i <= 5; i++) await put(store, `/r/pods/a/${i}`, 'x'.repeat(10));
  expect(() => watchFrom(2)).toThrow(new CompactedError(3));
  watchFrom(3).close();
  await put(store, '/r/pods/a/6', 'x'.repeat(100));
  expect(() => watchFrom(4)).toThrow(new CompactedError(5));
  watchFrom(5).close();
});

test('when the store loses the watch, watchers get its error and the cache is filled again', async () => {
  const { store, breakWatches } = faultyStore();
  const clock = new VirtualClock();
  const cache = makeCache(store, clock);
  await cache.fresh();
  await put(store, '/r/pods/a/1', 'x');
  const sink = recorder();
  cache.watch({ prefix: '/r/pods/', afterRevision: 2 }, sink);
  breakWatches(new CompactedError(2));
  expect(sink.lines).toEqual(['error CompactedError']);
  expect(() => cache.watch({ prefix: '/r/pods/', afterRevision: 2 }, sink)).toThrow(StoreUnavailableError);
  await put(store, '/r/pods/a/2', 'y');
  expect(keysOf(cache)).toEqual(['/r/pods/a/1']);
  await clock.advance(100);
  expect(keysOf(cache)).toEqual(['/r/pods/a/1', '/r/pods/a/2']);
  expect(() => cache.watch({ prefix: '/r/pods/', afterRevision: 2 }, sink)).toThrow(CompactedError);
  cache.watch({ prefix: '/r/pods/', afterRevision: 3 }, sink);
  await put(store, '/r/pods/a/3', 'z');
  expect(sink.lines).toEqual(['error CompactedError', 'ADDED /r/pods/a/3@4 z']);
});

test('while the store is down fresh fails, and it succeeds once the store is back', async () => {
  const { store, faults, breakWatches } = faultyStore();
  const clock = new VirtualClock();
  const cache = makeCache(store, clock);
  faults.down = true;
  await expect(cache.fresh()).rejects.toThrow(StoreUnavailableError);
  faults.down = false;
  expect(await cache.fresh()).toBe(1);
  faults.down = true;
  breakWatches(new StoreUnavailableError('gone'));
  await clock.advance(1000);
  await expect(cache.fresh()).rejects.toThrow(StoreUnavailableError);
  faults.down = false;
  await clock.advance(5000);
  expect(await cache.fresh()).toBe(1);
});

test('on a remote store fresh waits until the watch has reached the current revision', async () => {
  const inner = createMemoryStore({ clock: new VirtualClock() });
  let sink: WatchSink | undefined;
  const store: Store = {
    get: (key) => inner.get(key),
    range: (options) => inner.range(options),
    write: (operation) => inner.write(operation),
    watch: (_, given) => {
      sink = given;
      return { close: () => {} };
    },
    currentRevision: () => inner.currentRevision(),
    compact: (revision) => inner.compact(revision),
    close: () => inner.close(),
  };
  const cache = makeCache(store);
  await cache.fresh();
  await put(inner, '/r/pods/a/1', 'x');
  const kv = (await inner.get('/r/pods/a/1'))!;
  let done = false;
  const fresh = cache.fresh().then((revision) => {
    done = true;
    return revision;
  });
  const second = cache.fresh();
  for (let i = 0; i < 20; i++) await Promise.resolve();
  expect(done).toBe(false);
  sink!.onEvents([{ type: 'put', kv }], 2);
  expect(await fresh).toBe(2);
  expect(await second).toBe(2);
});

test('on a remote store settled waits for what this process has acknowledged, and asks the store for nothing', async () => {
  const inner = createMemoryStore({ clock: new VirtualClock() });
  let sink: WatchSink | undefined;
  let acknowledged = 0;
  let questions = 0;
  const store: Store = {
    get: (key) => inner.get(key),
    range: (options) => inner.range(options),
    write: (operation) => inner.write(operation),
    watch: (_, given) => {
      sink = given;
      return { close: () => {} };
    },
    currentRevision: () => {
      questions++;
      return inner.currentRevision();
    },
    acknowledgedRevision: () => acknowledged,
    compact: (revision) => inner.compact(revision),
    close: () => inner.close(),
  };
  const cache = makeCache(store);
  await cache.settled();
  await put(inner, '/r/pods/a/1', 'x');
  await cache.settled();
  expect([cache.isSettled, cache.count('/r/pods/')]).toEqual([true, 0]);
  acknowledged = 2;
  expect(cache.isSettled).toBe(false);
  const settled = cache.settled().then(() => cache.count('/r/pods/'));
  sink!.onEvents([{ type: 'put', kv: (await inner.get('/r/pods/a/1'))! }], 2);
  expect(await settled).toBe(1);
  expect([cache.isSettled, questions]).toEqual([true, 0]);
});

test('reached waits for the revision, and is false when time passes first', async () => {
  const store = createMemoryStore({ clock: new VirtualClock() });
  const clock = new VirtualClock();
  const cache = makeCache(store, clock);
  await cache.fresh();
  const results: string[] = [];
  const note = (name: string) => (reached: boolean) =>
    void results.push(`${name} ${reached} at ${clock.monotonicMs()}`);
  const waits = [
    cache.reached(1, 3000).then(note('now')),
    cache.reached(2, 3000).then(note('soon')),
    cache.reached(9, 3000).then(note('never')),
  ];
  await clock.advance(1000);
  await put(store, '/r/services/a/1', 'x');
  await clock.advance(5000);
  await Promise.all(waits);
  expect(results).toEqual(['now true at 0', 'soon true at 1050', 'never false at 3000']);
});

test('watchers hear of the revision moving on because of other resources', async () => {
  const store = createMemoryStore({ clock: new VirtualClock() });
  const clock = new VirtualClock();
  const cache = makeCache(store, clock);
  await cache.fresh();
  const sink = recorder();
  const watch = cache.watch({ prefix: '/r/pods/', afterRevision: 1 }, sink);
  await clock.advance(60_000);
  await put(store, '/r/services/a/1', 'x');
  await clock.advance(180_000);
  expect(sink.lines).toEqual(['progress 1', 'progress 2']);
  watch.close();
});

test('watchers that do not want to hear of it do not, and cost the clock nothing', async () => {
  const store = createMemoryStore({ clock: new VirtualClock() });
  const clock = new VirtualClock();
  const cache = makeCache(store, clock);
  await cache.fresh();
  const sink = recorder();
  const watch = cache.watch({ prefix: '/r/pods/', afterRevision: 1 }, { ...sink, wantsProgress: false });
  await put(store, '/r/services/a/1', 'x');
  expect([await clock.step(180_000), sink.lines]).toEqual([false, []]);
  watch.close();
});

test('run ends with its signal: watchers get an error and later reads fail', async () => {
  const store = createMemoryStore({ clock: new VirtualClock() });
  const cache = makeCache(store);
  await cache.fresh();
  const sink = recorder();
  cache.watch({ prefix: '/r/pods/', afterRevision: 1 }, sink);
  const controller = new AbortController();
  const running = cache.run(controller.signal);
  const waiting = cache.reached(99, 1000);
  controller.abort();
  await running;
  expect(await waiting).toBe(false);
  expect(sink.lines).toEqual(['error StoreUnavailableError']);
  await expect(cache.fresh()).rejects.toThrow(StoreUnavailableError);
});

test('what a change replaced is said to be replaced once it was told of', async () => {
  const store = createMemoryStore({ clock: new VirtualClock() });
  const told: string[] = [];
  const cache = createResourceCache({
    store,
    prefix: '/r/pods/',
    clock: new VirtualClock(),
    log: silentLogger,
    codec: {
      ...codec,
      entry: (kv) => ({
        ...entryOf(kv, kv.modRevision),
        replaced: () => void told.push(`${decoder.decode(kv.value)} is replaced`),
      }),
    },
  });
  await put(store, '/r/pods/a', 'old');
  await cache.fresh();
  cache.watch(
    { prefix: '/r/pods/', afterRevision: cache.revision },
    {
      onEvents: (events) => void told.push(...events.map(({ entry }) => `told of ${decoder.decode(entry.bytes)}`)),
      onProgress: () => {},
      onError: () => {},
    },
  );
  await put(store, '/r/pods/a', 'new');
  expect(told).toEqual(['told of new', 'old is replaced']);
  cache.close();
  await store.close();
});
