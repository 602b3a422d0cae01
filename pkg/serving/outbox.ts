/**
 * What leaves at the end of a turn of the event loop: the answers to all requests that one turn has read are written one after the other, when none is left to
 * be worked on. Each write in between would wake its reader anew, where after the first one of a row it is awake: with 32 clients on the same machine
 * that was 40 % of a server's time. Where the turn before had one answer at most, the first of this one is sent at once: a client that is alone does not
 * wait, and what a row of them loses by it is one write. What is to leave after the answers, as it takes long, says so (`after`).
 *
 * Invariants: what was added is sent once, in order, before anything that a later turn reads; a failure of one leaves the others alone. It holds no more
 * than one turn's answers, each of a request that has its place on a connection.
 */
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';

/** What an outbox works with. */
export interface OutboxOptions {
  readonly clock: Pick<Clock, 'yield'>;
  readonly log: Logger;
  /** Called before answers are sent, once for all that are together. Default: nothing is done. */
  readonly beforeAnswers?: (() => void) | undefined;
}

/** Sends at the end of the turn. */
export class Outbox {
  readonly #clock: Pick<Clock, 'yield'>;
  readonly #log: Logger;
  readonly #beforeAnswers: (() => void) | undefined;
  #waiting: (() => void)[] = [];
  #afterwards: (() => void)[] = [];
  #isPlanned = false;
  /** Answers of this turn, and of the last one that had any. */
  #now = 0;
  #before = 0;

  constructor({ clock, log, beforeAnswers }: OutboxOptions) {
    this.#clock = clock;
    this.#log = log;
    this.#beforeAnswers = beforeAnswers;
  }

  /** Calls `send` when this turn has nothing else to do, or now. What it throws is logged. */
  add(send: () => void): void {
    this.#now++;
    this.#plan();
    if (this.#now > 1 || this.#before > 1) {
      this.#waiting.push(send);
      return;
    }
    this.#beforeAnswers?.();
    this.#send(send);
  }

  /** Calls `send` at the end of this turn, after all answers. What it throws is logged. */
  after(send: () => void): void {
    this.#afterwards.push(send);
    this.#plan();
  }

  #plan(): void {
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    void this.#clock.yield().then(() => this.#flush());
  }

  #flush(): void {
    this.#isPlanned = false;
    if (this.#now > 0) this.#before = this.#now;
    this.#now = 0;
    if (this.#waiting.length > 0) {
      this.#beforeAnswers?.();
      const sends = this.#waiting;
      this.#waiting = [];
      for (const send of sends) this.#send(send);
    }
    if (this.#afterwards.length === 0) return;
    const sends = this.#afterwards;
    this.#afterwards = [];
    for (const send of sends) this.#send(send);
  }

  #send(send: () => void): void {
    try {
      send();
    } catch (error) {
      this.#log.error('Answer failed unexpectedly', { error });
    }
  }
}
