/**
 * Snapshots of a cluster's store: what `coxswain snapshot` does. A snapshot has everything that the API server keeps, at one revision, and nothing of who
 * uses the store meanwhile; keys and certificates of the cluster are not in it. It is the same whatever store it comes from or goes to.
 */
import { errorCode } from '#pkg/base/error-code.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { restoreItems, revisionsSkipped } from '#pkg/storage/snapshot/restore-items.ts';
import { type SnapshotHeader, type SnapshotItem, SnapshotProblem } from '#pkg/storage/snapshot/snapshot-format.ts';
import { SnapshotFile } from '#pkg/storage/snapshot/snapshot-reader.ts';
import type { SnapshotSource } from '#pkg/storage/snapshot/snapshot-source.ts';
import { type WrittenSnapshot, writeSnapshot } from '#pkg/storage/snapshot/snapshot-writer.ts';
import { CompactedError } from '#pkg/storage/store.ts';
import { readStoreId, writeStoreId } from './store-identity.ts';
import { clusterPrefixes, isOfStoreAlone, storeIdKey } from './store-keys.ts';
import { type StoreDriver, type StorePlace, storeDriverOf } from './stores.ts';

/** A snapshot that was saved. */
export interface SavedSnapshot extends WrittenSnapshot {
  readonly revision: number;
}

/** Saves the store of a cluster, which may run. Throws `UserError`, and what the driver or the system does. */
export async function saveSnapshot(
  path: string,
  { settings, ...place }: StorePlace & { readonly settings: SnapshotHeader['settings'] },
): Promise<SavedSnapshot> {
  const state = await openState(place);
  try {
    const { revision, clusterId } = state;
    const savedAt = new Date(place.clock.nowMs()).toISOString();
    const header = { clusterId, revision, savedAt, ...(settings === undefined ? {} : { settings }) };
    const written = await writeSnapshot(path, header, state.items());
    return { ...written, revision };
  } catch (error) {
    if (error instanceof SnapshotProblem)
      throw new UserError(`Cannot save the snapshot to ${path} as ${error.message}: choose another file`, error);
    throw error;
  } finally {
    await state.close();
  }
}

/** The state of a cluster's store, until it is closed: what a snapshot of it would have. */
export interface ClusterState extends SnapshotSource {
  /** `''` where it has none. */
  readonly clusterId: string;
}

/** Opens the state that the store of a cluster has now, whether it runs or not. Throws `UserError`, also while it is read, and what the driver does. */
export async function openState(
  place: StorePlace,
  /** Whether a store without an id is refused. Those of versions before there were ids have none, nor have folders that were never started. */
  { needsId = true }: { readonly needsId?: boolean } = {},
): Promise<ClusterState> {
  const driver = driverOf(place.store);
  const where = driver.where(place) ?? place.store;
  const clusterId = await readStoreId(place.folder);
  if (clusterId === undefined && needsId)
    throw new UserError(`Cannot make a snapshot as the cluster in ${place.folder} has never been started`);
  const source = await driver.snapshot(place);
  return {
    ...source,
    clusterId: clusterId ?? '',
    items: () => itemsOf(source, { clusterId, where }),
    close: () => source.close(),
  };
}

/** What of a store is the cluster's. Throws `UserError` at the end of one that is another's. */
async function* itemsOf(
  source: SnapshotSource,
  { clusterId, where }: { readonly clusterId: string | undefined; readonly where: string },
): AsyncGenerator<SnapshotItem> {
  let found: string | undefined;
  try {
    for await (const item of source.items()) {
      const { key, value } = item;
      if (key === storeIdKey) found = Buffer.from(value).toString('utf8');
      if (clusterPrefixes.some((prefix) => key.startsWith(prefix)) && !isOfStoreAlone(key)) yield item;
    }
  } catch (error) {
    if (!(error instanceof CompactedError)) throw error;
    throw new UserError(`Cannot make a snapshot as ${where} has forgotten meanwhile what it is of: try again`, error);
  }
  if (clusterId !== undefined && found !== clusterId)
    throw new UserError(`Cannot make a snapshot as the store in ${where} is not that of the cluster any more`);
}

/** A sound snapshot, to be used and closed. Throws `UserError` where it is none, which says that `purpose` cannot be, and what the system says. */
export async function openSnapshot(path: string, purpose = 'restore'): Promise<SnapshotFile> {
  try {
    return await SnapshotFile.open(path);
  } catch (error) {
    if (error instanceof SnapshotProblem) throw new UserError(`Cannot ${purpose} ${path} as ${error.message}`, error);
    if (errorCode(error) === 'ENOENT') throw new UserError(`Cannot ${purpose} ${path} as it is not there`, error);
    throw error;
  }
}

/**
 * Restores a snapshot into the store of a cluster's folder, which must be empty; gives how many keys that were. Either all of it is there afterwards or
 * nothing. Throws `UserError`, and what the driver or the system does.
 */
export async function restoreSnapshot(snapshot: SnapshotFile, place: StorePlace): Promise<number> {
  const { clusterId, revision } = snapshot.header;
  const own = await readStoreId(place.folder);
  if (own !== undefined && own !== clusterId) {
    throw new UserError(
      `Cannot restore into ${place.folder} as that is the folder of another cluster than the snapshot's: choose another with --data-dir`,
    );
  }
  const driver = driverOf(place.store);
  const target = await driver.restore(place, { revision: revision + revisionsSkipped, clusterId });
  let count: number;
  try {
    count = await restoreItems(target.store, snapshot.items(), place.clock);
  } catch (error) {
    await target.abandon();
    throw error;
  }
  await target.finish();
  if (own === undefined) await writeStoreId(place.folder, clusterId);
  return count;
}

type LastingDriver = StoreDriver & Required<Pick<StoreDriver, 'restore' | 'snapshot'>>;

function driverOf(store: string): LastingDriver {
  const driver = storeDriverOf(store);
  if (driver === undefined || !isLasting(driver)) {
    throw new UserError(
      `Cannot make or restore a snapshot as the cluster keeps its data in ${store}: it has to be one that outlives the process`,
    );
  }
  return driver;
}

function isLasting(driver: StoreDriver): driver is LastingDriver {
  return driver.snapshot !== undefined && driver.restore !== undefined;
}
