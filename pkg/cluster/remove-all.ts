/** Empties a cluster's part of a store that others use too. */
import type { Store } from '#pkg/storage/store.ts';
import { clusterPrefixes, restoringKey } from './store-keys.ts';

/** How many keys are removed at a time: enough to keep etcd busy, few enough for its limit of requests at once. */
const removedAtOnce = 64;

/**
 * Removes everything that a cluster has in a store. What says whose it is goes last, its id or that it was being restored, so that removing that was
 * cut off can be done again. Throws what the store does.
 */
export async function removeAll(store: Store): Promise<void> {
  const restoring = await store.get(restoringKey);
  for (const prefix of clusterPrefixes) {
    for (;;) {
      const range = await store.range({ prefix, limit: removedAtOnce, counted: false });
      const items = range.items.filter(({ key }) => key !== restoringKey);
      if (items.length === 0) break;
      await Promise.all(
        items.map(({ key, modRevision }) => store.write({ type: 'delete', key, ifModRevision: modRevision })),
      );
    }
  }
  if (restoring !== undefined)
    await store.write({ type: 'delete', key: restoringKey, ifModRevision: restoring.modRevision });
}
