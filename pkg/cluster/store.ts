/**
 * Opens the store that a setting names. What outlives the process is checked to be the store that the cluster had (`store-identity.ts`).
 */
import type { Store } from '#pkg/storage/store.ts';
import { checkStoreId } from './store-identity.ts';
import { type StorePlace, type StoreTable, storeDriverOf, storeNames, storeTable } from './stores.ts';

/** Throws what the driver does, and `StoreIdentityError` when the store is not the one that the cluster had. */
export async function openStore(place: StorePlace, table: StoreTable = storeTable): Promise<Store> {
  const { folder, random } = place;
  const driver = storeDriverOf(place.store, table);
  if (driver === undefined)
    throw new Error(`Cannot open the store ${JSON.stringify(place.store)} as it is none of ${storeNames(table)}`);
  const store = await driver.open(place);
  const where = driver.where(place);
  if (where === undefined || folder === '') return store;
  try {
    await checkStoreId(store, random, { folder, where });
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}
