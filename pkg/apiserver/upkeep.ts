/**
 * What the server does by itself while it runs: forgets the past of the store, and deletes events that have had their time.
 * Source: apiserver `storage/etcd3/compact.go`; kube-apiserver `--event-ttl`.
 */
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import { parseTime } from '#pkg/apimachinery/time.ts';
import { repeat } from '#pkg/base/async.ts';
import type { Store } from '#pkg/storage/store.ts';
import type { ServerCore } from './endpoints/scope.ts';

/** How long past states can be read at least, and up to twice as long. Source: `--etcd-compaction-interval`. */
const compactionPeriodMs = 300_000;

/** How long an event stays after it was last seen. Source: `--event-ttl`. */
const eventTtlMs = 3_600_000;

/** How often events are looked at: they stay at most this much longer. */
const expiryPeriodMs = 60_000;

/** Compacts the store to where it was one period ago, again and again. */
export async function keepCompacting({ clock, log }: ServerCore, store: Store, signal: AbortSignal): Promise<void> {
  let past = 0;
  await repeat(clock, { periodMs: () => compactionPeriodMs, signal }, async () => {
    try {
      const current = await store.currentRevision();
      if (past > 0 && past < current) await store.compact(past);
      past = current;
    } catch (error) {
      log.warn('Could not compact the store', { error });
    }
  });
}

interface EventTimes extends KubeObject {
  readonly lastTimestamp?: string;
  readonly eventTime?: string;
  readonly series?: { readonly lastObservedTime?: string };
}

/** Deletes events that were last seen longer than their time ago. */
export async function keepExpiringEvents({ catalog, clock, log }: ServerCore, signal: AbortSignal): Promise<void> {
  const served = catalog.findAny({ group: '', resource: 'events' });
  if (served === undefined) return;
  const { store } = served;
  await repeat(clock, { periodMs: () => expiryPeriodMs, signal }, async () => {
    try {
      const limitMs = clock.nowMs() - eventTtlMs;
      for (const entry of await store.list(store.prefix)) {
        if (signal.aborted) return;
        // One that changes at this moment has been seen again, and stays.
        if (lastSeenMs(entry.object) <= limitMs) await store.delete(entry.key, entry.modRevision);
      }
    } catch (error) {
      if (!signal.aborted) log.warn('Could not delete expired events', { error });
    }
  });
}

function lastSeenMs({ metadata, lastTimestamp, eventTime, series }: EventTimes): number {
  const times = [metadata?.creationTimestamp, lastTimestamp, eventTime, series?.lastObservedTime];
  return Math.max(...times.map((text) => (text === undefined ? 0 : (parseTime(text) ?? 0))));
}
