/**
 * Opens the store that a setting names; only the driver that is used is loaded. What is not in memory is checked to be the store that the
 * cluster had (`store-identity.ts`).
 */
import { join } from 'node:path';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Random } from '#pkg/base/random.ts';
import type { Store } from '#pkg/storage/store.ts';
import { checkStoreFile, checkStoreId } from './store-identity.ts';

export interface OpenStoreOptions {
  /** `lmdb`, `memory`, or addresses of etcd members with commas between them. */
  readonly store: string;
  /** Folder of the cluster: the lmdb driver's is `store` in it. `''` when there is none, which lmdb cannot do without. */
  readonly folder: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** Whether a value of `--store` can be understood. */
export function isStoreName(store: string): boolean {
  return (
    store === 'lmdb' || store === 'memory' || store.split(',').every((part) => /^https?:\/\/[^\s/]+\/?$/.test(part))
  );
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
  const { openEtcdStore } = await import('#pkg/storage/drivers/etcd/etcd-store.ts');
  return openEtcdStore({ endpoints: store.split(','), clock, log });
}
