import { Etcd3 } from 'etcd3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SystemClock } from '#pkg/base/clock.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { SystemRandom } from '#pkg/base/random.ts';
import { GrpcConnection } from '#pkg/grpc/grpc-connection.ts';
import { frameHead } from '#pkg/grpc/grpc-frames.ts';
import { storeConformance } from '../../conformance.ts';
import { type Store, type StoreEvent, StoreUnavailableError } from '../../store.ts';
import { createResourceCache } from '../../watch-cache.ts';
import { eventKey } from '../../watch-hub.ts';
import { openEtcdStore } from './etcd-store.ts';
import { findEtcd, startTestEtcd, startTestEtcdCluster, type TestEtcd } from './test-etcd.ts';

const program = findEtcd(process.env.PATH);
if (program === undefined) {
  process.stdout.write(
    'Skipped: the etcd driver, as no etcd program is installed (Debian: apt-get install etcd-server)\n',
  );
}
const clock = new SystemClock();
const random = new SystemRandom();
const openAt = (endpoint: string): Promise<Store> =>
  openEtcdStore({ endpoints: [endpoint], clock, random, log: silentLogger });

async function put(store: Store, key: string, ifModRevision = 0): Promise<number> {
  const result = await store.write({ type: 'put', key, value: Buffer.from(key), ifModRevision });
  if (!result.ok) throw new Error('The write was refused');
  return result.revision;
}

