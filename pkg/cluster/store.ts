/**
 * Opens the store that a setting names; only the driver that is used is loaded. What is not in memory is checked to be the store that the
 * cluster had (`store-identity.ts`).
 */
import { join } from 'node:path';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Random } from '#pkg/base/random.ts';
import type { Store } from '#pkg/storage/store.ts';
import { checkNoStoreId, checkStoreFile, checkStoreId, clusterPrefixes, isStoreOf } from './store-identity.ts';

export interface OpenStoreOptions {
  /** `lmdb`, `memory`, or addresses of etcd members with commas between them, and the cluster's part of that etcd as their path, if any. */
  readonly store: string;
  /** Folder of the cluster: the lmdb driver's is `store` in it. `''` when there is none, which lmdb cannot do without. */
  readonly folder: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** Whether a value of `--store` can be understood. */
export function isStoreName(store: string): boolean {
  return store === 'lmdb' || store === 'memory' || etcdOf(store) !== undefined;
}

/** Whether a store is one that other clusters may use too. */
export function isSharedStore(store: string): boolean {
  return store !== 'lmdb' && store !== 'memory';
}

interface EtcdPlace {
  readonly endpoints: readonly string[];
  /** What the keys of the cluster begin with: the path that all addresses have, or nothing. */
  readonly prefix: string;
}

/** Members of an etcd, and the part of it; undefined where the texts are no addresses or name different parts. */
function etcdOf(store: string): EtcdPlace | undefined {
  const parts = store.split(',').map((text) => /^(https?:\/\/[^\s/]+)((?:\/[\w.-]+)*)\/?$/.exec(text));
  const prefix = parts[0]?.[2] ?? '';
  if (parts.some((part) => part?.[2] !== prefix)) return undefined;
  // What the keys of a cluster go on with: one part must not lie in another.
  if (/\/(?:registry|coxswain)(?:\/|$)/.test(prefix)) return undefined;
  return { endpoints: parts.map((part) => part![1]!), prefix };
}

/** Throws what the driver does, and `StoreIdentityError` when the store is not the one that the cluster had. */
export async function openStore(options: OpenStoreOptions): Promise<Store> {
  const { folder, random } = options;
  if (options.store === 'memory') {
    const { createMemoryStore } = await import('#pkg/storage/drivers/memory/memory-store.ts');
    return createMemoryStore(options);
  }
  const where = options.store === 'lmdb' ? join(folder, 'store') : options.store;
  if (options.store === 'lmdb') await checkStoreFile(join(where, 'data.mdb'), { folder, where });
  const store = await openDriver(options, where);
  try {
    if (folder !== '') await checkStoreId(store, random, { folder, where });
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function openDriver({ store, clock, log }: OpenStoreOptions, where: string): Promise<Store> {
  if (store === 'lmdb') {
    const { openLmdbStore } = await import('#pkg/storage/drivers/lmdb/lmdb-store.ts');
    // The API server's module graph, which is being loaded anyway.
    const { uncachedKeys } = await import('#pkg/apiserver/storage/resource-store.ts');
    const { createStrategies } = await import('#pkg/registry/table.ts');
    const cold = uncachedKeys(createStrategies());
    return openLmdbStore({ directory: where, log, clock, cold });
  }
  const [{ openEtcdStore }, { prefixedStore }] = await Promise.all([
    import('#pkg/storage/drivers/etcd/etcd-store.ts'),
    import('#pkg/storage/prefixed-store.ts'),
  ]);
  const { endpoints, prefix } = etcdOf(store)!;
  return prefixedStore(await openEtcdStore({ endpoints, clock, log }), prefix);
}

/**
 * Throws `StoreIdentityError` when a shared store already is that of a cluster, of which a new one would become a part. Throws what the driver does.
 */
export async function checkStoreFree(options: OpenStoreOptions): Promise<void> {
  if (!isSharedStore(options.store)) return;
  const store = await openDriver(options, options.store);
  try {
    await checkNoStoreId(store, { folder: options.folder, where: options.store });
  } finally {
    await store.close();
  }
}

/** How many keys are removed at a time: enough to keep etcd busy, few enough for its limit of requests at once. */
const removedAtOnce = 64;

/**
 * Removes everything that a cluster has in a shared store, the id last: removing that was cut off can be done again. Does nothing where the store is
 * not the cluster's. Throws what the driver does.
 */
export async function removeFromSharedStore(options: OpenStoreOptions): Promise<void> {
  const store = await openDriver(options, options.store);
  try {
    if (!(await isStoreOf(store, options.folder))) return;
    for (const prefix of clusterPrefixes) {
      for (;;) {
        const { items } = await store.range({ prefix, limit: removedAtOnce, counted: false });
        if (items.length === 0) break;
        await Promise.all(
          items.map(({ key, modRevision }) => store.write({ type: 'delete', key, ifModRevision: modRevision })),
        );
      }
    }
  } finally {
    await store.close();
  }
}
