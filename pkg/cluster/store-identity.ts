/**
 * That a cluster's store is its own: an id is kept in the store and in the cluster's folder, and a start on a store with another id, or on one
 * that was emptied, is refused rather than taken for a new cluster. A store without an id, of a cluster from before there were ids, gets one.
 *
 * Invariant: the id is in the store before it is in the folder, so a start that was cut off is no obstacle to the next one.
 */

import { randomBytes } from 'node:crypto';
import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { errorCode } from '#pkg/base/error-code.ts';
import type { Random } from '#pkg/base/random.ts';
import { UserError } from '#pkg/component/user-error.ts';
import type { Store } from '#pkg/storage/store.ts';
import { restoringKey, storeIdKey, writeLayout } from './store-keys.ts';

/** File of the cluster's folder that holds the id of its store. */
export const storeIdFile = 'store-id';

/** Folder of a store that is being restored and not whole yet. */
export const restoringFolder = 'store-restoring';

/** Folder of the store as it was before it was upgraded. */
export const beforeUpgradeFolder = 'store-before-upgrade';

/** File of a snapshot of a store that others may use too, made before it was upgraded. */
export const beforeUpgradeFile = 'before-upgrade.snapshot';

/** Which store, and which cluster it is to be of. */
export interface StoreOfCluster {
  /** Folder of the cluster. */
  readonly folder: string;
  /** The store in words: its folder, or its addresses. */
  readonly where: string;
}

/** Throws `UserError` when the cluster had a store and the file of it is gone. To be asked before opening it makes a new one. */
export async function checkStoreFile(path: string, { folder, where }: StoreOfCluster): Promise<void> {
  if ((await readStoreId(folder)) === undefined) return;
  const { size } = await stat(path).catch(() => ({ size: 0 }));
  if (size === 0) throw emptied({ folder, where });
}

/** Throws `UserError` when the store is not the one that the cluster had; gives a new store and a new cluster their id. */
export async function checkStoreId(store: Store, random: Random, { folder, where }: StoreOfCluster): Promise<void> {
  const wanted = await readStoreId(folder);
  const found = (await store.get(storeIdKey))?.value;
  if (store.localRevision === undefined) await checkRestored(store, { folder, where });
  if (found !== undefined) {
    const id = Buffer.from(found).toString('utf8');
    if (wanted === undefined) await writeStoreId(folder, id);
    else if (wanted !== id) throw foreign({ folder, where });
    return;
  }
  if (wanted !== undefined) {
    const { items } = await store.range({ prefix: '/', limit: 1 });
    throw items.length === 0 ? emptied({ folder, where }) : foreign({ folder, where });
  }
  const id = random.uuid();
  const value = Buffer.from(id);
  const { items } = await store.range({ prefix: '/registry/', limit: 1, counted: false });
  const [result] = await Promise.all([
    store.write({ type: 'put', key: storeIdKey, value, ifModRevision: 0 }),
    // With the id, as a new store's first commit would else be two.
    items.length === 0 ? writeLayout(store) : undefined,
  ]);
  // Another API server on the same store was faster: its id is the store's.
  await writeStoreId(folder, result.ok ? id : Buffer.from(result.current?.value ?? value).toString('utf8'));
}

/** Throws `UserError` when a snapshot was being restored into the store and that was cut off. */
async function checkRestored(store: Store, { folder, where }: StoreOfCluster): Promise<void> {
  if ((await store.get(restoringKey)) === undefined) return;
  throw new UserError(
    `Cannot start the cluster in ${folder} as restoring a snapshot into ${where} was cut off, or is under way: run "coxswain snapshot restore" again`,
  );
}

/** Throws `UserError` when the store has an id: it is that of a cluster, which a new one would become a part of. */
export async function checkNoStoreId(store: Store, { folder, where }: StoreOfCluster): Promise<void> {
  await checkRestored(store, { folder, where });
  if ((await store.get(storeIdKey)) === undefined) return;
  const urls = where.split(',').map((url) => `${url.replace(/\/$/, '')}/${basename(folder)}`);
  const own = urls.join(',');
  throw new UserError(
    `Cannot make a new cluster in ${folder} as the store in ${where} is that of another cluster: give this one a part of its own, such as --store ${own}`,
  );
}

/** Whether the store is the one of the cluster in a folder. */
export async function isStoreOf(store: Store, folder: string): Promise<boolean> {
  const found = (await store.get(storeIdKey))?.value;
  return found !== undefined && Buffer.from(found).toString('utf8') === (await readStoreId(folder));
}

function emptied({ folder, where }: StoreOfCluster): UserError {
  return new UserError(
    `Cannot start the cluster in ${folder} as its store in ${where} is empty, and it was not: put the store back, or run "coxswain down --delete-data --data-dir ${folder}" to begin a new cluster`,
  );
}

function foreign({ folder, where }: StoreOfCluster): UserError {
  return new UserError(
    `Cannot start the cluster in ${folder} as the store in ${where} is that of another cluster: put its own store back, or run "coxswain down --delete-data --data-dir ${folder}" to begin a new cluster`,
  );
}

/** The id that the cluster's folder holds; undefined when there is none yet. */
export async function readStoreId(folder: string): Promise<string | undefined> {
  try {
    const id = (await readFile(join(folder, storeIdFile), 'utf8')).trim();
    // A disk that was full may have left nothing in it.
    return id === '' ? undefined : id;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Has the cluster's folder hold an id. */
export async function writeStoreId(folder: string, id: string): Promise<void> {
  const path = join(folder, storeIdFile);
  const temporary = `${path}.${randomBytes(4).toString('hex')}`;
  try {
    await writeFile(temporary, `${id}\n`, { mode: 0o600, flag: 'wx' });
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}
