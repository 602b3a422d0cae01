/** Work on many things with a bound on how many at a time. */

/**
 * Requests of one reconcile in flight at once: enough to keep a server busy, and with all workers of a controller together still fewer than
 * the writes a server admits at once.
 */
export const requestsInFlightMax = 24;

/** Calls `work` for each item, at most `limit` at a time, and resolves when all have ended. Rejects with the first throw, after all have ended. */
export async function forEachLimited<T>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  let failed: { readonly error: unknown } | undefined;
  const lane = async (): Promise<void> => {
    while (next < items.length) {
      const item = items[next++]!;
      try {
        await work(item);
      } catch (error) {
        failed ??= { error };
      }
    }
  };
  const lanes: Promise<void>[] = [];
  for (let i = 0; i < Math.min(limit, items.length); i++) lanes.push(lane());
  await Promise.all(lanes);
  if (failed !== undefined) throw failed.error;
}
