/**
 * Puts what a snapshot has into an empty store, by ordinary writes, so that each object gets a revision that is greater than any before: whoever goes on
 * from what was seen before the snapshot is told that it is gone. What has expired meanwhile is left out.
 */
import type { Clock } from '#pkg/base/clock.ts';
import { type Store, StoreUnavailableError } from '../store.ts';
import type { SnapshotItem } from './snapshot-format.ts';

/** Writes under way at a time: enough for one sync of a disk, or one round of an etcd, to be for many. */
const writesAtOnce = 256;

/**
 * How far a restored store's revisions begin after those of the snapshot: more than the cluster can have written since it was saved, so that no
 * revision that somebody has seen means something else now. Source: etcd's advice on `--bump-revision`.
 */
export const revisionsSkipped = 1_000_000_000;

/** What is left of a life is rounded up to this: keys of one length share an etcd's lease. */
const lifeStepMs = 60_000;

/** Writes all `items`; gives how many that were. Throws what the store does, and `StoreUnavailableError` when somebody else writes to it. */
export async function restoreItems(
  store: Store,
  items: AsyncIterable<SnapshotItem>,
  clock: Pick<Clock, 'nowMs'>,
): Promise<number> {
  let count = 0;
  let failure: { readonly error: unknown } | undefined;
  const underWay = new Set<Promise<void>>();
  const write = async ({ key, value, expiresMs }: SnapshotItem): Promise<void> => {
    const ttlMs = expiresMs - clock.nowMs();
    if (expiresMs > 0 && ttlMs <= 0) return;
    const life = expiresMs > 0 ? { ttlMs: Math.ceil(ttlMs / lifeStepMs) * lifeStepMs } : {};
    const { ok } = await store.write({ type: 'put', key, value, ifModRevision: 0, ...life });
    if (!ok) throw new StoreUnavailableError(`Cannot restore as somebody else writes to the store: ${key} is there`);
    count++;
  };
  for await (const item of items) {
    const writing = write(item)
      .catch((error: unknown) => {
        failure ??= { error };
      })
      .finally(() => underWay.delete(writing));
    underWay.add(writing);
    if (underWay.size >= writesAtOnce) await Promise.race(underWay);
    if (failure !== undefined) break;
  }
  await Promise.all(underWay);
  if (failure !== undefined) throw failure.error;
  return count;
}
