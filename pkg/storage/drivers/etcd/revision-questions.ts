/**
 * Questions for the revision that an etcd has reached, which every fresh read waits for: shared by all who may share one.
 *
 * Laws: an answer is not older than what was acknowledged before its caller called, as a question is sent after all of its callers have. At most one is under
 * way; who comes meanwhile shares the next. What comes in one turn of the event loop shares one also where none is under way: of requests that came together
 * the first would else go alone, and all others wait for two answers.
 */
import type { Clock } from '#pkg/base/clock.ts';

/** How a question is asked. */
export interface RevisionQuestionsOptions {
  readonly clock: Clock;
  readonly ask: () => Promise<number>;
}

/** The questions of one store. */
export class RevisionQuestions {
  readonly #options: RevisionQuestionsOptions;
  /** The one that is not sent yet. */
  #next: Promise<number> | undefined;
  /** Settled, never rejected, once the one that was sent is answered. */
  #underWay: Promise<unknown> = Promise.resolve();

  constructor(options: RevisionQuestionsOptions) {
    this.#options = options;
  }

  /** Rejects with what `ask` does. */
  current(): Promise<number> {
    this.#next ??= this.#askNext();
    return this.#next;
  }

  async #askNext(): Promise<number> {
    await this.#underWay;
    await this.#options.clock.yield();
    this.#next = undefined;
    const asked = this.#options.ask();
    this.#underWay = asked.then(noop, noop);
    return asked;
  }
}

function noop(): void {}
