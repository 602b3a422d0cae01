/**
 * Brings the store of a cluster that is stopped to this version, and keeps it as it was: what `coxswain upgrade` does.
 *
 * Laws:
 * - What there was is never written to. A store of a folder is read into a new one beside it, which takes its place when all of it is on the disk and has been compared; the old one is
 *   kept under another name. A store that others may use too is saved to a snapshot before it is brought to this version where it is.
 * - Either all of it is done or nothing; an upgrade that was cut off is taken back by the next one.
 * - Objects are what they were: as many, with the same values. Where a new store was made their revisions are greater than any before, as after a restore.
 * - A store of a later version is refused.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { UserError } from '#pkg/component/user-error.ts';
import { restoreItems, revisionsSkipped } from '#pkg/storage/snapshot/restore-items.ts';
import type { Store } from '#pkg/storage/store.ts';
import { bringToLayout, layoutOf } from './key-layout.ts';
import { prepareReplacement } from './restore-targets.ts';
import { type ClusterState, openState, saveSnapshot } from './snapshot.ts';
import { openStore } from './store.ts';
import { beforeUpgradeFile, beforeUpgradeFolder } from './store-identity.ts';
import { keyLayout, layoutKey, storeIdKey } from './store-keys.ts';
import { type StoreDriver, type StorePlace, storeDriverOf } from './stores.ts';

/** Where the objects are. */
const objectsPrefix = '/registry/';

/** Objects that are read at a time to be compared. */
const readAtOnce = 500;

/** What a store has, whatever the order. */
interface Contents {
  readonly objects: number;
  /** Of all values together. */
  readonly digest: bigint;
}

/** What came of an upgrade. */
export type UpgradeOutcome =
  /** The store is of this version. */
  | { readonly isUpgraded: false; readonly objects: number }
  | {
      readonly isUpgraded: true;
      readonly objects: number;
      /** Of which version it was, in words. */
      readonly from: string;
      /** The folder of the store as it was, or the file of a snapshot of it. */
      readonly kept: string;
      readonly isSnapshot: boolean;
      /** Whether it had an id, by which its folder knows it. */
      readonly hadId: boolean;
    };

/** Upgrades the store of a cluster's folder. Nobody may use it. Throws `UserError`, and what the driver and the system do. */
export async function upgradeStore(place: StorePlace): Promise<UpgradeOutcome> {
  const driver = storeDriverOf(place.store);
  if (driver?.snapshot === undefined)
    throw new UserError(`There is nothing to upgrade, as the cluster keeps its data in ${place.store}`);
  if (driver.needsFolder) await prepareReplacement(place.folder);
  const state = await openState(place, { needsId: false });
  try {
    const where = driver.where(place) ?? place.store;
    const { layout, contents, hasId: hadId } = await readThrough(state, where);
    const { objects } = contents;
    if (layout === keyLayout && state.olderFormat === undefined) return { isUpgraded: false, objects };
    const from = `${state.olderFormat === undefined ? '' : `format ${state.olderFormat}, `}layout ${layout}`;
    const kept = await upgrade({ place, driver, state, contents, where });
    return { isUpgraded: true, objects, from, kept, isSnapshot: driver.replace === undefined, hadId };
  } finally {
    await state.close();
  }
}

interface Upgrading {
  readonly place: StorePlace;
  readonly driver: StoreDriver;
  readonly state: ClusterState;
  readonly contents: Contents;
  readonly where: string;
}

/** Gives where the store is as it was. */
async function upgrade(upgrading: Upgrading): Promise<string> {
  const { place, driver, state, contents, where } = upgrading;
  if (driver.replace === undefined) return upgradeInPlace(upgrading);
  const { revision, clusterId } = state;
  const target = await driver.replace(place, { revision: revision + revisionsSkipped, clusterId });
  try {
    await restoreItems(target.store, state.items(), place.clock);
    await bringToLayout(target.store, where);
    checkSame(contents, await contentsOf(target.store), where);
  } catch (error) {
    await target.abandon();
    throw error;
  }
  await target.finish();
  return join(place.folder, beforeUpgradeFolder);
}

async function upgradeInPlace({ place, contents, where }: Upgrading): Promise<string> {
  const kept = join(place.folder, beforeUpgradeFile);
  await saveSnapshot(kept, { ...place, settings: undefined });
  const store = await openStore(place);
  try {
    checkSame(contents, await contentsOf(store), where);
  } finally {
    await store.close();
  }
  return kept;
}

/** How keys are laid out, and what there is. */
async function readThrough(
  state: ClusterState,
  where: string,
): Promise<{ readonly layout: number; readonly contents: Contents; readonly hasId: boolean }> {
  let found: Uint8Array | undefined;
  let hasId = false;
  const sum = new ContentsSum();
  for await (const { key, value } of state.items()) {
    if (key === layoutKey) found = Uint8Array.from(value);
    if (key === storeIdKey) hasId = true;
    if (isCounted(key)) sum.add(value);
  }
  return { layout: layoutOf(found, where), contents: sum.contents, hasId };
}

/** Events may expire at any moment, and are left out. */
function isCounted(key: string): boolean {
  return key.startsWith(objectsPrefix) && !/^\/registry\/(?:core\/)?events\//.test(key);
}

async function contentsOf(store: Store): Promise<Contents> {
  const sum = new ContentsSum();
  let from: string | undefined;
  do {
    const range = { prefix: objectsPrefix, limit: readAtOnce, counted: false };
    const { items } = await store.range(from === undefined ? range : { ...range, startKey: from });
    for (const { key, value } of items) if (isCounted(key)) sum.add(value);
    from = items.length < readAtOnce ? undefined : `${items.at(-1)?.key}\0`;
  } while (from !== undefined);
  return sum.contents;
}

/** Adds digests up, so that the order of what is read does not matter. */
class ContentsSum {
  #objects = 0;
  #digest = 0n;

  add(value: Uint8Array): void {
    this.#objects++;
    this.#digest += BigInt(`0x${createHash('sha256').update(value).digest('hex')}`);
  }

  get contents(): Contents {
    return { objects: this.#objects, digest: this.#digest };
  }
}

function checkSame(before: Contents, after: Contents, where: string): void {
  if (before.objects === after.objects && before.digest === after.digest) return;
  throw new UserError(
    `Cannot upgrade the store in ${where} as what was read of it is not what was written: ${before.objects} and ${after.objects} objects; it stays as it is`,
  );
}
