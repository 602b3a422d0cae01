/**
 * What the server does by itself while it runs: forgets the past of the store. (Objects that have a time to live are the store's to delete.)
 * Source: apiserver `storage/etcd3/compact.go`.
 */
import { repeat } from '#pkg/base/async.ts';
import type { Store } from '#pkg/storage/store.ts';
import type { ServerCore } from './endpoints/scope.ts';

/** How long past states can be read at least, and up to twice as long. Source: `--etcd-compaction-interval`. */
const compactionPeriodMs = 300_000;

/**
 * Compacts the store, for the sake of those who read over connections, to where it was one period ago, again and again. One that fails is logged
 * and made up for by the next.
 */
export async function keepCompacting(
  { networkClock, log }: Pick<ServerCore, 'log' | 'networkClock'>,
  store: Store,
  signal: AbortSignal,
): Promise<void> {
  let past = 0;
  await repeat(networkClock, { periodMs: () => compactionPeriodMs, signal }, async () => {
    try {
      const current = await store.currentRevision();
      if (past > 0 && past < current) await store.compact(past);
      past = current;
    } catch (error) {
      log.warn('Could not compact the store', { error });
    }
  });
}
