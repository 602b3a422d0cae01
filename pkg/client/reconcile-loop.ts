/**
 * Workers between a queue and a reconcile function: success forgets the key's back-off, a throw tries again with back-off.
 * Upstream counterpart: the `processNextWorkItem` of every controller.
 */

import { isConflict } from '#pkg/apimachinery/status-error.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Reconcile, WorkQueue } from './work-queue.ts';

/** The queue, and what is done with its keys. */
export interface ReconcileLoopOptions {
  readonly name: string;
  readonly queue: WorkQueue;
  readonly reconcile: Reconcile;
  /** Keys worked on at the same time. */
  readonly workers: number;
  readonly log: Logger;
  readonly clock: Clock;
}

/** Works until `signal` is aborted, then shuts the queue down; resolves when the last worker has ended. */
export async function runReconcileLoop(options: ReconcileLoopOptions, signal: AbortSignal): Promise<void> {
  const { queue } = options;
  const onAbort = (): void => queue.shutDown();
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  const workers: Promise<void>[] = [];
  for (let i = 0; i < options.workers; i++) workers.push(work(options, signal));
  await Promise.all(workers);
  signal.removeEventListener('abort', onAbort);
}

async function work(options: ReconcileLoopOptions, signal: AbortSignal): Promise<void> {
  const { queue } = options;
  for (;;) {
    const key = await queue.get();
    if (key === undefined) return;
    // What is left after the signal is left for the next start, which sees it anew.
    if (!signal.aborted) await reconcileOnce(options, { key, signal });
    queue.done(key);
  }
}

async function reconcileOnce(
  options: ReconcileLoopOptions,
  work: { readonly key: string; readonly signal: AbortSignal },
): Promise<void> {
  const { queue, log, name } = options;
  try {
    const result = await options.reconcile(work.key, work.signal);
    queue.forget(work.key);
    if (result !== undefined) queue.addAfter(work.key, result.requeueAfterMs);
  } catch (error) {
    if (work.signal.aborted) return;
    const fields = { controller: name, key: work.key, retries: queue.retries(work.key), error };
    // A lost race is the ordinary way to learn of a newer state.
    if (isConflict(error)) log.debug('Reconcile lost a race, trying again', fields);
    else log.warn('Reconcile failed, trying again', fields);
    queue.addRateLimited(work.key);
  }
}
