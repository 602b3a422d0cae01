/**
 * The store drivers that an API server can have. A new one is a folder in `pkg/storage/drivers/` and an entry here. Only the one that is used
 * is loaded.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Random } from '#pkg/base/random.ts';
import type { EtcdBackedStore } from '#pkg/storage/drivers/etcd/etcd-store.ts';
import type { LmdbStoreOptions } from '#pkg/storage/drivers/lmdb/lmdb-store.ts';
import type { SnapshotSource } from '#pkg/storage/snapshot/snapshot-source.ts';
import { type Store, StoreUnavailableError } from '#pkg/storage/store.ts';
import { type EtcdFiles, etcdFlags } from './etcd-files.ts';
import type { RestoreStart, RestoreTarget } from './restore-targets.ts';
import { checkStoreFile } from './store-identity.ts';

/** What a driver is opened with. */
export interface StorePlace extends EtcdFiles {
  /** The value of `--store`; of an etcd the addresses of its members, and the cluster's part of it as their path, if any. */
  readonly store: string;
  /** Folder of the cluster; `''` when there is none. */
  readonly folder: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Whether writes wait for the disk, where the driver has one of its own. Default true. */
  readonly waitsForDisk?: boolean;
}

/** One driver, and which values of `--store` it answers to. */
export interface StoreDriver {
  /** How the driver is asked for, as help shows it: `lmdb`, `URL,URL`. */
  readonly placeholder: string;
  /** Whether a value of `--store` asks for this driver. */
  accepts(store: string): boolean;
  /** Where the data is, for messages; undefined when it does not outlive the process, so that there is nothing to recognise. */
  where(place: Pick<StorePlace, 'folder' | 'store'>): string | undefined;
  /** Whether the data is in the folder of the cluster, which there must be then. */
  readonly needsFolder: boolean;
  /** Whether other clusters may use the same store, each a part of its own. */
  readonly isShared: boolean;
  /** Throws for a store that cannot be used. */
  open(place: StorePlace): Promise<Store>;
  /** The state now, whoever else uses the store; absent where the data does not outlive the process. */
  snapshot?(place: StorePlace): Promise<SnapshotSource>;
  /** An empty store for a snapshot, whose revisions go on after `revision`. Throws `UserError` where there is something already. */
  restore?(place: StorePlace, after: RestoreStart): Promise<RestoreTarget>;
  /** The same for a store that is to take the place of the one that is there, which is kept. Absent where one is brought to this version as it is. */
  replace?(place: StorePlace, after: RestoreStart): Promise<RestoreTarget>;
}

/** Drivers by their names; the first that accepts a value has it. */
export type StoreTable = Readonly<Record<string, StoreDriver>>;

/** The drivers that there are; the first that accepts a value is taken. */
export const storeTable: StoreTable = {
  lmdb: {
    placeholder: 'lmdb',
    accepts: (store) => store === 'lmdb',
    where: ({ folder }) => join(folder, 'store'),
    needsFolder: true,
    isShared: false,
    open: async ({ folder, clock, log, waitsForDisk }) => {
      const directory = join(folder, 'store');
      await checkStoreFile(join(directory, 'data.mdb'), { folder, where: directory });
      return openLmdb({ directory, log, clock, waitsForDisk });
    },
    snapshot: async ({ folder }) => {
      const { openLmdbSnapshot } = await import('#pkg/storage/drivers/lmdb/lmdb-snapshot.ts');
      return openLmdbSnapshot(join(folder, 'store'));
    },
    restore: async (place, start) => {
      const { restoreFolder } = await import('./restore-targets.ts');
      return restoreFolder(place.folder, openerOf(place, start));
    },
    replace: async (place, start) => {
      const { replaceFolder } = await import('./restore-targets.ts');
      return replaceFolder(place.folder, openerOf(place, start));
    },
  },
  memory: {
    placeholder: 'memory',
    accepts: (store) => store === 'memory',
    where: () => undefined,
    needsFolder: false,
    isShared: false,
    open: async (place) => {
      const { createMemoryStore } = await import('#pkg/storage/drivers/memory/memory-store.ts');
      return createMemoryStore(place);
    },
  },
  etcd: {
    placeholder: 'URL,URL',
    accepts: (store) => etcdOf(store) !== undefined,
    where: ({ store }) => store,
    needsFolder: false,
    isShared: true,
    open: async (place) => {
      const [store, { shiftOf }, { shiftedStore }] = await Promise.all([
        openEtcdPart(place),
        import('./restore-targets.ts'),
        import('#pkg/storage/shifted-store.ts'),
      ]);
      const shift = await shiftOf(store);
      return shift === undefined ? store : shiftedStore(store, shift);
    },
    snapshot: async (place) => {
      const { etcdSnapshot } = await import('./restore-targets.ts');
      const [store, part] = await Promise.all([openEtcd(place), openEtcdPart(place)]);
      return etcdSnapshot({ store, part, prefix: placeIn(place.store).prefix });
    },
    restore: async (place, start) => {
      const { restorePart } = await import('./restore-targets.ts');
      return restorePart(await openEtcdPart(place), { ...start, folder: place.folder, where: place.store });
    },
  },
};

