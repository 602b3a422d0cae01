/**
 * Forgets the store's past so that it does not grow without bound: every five minutes, what was overwritten more than five
 * minutes ago. A client may thus continue a list for five to ten minutes. Upstream counterpart: apiserver `storage/etcd3/compact.go`.
 */
import { sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Store } from './store.ts';

/** Upstream's `--etcd-compaction-interval`. */
const compactionPeriodMsDefault = 300_000;

/** Whose past is forgotten, and how often. */
export interface CompactorOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  /** Default: 5 minutes. */
  readonly periodMs?: number;
}

/** Compacts until `signal` is aborted. A compaction that fails is logged and made up for by the next one. */
export async function runCompactor(options: CompactorOptions, signal: AbortSignal): Promise<void> {
  const { store, clock, log } = options;
  const periodMs = options.periodMs ?? compactionPeriodMsDefault;
  let earlier: number | undefined;
  while (!signal.aborted) {
    try {
      const revision = await store.currentRevision();
      if (earlier !== undefined) await store.compact(earlier);
      earlier = revision;
    } catch (error) {
      if (!signal.aborted) log.warn('Could not compact the store', { error, revision: earlier });
    }
    if (!(await sleep(clock, periodMs, signal))) return;
  }
}
