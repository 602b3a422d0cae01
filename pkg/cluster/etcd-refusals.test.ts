/** An etcd that cannot be used, or not any more: one line that says why, asked once, and nothing written. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AlarmAction, AlarmType, Etcd3 } from 'etcd3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SystemClock } from '#pkg/base/clock.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { findEtcd, startTestEtcd } from '#pkg/storage/drivers/etcd/test-etcd.ts';
import { StoreUnavailableError } from '#pkg/storage/store.ts';
import { openStore } from './store.ts';
import type { StorePlace } from './stores.ts';

const program = findEtcd(process.env.PATH);
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coxswain-etcd-refusals-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const placeAt = (store: string): StorePlace => ({
  store,
  folder,
  clock: new SystemClock(),
  random: new SeededRandom(1),
  log: silentLogger,
});

/** The line that a start ends with. */
async function refusal(store: string): Promise<string> {
  const opened: unknown = await openStore(placeAt(store)).catch((error: unknown) => error);
  expect(opened).toBeInstanceOf(StoreUnavailableError);
  expect(await readdir(folder)).toEqual([]);
  return opened instanceof Error ? opened.message : '';
}

test('nobody answers there', async () => {
  expect(await refusal('http://127.0.0.1:1')).toBe(
    'Cannot reach etcd at http://127.0.0.1:1: start it or choose another store',
  );
  expect(await refusal('http://127.0.0.1:1,http://127.0.0.1:2')).toBe(
    'Cannot reach etcd at http://127.0.0.1:1, http://127.0.0.1:2: start it or choose another store',
  );
});

test('something else answers there, which is asked once', async () => {
  let connections = 0;
  const server = createServer((_, response) => response.end('hello')).on('connection', () => connections++);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  expect(await refusal(`http://127.0.0.1:${port}`)).toMatch(
    /^Cannot reach etcd at http:\S+: start it or choose another store$/,
  );
  expect(connections).toBe(1);
  await new Promise((resolve) => server.close(resolve));
});

test.skipIf(program === undefined)('it is out of space', async () => {
  const etcd = await startTestEtcd(program ?? '');
  const client = new Etcd3({ hosts: etcd.endpoint });
  try {
    const store = await openStore({ ...placeAt(`${etcd.endpoint}/one`), folder: '' });
    const put = { type: 'put', key: '/registry/x', value: Buffer.from('x'), ifModRevision: 0 } as const;
    await store.write(put);
    const { header } = await client.maintenance.status();
    const space = { memberID: header.member_id, alarm: AlarmType.Nospace };
    await client.maintenance.alarm({ ...space, action: AlarmAction.Activate });
    const before = await store.currentRevision();
    const line = (where: string): string =>
      `Cannot write to etcd at ${where} as it is out of space: compact and defragment it, or give it a greater --quota-backend-bytes, then run "etcdctl alarm disarm"`;
    await expect(store.write({ ...put, key: '/registry/y' })).rejects.toThrow(line(etcd.endpoint));
    expect(await refusal(`${etcd.endpoint}/two`)).toBe(line(etcd.endpoint));
    expect((await store.range({ prefix: '/' })).items.map(({ key }) => key)).toEqual(['/registry/x']);
    expect(await store.currentRevision()).toBe(before);
    await client.maintenance.alarm({ ...space, action: AlarmAction.Deactivate });
    expect(await store.write({ ...put, key: '/registry/y' })).toMatchObject({ ok: true });
    await store.close();
  } finally {
    client.close();
    await etcd.cleanup();
  }
});
