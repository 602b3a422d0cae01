import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { SnapshotStore } from './snapshot-store.ts';

const uid = '01234567-89ab-cdef-0123-456789abcdef';
const name = { namespace: 'shop', uid };
const saved = {
  kernel: 'ab'.repeat(32),
  memoryBytes: 8 << 20,
  mac: Uint8Array.of(2, 0, 0, 0, 0, 9),
  address: '10.0.2.15',
  image: Uint8Array.from({ length: 5000 }, (_, at) => at % 251),
  disk: new Uint8Array(1 << 20).fill(7, 512, 1024),
};

async function makeStore() {
  const folder = await mkdtemp(join(tmpdir(), 'snapshots-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return { folder, store: new SnapshotStore(folder) };
}

test('what is read is what was written, its disk packed', async () => {
  const { folder, store } = await makeStore();
  const size = await store.write(name, saved);
  expect(size).toBe((await readFile(join(folder, 'shop', uid))).length);
  expect(size).toBeLessThan(20_000);
  expect(await store.read(name)).toEqual(saved);
  const { disk: _, ...diskless } = saved;
  await store.write(name, diskless);
  expect(await store.read(name)).toEqual(diskless);
});

test('what there is is listed until it is taken away', async () => {
  const { folder, store } = await makeStore();
  expect(await store.list()).toEqual([]);
  await store.write(name, saved);
  // One that was never finished.
  await writeFile(join(folder, 'shop', 'other.new'), 'half');
  expect(await store.list()).toEqual([name]);
  await store.remove(name);
  await store.remove(name);
  expect(await store.list()).toEqual([]);
  await expect(store.read(name)).rejects.toThrow(`there is no snapshot ${uid} on this node`);
});

test('a file that is not what was written is refused', async () => {
  const { folder, store } = await makeStore();
  await store.write(name, saved);
  const path = join(folder, 'shop', uid);
  const bytes = await readFile(path);
  const refused = async (changed: Uint8Array) => {
    await writeFile(path, changed);
    await expect(store.read(name)).rejects.toThrow('is not what was written');
  };
  await refused(bytes.subarray(0, bytes.length - 1));
  await refused(Buffer.from(bytes).fill(bytes.at(-1) === 0 ? 1 : 0, bytes.length - 1));
  await refused(Buffer.from('no snapshot at all'));
  await refused(Buffer.from('{"format":"coxswain machine snapshot 1"}\n'));
  await refused(new Uint8Array(0));
});

test('a name from outside leads to no other place', async () => {
  const { store } = await makeStore();
  for (const bad of ['../../etc/passwd', '', uid.toUpperCase(), `${uid}/..`])
    await expect(store.read({ namespace: 'shop', uid: bad })).rejects.toThrow('names no snapshot');
  await expect(store.read({ namespace: '..', uid })).rejects.toThrow('names no snapshot');
});
