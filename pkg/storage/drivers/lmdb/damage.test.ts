/** What is on the disk is not what was written: that is found when the folder is opened, or it concerns nothing that is in use. */
import { cpSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from 'lmdb';
import { expect, onTestFinished, test } from 'vitest';
import { SystemClock } from '#pkg/base/clock.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { randomInt, SeededRandom } from '#pkg/base/random.ts';
import { type Store, StoreUnavailableError } from '../../store.ts';
import { findDamage } from './file-check.ts';
import { openLmdbStore } from './lmdb-store.ts';

/** How many damaged files are tried; `DAMAGES=1000` tries harder. */
const damages = Number(process.env.DAMAGES ?? 40);
const pageBytes = 4096;

function testFolder(): string {
  const directory = mkdtempSync(join(tmpdir(), 'coxswain-damage-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Half of the keys are cold. */
const cold = { prefixes: ['/k/1', '/n/1'], sample: '0123456789 /k/1 /w1/ 2 ' };
const openIn = (directory: string): Promise<Store> =>
  openLmdbStore({ directory, log: silentLogger, clock: new SystemClock(), cold });

/** Everything that a reader can see. */
async function contentsOf(store: Store): Promise<string> {
  const { items, revision } = await store.range({ prefix: '' });
  return `${revision} ${items.map((kv) => `${kv.key}@${kv.modRevision}=${Buffer.from(kv.value)}`).join(' ')}`;
}

/** A store that was written to, deleted from and compacted; returns what is in it. */
async function fill(directory: string, random: SeededRandom): Promise<string> {
  const store = await openIn(directory);
  for (let round = 0; round < 30; round++) {
    const writes = Array.from({ length: 1 + randomInt(random, 20) }, async () => {
      const key = `/k/${randomInt(random, 200)}`;
      const ifModRevision = (await store.get(key))?.modRevision ?? 0;
      if (ifModRevision > 0 && randomInt(random, 4) === 0) await store.write({ type: 'delete', key, ifModRevision });
      else {
        const value = Buffer.alloc(100 + randomInt(random, 6000), `${key} ${round} `);
        await store.write({ type: 'put', key, value, ifModRevision });
      }
    });
    await Promise.all(writes);
    if (round % 10 === 9) await store.compact((await store.currentRevision()) - 40);
  }
  const contents = await contentsOf(store);
  await store.close();
  return contents;
}

/** Half of the damage is done where it hurts most: to pages that say where others are. */
function damage(file: Buffer, random: SeededRandom): void {
  const pages = Array.from({ length: file.length / pageBytes }, (_, i) => i * pageBytes);
  const treePages = pages.filter((page) => [1, 2, 8].includes(file.readUInt16LE(page + 18)));
  const from = randomInt(random, 2) === 0 ? pages : treePages;
  const page = from[randomInt(random, from.length)]!;
  const at = page + randomInt(random, randomInt(random, 2) === 0 ? 200 : pageBytes - 16);
  switch (randomInt(random, 4)) {
    case 0:
      for (let i = 0; i < 16; i++) file[at + i] = randomInt(random, 256);
      break;
    case 1:
      file[at]! ^= 1 << randomInt(random, 8);
      break;
    case 2:
      file.fill(0, page, page + pageBytes);
      break;
    default:
      file.copy(file, page, pages[randomInt(random, pages.length)]!, page + pageBytes);
  }
}

test(`a damaged file is refused with one line, or nothing of it is lost and it goes on to work (${damages} files)`, {
  timeout: 90_000 + damages * 500,
}, async () => {
  const sound = testFolder();
  const random = new SeededRandom(11);
  const contents = await fill(sound, random);
  let refused = 0;
  for (let round = 0; round < damages; round++) {
    const directory = testFolder();
    cpSync(sound, directory, { recursive: true });
    const path = join(directory, 'data.mdb');
    const file = readFileSync(path);
    damage(file, random);
    writeFileSync(path, file);
    const refuse = (error: unknown): undefined => {
      expect(error).toBeInstanceOf(StoreUnavailableError);
      expect(String(error)).toMatch(
        /Cannot (open|read) \S+ as data.mdb is damaged: [^\n]+; move \S+ away and run "coxswain snapshot restore FILE --data-dir \S+" with a snapshot, or choose another data folder$/,
      );
      refused++;
    };
    const store = await openIn(directory).catch(refuse);
    if (store === undefined) continue;
    // What is cold is looked at when it is read.
    const found = await contentsOf(store).catch(refuse);
    if (found === undefined) {
      await store.close();
      continue;
    }
    expect(found).toBe(contents);
    for (let i = 0; i < 10; i++)
      await store.write({ type: 'put', key: `/n/${i}`, value: Buffer.alloc(i * 2000), ifModRevision: 0 });
    await store.compact(await store.currentRevision());
    const later = await contentsOf(store);
    await store.close();
    const again = await openIn(directory);
    expect(await contentsOf(again)).toBe(later);
    await again.close();
  }
  expect(refused).toBeGreaterThan(damages / 4);
});

test('a file that was cut off anywhere is refused, or only free pages were', async () => {
  const sound = testFolder();
  const contents = await fill(sound, new SeededRandom(12));
  const { size } = statSync(join(sound, 'data.mdb'));
  for (let part = 1; part < 12; part++) {
    const directory = testFolder();
    cpSync(sound, directory, { recursive: true });
    truncateSync(join(directory, 'data.mdb'), Math.floor((size * part) / 12));
    const opened = await openIn(directory).catch((error: unknown) => String(error));
    if (typeof opened === 'string') {
      expect(opened).toMatch(/data.mdb is damaged/);
      continue;
    }
    expect(await contentsOf(opened)).toBe(contents);
    await opened.close();
  }
});

test('a sound file, an empty one and none have no damage', async () => {
  const directory = testFolder();
  const path = join(directory, 'data.mdb');
  expect(findDamage(path)).toBeUndefined();
  writeFileSync(path, '');
  expect(findDamage(path)).toBeUndefined();
  await fill(directory, new SeededRandom(13));
  expect(findDamage(path)).toBeUndefined();
});

test('a folder of another format is refused, and says what to do', async () => {
  const directory = testFolder();
  const formatted = async (format: number): Promise<void> => {
    const root = open<unknown, string>({ path: directory, encoding: 'binary', maxDbs: 4 });
    await root.openDB<number, string>('meta', { encoding: 'json' }).put('format', format);
    await root.close();
  };
  await formatted(1);
  await expect(openIn(directory)).rejects.toThrow(
    `Cannot open ${directory} as it has format 1 and this version reads format 4: run "coxswain upgrade --data-dir `,
  );
  await formatted(5);
  await expect(openIn(directory)).rejects.toThrow(
    `Cannot open ${directory} as it has format 5 and this version reads format 4: choose another data folder`,
  );
});
