/**
 * The laws of `store.ts` as tests. Every driver runs this suite, so that a new one is known to be a store when it passes.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { randomInt, SeededRandom } from '#pkg/base/random.ts';
import {
  CompactedError,
  expiryLatenessMsMax,
  FutureRevisionError,
  type KeyValue,
  type Store,
  type StoreEvent,
  StoreUnavailableError,
  type WatchSink,
  type WriteResult,
} from './store.ts';
import { eventKey, eventRevision } from './watch-hub.ts';

/** A store to test, and how to get rid of it. The store may be closed already when `cleanup` is called. */
export interface StoreUnderTest {
  readonly store: Store;
  /** Lets this much of the store's time pass, on a virtual clock; absent for a store that lives by the machine's. */
  advance?(durationMs: number): Promise<void>;
  cleanup(): Promise<void>;
}

/** What the keys of the suite begin with: for drivers that keep some keys otherwise than others. */
export const conformancePrefix = '/conformance/';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Declares the tests that hold a driver to the laws of `Store`. `open` makes a store that nobody else writes to. */
export function storeConformance(name: string, open: () => Promise<StoreUnderTest>): void {
  describe(`${name}: store conformance`, () => {
    let current: StoreUnderTest;
    let store: Store;
    let spaces = 0;
    /** A part of the key space for one test. */
    const space = (): string => `${conformancePrefix}${++spaces}/`;

    beforeAll(async () => {
      current = await open();
      store = current.store;
    });
    afterAll(() => current.cleanup());

    const put = (key: string, value: string, ifModRevision = 0): Promise<WriteResult> =>
      store.write({ type: 'put', key, value: encoder.encode(value), ifModRevision });
    const remove = (key: string, ifModRevision: number): Promise<WriteResult> =>
      store.write({ type: 'delete', key, ifModRevision });

    test('each successful write makes the revision greater, by one where nobody else counts, and a failed one leaves it', async () => {
      const prefix = space();
      const base = await store.currentRevision();
      expect(base).toBeGreaterThanOrEqual(1);
      const first = revisionOf(await put(`${prefix}a`, '1'));
      expect(await put(`${prefix}a`, '2')).toMatchObject({ ok: false });
      expect(await remove(`${prefix}b`, 7)).toEqual({ ok: false });
      expect(await remove(`${prefix}a`, 7)).toMatchObject({ ok: false });
      const between = await store.currentRevision();
      expect(await put(`${prefix}a`, '2', 7)).toMatchObject({ ok: false });
      expect(await store.currentRevision()).toBe(between);
      const second = revisionOf(await put(`${prefix}b`, '1'));
      const third = revisionOf(await remove(`${prefix}a`, first));
      const after = await store.currentRevision();
      const all = [base, first, second, third];
      expect([...new Set(all)].sort((x, y) => x - y)).toEqual(all);
      expect(after).toBeGreaterThanOrEqual(third);
      if (store.localRevision !== undefined)
        expect([first, second, third, after]).toEqual([base + 1, base + 2, base + 3, base + 3]);
    });

    test('a write happens only when the key is at the expected revision, and says what it holds otherwise', async () => {
      const key = `${space()}key`;
      const created = revisionOf(await put(key, 'one'));
      expect(plainResult(await put(key, 'two'))).toEqual({ ok: false, current: `${key}=one@${created}/${created}` });
      expect(plainResult(await put(key, 'two', created - 1))).toEqual({
        ok: false,
        current: `${key}=one@${created}/${created}`,
      });
      expect(plainResult(await remove(key, created - 1))).toEqual({
        ok: false,
        current: `${key}=one@${created}/${created}`,
      });
      const updated = await put(key, 'two', created);
      const second = revisionOf(updated);
      expect(plainResult(updated)).toEqual({ ok: true, revision: second, kv: `${key}=two@${created}/${second}` });
      expect(plainResult(await put(key, 'three', created))).toEqual({
        ok: false,
        current: `${key}=two@${created}/${second}`,
      });
      const removed = await remove(key, second);
      expect(plainResult(removed)).toEqual({ ok: true, revision: revisionOf(removed) });
      expect(plainResult(await remove(key, second))).toEqual({ ok: false });
      expect(plainResult(await put(key, 'three', second))).toEqual({ ok: false });
      const again = await put(key, 'three');
      const third = revisionOf(again);
      expect(plainResult(again)).toEqual({ ok: true, revision: third, kv: `${key}=three@${third}/${third}` });
    });

    test('a read after a write has resolved sees it', async () => {
      const key = `${space()}key`;
      expect(await store.get(key)).toBeUndefined();
      const revision = revisionOf(await put(key, 'one'));
      expect(plain(await store.get(key))).toBe(`${key}=one@${revision}/${revision}`);
      expect((await store.range({ prefix: key })).items.map(plain)).toEqual([`${key}=one@${revision}/${revision}`]);
      await remove(key, revision);
      expect(await store.get(key)).toBeUndefined();
    });

    test('values are bytes of any kind and length', async () => {
      const prefix = space();
      const values = [
        new Uint8Array(0),
        Uint8Array.from({ length: 256 }, (_, i) => i),
        new Uint8Array(1024 * 1024).fill(7),
      ];
      for (const [i, value] of values.entries()) {
        await store.write({ type: 'put', key: `${prefix}${i}`, value, ifModRevision: 0 });
        expect(Buffer.compare((await store.get(`${prefix}${i}`))!.value, value)).toBe(0);
      }
    });

    test('a range has the keys of its prefix in byte order, from its start key, up to its limit, and counts all', async () => {
      const prefix = space();
      const names = ['b', 'a', 'c/d', 'a0', 'a/b', '\u{1f600}', '\uffee', '\u00e9'];
      for (const name of names) await put(prefix + name, name);
      await put(`${prefix.slice(0, -1)}0`, 'outside');
      const sorted = names.map((name) => prefix + name).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      const range = async (options: { startKey?: string; limit?: number; prefix?: string }) => {
        const result = await store.range({ prefix, ...options });
        return { keys: result.items.map((kv) => kv.key), count: result.count };
      };
      expect(await range({})).toEqual({ keys: sorted, count: 8 });
      expect(await range({ limit: 0 })).toEqual({ keys: sorted, count: 8 });
      expect(await range({ limit: 3 })).toEqual({ keys: sorted.slice(0, 3), count: 8 });
      expect((await store.range({ prefix, limit: 3, counted: false })).count).toBeGreaterThan(3);
      expect(await range({ limit: 8 })).toEqual({ keys: sorted, count: 8 });
      expect((await store.range({ prefix, limit: 8, counted: false })).count).toBe(8);
      expect(await range({ startKey: sorted[3]!, limit: 2 })).toEqual({ keys: sorted.slice(3, 5), count: 5 });
      expect(await range({ startKey: `${sorted[3]!}\0` })).toEqual({ keys: sorted.slice(4), count: 4 });
      expect(await range({ startKey: '/a' })).toEqual({ keys: sorted, count: 8 });
      expect(await range({ startKey: '/z' })).toEqual({ keys: [], count: 0 });
      expect(await range({ prefix: `${prefix}a` })).toEqual({
        keys: sorted.filter((k) => k.startsWith(`${prefix}a`)),
        count: 3,
      });
      expect(await range({ prefix: `${prefix}none` })).toEqual({ keys: [], count: 0 });
    });

    test('a range at a past revision is the state of then', async () => {
      const prefix = space();
      const first = revisionOf(await put(`${prefix}a`, 'a1'));
      const second = revisionOf(await put(`${prefix}b`, 'b1'));
      const third = revisionOf(await put(`${prefix}a`, 'a2', first));
      const fourth = revisionOf(await remove(`${prefix}b`, second));
      await put(`${prefix}c`, 'c1');
      const last = revisionOf(await put(`${prefix}b`, 'b2'));
      const at = async (revision: number): Promise<string[]> => {
        const result = await store.range({ prefix, revision });
        expect(result).toMatchObject({ revision, count: result.items.length });
        return result.items.map((kv) => decoder.decode(kv.value));
      };
      expect(await at(first - 1)).toEqual([]);
      expect(await at(first)).toEqual(['a1']);
      expect(await at(second)).toEqual(['a1', 'b1']);
      expect(await at(third)).toEqual(['a2', 'b1']);
      expect(await at(fourth)).toEqual(['a2']);
      expect(await at(last)).toEqual(['a2', 'b2', 'c1']);
      const page = await store.range({ prefix, revision: second, limit: 1, startKey: `${prefix}a\0` });
      expect({ ...page, items: page.items.map(plain) }).toEqual({
        items: [`${prefix}b=b1@${second}/${second}`],
        count: 1,
        revision: second,
      });
    });

    test('writes of one moment each have a revision of their own, which a reader and a watch can go on from', async () => {
      const prefix = space();
      const base = await store.currentRevision();
      const names = Array.from({ length: 40 }, (_, i) => `${prefix}${i + 10}`);
      const made = await Promise.all(names.map((name) => put(name, 'made')));
      const changes = names.map((name, i) =>
        i % 4 === 0 ? remove(name, revisionOf(made[i]!)) : put(name, 'changed', revisionOf(made[i]!)),
      );
      // Of two writers of a key one is refused, and the others of the moment go on.
      changes.push(put(names[1]!, 'too late', 0), put(`${prefix}z`, 'made'), remove(`${prefix}y`, base));
      const changed = await Promise.all(changes);
      expect(changed.flatMap(({ ok }, i) => (ok ? [] : [i]))).toEqual([40, 42]);
      const results = [...made, ...changed].filter(({ ok }) => ok).map(revisionOf);
      expect(new Set(results).size).toBe(81);
      const sink = new Collector();
      const watch = store.watch({ prefix, fromRevision: base + 1 }, sink);
      const revisions = [...results].sort((x, y) => x - y);
      await sink.reached(revisions.at(-1)!);
      watch.close();
      expect(sink.events.map(eventRevision)).toEqual(revisions);
      const states = replay(sink.events);
      for (const revision of revisions) {
        const { items } = await store.range({ prefix, revision });
        expect(items.map(plainState)).toEqual(states.get(revision)!.map(withoutCreation));
        const page = await store.range({ prefix, revision, limit: 3, startKey: names[5]! });
        const rest = items.filter(({ key }) => key >= names[5]!);
        expect(page.items.map(plainState)).toEqual(rest.slice(0, 3).map(plainState));
      }
      for (const [i, from] of revisions.entries()) {
        const late = new Collector();
        const resumed = store.watch({ prefix, fromRevision: from }, late);
        await late.reached(revisions.at(-1)!);
        resumed.close();
        expect(late.events.map(plainEvent)).toEqual(sink.events.slice(i).map(plainEvent));
      }
    });

    test('reading a revision that is not there yet fails', async () => {
      const revision = (await store.currentRevision()) + 10;
      await expect(store.range({ prefix: space(), revision })).rejects.toThrow(FutureRevisionError);
    });

    test('a watch delivers every write of its prefix after its start, in order, with what was there before', async () => {
      const prefix = space();
      const sink = new Collector();
      const watch = store.watch({ prefix, fromRevision: (await store.currentRevision()) + 1 }, sink);
      const first = revisionOf(await put(`${prefix}a`, 'a1'));
      await put(`${prefix.slice(0, -1)}0`, 'outside');
      const second = revisionOf(await put(`${prefix}a`, 'a2', first));
      const third = revisionOf(await remove(`${prefix}a`, second));
      await sink.reached(third);
      watch.close();
      expect(sink.events.map(plainEvent)).toEqual([
        `put ${prefix}a=a1@${first}/${first}`,
        `put ${prefix}a=a2@${first}/${second} was ${prefix}a=a1@${first}/${first}`,
        `delete ${prefix}a ${third} was ${prefix}a=a2@${first}/${second}`,
      ]);
    });

    test('a watch from the past delivers what happened since, then goes on', async () => {
      const prefix = space();
      const first = revisionOf(await put(`${prefix}a`, 'a1'));
      await put(`${prefix}b`, 'b1');
      await remove(`${prefix}a`, first);
      const sink = new Collector();
      const watch = store.watch({ prefix, fromRevision: first + 1 }, sink);
      await sink.reached(revisionOf(await put(`${prefix}c`, 'c1')));
      await sink.reached(revisionOf(await put(`${prefix}d`, 'd1')));
      watch.close();
      expect(sink.events.map((event) => `${event.type} ${eventKey(event)}`)).toEqual([
        `put ${prefix}b`,
        `delete ${prefix}a`,
        `put ${prefix}c`,
        `put ${prefix}d`,
      ]);
    });

    test('a watch from the future waits for it', async () => {
      const prefix = space();
      const base = revisionOf(await put(`${prefix}0`, '0'));
      const step = revisionOf(await put(`${prefix}1`, '1')) - base;
      const sink = new Collector();
      const watch = store.watch({ prefix, fromRevision: base + 4 * step }, sink);
      const revisions: number[] = [];
      for (const name of ['a', 'b', 'c']) revisions.push(revisionOf(await put(prefix + name, name)));
      await sink.reached(revisions.at(-1)!);
      watch.close();
      expect(sink.events.map(eventRevision)).toEqual([base + 4 * step]);
    });

    test('a closed watch is not called again', async () => {
      const prefix = space();
      const from = (await store.currentRevision()) + 1;
      const closed = new Collector();
      const open = new Collector();
      const watch = store.watch({ prefix, fromRevision: from }, closed);
      const other = store.watch({ prefix, fromRevision: from }, open);
      const first = revisionOf(await put(`${prefix}a`, 'a'));
      await Promise.all([closed.reached(first), open.reached(first)]);
      watch.close();
      watch.close();
      await open.reached(revisionOf(await put(`${prefix}b`, 'b')));
      other.close();
      expect([closed.events.length, open.events.length, closed.error]).toEqual([1, 2, undefined]);
    });

    test('a local driver has called the watches, with the very bytes, before the write resolves', async () => {
      if (store.localRevision === undefined) return;
      const key = `${space()}key`;
      const sink = new Collector();
      const watch = store.watch({ prefix: key, fromRevision: store.localRevision() + 1 }, sink);
      const value = encoder.encode('value');
      const result = await store.write({ type: 'put', key, value, ifModRevision: 0 });
      expect(sink.events.map((event) => event.type === 'put' && event.kv.value)).toEqual([value]);
      expect(sink.events[0]?.type === 'put' && sink.events[0].kv.value).toBe(value);
      expect(plain(await store.get(key))).toBe(`${key}=value@${store.localRevision()}/${store.localRevision()}`);
      expect(store.localRevision()).toBe(revisionOf(result));
      watch.close();
    });

    test('of concurrent writes to a key that expect the same revision, exactly one happens', async () => {
      const key = `${space()}counter`;
      const results = await Promise.all(Array.from({ length: 20 }, (_, i) => put(key, `${i}`)));
      expect(results.filter((result) => result.ok)).toHaveLength(1);
      const increment = async (): Promise<void> => {
        for (;;) {
          const now = (await store.get(key))!;
          const result = await put(key, String(Number(decoder.decode(now.value)) + 1), now.modRevision);
          if (result.ok) return;
        }
      };
      const start = Number(decoder.decode((await store.get(key))!.value));
      await Promise.all(Array.from({ length: 10 }, increment));
      expect(Number(decoder.decode((await store.get(key))!.value))).toBe(start + 10);
    });

    test('any sequence of writes can be read back at each of its revisions, and replayed by a watch', async () => {
      const prefix = space();
      const random = new SeededRandom(11);
      const sink = new Collector();
      const start = await store.currentRevision();
      const watch = store.watch({ prefix, fromRevision: start + 1 }, sink);
      const states = await randomHistory(store, prefix, random);
      const last = Math.max(...states.keys());
      await sink.reached(last);
      watch.close();
      const late = new Collector();
      const lateWatch = store.watch({ prefix, fromRevision: start + 1 }, late);
      await late.reached(last);
      lateWatch.close();
      expect(late.events.map(plainEvent)).toEqual(sink.events.map(plainEvent));
      expect([...replay(sink.events)]).toEqual([...states]);
      for (const [revision, state] of states) {
        expect((await store.range({ prefix, revision })).items.map(plain)).toEqual(state);
      }
    });

    test('a compacted revision can neither be read nor watched from; the state at the compaction can', async () => {
      const prefix = space();
      const first = revisionOf(await put(`${prefix}a`, 'a1'));
      const second = revisionOf(await put(`${prefix}a`, 'a2', first));
      const third = revisionOf(await put(`${prefix}b`, 'b1'));
      const fourth = revisionOf(await remove(`${prefix}b`, third));
      const fifth = revisionOf(await put(`${prefix}a`, 'a3', second));
      await store.compact(third);
      await store.compact(second);
      await expect(store.range({ prefix, revision: second })).rejects.toThrow(CompactedError);
      const values = async (revision?: number): Promise<string[]> =>
        (await store.range({ prefix, ...(revision && { revision }) })).items.map((kv) => decoder.decode(kv.value));
      expect(await values(third)).toEqual(['a2', 'b1']);
      expect(await values(fourth)).toEqual(['a2']);
      expect(await values()).toEqual(['a3']);
      const early = new Collector();
      store.watch({ prefix, fromRevision: second }, early);
      expect(await early.failed()).toBeInstanceOf(CompactedError);
      const later = new Collector();
      const watch = store.watch({ prefix, fromRevision: fourth }, later);
      await later.reached(fifth);
      watch.close();
      expect(later.events.map((event) => event.type)).toEqual(['delete', 'put']);
      await expect(store.compact((await store.currentRevision()) + 5)).rejects.toThrow(FutureRevisionError);
    });

    test('a range that spans a compaction, a write under way and a page is still one state', async () => {
      const prefix = space();
      const created = await Promise.all(Array.from({ length: 40 }, (_, i) => put(`${prefix}${i + 10}`, 'old')));
      const revision = await store.currentRevision();
      const writes = created.map((result, i) => {
        const key = `${prefix}${i + 10}`;
        return i % 2 === 0 ? remove(key, revisionOf(result)) : put(key, 'new', revisionOf(result));
      });
      writes.push(put(`${prefix}z`, 'new'));
      const pages: string[] = [];
      let startKey = prefix;
      for (;;) {
        const page = await store.range({ prefix, startKey, limit: 7, revision, counted: false });
        pages.push(...page.items.map((kv) => decoder.decode(kv.value)));
        if (page.count <= page.items.length) break;
        startKey = `${page.items.at(-1)!.key}\0`;
        const now = await store.range({ prefix });
        const values = now.items.map((kv) => decoder.decode(kv.value));
        expect(now.items.every((kv) => kv.modRevision <= now.revision)).toBe(true);
        expect([values.length, now.count]).toEqual([now.count, now.items.length]);
      }
      expect(pages).toEqual(Array.from({ length: 40 }, () => 'old'));
      await Promise.all(writes);
      expect((await store.range({ prefix })).items.map((kv) => decoder.decode(kv.value))).toEqual(
        Array.from({ length: 21 }, () => 'new'),
      );
    });

    test('a key with a time to live is deleted when it is over, as by any write, and not before (fault 56)', {
      timeout: 90_000,
    }, async () => {
      const prefix = space();
      // By the machine's time all the writes are made and looked at within it, on a disk that others write to as well.
      const ttlMs = current.advance === undefined ? 6_000 : 2_000;
      const putFor = (key: string, ifModRevision: number, ttl?: number): Promise<WriteResult> =>
        store.write({
          type: 'put',
          key: prefix + key,
          value: encoder.encode(key),
          ifModRevision,
          ...(ttl !== undefined && { ttlMs: ttl }),
        });
      const base = await store.currentRevision();
      const sink = new Collector();
      const watch = store.watch({ prefix, fromRevision: base + 1 }, sink);
      const gone = revisionOf(await putFor('gone', 0, ttlMs));
      await putFor('stays', 0);
      await putFor('kept', revisionOf(await putFor('kept', 0, ttlMs)));
      await putFor('renewed', revisionOf(await putFor('renewed', 0, ttlMs)), 3_600_000);
      const lastWrite = revisionOf(await remove(`${prefix}removed`, revisionOf(await putFor('removed', 0, ttlMs))));
      const before = await store.currentRevision();
      const ended = before + 1;
      await current.advance?.(ttlMs - 1);
      expect(await store.get(`${prefix}gone`)).toBeDefined();
      await current.advance?.(expiryLatenessMsMax + 1);
      await sink.reached(ended);
      watch.close();
      expect(sink.events.slice(-1).map(plainEvent)).toEqual([
        `delete ${prefix}gone ${ended} was ${prefix}gone=gone@${gone}/${gone}`,
      ]);
      expect((await store.range({ prefix })).items.map((kv) => kv.key.slice(prefix.length))).toEqual([
        'kept',
        'renewed',
        'stays',
      ]);
      const after = await store.currentRevision();
      expect(after - ended).toBe(before - lastWrite);
    });

    test('closing ends the watches with an error, and what is asked after it fails', async () => {
      const own = await open();
      const sink = new Collector();
      own.store.watch({ prefix: '/x/', fromRevision: (await own.store.currentRevision()) + 1 }, sink);
      await own.store.close();
      await own.store.close();
      expect(await sink.failed()).toBeInstanceOf(StoreUnavailableError);
      await expect(own.store.get('/x/a')).rejects.toThrow(StoreUnavailableError);
      await expect(own.store.range({ prefix: '/x/' })).rejects.toThrow(StoreUnavailableError);
      await expect(own.store.write({ type: 'delete', key: '/x/a', ifModRevision: 1 })).rejects.toThrow(
        StoreUnavailableError,
      );
      await own.cleanup();
    });
  });
}

