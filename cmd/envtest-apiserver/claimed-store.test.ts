/** What becomes of the store when the `etcd` stand-in goes and comes. */
import { expect, test } from 'vitest';
import type { ClaimResult } from '#cmd/common/etcd-claim.ts';
import { Deferred } from '#pkg/base/async.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { createMemoryStore } from '#pkg/storage/drivers/memory/memory-store.ts';
import type { StoreEvent } from '#pkg/storage/store.ts';
import { claimedStore, type HeldClaim } from './claimed-store.ts';

interface Held {
  readonly claim: HeldClaim;
  readonly gone: Deferred;
  isReleased: boolean;
}

function held(id: string): Held {
  const gone = new Deferred();
  const release = (): void => {
    it.isReleased = true;
  };
  const it: Held = {
    gone,
    isReleased: false,
    claim: { kind: 'held', dataDir: '/data', id, waitsForDisk: true, gone: gone.promise, release },
  };
  return it;
}

function claimed(first: Held) {
  const clock = new VirtualClock();
  const store = createMemoryStore({ clock });
  const answers: ClaimResult[] = [];
  const claimAgain = async (): Promise<ClaimResult> => answers.shift() ?? { kind: 'absent' };
  return {
    clock,
    answers,
    store: claimedStore({ store, address: 'http://etcd', claim: first.claim, clock, claimAgain }),
  };
}

const put = (key: string) => ({ type: 'put', key, value: Buffer.from(key), ifModRevision: 0 }) as const;
const unreachable = 'Cannot reach the etcd stand-in at http://etcd';

test('a stand-in that comes back with its data: calls fail meanwhile, watches go on', async () => {
  const first = held('a');
  const { clock, answers, store } = claimed(first);
  const seen: StoreEvent[] = [];
  store.watch({ prefix: '', fromRevision: 1 }, { onEvents: (events) => void seen.push(...events), onError() {} });
  await store.write(put('before'));
  first.gone.resolve();
  await clock.advance(1);
  await expect(store.get('before')).rejects.toThrow(unreachable);
  await expect(store.write(put('between'))).rejects.toThrow(unreachable);
  await expect(store.currentRevision()).rejects.toThrow(unreachable);
  answers.push(held('a').claim);
  await clock.advance(1000);
  expect((await store.get('before'))?.key).toBe('before');
  await store.write(put('after'));
  expect(seen.map((event) => (event.type === 'put' ? event.kv.key : ''))).toEqual(['before', 'after']);
  await store.close();
});

test('other data in its place ends the store, and the claim on that is given back', async () => {
  const first = held('a');
  const { clock, answers, store } = claimed(first);
  const other = held('b');
  answers.push({ kind: 'absent' }, other.claim);
  first.gone.resolve();
  await clock.advance(1000);
  expect((await store.ended)?.message).toBe('The etcd stand-in at http://etcd holds other data now');
  expect(other.isReleased).toBe(true);
  await store.close();
});

test('closing gives the claim back, and none is made again', async () => {
  const first = held('a');
  const { clock, answers, store } = claimed(first);
  await store.close();
  expect(first.isReleased).toBe(true);
  answers.push(held('a').claim);
  first.gone.resolve();
  await clock.advance(1000);
  expect(answers).toHaveLength(1);
});
