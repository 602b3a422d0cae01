/**
 * Workers between a queue and a reconcile function. The contract of every controller: success forgets the key's back-off; a throw is tried again with
 * back-off, unless it is a `TerminalError`, after which the key waits for a change; a fault of the program ends one turn and not the loop. Each turn
 * is counted and timed, and has an id in its log lines.
 * Upstream counterpart: the `processNextWorkItem` of every controller; controller-runtime `internal/controller` for what is counted.
 */

import { isConflict } from '#pkg/apimachinery/status-error.ts';
import { isBug } from '#pkg/base/assert.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Metrics } from '#pkg/base/metrics.ts';
import { ReconcileMetrics } from './reconcile-metrics.ts';
import { type Reconcile, type ReconcileTurn, TerminalError, type WorkQueue } from './work-queue.ts';

/** The queue, and what is done with its keys. */
export interface ReconcileLoopOptions {
  readonly name: string;
  readonly queue: WorkQueue;
  readonly reconcile: Reconcile;
  /** Keys worked on at the same time. */
  readonly workers: number;
  readonly log: Logger;
  readonly clock: Clock;
  /** Where turns are counted. Default: nowhere. */
  readonly metrics?: Metrics;
}

/** Works until `signal` is aborted, then shuts the queue down; resolves when the last worker has ended. */
export async function runReconcileLoop(options: ReconcileLoopOptions, signal: AbortSignal): Promise<void> {
  const { queue, metrics, name } = options;
  const onAbort = (): void => queue.shutDown();
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  const loop = new Loop(
    options,
    metrics === undefined ? undefined : new ReconcileMetrics(name, options.workers, metrics),
  );
  const workers: Promise<void>[] = [];
  for (let i = 0; i < options.workers; i++) workers.push(loop.work(signal));
  await Promise.all(workers);
  signal.removeEventListener('abort', onAbort);
}

class Loop {
  readonly #options: ReconcileLoopOptions;
  readonly #metrics: ReconcileMetrics | undefined;
  #turns = 0;

  constructor(options: ReconcileLoopOptions, metrics: ReconcileMetrics | undefined) {
    this.#options = options;
    this.#metrics = metrics;
  }

  async work(signal: AbortSignal): Promise<void> {
    const { queue, clock } = this.#options;
    for (;;) {
      const key = await queue.get();
      if (key === undefined) return;
      // What is left after the signal is left for the next start, which sees it anew.
      if (!signal.aborted) {
        const startMs = clock.monotonicMs();
        this.#metrics?.began();
        await this.#reconcile(key, signal);
        this.#metrics?.ended((clock.monotonicMs() - startMs) / 1_000);
      }
      queue.done(key);
    }
  }

  async #reconcile(key: string, signal: AbortSignal): Promise<void> {
    const { queue, reconcile } = this.#options;
    const reconcileId = ++this.#turns;
    try {
      const { log, name } = this.#options;
      const result = await reconcile(
        key,
        signal,
        new Turn(signal, { log, fields: { controller: name, key, reconcileId } }),
      );
      queue.forget(key);
      this.#metrics?.count(result === undefined ? 'success' : 'requeue_after');
      if (result !== undefined) queue.addAfter(key, result.requeueAfterMs);
    } catch (error) {
      if (signal.aborted) return;
      this.#failed(key, { error, reconcileId });
    }
  }

  #failed(key: string, { error, reconcileId }: { readonly error: unknown; readonly reconcileId: number }): void {
    const { queue, log, name } = this.#options;
    const fields = { controller: name, key, reconcileId, retries: queue.retries(key), error };
    this.#metrics?.count('error');
    if (error instanceof TerminalError) {
      this.#metrics?.terminal();
      log.error('Reconcile failed for good, waiting for a change', fields);
      queue.forget(key);
      return;
    }
    // A lost race is the ordinary way to learn of a newer state.
    if (isConflict(error)) log.debug('Reconcile lost a race, trying again', fields);
    else if (isBug(error)) {
      this.#metrics?.panicked();
      log.error('Reconcile broke off by a fault of the program, trying again', fields);
    } else log.warn('Reconcile failed, trying again', fields);
    queue.addRateLimited(key);
  }
}

interface TurnLog {
  readonly log: Logger;
  readonly fields: { readonly controller: string; readonly key: string; readonly reconcileId: number };
}

/** One turn. Its log is made when somebody first writes a line: most turns write none. */
class Turn implements ReconcileTurn {
  readonly signal: AbortSignal;
  readonly #parts: TurnLog;
  #log: Logger | undefined;

  constructor(signal: AbortSignal, parts: TurnLog) {
    this.signal = signal;
    this.#parts = parts;
  }

  get log(): Logger {
    this.#log ??= this.#parts.log.with(this.#parts.fields);
    return this.#log;
  }
}
