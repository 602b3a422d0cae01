/**
 * Opens the store that a setting names. What outlives the process is checked to be the store that the cluster had (`store-identity.ts`).
 */
import type { Store } from '#pkg/storage/store.ts';
import type { EncryptionSettings } from './encryption/encryption.ts';
import { removeAll } from './remove-all.ts';
import { checkNoStoreId, checkStoreId, isStoreOf } from './store-identity.ts';
import { encryptionKey } from './store-keys.ts';
import { type StoreDriver, type StorePlace, type StoreTable, storeDriverOf, storeNames, storeTable } from './stores.ts';

/** Whether a value of `--store` can be understood. */
export function isStoreName(store: string): boolean {
  return storeDriverOf(store) !== undefined;
}

/** Whether a store is one that other clusters may use too. */
export function isSharedStore(store: string): boolean {
  return storeDriverOf(store)?.isShared === true;
}

/** Throws what the driver does, and `UserError` when the store is not the one that the cluster had, or how values are stored cannot be followed. */
export async function openStore(
  place: StorePlace & { readonly encryption?: EncryptionSettings },
  table: StoreTable = storeTable,
): Promise<Store> {
  const { encryption = { file: '', reloads: false }, ...where } = place;
  const store = await openAsItIs(where, table);
  try {
    // What was sealed once may still be, whatever the configuration says now.
    if (encryption.file === '' && (await store.get(encryptionKey)) === undefined) return store;
    return await (await import('./encryption/encryption.ts')).withEncryption(store, encryption, where);
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** The store with its values as they lie there. */
async function openAsItIs(place: StorePlace, table: StoreTable): Promise<Store> {
  const { folder, random } = place;
  const driver = driverOf(place.store, table);
  const store = await driver.open(place);
  const where = driver.where(place);
  if (where === undefined || folder === '') return store;
  try {
    await checkStoreId(store, random, { folder, where });
    await (await import('./key-layout.ts')).bringToLayout(store, where);
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}

function driverOf(store: string, table: StoreTable): StoreDriver {
  const driver = storeDriverOf(store, table);
  if (driver === undefined)
    throw new Error(`Cannot open the store ${JSON.stringify(store)} as it is none of ${storeNames(table)}`);
  return driver;
}

/**
 * Throws `UserError` when a shared store already is that of a cluster, of which a new one would become a part. Throws what the driver does.
 */
export async function checkStoreFree(options: StorePlace): Promise<void> {
  if (!isSharedStore(options.store)) return;
  const store = await driverOf(options.store, storeTable).open(options);
  try {
    await checkNoStoreId(store, { folder: options.folder, where: options.store });
  } finally {
    await store.close();
  }
}

/**
 * Removes everything that a cluster has in a shared store, the id last: removing that was cut off can be done again. Does nothing where the store is
 * not the cluster's. Throws what the driver does.
 */
export async function removeFromSharedStore(options: StorePlace): Promise<void> {
  const store = await driverOf(options.store, storeTable).open(options);
  try {
    if (!(await isStoreOf(store, options.folder))) return;
    await removeAll(store);
  } finally {
    await store.close();
  }
}
