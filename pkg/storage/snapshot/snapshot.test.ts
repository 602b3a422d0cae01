/** A snapshot comes back as it was written, or is refused with what is wrong: no damage is taken for content. */
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { randomInt, SeededRandom } from '#pkg/base/random.ts';
import { type SnapshotItem, SnapshotProblem } from './snapshot-format.ts';
import { SnapshotFile } from './snapshot-reader.ts';
import { writeSnapshot } from './snapshot-writer.ts';

let place: string;
let sound: Buffer;
beforeAll(async () => {
  place = mkdtempSync(join(tmpdir(), 'coxswain-snapshot-'));
  await writeSnapshot(join(place, 'sound'), header, each(items));
  sound = readFileSync(join(place, 'sound'));
});
afterAll(() => rmSync(place, { recursive: true, force: true }));

const header = { clusterId: 'c', revision: 77, savedAt: '2026-11-28T00:00:00.000Z', settings: { name: 'dev' } };
const random = new SeededRandom(3);
const items: readonly SnapshotItem[] = [
  { key: '/empty', value: Buffer.alloc(0), modRevision: 2 ** 52, expiresMs: 0 },
  { key: '/schlüssel/€', value: Buffer.from([0, 255, 10]), modRevision: 2, expiresMs: 1_790_000_000_000 },
  { key: '/large', value: Buffer.alloc(300 * 1024, 'x'), modRevision: 3, expiresMs: 0 },
  ...Array.from({ length: 120 }, (_, i) => ({
    key: `/k/${i}`,
    value: Buffer.from(Array.from({ length: 1 + (i % 40) * 50 }, () => randomInt(random, 256))),
    modRevision: i,
    expiresMs: 0,
  })),
];

async function* each(of: readonly SnapshotItem[]): AsyncGenerator<SnapshotItem> {
  yield* of;
}

async function contents(path: string): Promise<SnapshotItem[]> {
  const file = await SnapshotFile.open(path);
  const found: SnapshotItem[] = [];
  for await (const item of file.items()) found.push({ ...item, value: Buffer.from(item.value) });
  await file.close();
  return found;
}

/** What is said of a file with these bytes. */
async function problemOf(bytes: Buffer): Promise<string> {
  const path = join(place, 'tried');
  writeFileSync(path, bytes);
  const error: unknown = await SnapshotFile.open(path).catch((reason: unknown) => reason);
  if (error instanceof SnapshotFile) {
    await error.close();
    return 'sound';
  }
  expect(error).toBeInstanceOf(SnapshotProblem);
  return error instanceof Error ? error.message : '';
}

test('what was written is read again, with its header', async () => {
  expect(await contents(join(place, 'sound'))).toEqual(items);
  const file = await SnapshotFile.open(join(place, 'sound'));
  expect([file.header, file.records]).toEqual([header, items.length]);
  await file.close();
  await writeSnapshot(join(place, 'none'), { clusterId: 'c', revision: 1, savedAt: '' }, each([]));
  expect(await contents(join(place, 'none'))).toEqual([]);
});

test('a file that was cut off anywhere is refused', async () => {
  const ends = [
    ...Array.from({ length: 45 }, (_, i) => i),
    ...Array.from({ length: 45 }, (_, i) => sound.length - 1 - i),
  ];
  for (let i = 0; i < 40; i++) ends.push(randomInt(random, sound.length));
  for (const end of ends)
    expect(await problemOf(sound.subarray(0, end))).toMatch(end < 8 ? /^it is no snapshot$/ : /^it is cut off$/);
});

test('a file of which one byte is another is refused', async () => {
  const places = [
    ...Array.from({ length: 130 }, (_, i) => i),
    ...Array.from({ length: 45 }, (_, i) => sound.length - 1 - i),
  ];
  for (let i = 0; i < 40; i++) places.push(randomInt(random, sound.length));
  for (const at of places) {
    const bytes = Buffer.from(sound);
    bytes[at] = (bytes[at] ?? 0) ^ (1 + randomInt(random, 255));
    expect(await problemOf(bytes)).toMatch(
      /^it is (?:no snapshot|cut off|damaged: .*|)$|^it has format \d+ and this version reads format 1: take the version that saved it$/,
    );
  }
});

test.each<[string, (bytes: Buffer) => Buffer, string]>([
  ['of another program', () => Buffer.from('{"kind":"List"}'), 'it is no snapshot'],
  ['that is empty', () => Buffer.alloc(0), 'it is no snapshot'],
  [
    'of another version',
    (bytes) => Buffer.concat([bytes.subarray(0, 8), Buffer.from([2, 0, 0, 0]), bytes.subarray(12)]),
    'it has format 2 and this version reads format 1: take the version that saved it',
  ],
  [
    'that something follows',
    (bytes) => Buffer.concat([bytes, Buffer.from('x')]),
    'it is damaged: something follows its end',
  ],
  ['with a header that is none', () => sealed('[]'), 'it is damaged: its header cannot be understood'],
  [
    'with a header without a revision',
    () => sealed('{"clusterId":"c","savedAt":"","revision":"7"}'),
    'it is damaged: its header cannot be understood',
  ],
])('a file %s is refused', async (_, change, problem) => {
  expect(await problemOf(change(sound))).toBe(problem);
});

/** A snapshot without records whose checksum is right. */
function sealed(text: string): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32LE(1, 0);
  head.writeUInt32LE(text.length, 4);
  const all = Buffer.concat([sound.subarray(0, 8), head, Buffer.from(text), Buffer.alloc(12)]);
  return Buffer.concat([all, createHash('sha256').update(all).digest()]);
}

test('a file that is there is not replaced, and one that fails leaves nothing', async () => {
  await expect(writeSnapshot(join(place, 'sound'), header, each([]))).rejects.toThrow('there is such a file');
  expect(readFileSync(join(place, 'sound')).equals(sound)).toBe(true);
  const failing = async function* (): AsyncGenerator<SnapshotItem> {
    yield* items;
    throw new Error('the store is gone');
  };
  await expect(writeSnapshot(join(place, 'failed'), header, failing())).rejects.toThrow('the store is gone');
  for (const name of ['failed', 'failed.unfinished', 'sound.unfinished'])
    expect(existsSync(join(place, name))).toBe(false);
});
