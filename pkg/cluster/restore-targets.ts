/**
 * Where a snapshot is restored to, and where an etcd's comes from: what only the stores of whole clusters need beside their drivers.
 *
 * Invariants: nothing that is there is changed. A folder's store appears when all of it is on the disk. In an etcd a note of what is under way is there
 * before anything else and goes last, so a restore that was cut off is known, is no cluster, and can be done again.
 */
import { open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isObject } from '#pkg/apimachinery/json.ts';
import { errorCode } from '#pkg/base/error-code.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { openEtcdSnapshot } from '#pkg/storage/drivers/etcd/etcd-snapshot.ts';
import type { EtcdBackedStore } from '#pkg/storage/drivers/etcd/etcd-store.ts';
import { lockFolder } from '#pkg/storage/drivers/lmdb/folder-lock.ts';
import { type RevisionShift, shiftedStore } from '#pkg/storage/shifted-store.ts';
import type { SnapshotItem } from '#pkg/storage/snapshot/snapshot-format.ts';
import type { SnapshotSource } from '#pkg/storage/snapshot/snapshot-source.ts';
import { type Store, StoreUnavailableError } from '#pkg/storage/store.ts';
import { removeAll } from './remove-all.ts';
import { beforeUpgradeFolder, restoringFolder } from './store-identity.ts';
import { clusterPrefixes, restoringKey, revisionsKey } from './store-keys.ts';

/** What a restored store has to go on from. */
export interface RestoreStart {
  /** Its revisions are greater than this. */
  readonly revision: number;
  readonly clusterId: string;
}

/** A store that a snapshot is put into. */
export interface RestoreTarget {
  /** Empty. */
  readonly store: Store;
  /** It is whole: from now on it is a cluster's store. Closes it. */
  finish(): Promise<void>;
  /** Takes back what was put into it. Closes it. */
  abandon(): Promise<void>;
}

/** A new store in a folder. `openNew` makes one in a folder of its own. */
export async function restoreFolder(
  folder: string,
  openNew: (directory: string) => Promise<Store>,
): Promise<RestoreTarget> {
  const directory = join(folder, 'store');
  const { size } = await stat(join(directory, 'data.mdb')).catch(() => ({ size: 0 }));
  if (size > 0 || (await hasOthers(directory))) {
    throw new UserError(
      `Cannot restore into ${folder} as there is a store in ${directory}: move that away, or choose another folder with --data-dir`,
    );
  }
  return newFolder(folder, openNew, () => rm(directory, { recursive: true, force: true }));
}

/** A new store in the place of the one of a folder, which is kept as `beforeUpgradeFolder`. Throws `UserError` where there is such a one already. */
export async function replaceFolder(
  folder: string,
  openNew: (directory: string) => Promise<Store>,
): Promise<RestoreTarget> {
  const [directory, kept] = [join(folder, 'store'), join(folder, beforeUpgradeFolder)];
  if (await isThere(kept))
    throw new UserError(
      `Cannot upgrade the store in ${directory} as ${kept} is there, which an upgrade of before has kept: move that away, or remove it`,
    );
  return newFolder(folder, openNew, () => rename(directory, kept));
}

/**
 * Takes back the first half of a replacement that was cut off before its second, as the folder would else have no store. Throws `StoreUnavailableError` where a process has the store
 * open, which would go on with it under its other name.
 */
export async function prepareReplacement(folder: string): Promise<void> {
  const [directory, kept] = [join(folder, 'store'), join(folder, beforeUpgradeFolder)];
  if (await isThere(directory)) lockFolder(directory).release();
  else if (await isThere(kept)) await rename(kept, directory);
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** A store beside the one of a folder, which takes its place once `giveWay` has taken that away. */
async function newFolder(
  folder: string,
  openNew: (directory: string) => Promise<Store>,
  giveWay: () => Promise<void>,
): Promise<RestoreTarget> {
  const [directory, beside] = [join(folder, 'store'), join(folder, restoringFolder)];
  // What is left of one that was cut off.
  await rm(beside, { recursive: true, force: true });
  const store = await openNew(beside);
  return {
    store,
    async finish() {
      await store.close();
      await giveWay();
      await rename(beside, directory);
      const above = await open(folder);
      await above.sync().finally(() => above.close());
    },
    async abandon() {
      await store.close();
      await rm(beside, { recursive: true, force: true });
    },
  };
}

/** Whether something is in the folder that no driver leaves there. */
async function hasOthers(directory: string): Promise<boolean> {
  const names = await readdir(directory).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  });
  return names.some((name) => name !== 'data.mdb' && !name.startsWith('lock'));
}

