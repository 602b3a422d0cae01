/**
 * The folder is bounded by what is live and the past that is kept, however long it is written to. `STORE_WRITES=1000000` is the million updates of one
 * object, `STORE_WRITES=4300000` the Lease writes of a day of 500 nodes (`-t object`, `-t leases`). With `TMPDIR` on a file system in memory they take minutes:
 * each update of one object waits for a sync of its own.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { SystemClock } from '#pkg/base/clock.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { openLmdbStore } from './lmdb-store.ts';

const asked = Number(process.env.STORE_WRITES ?? 0);
const isLong = asked > 0;
const timeout = isLong ? 3_600_000 : 180_000;

/** Largest file of the long form, and of the short one, which has not more than was written. */
const bytesMax = isLong ? 200e6 : 20e6;

interface Load {
  readonly keys: number;
  readonly valueBytes: number;
  readonly writes: number;
}

/** Writes to keys in turn, all of them at once; gives the size of the file. */
async function sizeAfter({ keys, valueBytes, writes }: Load): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'coxswain-growth-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const store = await openLmdbStore({ directory, log: silentLogger, clock: new SystemClock() });
  const update = async (index: number): Promise<void> => {
    let ifModRevision = 0;
    for (let round = 0; round < writes / keys; round++) {
      const value = Buffer.alloc(valueBytes, `${index} ${round} `);
      const result = await store.write({ type: 'put', key: `/registry/leases/a/${index}`, value, ifModRevision });
      if (!result.ok) throw new Error('A write was refused');
      ifModRevision = result.revision;
    }
  };
  await Promise.all(Array.from({ length: keys }, (_, index) => update(index)));
  const revision = await store.currentRevision();
  await store.close();
  expect(revision).toBeGreaterThanOrEqual(writes);
  const again = await openLmdbStore({ directory, log: silentLogger, clock: new SystemClock() });
  expect((await again.range({ prefix: '/' })).count).toBe(keys);
  await again.close();
  const { size } = statSync(join(directory, 'data.mdb'));
  if (isLong)
    process.stdout.write(`${writes} writes to ${keys} keys of ${valueBytes} bytes: ${Math.round(size / 1e6)} MB\n`);
  return size;
}

test('updates of one object leave a bounded folder', { timeout }, async () => {
  expect(await sizeAfter({ keys: 1, valueBytes: 1_000, writes: asked || 300 })).toBeLessThan(bytesMax);
});

test('renewals of 500 leases leave a bounded folder', { timeout }, async () => {
  expect(await sizeAfter({ keys: 500, valueBytes: 500, writes: asked || 12_000 })).toBeLessThan(bytesMax);
});
