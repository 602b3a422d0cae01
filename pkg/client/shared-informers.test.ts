import { afterEach, expect, test } from 'vitest';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { pods } from '#pkg/api/types/refs.ts';
import { objectKey } from '#pkg/apimachinery/object.ts';
import { expired, notFound, serviceUnavailable } from '#pkg/apimachinery/status-error.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { FakeApi } from './fake-api.ts';
import { inProcessTransport } from './in-process-transport.ts';
import { createClient } from './rest-client.ts';
import { createInformers } from './shared-informers.ts';

let stop = new AbortController();
afterEach(() => stop.abort());

function setUp() {
  stop = new AbortController();
  const api = new FakeApi();
  const clock = new VirtualClock();
  const transport = inProcessTransport(api.handle, { commonName: 'test', organizations: [] });
  const client = createClient({ transport, userAgent: 'test' });
  const informers = createInformers({ client, clock, random: new SeededRandom(1), log: silentLogger });
  const informer = informers.informer(pods);
  const seen: string[] = [];
  informer.addHandler({
    added: (pod) => seen.push(`+${objectKey(pod)}`),
    updated: (_, pod) => seen.push(`~${objectKey(pod)} ${pod.metadata?.labels?.v ?? ''}`),
    deleted: (pod) => seen.push(`-${objectKey(pod)}`),
  });
  return { api, clock, client: client.resource(pods), informers, informer, seen };
}

const pod = (name: string, labels: Record<string, string> = {}): Pod => ({
  metadata: { name, namespace: 'default', labels },
});

test('handlers see what was there and every change after, in order', async () => {
  const { clock, client, informers, informer, seen } = setUp();
  await client.create(pod('a'));
  const running = informers.run(stop.signal);
  await clock.settle();
  expect(informer.hasSynced()).toBe(true);
  await client.create(pod('b'));
  await client.patch('b', { metadata: { labels: { v: '2' } } }, { namespace: 'default', type: 'merge' });
  await client.delete('a', { namespace: 'default' });
  await clock.settle();
  expect(seen).toEqual(['+default/a', '+default/b', '~default/b 2', '-default/a']);
  expect(informer.lister.list().map(objectKey)).toEqual(['default/b']);
  expect(informer.lister.get('default/b')).toMatchObject({ apiVersion: 'v1', kind: 'Pod' });
  stop.abort();
  await running;
});

test('what comes over a network can be kept without its managed fields; what is shared with the server is kept as it is', async () => {
  const { api, clock, client } = setUp();
  const metadata = { name: 'a', namespace: 'default', managedFields: [{ manager: 'm' }] };
  await client.create({ metadata });
  const local = inProcessTransport(api.handle, { commonName: 'test', organizations: [] });
  const listers = [local, { request: local.request }].map((transport) => {
    const deps = { client: createClient({ transport, userAgent: 'test' }), clock, random: new SeededRandom(1) };
    const informers = createInformers({ ...deps, log: silentLogger, isLean: true });
    const { lister } = informers.informer(pods);
    void informers.run(stop.signal);
    return lister;
  });
  await clock.settle();
  const kept = listers.map((lister) => lister.get('default/a')?.metadata);
  expect(kept).toMatchObject([metadata, { name: 'a' }]);
  expect(kept[1]).not.toHaveProperty('managedFields');
});

test('a state that came over a network shares its spec with the one before where that is the same', async () => {
  const { api, clock, client } = setUp();
  await client.create({ ...pod('a'), spec: { containers: [] } });
  const { request } = inProcessTransport(
    async (call) => {
      const answer = await api.handle(call);
      if (answer.body.kind !== 'watch') return answer;
      const { batches } = answer.body;
      const lines = async function* () {
        for await (const batch of batches)
          for (const { type, object } of batch) yield Buffer.from(`${JSON.stringify({ type, object })}\n`);
      };
      return { ...answer, body: { kind: 'stream', chunks: lines() } };
    },
    { commonName: 'test', organizations: [] },
  );
  const remote = createClient({ transport: { request }, userAgent: 'test' });
  const random = new SeededRandom(1);
  const informers = createInformers({ client: remote, clock, random, log: silentLogger, isLean: true });
  const informer = informers.informer(pods);
  const shared: boolean[] = [];
  informer.addHandler({ updated: (before, after) => shared.push(before.spec === after.spec) });
  void informers.run(stop.signal);
  await clock.settle();
  const options = { namespace: 'default', type: 'merge' } as const;
  await client.patch('a', { metadata: { labels: { v: '2' } } }, options);
  await client.patch('a', { spec: { nodeName: 'n' } }, options);
  await client.patch('a', { metadata: { labels: { v: '3' } } }, options);
  await clock.settle();
  expect(shared).toEqual([true, false, true]);
  expect(informer.lister.get('default/a')).toMatchObject({ metadata: { labels: { v: '3' } }, spec: { nodeName: 'n' } });
});

test('equal arguments share one informer; a late handler first gets all there is', async () => {
  const { api, clock, client, informers, informer } = setUp();
  await client.create(pod('a'));
  const running = informers.run(stop.signal);
  await clock.settle();
  expect(informers.informer(pods)).toBe(informer);
  const late: string[] = [];
  informer.addHandler({ added: (object) => late.push(objectKey(object)) });
  expect(late).toEqual(['default/a']);
  expect(api.watchCount).toBe(1);
  stop.abort();
  await running;
  expect(api.watchCount).toBe(0);
});