async function openLmdb(options: Omit<LmdbStoreOptions, 'cold'>): Promise<Store> {
  const { openLmdbStore } = await import('#pkg/storage/drivers/lmdb/lmdb-store.ts');
  // The API server's module graph, which is being loaded anyway.
  const { uncachedKeys } = await import('#pkg/apiserver/storage/resource-store.ts');
  const { createStrategies } = await import('#pkg/registry/table.ts');
  return openLmdbStore({ ...options, cold: uncachedKeys(createStrategies()) });
}

/** Makes new folders for a store that goes on from `start`. */
function openerOf({ log, clock }: StorePlace, { revision }: RestoreStart): (directory: string) => Promise<Store> {
  return (directory) => openLmdb({ directory, log, clock, startRevision: revision });
}

async function openEtcd({ store, clock, random, log, ...files }: StorePlace): Promise<EtcdBackedStore> {
  const [tls, user] = await Promise.all([etcdTls(files), etcdUser(files)]);
  const { openEtcdStore } = await import('#pkg/storage/drivers/etcd/etcd-store.ts');
  const { endpoints } = placeIn(store);
  return openEtcdStore({
    endpoints,
    clock,
    random,
    log,
    ...(tls === undefined ? {} : { tls }),
    ...(user === undefined ? {} : { user }),
  });
}

/** The cluster's part of it. */
async function openEtcdPart(place: StorePlace): Promise<Store> {
  const { prefixedStore } = await import('#pkg/storage/prefixed-store.ts');
  return prefixedStore(await openEtcd(place), placeIn(place.store).prefix);
}

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

/** Why an etcd cannot be reached with these files; undefined where it may be. */
export function etcdFilesProblem(store: string, files: EtcdFiles): string | undefined {
  const { etcdCafile = '', etcdCertfile = '', etcdKeyfile = '', etcdUsername = '', etcdPasswordFile = '' } = files;
  if ((etcdUsername === '') !== (etcdPasswordFile === ''))
    return 'a user and the file of its password are given together';
  if (etcdUsername !== '' && !/^https?:/.test(store)) return 'a user is for an etcd';
  if (etcdCafile + etcdCertfile + etcdKeyfile === '') return undefined;
  if (!store.startsWith('https://')) return 'files for TLS are for an etcd whose addresses begin with https://';
  if ((etcdCertfile === '') !== (etcdKeyfile === '')) return 'a certificate and its key are given together';
  return undefined;
}

async function readEtcdFile(files: EtcdFiles, field: keyof EtcdFiles): Promise<string | undefined> {
  const path = files[field];
  if (path === undefined || path === '') return undefined;
  return readFile(path, 'utf8').catch((error: unknown) => {
    throw new StoreUnavailableError(
      `Cannot read the file ${path} of --${etcdFlags[field]}: ${errorText(error)}`,
      error,
    );
  });
}

/** Whom to be; the password is the first line of its file. */
async function etcdUser(files: EtcdFiles): Promise<{ name: string; password: string } | undefined> {
  const text = await readEtcdFile(files, 'etcdPasswordFile');
  const { etcdUsername: name = '' } = files;
  return text === undefined || name === '' ? undefined : { name, password: text.split(/\r?\n/, 1).join('') };
}

async function etcdTls(files: EtcdFiles): Promise<{ ca?: string; cert?: string; key?: string } | undefined> {
  const [ca, cert, key] = await Promise.all([
    readEtcdFile(files, 'etcdCafile'),
    readEtcdFile(files, 'etcdCertfile'),
    readEtcdFile(files, 'etcdKeyfile'),
  ]);
  if (ca === undefined && cert === undefined) return undefined;
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}

interface EtcdPlace {
  readonly endpoints: readonly string[];
  /** What the keys of the cluster begin with: the path that all addresses have, or nothing. */
  readonly prefix: string;
}

/** The same of a text that asks for this driver. */
function placeIn(store: string): EtcdPlace {
  return etcdOf(store) ?? { endpoints: [store], prefix: '' };
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
