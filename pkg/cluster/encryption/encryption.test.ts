/** Encryption at rest as clients and whoever reads the store see it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { silentLogger } from '#pkg/base/logger.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { type LocalApi, localApi } from '#pkg/cluster/local-api.ts';
import { createMemoryStore } from '#pkg/storage/drivers/memory/memory-store.ts';
import type { Store } from '#pkg/storage/store.ts';
import { openStore } from '../store.ts';
import { encryptionKey } from '../store-keys.ts';
import type { StoreTable } from '../stores.ts';

let folder: string;
let clock: VirtualClock;
let below: Store;
const running: { end(): Promise<void> }[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'encryption-'));
  clock = new VirtualClock();
  below = createMemoryStore({ clock });
});

afterEach(async () => {
  for (const { end } of running.splice(0)) await end();
  rmSync(folder, { recursive: true });
});

const keyed = (name: string): object => ({ name, secret: Buffer.alloc(32, name).toString('base64') });
const cbc = (...names: readonly string[]): object => ({ aescbc: { keys: names.map(keyed) } });
const identity = { identity: {} };
const file = (): string => join(folder, 'config.json');

function configure(...entries: readonly (readonly [readonly string[], ...(readonly object[])])[]): void {
  const resources = entries.map(([names, ...providers]) => ({ resources: names, providers }));
  const config = { kind: 'EncryptionConfiguration', apiVersion: 'apiserver.config.k8s.io/v1', resources };
  writeFileSync(file(), JSON.stringify(config));
}

interface Server {
  /** Status and body, or text where it is no JSON. */
  call(method: string, target: string, sent?: object): Promise<readonly [number, unknown]>;
  readonly store: Store;
}

/** A server that starts now, over what is stored. */
async function start(encryption: { file: string; reloads: boolean } | undefined): Promise<Server> {
  // The memory lives on where the server ends.
  const kept: Store = { ...bound(below), close: async () => {} };
  const table: StoreTable = {
    memory: {
      placeholder: 'memory',
      accepts: () => true,
      where: () => undefined,
      needsFolder: false,
      isShared: false,
      open: async () => kept,
    },
  };
  const deps = { clock, random: new SeededRandom(1), log: silentLogger };
  const place = { store: 'memory', folder: '', ...deps, ...(encryption === undefined ? {} : { encryption }) };
  const store = await openStore(place, table);
  const api: LocalApi = localApi({ ...deps, store, authorizationModes: ['AlwaysAllow'], admission: [] });
  const stop = new AbortController();
  const serving = api.run(stop.signal);
  running.push({
    async end() {
      stop.abort();
      await serving;
      await store.close();
    },
  });
  await api.ready();
  return { store, call: (method, target, sent) => call(api, { method, target, sent }) };
}

function bound(store: Store): Store {
  return {
    get: (key) => store.get(key),
    range: (options) => store.range(options),
    write: (operation) => store.write(operation),
    watch: (options, sink) => store.watch(options, sink),
    currentRevision: () => store.currentRevision(),
    localRevision: () => store.localRevision?.() ?? 0,
    compact: (revision) => store.compact(revision),
    close: () => store.close(),
  };
}

async function call(
  api: LocalApi,
  { method, target, sent }: { method: string; target: string; sent: object | undefined },
): Promise<readonly [number, unknown]> {
  const [path = '', query = ''] = target.split('?');
  const { signal } = new AbortController();
  const { status, body } = await api.handle({
    method,
    path,
    query,
    headers: { 'content-type': 'application/json' },
    peer: { address: '', certificate: { commonName: 'admin', organizations: ['system:masters'] } },
    signal,
    ...(sent === undefined ? {} : { body: { kind: 'bytes', bytes: Buffer.from(JSON.stringify(sent)) } }),
  });
  const bytes = body.kind === 'object' ? body.bytes() : body.kind === 'bytes' ? body.bytes : new Uint8Array(0);
  const text = Buffer.from(bytes).toString();
  return [status, text.startsWith('{') ? JSON.parse(text) : text];
}

const secrets = '/api/v1/namespaces/default/secrets';
const secret = (name: string, more: object = {}): object => ({
  metadata: { name },
  stringData: { password: 'very secret' },
  ...more,
});
const stored = async (key: string): Promise<string> =>
  Buffer.from((await below.get(`/registry/${key}`))?.value ?? []).toString('latin1');

