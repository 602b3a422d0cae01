/**
 * When watches are told: all that wait, in one round after the answers of the turn, one round after the other. Whoever has written something has its answer
 * before a hundred others are told of it, and what is written while a round goes on leaves in the next one, as one write for each watcher instead
 * of one for each event: a write costs its sender and its reader several times what the bytes in it do. A long round lets requests in.
 *
 * Invariants: whoever was added is told once, in the next round; one that fails leaves the others alone. Order within a watch is its frames' own.
 */
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Outbox } from './outbox.ts';

/** What a round takes at a time, some hundred watchers; then requests have their turn. */
const sliceMs = 5;

/** What rounds are made with. */
export interface RoundsOptions {
  readonly clock: Pick<Clock, 'monotonicMs' | 'yield'>;
  readonly log: Logger;
  readonly outbox: Pick<Outbox, 'after'>;
}

/** The rounds of one server. */
export class WatchRounds {
  readonly #options: RoundsOptions;
  #waiting: (() => void)[] = [];
  /** A round is to come, or goes on. */
  #isPlanned = false;

  constructor(options: RoundsOptions) {
    this.#options = options;
  }

  /** Calls `tell` in the next round. What it throws is logged. */
  add(tell: () => void): void {
    this.#waiting.push(tell);
    if (!this.#isPlanned) this.#plan();
  }

  #plan(): void {
    this.#isPlanned = true;
    this.#options.outbox.after(() => void this.#go());
  }

  async #go(): Promise<void> {
    const { clock } = this.#options;
    const tells = this.#waiting;
    this.#waiting = [];
    let untilMs = clock.monotonicMs() + sliceMs;
    for (const tell of tells) {
      if (clock.monotonicMs() >= untilMs) {
        await clock.yield();
        untilMs = clock.monotonicMs() + sliceMs;
      }
      this.#tell(tell);
    }
    this.#isPlanned = false;
    if (this.#waiting.length > 0) this.#plan();
  }

  #tell(tell: () => void): void {
    try {
      tell();
    } catch (error) {
      this.#options.log.error('Watch failed unexpectedly', { error });
    }
  }
}