/** An empty part of an etcd. */
export async function restorePart(
  part: Store,
  { revision, clusterId, folder, where }: RestoreStart & { readonly folder: string; readonly where: string },
): Promise<RestoreTarget> {
  try {
    await emptyPart(part, { note: JSON.stringify({ clusterId, folder }), where });
    const present = await part.currentRevision();
    const floor = Math.max(present, revision);
    const shift: RevisionShift = { shift: floor - present, floor };
    const value = Buffer.from(JSON.stringify(shift));
    await made(part.write({ type: 'put', key: revisionsKey, value, ifModRevision: 0 }), where);
    return {
      store: shiftedStore(part, shift),
      async finish() {
        const note = await part.get(restoringKey);
        await part.write({ type: 'delete', key: restoringKey, ifModRevision: note?.modRevision ?? 0 });
        await part.close();
      },
      abandon: () => removeAll(part).finally(() => part.close()),
    };
  } catch (error) {
    await part.close();
    throw error;
  }
}

/** Notes that a restore is under way, once there is nothing, or nothing but what the same one has left. */
async function emptyPart(part: Store, { note, where }: { note: string; where: string }): Promise<void> {
  const value = Buffer.from(note);
  const left = await part.get(restoringKey);
  if (left !== undefined && value.equals(left.value)) await removeAll(part);
  for (const prefix of clusterPrefixes) {
    const { items } = await part.range({ prefix, limit: 1, counted: false });
    if (items.length > 0) throw notEmpty(where);
  }
  await made(part.write({ type: 'put', key: restoringKey, value, ifModRevision: 0 }), where);
}

async function made(writing: ReturnType<Store['write']>, where: string): Promise<void> {
  if (!(await writing).ok) throw notEmpty(where);
}

function notEmpty(where: string): UserError {
  return new UserError(
    `Cannot restore into ${where} as that is not empty: choose a part of its own, such as ${where.split(',')[0]?.replace(/\/$/, '')}/restored`,
  );
}

/** By how much the revisions of an etcd's part are shown greater; undefined where nothing was restored into it. */
export async function shiftOf(part: Store): Promise<RevisionShift | undefined> {
  const kept = await part.get(revisionsKey);
  if (kept === undefined) return undefined;
  try {
    const shift: unknown = JSON.parse(Buffer.from(kept.value).toString('utf8'));
    if (isObject(shift) && typeof shift.shift === 'number' && typeof shift.floor === 'number')
      return { shift: shift.shift, floor: shift.floor };
  } catch {
    // Nothing that was written here.
  }
  throw new StoreUnavailableError(`Cannot use the store as its key ${revisionsKey} is damaged`);
}

/** The state of an etcd's part, with revisions as they are shown. */
export async function etcdSnapshot(of: {
  readonly store: EtcdBackedStore;
  /** The cluster's part of it. */
  readonly part: Store;
  /** What its keys begin with. */
  readonly prefix: string;
}): Promise<SnapshotSource> {
  const { shift = 0 } = (await shiftOf(of.part).finally(() => of.part.close())) ?? {};
  const source = await openEtcdSnapshot(of.store, of.prefix);
  return {
    revision: source.revision + shift,
    close: () => source.close(),
    async *items(): AsyncGenerator<SnapshotItem> {
      for await (const item of source.items()) yield { ...item, modRevision: item.modRevision + shift };
    },
  };
}