test('a watch that ends is resumed where it stood, without a new list', async () => {
  const { api, clock, client, informers, seen } = setUp();
  void informers.run(stop.signal);
  await clock.settle();
  await clock.advance(10_000);
  api.endWatches();
  await client.create(pod('a'));
  await clock.advance(1_000);
  expect(seen).toEqual(['+default/a']);
  expect(api.requests.filter((line) => line.startsWith('GET') && line.includes('sendInitialEvents')).length).toBe(1);
});

test('the first state comes as the beginning of the watch; from a server that does not do that, in pages', async () => {
  const asked = (api: FakeApi) =>
    api.requests.filter((line) => line.startsWith('GET')).map((line) => line.split('?')[1]);
  const streamed = setUp();
  await streamed.client.create(pod('a'));
  void streamed.informers.run(stop.signal);
  await streamed.clock.settle();
  expect(asked(streamed.api)).toEqual([expect.stringMatching(/^resourceVersionMatch=NotOlderThan&watch=true&/)]);
  stop.abort();
  const paged = setUp();
  paged.api.streamsLists = false;
  for (let i = 0; i < 1_200; i++) await paged.client.create(pod(`p${i}`));
  void paged.informers.run(stop.signal);
  await paged.clock.settle();
  expect(asked(paged.api).slice(1, 4)).toEqual(['limit=500', 'limit=500&continue=500', 'limit=500&continue=1000']);
  expect(paged.informer.lister.list().length).toBe(1_200);
  await paged.client.create(pod('late'));
  await paged.clock.settle();
  expect(paged.seen.at(-1)).toBe('+default/late');
});

test('a server that says at once, over and over, that history is gone is asked less and less often', async () => {
  const { api, clock, informers } = setUp();
  void informers.run(stop.signal);
  await clock.settle();
  api.failNext(...Array.from({ length: 1_000 }, () => expired('too old resource version')));
  api.endWatches();
  await clock.advance(120_000);
  expect(api.requests.length).toBeLessThan(15);
});

test('after lost history the difference between the old copy and the new list is told', async () => {
  const { api, clock, client, informers, seen } = setUp();
  await client.create(pod('gone'));
  await client.create(pod('same'));
  await client.create(pod('changed'));
  void informers.run(stop.signal);
  await clock.settle();
  seen.length = 0;
  await clock.advance(10_000);
  api.endWatches();
  await client.delete('gone', { namespace: 'default' });
  await client.patch('changed', { metadata: { labels: { v: '2' } } }, { namespace: 'default', type: 'merge' });
  api.compact();
  await clock.advance(5_000);
  expect(seen).toEqual(['-default/gone', '~default/changed 2']);
});

test('a refused list is tried again with back-off between 0.8 s and 30 s', async () => {
  const { api, clock, informers, informer } = setUp();
  api.failNext(...Array.from({ length: 8 }, () => serviceUnavailable('down')));
  void informers.run(stop.signal);
  const atMs: number[] = [];
  let known = 0;
  while (!informer.hasSynced()) {
    await clock.advance(100);
    if (api.requests.length > known) atMs.push(clock.monotonicMs());
    known = api.requests.length;
  }
  const gaps = atMs.slice(1).map((at, index) => at - atMs[index]!);
  expect(gaps.length).toBe(8);
  expect(gaps.every((gap) => gap >= 800 && gap <= 30_100)).toBe(true);
});

test('an index answers for objects added before and after it, and follows changes', async () => {
  const { clock, client, informers, informer } = setUp();
  await client.create(pod('a', { v: '1' }));
  void informers.run(stop.signal);
  await clock.settle();
  informer.addIndex('v', (object) => Object.values(object.metadata?.labels ?? {}));
  await client.create(pod('b', { v: '1' }));
  await client.patch('a', { metadata: { labels: { v: '2' } } }, { namespace: 'default', type: 'merge' });
  await clock.settle();
  expect(informer.lister.byIndex('v', '1').map(objectKey)).toEqual(['default/b']);
  expect(informer.lister.byIndex('v', '2').map(objectKey)).toEqual(['default/a']);
  expect(informer.lister.list('default').map(objectKey).sort()).toEqual(['default/a', 'default/b']);
  expect(informer.lister.list('other')).toEqual([]);
  expect(() => informer.lister.byIndex('none', '')).toThrow('index none');
});

test('a resource that is not served settles without being synced, and syncs once it is; a part waits for its own alone', async () => {
  const { api, clock, client, informers, informer, seen } = setUp();
  await client.create(pod('a'));
  api.failNext(notFound(pods, ''));
  const part = informers.part();
  const isDone = async (wait: Promise<boolean>) => {
    let done = false;
    void wait.then((value) => {
      done = value;
    });
    await clock.settle();
    return done;
  };
  void informers.run(stop.signal);
  expect(await isDone(informers.settled(stop.signal))).toBe(true);
  expect(await isDone(part.synced(stop.signal))).toBe(true);
  expect(part.informer(pods)).toBe(informer);
  expect(await isDone(part.settled(stop.signal))).toBe(true);
  expect(await isDone(part.synced(stop.signal))).toBe(false);
  await clock.advance(2_000);
  expect(await isDone(part.synced(stop.signal))).toBe(true);
  expect(seen).toEqual(['+default/a']);
});