/** How the value of a key begins. */
const prefixOf = async (key: string): Promise<string> =>
  /^k8s:enc:\w+:v1:\w+:|^\{"kind":"\w+"/.exec(await stored(key))?.[0] ?? '';

test('what is configured is unreadable in the store, and everything is served as ever', async () => {
  configure([['secrets'], cbc('one')]);
  const { call: ask } = await start({ file: file(), reloads: false });
  expect((await ask('POST', secrets, secret('a')))[0]).toBe(201);
  expect(await stored('secrets/default/a')).not.toContain(Buffer.from('very secret').toString('base64'));
  expect(await prefixOf('secrets/default/a')).toBe('k8s:enc:aescbc:v1:one:');
  const data = { password: Buffer.from('very secret').toString('base64') };
  expect(await ask('GET', `${secrets}/a`)).toMatchObject([200, { data }]);
  expect(await ask('GET', secrets)).toMatchObject([200, { items: [{ data }] }]);
  expect(await ask('PATCH', `${secrets}/a`, [])).toMatchObject([415, {}]);
  expect(await ask('PUT', `${secrets}/a`, { metadata: { name: 'a' }, data: { b: 'Yg==' } })).toMatchObject([
    200,
    { data: { b: 'Yg==' } },
  ]);
  expect((await ask('POST', '/api/v1/namespaces/default/configmaps', { metadata: { name: 'c' } }))[0]).toBe(201);
  expect(await prefixOf('configmaps/default/c')).toBe('{"kind":"ConfigMap"');
  expect((await ask('DELETE', `${secrets}/a`))[0]).toBe(200);
  expect(await ask('GET', `${secrets}/a`)).toMatchObject([404, {}]);
});

test('groups and wildcards: the first that names a resource has it, custom resources too', async () => {
  configure(
    [['events', 'configmaps'], identity],
    [['widgets.example.com'], cbc('custom')],
    [['*.apps'], cbc('apps')],
    [['*.'], cbc('core')],
    [['*.*'], cbc('rest')],
  );
  const { call: ask } = await start({ file: file(), reloads: false });
  await ask('POST', secrets, secret('a'));
  await ask('POST', '/api/v1/namespaces/default/configmaps', { metadata: { name: 'c' } });
  await ask('POST', '/api/v1/namespaces/default/endpoints', { metadata: { name: 'e' } });
  await ask('POST', '/apis/apps/v1/namespaces/default/controllerrevisions', {
    metadata: { name: 'r' },
    revision: 1,
    data: {},
  });
  await ask('POST', '/apis/networking.k8s.io/v1/ingressclasses', {
    metadata: { name: 'i' },
    spec: { controller: 'example.com/c' },
  });
  const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
  const crd = await ask('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
    metadata: { name: 'widgets.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'widgets', kind: 'Widget' },
      versions: [{ name: 'v1', served: true, storage: true, schema }],
    },
  });
  expect(crd[0]).toBe(201);
  await clock.settle();
  const widget = { apiVersion: 'example.com/v1', kind: 'Widget', metadata: { name: 'w' } };
  expect((await ask('POST', '/apis/example.com/v1/namespaces/default/widgets', widget))[0]).toBe(201);
  const keys = ['secrets/default/a', 'configmaps/default/c', 'services/endpoints/default/e'];
  keys.push('controllerrevisions/default/r', 'ingressclasses/i', 'example.com/widgets/default/w');
  keys.push('apiextensions.k8s.io/customresourcedefinitions/widgets.example.com');
  const prefix = (name: string): string => `k8s:enc:aescbc:v1:${name}:`;
  expect(await Promise.all(keys.map(prefixOf))).toEqual([
    prefix('core'),
    '{"kind":"ConfigMap"',
    prefix('core'),
    prefix('apps'),
    prefix('rest'),
    prefix('custom'),
    prefix('rest'),
  ]);
});

