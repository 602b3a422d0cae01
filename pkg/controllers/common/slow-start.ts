/** Creates many objects in batches that grow: a quota or a webhook that refuses all of them is asked once, not for each. Upstream counterpart: `slowStartBatch`. */
import { isNamespaceTerminating } from '#pkg/client/refusals.ts';
import { forEachLimited, requestsInFlightMax } from './concurrency.ts';

/** What has come of it. */
export interface Creations {
  /** The first error, if there was one that is worth another try. */
  readonly failed: { readonly error: unknown } | undefined;
  /** How many were refused or not tried: nothing will be seen of them. */
  readonly notCreated: number;
}

/** Creates in batches of 1, 2, 4, … and stops after the first batch with a refusal. Never rejects. */
export async function createInGrowingBatches<T>(
  items: readonly T[],
  create: (item: T) => Promise<unknown>,
): Promise<Creations> {
  let failed: Creations['failed'];
  let notCreated = 0;
  const tryOne = async (item: T): Promise<void> => {
    try {
      await create(item);
    } catch (error) {
      notCreated++;
      // A namespace that is going refuses all of them; there is nothing to try again.
      if (!isNamespaceTerminating(error)) failed ??= { error };
    }
  };
  let done = 0;
  for (let size = 1; done < items.length; size = Math.min(size * 2, items.length - done)) {
    await forEachLimited(items.slice(done, done + size), requestsInFlightMax, tryOne);
    done += size;
    if (notCreated > 0) break;
  }
  return { failed, notCreated: notCreated + Math.max(0, items.length - done) };
}
