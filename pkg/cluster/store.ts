/** Opens the store that a setting names; only the driver that is used is loaded. */
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Store } from '#pkg/storage/store.ts';

export interface OpenStoreOptions {
  /** `lmdb`, `memory`, or addresses of etcd members with commas between them. */
  readonly store: string;
  /** Folder of the lmdb driver. */
  readonly folder: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Whether a value of `--store` can be understood. */
export function isStoreName(store: string): boolean {
  return (
    store === 'lmdb' || store === 'memory' || store.split(',').every((part) => /^https?:\/\/[^\s/]+\/?$/.test(part))
  );
}

export async function openStore(options: OpenStoreOptions): Promise<Store> {
  if (options.store === 'memory') {
    const { createMemoryStore } = await import('#pkg/storage/drivers/memory/memory-store.ts');
    return createMemoryStore(options);
  }
  if (options.store === 'lmdb') {
    const { openLmdbStore } = await import('#pkg/storage/drivers/lmdb/lmdb-store.ts');
    // The API server's module graph, which is being loaded anyway.
    const { uncachedKeys } = await import('#pkg/apiserver/storage/resource-store.ts');
    const { createStrategies } = await import('#pkg/registry/table.ts');
    const cold = uncachedKeys(createStrategies());
    return openLmdbStore({ directory: options.folder, log: options.log, clock: options.clock, cold });
  }
  const { openEtcdStore } = await import('#pkg/storage/drivers/etcd/etcd-store.ts');
  return openEtcdStore({ endpoints: options.store.split(','), clock: options.clock, log: options.log });
}