/** A sink that keeps what it is given, with promises for it. */
class Collector implements WatchSink {
  readonly events: StoreEvent[] = [];
  error: Error | undefined;
  #wake = (): void => {};

  onEvents(events: readonly StoreEvent[], revision: number): void {
    this.events.push(...events);
    const last = this.events[this.events.length - 1];
    if (last !== undefined && revision < eventRevision(last))
      this.onError(new Error('the watch is behind its last event'));
    this.#wake();
  }

  onError(error: Error): void {
    this.error = error;
    this.#wake();
  }

  /** Resolves once the event of `revision` was delivered. */
  async reached(revision: number): Promise<void> {
    while (!this.events.some((event) => eventRevision(event) === revision)) {
      if (this.error !== undefined) throw this.error;
      await this.#change();
    }
  }

  async failed(): Promise<Error> {
    while (this.error === undefined) await this.#change();
    return this.error;
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

function revisionOf(result: WriteResult): number {
  if (!result.ok) throw new Error('The write was refused');
  return result.revision;
}

function plain(kv: KeyValue | undefined): string | undefined {
  return kv && `${kv.key}=${decoder.decode(kv.value)}@${kv.createRevision}/${kv.modRevision}`;
}

/** Without when it was made. */
function plainState(kv: KeyValue): string {
  return withoutCreation(plain(kv)!);
}

function withoutCreation(text: string): string {
  return text.replace(/@\d+\//, '/');
}

function plainResult(result: WriteResult): unknown {
  if (!result.ok) return result.current === undefined ? { ok: false } : { ok: false, current: plain(result.current) };
  return result.kv === undefined ? { ok: true, revision: result.revision } : { ...result, kv: plain(result.kv) };
}

function plainEvent(event: StoreEvent): string {
  const was = event.previous === undefined ? '' : ` was ${plain(event.previous)}`;
  return event.type === 'put' ? `put ${plain(event.kv)}${was}` : `delete ${event.key} ${event.revision}${was}`;
}

/** Makes random writes; the state after each of them, by revision. */
async function randomHistory(store: Store, prefix: string, random: SeededRandom): Promise<Map<number, string[]>> {
  const model = new Map<string, KeyValue>();
  const states = new Map<number, string[]>();
  for (let step = 0; step < 150; step++) {
    const key = `${prefix}${randomInt(random, 12)}`;
    const ifModRevision = model.get(key)?.modRevision ?? 0;
    if (ifModRevision > 0 && random.next() < 0.4) {
      const revision = revisionOf(await store.write({ type: 'delete', key, ifModRevision }));
      model.delete(key);
      states.set(revision, stateOf(model));
      continue;
    }
    const result = await store.write({ type: 'put', key, value: encoder.encode(`${step}`), ifModRevision });
    if (!result.ok || result.kv === undefined) throw new Error('The write was refused');
    model.set(key, result.kv);
    states.set(result.revision, stateOf(model));
  }
  return states;
}

function replay(events: readonly StoreEvent[]): Map<number, string[]> {
  const model = new Map<string, KeyValue>();
  const states = new Map<number, string[]>();
  for (const event of events) {
    if (event.type === 'put') model.set(event.kv.key, event.kv);
    else model.delete(event.key);
    states.set(eventRevision(event), stateOf(model));
  }
  return states;
}

function stateOf(model: ReadonlyMap<string, KeyValue>): string[] {
  return [...model.keys()].sort().map((key) => plain(model.get(key))!);
}
