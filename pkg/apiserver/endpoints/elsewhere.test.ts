/**
 * Changes on a store that is elsewhere, as an etcd is: the cache's state is tried first, so that a change is one request to the store, and where the cache is
 * behind nothing that is said or written comes of that.
 */
import { expect, test } from 'vitest';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { createMemoryStore } from '#pkg/storage/drivers/memory/memory-store.ts';
import { type Store, type StoreEvent, StoreUnavailableError } from '#pkg/storage/store.ts';
import { type Answer, type CallOptions, startTestServer } from '../testing/test-server.ts';

const maps = '/api/v1/namespaces/default/configmaps';
const merge = { 'content-type': 'application/merge-patch+json' };

interface Elsewhere {
  readonly store: Store;
  /** What was asked of it. */
  readonly asked: string[];
  /** The answer to the next write is lost: it happens, and whoever asked for it is told that the store cannot be used. */
  lose(): void;
  /** From now on its watches are behind, until somebody asks for its revision. */
  delay(): void;
}

/** A part of what an etcd is to a server: its watches come late, and it knows only this server's own writes as acknowledged. */
function elsewhere(inner: Store): Elsewhere {
  const asked: string[] = [];
  let held: (() => void)[] | undefined;
  let acknowledged = 0;
  let isLost = false;
  const release = (): void => {
    const late = held ?? [];
    held = undefined;
    for (const tell of late) tell();
  };
  const store: Store = {
    get: (key) => {
      asked.push('get');
      return inner.get(key);
    },
    range: (options) => {
      asked.push('range');
      return inner.range(options);
    },
    async write(operation) {
      asked.push(operation.type);
      const result = await inner.write(operation);
      if (isLost) {
        isLost = false;
        throw new StoreUnavailableError('no answer');
      }
      if (result.ok) acknowledged = Math.max(acknowledged, result.revision);
      return result;
    },
    watch: (options, sink) => {
      const onEvents = (events: readonly StoreEvent[], revision: number): void => {
        const tell = (): void => sink.onEvents(events, revision);
        if (held === undefined) tell();
        else held.push(tell);
      };
      return inner.watch(options, { onEvents, onError: (error) => sink.onError(error) });
    },
    async currentRevision() {
      asked.push('revision');
      release();
      return inner.currentRevision();
    },
    acknowledgedRevision: () => acknowledged,
    compact: (revision) => inner.compact(revision),
    close: () => inner.close(),
  };
  return { store, asked, lose: () => (isLost = true), delay: () => (held ??= []) };
}

interface Servers extends Elsewhere {
  readonly call: (method: string, target: string, options?: CallOptions) => Promise<Answer>;
  /** The same of another server of the store. */
  readonly other: (method: string, target: string, options?: CallOptions) => Promise<Answer>;
}

async function servers(): Promise<Servers> {
  const inner = createMemoryStore({ clock: new VirtualClock() });
  const far = elsewhere(inner);
  const { call: other } = await startTestServer({ store: inner });
  const { call } = await startTestServer({ store: far.store });
  await call('POST', maps, { object: { metadata: { name: 'm' }, data: { a: '1' } } });
  far.asked.length = 0;
  return { ...far, call, other };
}

const patch = (data: object): CallOptions => ({ object: { data }, headers: merge });

test('a patch, an update and a delete of what the cache has are one request to the store each', async () => {
  const { call, asked } = await servers();
  const patched = await call('PATCH', `${maps}/m`, patch({ b: '2' }));
  const updated = await call('PUT', `${maps}/m`, { object: { ...patched.body, data: { c: '3' } } });
  expect([updated.status, updated.body.data]).toEqual([200, { c: '3' }]);
  expect((await call('DELETE', `${maps}/m`)).status).toBe(200);
  expect(asked).toEqual(['put', 'put', 'delete']);
});

test('where another server was first, a change is made again of the newest state', async () => {
  const { call, other, delay, asked } = await servers();
  delay();
  await other('PATCH', `${maps}/m`, patch({ theirs: 'x' }));
  const { body } = await call('PATCH', `${maps}/m`, patch({ ours: 'y' }));
  expect(body.data).toEqual({ a: '1', theirs: 'x', ours: 'y' });
  expect(asked).toEqual(['put', 'revision', 'put']);
});

test('a change of nothing, a dry run and a refusal are told of the newest state', async () => {
  const { call, other, delay } = await servers();
  const changes = async (value: string): Promise<Answer> => {
    delay();
    return other('PATCH', `${maps}/m`, patch({ theirs: value }));
  };
  await changes('1');
  expect((await call('PATCH', `${maps}/m`, patch({ a: '1' }))).body.data).toEqual({ a: '1', theirs: '1' });
  await changes('2');
  const dry = await call('PATCH', `${maps}/m?dryRun=All`, patch({ b: '2' }));
  expect(dry.body.data).toEqual({ a: '1', theirs: '2', b: '2' });
  // It names the version that the cache does not have yet.
  const newest = await changes('3');
  const put = await call('PUT', `${maps}/m`, { object: { ...newest.body, data: { d: '4' } } });
  expect([put.status, put.body.data]).toEqual([200, { d: '4' }]);
  await changes('4');
  const late = await call('PUT', `${maps}/m`, { object: put.body });
  expect([late.status, late.body.reason]).toEqual([409, 'Conflict']);
});

test('what another server has deleted or made again is not taken for what it was', async () => {
  const { call, other, delay } = await servers();
  delay();
  await other('DELETE', `${maps}/m`);
  expect((await call('PATCH', `${maps}/m`, patch({ b: '2' }))).status).toBe(404);
  delay();
  const again = await other('POST', maps, { object: { metadata: { name: 'm' } } });
  const { uid, resourceVersion } = again.body.metadata;
  const foreign = { object: { preconditions: { uid: 'another' } } };
  expect((await call('DELETE', `${maps}/m`, foreign)).status).toBe(409);
  delay();
  await other('PATCH', `${maps}/m`, patch({ theirs: 'x' }));
  const stale = { object: { preconditions: { uid, resourceVersion } } };
  expect((await call('DELETE', `${maps}/m`, stale)).status).toBe(409);
  delay();
  const newest = await other('PATCH', `${maps}/m`, patch({ theirs: 'y' }));
  const known = { object: { preconditions: { uid, resourceVersion: newest.body.metadata.resourceVersion } } };
  expect((await call('DELETE', `${maps}/m`, known)).status).toBe(200);
  expect((await other('GET', `${maps}/m`)).status).toBe(404);
});

test('a write whose answer was lost is told as that, and not as a conflict with itself', async () => {
  const { call, other, lose } = await servers();
  const current = await other('GET', `${maps}/m`);
  lose();
  const put = await call('PUT', `${maps}/m`, { object: { ...current.body, data: { a: '2' } } });
  expect([put.status, put.body.reason]).toEqual([503, 'ServiceUnavailable']);
  lose();
  expect((await call('PATCH', `${maps}/m`, patch({ b: '3' }))).status).toBe(503);
  expect((await other('GET', `${maps}/m`)).body.data).toEqual({ a: '2', b: '3' });
  lose();
  expect((await call('DELETE', `${maps}/m`)).status).toBe(503);
  expect((await other('GET', `${maps}/m`)).status).toBe(404);
});