test('an update that changes nothing writes a value anew that was sealed otherwise, and only then', async () => {
  configure([['secrets'], cbc('one')]);
  const { call: first } = await start({ file: file(), reloads: false });
  await first('POST', secrets, secret('a'));
  await running.pop()?.end();
  configure([['secrets'], cbc('two', 'one')]);
  const { call: ask } = await start({ file: file(), reloads: false });
  const versionOf = ([, body]: readonly [number, unknown]): unknown => Object(Object(body).metadata).resourceVersion;
  const before = await ask('GET', `${secrets}/a`);
  expect(await prefixOf('secrets/default/a')).toBe('k8s:enc:aescbc:v1:one:');
  const dry = await ask('PUT', `${secrets}/a?dryRun=All`, Object(before[1]));
  expect(await prefixOf('secrets/default/a')).toBe('k8s:enc:aescbc:v1:one:');
  const rewritten = await ask('PUT', `${secrets}/a`, Object(before[1]));
  expect(await prefixOf('secrets/default/a')).toBe('k8s:enc:aescbc:v1:two:');
  const again = await ask('PUT', `${secrets}/a`, Object(rewritten[1]));
  expect([dry, rewritten, again].map(versionOf)).toEqual([
    versionOf(before),
    versionOf(rewritten),
    versionOf(rewritten),
  ]);
  expect(versionOf(rewritten)).not.toBe(versionOf(before));
});

test('without the key nothing is served of what it sealed, the rest is, and deleting says why it cannot', async () => {
  configure([['secrets'], identity]);
  const { call: plain } = await start({ file: file(), reloads: false });
  await plain('POST', secrets, secret('open'));
  await running.pop()?.end();
  configure([['secrets'], cbc('one'), identity]);
  const { call: first } = await start({ file: file(), reloads: false });
  await first('POST', secrets, secret('sealed'));
  await running.pop()?.end();
  for (const encryption of [undefined, { file: file(), reloads: false }]) {
    configure([['secrets'], identity]);
    const { call: ask } = await start(encryption);
    const message = /^Internal error occurred: unable to transform key "\/registry\/secrets\/default\/sealed": /;
    const refused = [500, { reason: 'InternalError', message: expect.stringMatching(message) }];
    expect(await ask('GET', `${secrets}/sealed`)).toMatchObject(refused);
    expect(await ask('GET', secrets)).toMatchObject(refused);
    expect(await ask('DELETE', `${secrets}/sealed`)).toMatchObject(refused);
    expect((await ask('GET', `${secrets}/open`))[0]).toBe(200);
    expect((await ask('GET', '/api/v1/namespaces/default'))[0]).toBe(200);
    await running.pop()?.end();
  }
});

test('a store that was never encrypted is not even wrapped', async () => {
  const { store } = await start(undefined);
  expect(store.guard).toBeUndefined();
  expect(await below.get(encryptionKey)).toBeUndefined();
});

test('changes of the file are followed within a minute, and a file that cannot be used changes nothing', async () => {
  configure([['secrets'], identity]);
  const { call: ask, store } = await start({ file: file(), reloads: true });
  await ask('POST', secrets, secret('a'));
  configure([['secrets'], cbc('one'), identity]);
  await reloaded(store, 'success');
  await ask('POST', secrets, secret('b'));
  writeFileSync(file(), 'kind: Something');
  await reloaded(store, 'failure');
  await ask('POST', secrets, secret('c'));
  expect(await Promise.all(['a', 'b', 'c'].map((name) => prefixOf(`secrets/default/${name}`)))).toEqual([
    '{"kind":"Secret"',
    'k8s:enc:aescbc:v1:one:',
    'k8s:enc:aescbc:v1:one:',
  ]);
  expect(await ask('GET', secrets)).toMatchObject([200, { items: [{}, {}, {}] }]);
  expect(await ask('GET', '/readyz/kms-providers')).toEqual([200, 'ok']);
  expect((await ask('GET', '/livez/kms-providers'))[0]).toBe(404);
  const [, metrics] = await ask('GET', '/metrics');
  expect(metrics).toContain(
    'apiserver_storage_transformation_operations_total{resource="secrets",transformation_type="to_storage",transformer_prefix="k8s:enc:aescbc:v1:",status="OK"} 2',
  );
});

/** Lets time pass until the file was looked at once more with that result: reading it is the machine's own time. */
async function reloaded(store: Store, status: string): Promise<void> {
  const name = 'apiserver_encryption_config_controller_automatic_reloads_total';
  const count = (): number =>
    store.guard?.metrics
      .families()
      .find((family) => family.name === name)
      ?.samples.find(({ labels }) => labels.status === status)?.value ?? 0;
  const before = count();
  while (count() === before) {
    await clock.advance(60_000);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}
