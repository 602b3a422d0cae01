/** Stores of versions before come to this one with all that they had, and stay as they were beside it, wherever that is cut off. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { open } from 'lmdb';
import { expect, onTestFinished, test } from 'vitest';
import { SystemClock } from '#pkg/base/clock.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { openStore } from './store.ts';
import { layoutKey, storeIdKey } from './store-keys.ts';
import type { StorePlace } from './stores.ts';
import { upgradeStore } from './upgrade.ts';

interface Write {
  readonly key: string;
  /** Absent: it is deleted. */
  readonly value?: string;
}

function placeOf(store = 'lmdb'): StorePlace {
  const folder = mkdtempSync(join(tmpdir(), 'coxswain-upgrade-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return { store, folder, clock: new SystemClock(), random: new SeededRandom(3), log: silentLogger };
}

/** As format 1 had a write. */
function recordOf({ key, value = '' }: Write, isPut: boolean): Buffer {
  const head = Buffer.alloc(19);
  head[0] = isPut ? 1 : 2;
  head.writeUInt16LE(Buffer.byteLength(key), 17);
  return Buffer.concat([head, Buffer.from(key), Buffer.from(value)]);
}

/** As format 2 had the writes of one transaction. */
function groupOf(writes: readonly Write[], firstRevision: number): Buffer {
  const parts = writes.map(({ key, value }, index) => {
    const head = Buffer.alloc(31);
    head[0] = value === undefined ? 2 : 1;
    head.writeDoubleLE(firstRevision + index, 1);
    head.writeUInt16LE(Buffer.byteLength(key), 25);
    head.writeUInt32LE(Buffer.byteLength(value ?? ''), 27);
    return Buffer.concat([head, Buffer.from(key), Buffer.from(value ?? '')]);
  });
  const body = Buffer.concat(parts);
  const sum = Buffer.alloc(4);
  sum.writeUInt32LE(crc32(body));
  return Buffer.concat([sum, body]);
}

const perGroup = 3;

/** A folder's store as a version of before wrote it. */
async function writeOlder({ folder }: StorePlace, format: number, writes: readonly Write[]): Promise<void> {
  const directory = join(folder, 'store');
  mkdirSync(directory);
  const root = open<Buffer, number>({ path: directory, noSubdir: false, encoding: 'binary', maxDbs: 4 });
  await root.openDB<number, string>('meta', { encoding: 'json' }).put('format', format);
  const log = root.openDB<Buffer, number>('log', { encoding: 'binary' });
  for (let at = 0; at < writes.length; at += format === 1 ? 1 : perGroup) {
    const some = writes.slice(at, at + perGroup);
    await log.put(
      at + 1,
      format === 1 ? recordOf(writes[at]!, writes[at]?.value !== undefined) : groupOf(some, at + 1),
    );
  }
  await root.close();
}

const object = (kind: string, text: string): string => JSON.stringify({ kind, apiVersion: 'v1', metadata: {}, text });

const history: readonly Write[] = [
  { key: '/registry/core/nodes/n', value: object('Node', 'old') },
  { key: '/registry/core/pods/default/p', value: object('Pod', 'a') },
  { key: '/registry/core/pods/default/gone', value: object('Pod', 'gone') },
  { key: '/registry/core/nodes/n', value: object('Node', 'new') },
  { key: '/registry/core/pods/default/gone' },
  { key: '/registry/core/events/default/e', value: object('Event', 'e') },
  { key: '/registry/example.com/notes/default/ü', value: object('Note', '€'.repeat(500)) },
];

async function objectsIn(place: StorePlace): Promise<readonly string[]> {
  const store = await openStore(place);
  const { items } = await store.range({ prefix: '/registry/' });
  // Values are read from the store when they are asked for.
  const texts = items.map(({ key, value }) => `${key} ${JSON.parse(Buffer.from(value).toString()).text}`);
  await store.close();
  return texts;
}

function digestOf(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

const upgraded = [
  '/registry/events/default/e e',
  `/registry/example.com/notes/default/ü ${'€'.repeat(500)}`,
  '/registry/minions/n new',
  '/registry/pods/default/p a',
];

test.each([1, 2])('a store of format %i is brought here with what it had, and stays as it was', async (format) => {
  const place = placeOf();
  await writeOlder(place, format, history);
  const before = digestOf(join(place.folder, 'store/data.mdb'));
  await expect(openStore(place)).rejects.toThrow(
    `as it has format ${format} and this version reads format 4: run "coxswain upgrade`,
  );
  const kept = join(place.folder, 'store-before-upgrade');
  expect(await upgradeStore(place)).toEqual({
    isUpgraded: true,
    objects: 3,
    from: `format ${format}, layout 1`,
    kept,
    isSnapshot: false,
    hadId: false,
  });
  expect(await objectsIn(place)).toEqual(upgraded);
  expect(digestOf(join(kept, 'data.mdb'))).toBe(before);
  expect(await upgradeStore(place)).toEqual({ isUpgraded: false, objects: 3 });
  // And back again.
  rmSync(join(place.folder, 'store'), { recursive: true });
  rmSync(join(place.folder, 'store-id'));
  renameSync(kept, join(place.folder, 'store'));
  expect(await upgradeStore(place)).toMatchObject({ isUpgraded: true, objects: 3 });
});

/** A store of this format whose keys are said to lie in another layout. */
async function laidOut(layout: string): Promise<StorePlace> {
  const place = placeOf();
  const store = await openStore(place);
  await store.write({
    type: 'put',
    key: '/registry/pods/default/p',
    value: Buffer.from(object('Pod', 'a')),
    ifModRevision: 0,
  });
  const known = (await store.get(layoutKey))?.modRevision ?? 0;
  await store.write({ type: 'put', key: layoutKey, value: Buffer.from(layout), ifModRevision: known });
  await store.close();
  return place;
}

test('a store whose keys lie otherwise keeps its id, and revisions only grow', async () => {
  const place = await laidOut('2');
  const idIn = async (): Promise<string> => {
    const store = await openStore(place);
    const id = Buffer.from((await store.get(storeIdKey))?.value ?? []).toString();
    await store.close();
    return id;
  };
  expect(await upgradeStore(place)).toMatchObject({ isUpgraded: true, objects: 1, from: 'layout 2' });
  expect(await idIn()).toBe(readFileSync(join(place.folder, 'store-id'), 'utf8').trim());
  expect(await objectsIn(place)).toEqual(['/registry/pods/default/p a']);
  const store = await openStore(place);
  expect((await store.get('/registry/pods/default/p'))?.modRevision).toBeGreaterThan(1_000_000_000);
  await store.close();
});

test('what a later version wrote, what is damaged and what somebody has open is refused and stays as it is', async () => {
  const later = await laidOut('4');
  await expect(upgradeStore(later)).rejects.toThrow('are laid out as in version 4, and this program knows up to 3');
  const format = placeOf();
  await writeOlder(format, 5, []);
  await expect(upgradeStore(format)).rejects.toThrow(
    'as it has format 5 and this version reads format 4: choose another',
  );
  const damaged = placeOf();
  await writeOlder(damaged, 2, history);
  const file = join(damaged.folder, 'store/data.mdb');
  const bytes = readFileSync(file);
  bytes[bytes.indexOf('€€€')] = 0;
  writeFileSync(file, bytes);
  await expect(upgradeStore(damaged)).rejects.toThrow('data.mdb is damaged');
  expect(digestOf(file)).toBe(createHash('sha256').update(bytes).digest('hex'));
  const held = await laidOut('2');
  // What refuses to open it is the layout alone, so a store of this process has it.
  const { openLmdbStore } = await import('#pkg/storage/drivers/lmdb/lmdb-store.ts');
  const store = await openLmdbStore({ directory: join(held.folder, 'store'), log: silentLogger, clock: held.clock });
  await expect(upgradeStore(held)).rejects.toThrow(`process ${process.pid} holds it`);
  await store.close();
  for (const { folder } of [later, format, damaged, held])
    expect([existsSync(join(folder, 'store-before-upgrade')), existsSync(join(folder, 'store-restoring'))]).toEqual([
      false,
      false,
    ]);
});

test('an upgrade that was cut off is taken back by the next one, and what one of before has kept is not lost', async () => {
  const place = placeOf();
  await writeOlder(place, 2, history);
  const [store, kept, beside] = ['store', 'store-before-upgrade', 'store-restoring'].map((name) =>
    join(place.folder, name),
  );
  // Between its two steps the old store has its new name, and the new one not yet the old one's.
  renameSync(store!, kept!);
  mkdirSync(beside!);
  writeFileSync(join(beside!, 'data.mdb'), 'half');
  expect(await upgradeStore(place)).toMatchObject({ isUpgraded: true, objects: 3 });
  expect(await objectsIn(place)).toEqual(upgraded);
  // As what the output says puts it back, but for the move.
  rmSync(store!, { recursive: true });
  rmSync(join(place.folder, 'store-id'));
  await writeOlder(place, 2, history.slice(0, 1));
  await expect(upgradeStore(place)).rejects.toThrow(`as ${kept} is there, which an upgrade of before has kept`);
  expect(existsSync(join(kept!, 'data.mdb'))).toBe(true);
});

test('a store in memory has nothing to upgrade', async () => {
  await expect(upgradeStore(placeOf('memory'))).rejects.toThrow(
    'There is nothing to upgrade, as the cluster keeps its data in memory',
  );
});
