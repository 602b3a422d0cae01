import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SystemClock } from '#pkg/base/clock.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { storeConformance } from '../../conformance.ts';
import { type Store, type StoreEvent, StoreUnavailableError } from '../../store.ts';
import { createResourceCache } from '../../watch-cache.ts';
import { openEtcdStore } from './etcd-store.ts';
import { findEtcd, startTestEtcd, type TestEtcd } from './test-etcd.ts';

const program = findEtcd(process.env.PATH);
if (program === undefined) {
  process.stdout.write(
    'Skipped: the etcd driver, as no etcd program is installed (Debian: apt-get install etcd-server)\n',
  );
}
const clock = new SystemClock();
const openAt = (endpoint: string): Promise<Store> => openEtcdStore({ endpoints: [endpoint], clock, log: silentLogger });

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
        expect(await pods.fresh()).toBe(revision);
        expect(await services.fresh()).toBe(revision);
        expect(pods.count('/registry/pods/')).toBe(i + 1);
      }
      pods.close();
      services.close();
      await Promise.all([store.close(), other.close()]);
    });

    test('while etcd is down requests fail, and its watches go on without a gap when it is back', {
      timeout: 30_000,
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
});
