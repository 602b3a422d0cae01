/**
 * When watches are told. On a busy server all that wait are told in one round after the answers of the turn, one round after the other: whoever has written something
 * has its answer before a hundred others are told of it, and what is written while a round goes on leaves in the next one, as one write for each watcher instead
 * of one for each event: a write costs its sender and its reader several times what the bytes in it do. A long round lets requests in.
 * Where no watch was told for a while there is nothing to gather: the first ones are told at once, for as long as the writer's answer may wait for it.
 *
 * Invariants: whoever was added is told once, at once or in the next round; one that fails leaves the others alone. Order within a watch is its frames' own.
 */
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Outbox } from './outbox.ts';

/** What a round takes at a time, some hundred watchers; then requests have their turn. */
const sliceMs = 5;

/** After so long without a round the first watchers are told at once: no more than 125 writes a second come one by one. */
const quietMs = 8;

/** How long that may keep the answer to whoever wrote: some 150 watchers. */
const promptMs = 1;

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
  /** Until when watchers of this turn are told at once, and from when on those of a turn will be. */
  #promptUntilMs = 0;
  #quietFromMs = 0;

  constructor(options: RoundsOptions) {
    this.#options = options;
  }

  /** Calls `tell` in the next round, or now. What it throws is logged. */
  add(tell: () => void): void {
    if (!this.#isPlanned && this.#isPrompt()) {
      this.#tell(tell);
      return;
    }
    this.#waiting.push(tell);
    if (!this.#isPlanned) this.#plan();
  }

  #isPrompt(): boolean {
    const nowMs = this.#options.clock.monotonicMs();
    if (nowMs < this.#promptUntilMs) return true;
    // The rest of a turn that has told so many is a round.
    if (this.#promptUntilMs > 0 || nowMs < this.#quietFromMs) return false;
    this.#promptUntilMs = nowMs + promptMs;
    this.#options.outbox.after(() => this.#endPrompt());
    return true;
  }

  #endPrompt(): void {
    this.#promptUntilMs = 0;
    this.#quietFromMs = this.#options.clock.monotonicMs() + quietMs;
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
    this.#quietFromMs = clock.monotonicMs() + quietMs;
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