describe.skipIf(program === undefined)('with a real etcd', () => {
  storeConformance('etcd', async () => {
    const etcd = await startTestEtcd(program!);
    const store = await openAt(etcd.endpoint);
    const cleanup = async (): Promise<void> => {
      await store.close();
      await etcd.cleanup();
    };
    return { store, cleanup };
  });

  describe('beyond the conformance suite', () => {
    let etcd: TestEtcd;
    beforeAll(async () => {
      etcd = await startTestEtcd(program!);
    });
    afterAll(() => etcd.cleanup());

    test('a watch cache is fresh after writes of another client, whatever keys they were to', async () => {
      const [store, other] = [await openAt(etcd.endpoint), await openAt(etcd.endpoint)];
      const codec = {
        entry: (kv: { key: string; modRevision: number; createRevision: number; value: Uint8Array }) => ({
          ...kv,
          object: {},
          bytes: kv.value,
        }),
        deletedEntry: () => {
          throw new Error('Nothing is deleted here');
        },
      };
      const options = { store, codec, clock, log: silentLogger };
      const pods = createResourceCache({ ...options, prefix: '/registry/pods/' });
      const services = createResourceCache({ ...options, prefix: '/registry/services/' });
      await Promise.all([pods.fresh(), services.fresh()]);
      for (let i = 0; i < 20; i++) {
        const revision = await put(other, `/registry/pods/${i}`);
        const seen = await pods.fresh();
        expect(seen).toBeGreaterThanOrEqual(revision);
        expect(await services.fresh()).toBe(seen);
        expect(pods.count('/registry/pods/')).toBe(i + 1);
      }
      pods.close();
      services.close();
      await Promise.all([store.close(), other.close()]);
    });

    test('the etcd3 package, another client altogether, reads what is written here, and its writes are seen', async () => {
      const store = await openAt(etcd.endpoint);
      const other = new Etcd3({ hosts: etcd.endpoint });
      const key = '/other/\u00e9';
      const revision = await put(store, key);
      expect(await other.get(key).string()).toBe(key);
      await other.put(key).value('theirs');
      const found = await store.get(key);
      expect([Buffer.from(found!.value).toString(), found!.createRevision]).toEqual(['theirs', revision]);
      other.close();
      await store.close();
    });

    test('while etcd is down requests fail, and its watches go on without a gap when it is back', {
      timeout: 120_000,
    }, async () => {
      const store = await openAt(etcd.endpoint);
      const events: StoreEvent[] = [];
      const errors: Error[] = [];
      let wake = (): void => {};
      const fromRevision = (await store.currentRevision()) + 1;
      store.watch(
        { prefix: '/down/', fromRevision },
        {
          onEvents: (batch) => {
            events.push(...batch);
            wake();
          },
          onError: (error) => void errors.push(error),
        },
      );
      await put(store, '/down/1');
      await etcd.stop({ kill: true });
      await expect(put(store, '/down/2')).rejects.toThrow(StoreUnavailableError);
      await expect(openAt(etcd.endpoint)).rejects.toThrow(
        `Cannot reach etcd at ${etcd.endpoint}: start it or choose another store`,
      );
      await etcd.start();
      const other = await openAt(etcd.endpoint);
      await put(other, '/down/3');
      while (events.length < 2) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      expect(events.map((event) => event.type === 'put' && event.kv.key)).toEqual(['/down/1', '/down/3']);
      expect(errors).toEqual([]);
      await Promise.all([store.close(), other.close()]);
    });
  });

  test('of three members the one that is asked can go, and neither reads nor watches notice', {
    timeout: 300_000,
  }, async () => {
    const members = await startTestEtcdCluster(program!, 3);
    const endpoints = members.map(({ endpoint }) => endpoint);
    const open = () => openEtcdStore({ endpoints, clock, random, log: silentLogger });
    const store = await open();
    try {
      const keys: string[] = [];
      const errors: Error[] = [];
      let wake = (): void => {};
      const fromRevision = (await store.currentRevision()) + 1;
      store.watch(
        { prefix: '/three/', fromRevision },
        {
          onEvents: (batch) => {
            for (const event of batch) keys.push(eventKey(event));
            wake();
          },
          onError: (error) => void errors.push(error),
        },
      );
      const wanted: string[] = [];
      for (const [round, member] of members.entries()) {
        await member.stop({ kill: true });
        // While the others choose a leader a write may fail, and has happened or not: a writer looks, as a client of the API does.
        for (;;) {
          const key = `/three/${round}`;
          if ((await store.get(key).catch(() => undefined)) !== undefined) break;
          await put(store, key).catch(() => {});
        }
        wanted.push(`/three/${round}`);
        await member.start();
      }
      while (keys.length < wanted.length) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      expect([keys, errors]).toEqual([wanted, []]);
      const other = await open();
      expect((await other.range({ prefix: '/three/' })).items.map(({ key }) => key)).toEqual(wanted);
      await other.close();
    } finally {
      await store.close();
      await Promise.all(members.map((member) => member.cleanup()));
    }
  });

  test('an etcd with users is used by one that gives the right password, and others get one line', {
    timeout: 120_000,
  }, async () => {
    const etcd = await startTestEtcd(program!);
    try {
      await enableUsers(etcd.endpoint, { name: 'root', password: 'secret' });
      const open = (user?: { readonly name: string; readonly password: string }) =>
        openEtcdStore({ endpoints: [etcd.endpoint], clock, random, log: silentLogger, ...(user && { user }) });
      const store = await open({ name: 'root', password: 'secret' });
      await put(store, '/users/1');
      expect((await store.get('/users/1'))?.key).toBe('/users/1');
      await store.close();
      await expect(open()).rejects.toThrow(
        `Cannot use etcd at ${etcd.endpoint}: it wants a user: give --etcd-username and --etcd-password-file`,
      );
      await expect(open({ name: 'root', password: 'wrong' })).rejects.toThrow(
        `Cannot use etcd at ${etcd.endpoint} as "root": etcdserver: authentication failed, invalid user ID or password`,
      );
    } finally {
      await etcd.cleanup();
    }
  });
});

/** Makes a user that may do everything, and has etcd ask for users from then on. */
async function enableUsers(endpoint: string, { name, password }: { name: string; password: string }): Promise<void> {
  const connection = new GrpcConnection({ endpoint, clock });
  const call = async (path: string, texts: readonly string[]): Promise<void> => {
    const fields = texts.flatMap((text, i) => [Buffer.from([(i + 1) * 8 + 2, text.length]), Buffer.from(text)]);
    const message = Buffer.concat(fields);
    const framed = Buffer.concat([frameHead(message.length), message]);
    await connection.call(
      { path: `/etcdserverpb.Auth/${path}`, token: undefined },
      { message: framed, timeoutMs: 10_000 },
    );
  };
  await call('UserAdd', [name, password]);
  await call('RoleAdd', ['root']);
  await call('UserGrantRole', [name, 'root']);
  await call('AuthEnable', []);
  connection.close();
}
