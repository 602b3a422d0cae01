/** KMS version 2 with a plugin in a process of its own, over its socket. Time is virtual: only answers of the plugin are waited for. A start of it for each test is most of what the file costs. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { silentLogger } from '#pkg/base/logger.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { createMemoryStore } from '#pkg/storage/drivers/memory/memory-store.ts';
import { startTestKms, type TestKmsPlugin } from '#pkg/storage/encryption/kms/test-plugin.ts';
import type { Store } from '#pkg/storage/store.ts';
import { withEncryption } from './encryption.ts';

let folder: string;
let socket: string;
let plugin: TestKmsPlugin;
let clock: VirtualClock;
let below: Store;
const opened: Store[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'kms-'));
  socket = join(folder, 'kms.sock');
  plugin = await startTestKms(socket);
  clock = new VirtualClock();
  below = createMemoryStore({ clock });
});

afterEach(async () => {
  for (const store of opened.splice(0)) await store.close();
  await plugin.stop();
  rmSync(folder, { recursive: true });
});

/** The store as a server that starts now has it. */
async function start(): Promise<Store> {
  const file = join(folder, 'config.json');
  const kms = { apiVersion: 'v2', name: 'vault', endpoint: `unix://${socket}`, timeout: '2s' };
  const resources = [{ resources: ['secrets'], providers: [{ kms }, { identity: {} }] }];
  writeFileSync(
    file,
    JSON.stringify({ kind: 'EncryptionConfiguration', apiVersion: 'apiserver.config.k8s.io/v1', resources }),
  );
  const deps = { clock, random: new SeededRandom(1), log: silentLogger };
  const store = await withEncryption(below, { file, reloads: false }, deps);
  opened.push(store);
  return store;
}

const keyOf = (name: string): string => `/registry/secrets/default/${name}`;
const put = (store: Store, name: string) =>
  store.write({ type: 'put', key: keyOf(name), value: Buffer.from(`{"${name}":1}`), ifModRevision: 0 });
const read = async (store: Store, name: string): Promise<string> =>
  Buffer.from((await store.get(keyOf(name)))?.value ?? []).toString();
const stored = async (name: string): Promise<string> =>
  Buffer.from((await below.get(keyOf(name)))?.value ?? []).toString('latin1');

/** What the plugin is asked again now. */
async function health(store: Store): Promise<boolean | undefined> {
  await clock.advance(20_000);
  return store.guard?.checks[0]?.check();
}

async function counted(store: Store, name: string): Promise<readonly string[]> {
  const families = store.guard?.metrics.families() ?? [];
  const samples = families.find((family) => family.name === name)?.samples ?? [];
  return samples.map(({ labels, value }) => `${Object.values(labels).join(' ')} ${value}`);
}

test('values are sealed with a seed that the plugin has encrypted, and another start asks for it once', async () => {
  const first = await start();
  expect(first.guard?.checks.map(({ name }) => name)).toEqual(['kms-providers']);
  for (const name of ['a', 'b']) await put(first, name);
  expect((await stored('a')).slice(0, 21)).toBe('k8s:enc:kms:v2:vault:');
  expect(await stored('a')).not.toContain('"a"');
  expect(await read(first, 'a')).toBe('{"a":1}');
  const second = await start();
  const names = ['a', 'b', 'a'];
  expect(await Promise.all(names.map((name) => read(second, name)))).toEqual(['{"a":1}', '{"b":1}', '{"a":1}']);
  expect(await counted(second, 'apiserver_storage_envelope_transformation_cache_misses_total')).toEqual([' 1']);
  const value = (await second.get(keyOf('a')))?.value ?? Buffer.alloc(0);
  // The seed of another start is as good as its own, as long as the key is.
  expect(second.guard?.isStale(keyOf('a'), value)).toBe(false);
});

test('with another key of the plugin a new seed seals, and what was sealed before is read and stale', async () => {
  const store = await start();
  await put(store, 'a');
  await plugin.tell('key 2');
  expect(await health(store)).toBe(true);
  await put(store, 'b');
  const stale = async (name: string): Promise<boolean | undefined> => {
    const value = (await store.get(keyOf(name)))?.value ?? Buffer.alloc(0);
    return store.guard?.isStale(keyOf(name), value);
  };
  expect([await stale('a'), await stale('b')]).toEqual([true, false]);
  expect([await read(store, 'a'), await read(store, 'b')]).toEqual(['{"a":1}', '{"b":1}']);
  const used = await counted(store, 'apiserver_envelope_encryption_key_id_hash_total');
  expect(used.filter((line) => line.startsWith('to_storage'))).toHaveLength(2);
});

test('without the plugin what is known is read, and values are sealed for three minutes more', async () => {
  const store = await start();
  await put(store, 'a');
  await plugin.stop();
  expect(await health(store)).toBe(false);
  await put(store, 'b');
  await clock.advance(170_000);
  await expect(put(store, 'c')).rejects.toThrow(
    /^unable to transform key "\/registry\/secrets\/default\/c": encryptedDEKSource with keyID hash "sha256:\w+" expired at /,
  );
  expect(await read(store, 'a')).toBe('{"a":1}');
});

test('a plugin that is not well makes the check fail, and is asked again', async () => {
  const store = await start();
  await plugin.tell('sick');
  expect(await health(store)).toBe(false);
  await plugin.tell('well');
  expect(await health(store)).toBe(true);
});

test('a start without the plugin seals and opens nothing until it is there', async () => {
  const before = await start();
  await put(before, 'a');
  await plugin.stop();
  rmSync(socket, { force: true });
  const store = await start();
  await expect(put(store, 'b')).rejects.toThrow('no key was ever got from the KMS provider vault');
  await expect(read(store, 'a')).rejects.toThrow('failed to decrypt DEK');
  plugin = await startTestKms(socket);
  expect(await health(store)).toBe(true);
  expect(await read(store, 'a')).toBe('{"a":1}');
  await put(store, 'b');
});

test('a plugin that never answers costs a call its time and no more', async () => {
  const before = await start();
  await put(before, 'a');
  const store = await start();
  await plugin.tell('deaf');
  const reading = read(store, 'a').catch((error: unknown) => String(error));
  await clock.advance(2_000);
  expect(await reading).toContain('no answer within 2 s');
});
