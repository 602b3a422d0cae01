/**
 * The work queue between event handlers and workers. Contract only; `queue.ts` holds the parts, one capability per layer.
 *
 * Properties, as upstream's: fair (keys are taken in the order they were added); stingy (a key added many times before it is taken
 * is taken once; a key is never with two workers at the same time: added again while it is worked on, it comes back after `done`);
 * many producers, many consumers; shutdown lets workers finish. Time comes from the clock alone.
 * Upstream counterpart: client-go `util/workqueue`.
 */
import type { Logger } from '#pkg/base/logger.ts';

/** One queue; see the properties above. */
export interface WorkQueue {
  /** Adds a key unless it is already waiting. */
  add(key: string): void;
  /** Adds a key after `delayMs`; the earliest of several pending delays of a key counts. */
  addAfter(key: string, delayMs: number): void;
  /** Adds a key after its back-off, which doubles with each call (5 ms to 1,000 s) until `forget`. */
  addRateLimited(key: string): void;
  /** Resets the back-off of a key: call it after success. */
  forget(key: string): void;
  /** How often a key was added rate-limited since it was last forgotten. */
  retries(key: string): number;
  /** The next key, or undefined when the queue has shut down and is empty. Whoever takes a key must call `done` for it. */
  get(): Promise<string | undefined>;
  done(key: string): void;
  /** Keys waiting now. */
  readonly length: number;
  /** Takes no more keys; workers get what is left and then undefined. */
  shutDown(): void;
}

/** What a reconcile wants next. Throwing means: try again with back-off, unless it is a `TerminalError`. */
export type ReconcileResult = undefined | { readonly requeueAfterMs: number };

/**
 * A failure that no further try mends: the key is looked at again when something of it changes. Only for what the object itself is to blame for.
 * Source: controller-runtime `reconcile.TerminalError`.
 */
export class TerminalError extends Error {
  override readonly name = 'TerminalError';
}

/** One turn of a reconcile. */
export interface ReconcileTurn {
  readonly signal: AbortSignal;
  /** Names the controller, the key and this turn (`reconcileId`) in every line. */
  readonly log: Logger;
}

/** Brings the world in line with the object of `key`, from what is, not from what happened. Must be idempotent. */
export type Reconcile = (key: string, signal: AbortSignal, turn: ReconcileTurn) => Promise<ReconcileResult>;
