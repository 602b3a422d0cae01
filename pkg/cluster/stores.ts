/**
 * The store drivers that an API server can have. A new one is a folder in `pkg/storage/drivers/` and an entry here. Only the one that is used
 * is loaded.
 */
import { join } from 'node:path';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Random } from '#pkg/base/random.ts';
import type { Store } from '#pkg/storage/store.ts';
import { checkStoreFile } from './store-identity.ts';

export interface StorePlace {
  /** The value of `--store`. */
  readonly store: string;
  /** Folder of the cluster; `''` when there is none. */
  readonly folder: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export interface StoreDriver {
  /** How the driver is asked for, as help shows it: `lmdb`, `URL,URL`. */
  readonly placeholder: string;
  /** Whether a value of `--store` asks for this driver. */
  accepts(store: string): boolean;
  /** Where the data is, for messages; undefined when it does not outlive the process, so that there is nothing to recognise. */
  where(place: Pick<StorePlace, 'folder' | 'store'>): string | undefined;
  /** Whether the data is in the folder of the cluster, which there must be then. */
  readonly needsFolder: boolean;
  /** Throws for a store that cannot be used. */
  open(place: StorePlace): Promise<Store>;
}

/** Drivers by their names; the first that accepts a value has it. */
export type StoreTable = Readonly<Record<string, StoreDriver>>;

export const storeTable: StoreTable = {
  lmdb: {
    placeholder: 'lmdb',
    accepts: (store) => store === 'lmdb',
    where: ({ folder }) => join(folder, 'store'),
    needsFolder: true,
    open: async ({ folder, clock, log }) => {
      const directory = join(folder, 'store');
      await checkStoreFile(join(directory, 'data.mdb'), { folder, where: directory });
      const { openLmdbStore } = await import('#pkg/storage/drivers/lmdb/lmdb-store.ts');
      // The API server's module graph, which is being loaded anyway.
      const { uncachedKeys } = await import('#pkg/apiserver/storage/resource-store.ts');
      const { createStrategies } = await import('#pkg/registry/table.ts');
      return openLmdbStore({ directory, log, clock, cold: uncachedKeys(createStrategies()) });
    },
  },
  memory: {
    placeholder: 'memory',
    accepts: (store) => store === 'memory',
    where: () => undefined,
    needsFolder: false,
    open: async (place) => {
      const { createMemoryStore } = await import('#pkg/storage/drivers/memory/memory-store.ts');
      return createMemoryStore(place);
    },
  },
  etcd: {
    placeholder: 'URL,URL',
    accepts: (store) => store.split(',').every((part) => /^https?:\/\/[^\s/]+\/?$/.test(part)),
    where: ({ store }) => store,
    needsFolder: false,
    open: async ({ store, clock, log }) => {
      const { openEtcdStore } = await import('#pkg/storage/drivers/etcd/etcd-store.ts');
      return openEtcdStore({ endpoints: store.split(','), clock, log });
    },
  },
};

/** The driver that a value of `--store` asks for, if there is one. */
export function storeDriverOf(store: string, table: StoreTable = storeTable): StoreDriver | undefined {
  return Object.values(table).find((driver) => driver.accepts(store));
}

/** What `--store` takes, in words. */
export function storeNames(table: StoreTable = storeTable): string {
  return Object.values(table)
    .map(({ placeholder }) => placeholder)
    .join('|');
}
