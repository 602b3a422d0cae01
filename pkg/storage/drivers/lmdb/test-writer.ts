/** What a process does that writes to a store until it is killed or the disk refuses, for the tests of durability. */
import { writeSync } from 'node:fs';
import { SystemClock } from '#pkg/base/clock.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import type { WriteResult } from '../../store.ts';
import { openLmdbStore } from './lmdb-store.ts';

/** All keys of some writers, some of others and none of the rest are cold. */
const cold = { prefixes: ['/w1', '/w2/1', '/w3/2'], sample: '0123456789 /k/1 /w1/ 2 ' };

/**
 * Writes to the store in `directory` with a number of writers at once. Tells each acknowledged write on a line of standard output
 * as soon as it is acknowledged: `put|delete <key> <revision>`; when a write fails: `failed <name of the error> <whether
 * the store has ended, and refuses the next write with that>`.
 */
export async function writeUntilRefused(directory: string, writers: number): Promise<void> {
  const store = await openLmdbStore({ directory, log: silentLogger, clock: new SystemClock(), cold });
  const write = async (writer: number): Promise<void> => {
    for (let n = 0; ; n++) {
      const key = `/w${writer}/${n}`;
      let revision = 0;
      for (let change = 0; change < 3; change++) {
        const value = Buffer.alloc(500 + ((writer * 7919 + n * 104_729) % 4000), `${key} ${change} `);
        revision = tell('put', key, await store.write({ type: 'put', key, value, ifModRevision: revision }));
      }
      // Every other key is deleted again.
      if (n % 2 === 0) tell('delete', key, await store.write({ type: 'delete', key, ifModRevision: revision }));
    }
  };
  const [first] = await Promise.allSettled(Array.from({ length: writers }, (_, i) => write(i)));
  if (first?.status === 'rejected') {
    const name = first.reason instanceof Error ? first.reason.name : String(first.reason);
    const again: unknown = await store
      .write({ type: 'delete', key: '/w0/1', ifModRevision: 1 })
      .catch((error) => error);
    writeSync(1, `failed ${name} ${again === (await store.ended)}\n`);
  }
  await store.close();
}

function tell(type: string, key: string, result: WriteResult): number {
  if (!result.ok) throw new Error('A write to a key of its own was refused');
  writeSync(1, `${type} ${key} ${result.revision}\n`);
  return result.revision;
}
