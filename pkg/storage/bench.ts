/**
 * Measures the drivers and the watch cache alone: `node pkg/storage/bench.ts [seconds per row]`. Not a test; the figures of the whole server
 * come from `npm run bench`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { SystemClock } from '#pkg/base/clock.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import type { CacheCodec } from './cache.ts';
import { openLmdbStore } from './drivers/lmdb/lmdb-store.ts';
import { createMemoryStore } from './drivers/memory/memory-store.ts';
import type { Store } from './store.ts';
import { createResourceCache } from './watch-cache.ts';

const clock = new SystemClock();
const rowMs = Number(process.argv[2] ?? 1) * 1000;
/** About the size of a pod as JSON. */
const valueBytes = 3_800;

const codec: CacheCodec = {
  entry: (kv) => ({ ...kv, object: {}, bytes: kv.value }),
  deletedEntry: (previous, revision) => ({ ...previous, modRevision: revision, object: {}, bytes: previous.value }),
};

function print(row: string, operations: number, tookMs: number, latencies?: number[]): void {
  const rate = Math.round((operations * 1000) / tookMs).toLocaleString('en');
  const sorted = latencies?.sort((a, b) => a - b);
  const at = (q: number): string =>
    sorted === undefined ? '' : sorted[Math.floor((sorted.length - 1) * q)]!.toFixed(2);
  process.stdout.write(`${row.padEnd(44)} ${rate.padStart(10)}/s ${at(0.5).padStart(8)} ${at(0.99).padStart(8)}\n`);
}

/** Creates keys with a number of writers that each wait for their write, until the time is over. */
async function creates(name: string, store: Store, writers: number): Promise<void> {
  const latencies: number[] = [];
  let next = 0;
  const startMs = clock.monotonicMs();
  const writer = async (): Promise<void> => {
    while (clock.monotonicMs() - startMs < rowMs) {
      const key = `/registry/pods/bench-${writers}/pod-${String(next++).padStart(8, '0')}`;
      const beganMs = clock.monotonicMs();
      const result = await store.write({ type: 'put', key, value: Buffer.alloc(valueBytes, 97), ifModRevision: 0 });
      if (!result.ok) throw new Error('conflict');
      latencies.push(clock.monotonicMs() - beganMs);
    }
  };
  await Promise.all(Array.from({ length: writers }, writer));
  print(`${name}: create, ${writers} writers`, latencies.length, clock.monotonicMs() - startMs, latencies);
}

async function reads(name: string, store: Store): Promise<void> {
  const startMs = clock.monotonicMs();
  let count = 0;
  for (; clock.monotonicMs() - startMs < rowMs / 4; count++)
    await store.get(`/registry/pods/bench-1/pod-${String(count % 1000).padStart(8, '0')}`);
  print(`${name}: get`, count, clock.monotonicMs() - startMs);
}

async function fanOut(watchers: number): Promise<void> {
  const store = createMemoryStore({ clock });
  const cache = createResourceCache({ store, prefix: '/registry/pods/', codec, clock, log: silentLogger });
  await cache.fresh();
  let delivered = 0;
  const sink = {
    onEvents: (events: readonly unknown[]): void => {
      delivered += events.length;
    },
    onProgress: (): void => {},
    onError: (): void => {},
  };
  for (let i = 0; i < watchers; i++) cache.watch({ prefix: '/registry/pods/', afterRevision: cache.revision }, sink);
  const value = Buffer.alloc(valueBytes, 97);
  const startMs = clock.monotonicMs();
  for (let i = 0; clock.monotonicMs() - startMs < rowMs; i++) {
    await store.write({ type: 'put', key: `/registry/pods/a/${i}`, value, ifModRevision: 0 });
  }
  print(`watch cache: deliveries to ${watchers} watchers`, delivered, clock.monotonicMs() - startMs);
  cache.close();
}

async function lists(items: number): Promise<void> {
  const store = createMemoryStore({ clock });
  for (let i = 0; i < items; i++) {
    await store.write({
      type: 'put',
      key: `/registry/pods/ns-${i % 50}/pod-${i}`,
      value: new Uint8Array(1),
      ifModRevision: 0,
    });
  }
  const cache = createResourceCache({ store, prefix: '/registry/pods/', codec, clock, log: silentLogger });
  await cache.fresh();
  const startMs = clock.monotonicMs();
  let count = 0;
  for (; clock.monotonicMs() - startMs < rowMs / 4; count++) cache.list('/registry/pods/');
  print(`watch cache: list of ${items}`, count, clock.monotonicMs() - startMs);
  cache.close();
}

process.stdout.write(`${'row'.padEnd(44)} ${'rate'.padStart(12)} ${'p50 ms'.padStart(8)} ${'p99 ms'.padStart(8)}\n`);
const memory = createMemoryStore({ clock });
await creates('memory', memory, 1);
await reads('memory', memory);
const directory = mkdtempSync(join(tmpdir(), 'coxswain-bench-'));
try {
  const lmdb = await openLmdbStore({ directory, log: silentLogger, clock });
  for (const writers of [1, 32, 128]) await creates('lmdb', lmdb, writers);
  await reads('lmdb', lmdb);
  await lmdb.close();
} finally {
  rmSync(directory, { recursive: true, force: true });
}
await fanOut(100);
await lists(2_200);
await lists(100_000);
