/**
 * Questions for the revision that an etcd has reached, which every fresh read waits for: shared by all who may share one.
 *
 * Laws: an answer is not older than what was acknowledged before its caller called, as a question is sent after all of its callers have. At most one is under
 * way; who comes meanwhile shares the next. What comes in one turn of the event loop shares one also where none is under way: of requests that came together
 * the first would else go alone, and all others wait for two answers. Where several have been there at a time lately, few of them are waited for a moment: a
 * question costs etcd and this process more than all else of a read. Who is always alone never waits.
 */
import type { Clock, Timer } from '#pkg/base/clock.ts';

/**
 * Callers beyond which nobody is waited for: with so many, a question is a small part of what their reads cost. With half as many, etcd and this process
 * spent a seventh more on 2,000 reads a second, and a fifth more where two servers had half of them each.
 */
const sharersMax = 8;
/** How long others are waited for, at most: as many come in it at 2,000 reads a second, or half as many at half of that. */
const gatheringMs = 4;
/** Questions that say how many have been there at a time lately, and of how many of them it has to be true: two clients meet by chance now and then. */
const questionsRemembered = 16;
const questionsWanted = 3;

/** How a question is asked. */
export interface RevisionQuestionsOptions {
  readonly clock: Clock;
  readonly ask: () => Promise<number>;
}

/** The questions of one store. */
export class RevisionQuestions {
  readonly #options: RevisionQuestionsOptions;
  readonly #crowd = new Crowd();
  /** The one that is not sent yet, and its callers. */
  #next: Promise<number> | undefined;
  #callers = 0;
  /** While more of them are waited for. */
  #gathering: { readonly callers: number; readonly timer: Timer; readonly go: () => void } | undefined;
  /** Settled, never rejected, once the one that was sent is answered. */
  #underWay: Promise<unknown> = Promise.resolve();
  #callersUnderWay = 0;

  constructor(options: RevisionQuestionsOptions) {
    this.#options = options;
  }

  /** Rejects with what `ask` does. */
  current(): Promise<number> {
    this.#callers++;
    this.#crowd.met(this.#callers + this.#callersUnderWay);
    if (this.#gathering !== undefined && this.#callers >= this.#gathering.callers) this.#gathering.go();
    this.#next ??= this.#askNext();
    return this.#next;
  }

  async #askNext(): Promise<number> {
    const { clock, ask } = this.#options;
    await this.#underWay;
    await clock.yield();
    const wanted = Math.min(this.#crowd.size, sharersMax);
    if (this.#callers < wanted) await this.#gather(wanted);
    this.#next = undefined;
    this.#callersUnderWay = this.#callers;
    this.#callers = 0;
    this.#crowd.next();
    const asked = ask();
    const over = (): void => {
      this.#callersUnderWay = 0;
    };
    this.#underWay = asked.then(over, over);
    return asked;
  }

  /** Resolves once there are so many callers, or nobody is waited for any more. */
  #gather(callers: number): Promise<void> {
    return new Promise((resolve) => {
      const go = (): void => {
        this.#gathering?.timer.cancel();
        this.#gathering = undefined;
        resolve();
      };
      this.#gathering = { callers, go, timer: this.#options.clock.setTimeout(go, gatheringMs) };
    });
  }
}

/** How many callers there have been at a time. */
class Crowd {
  /** Of the last questions, as a ring, each at most `sharersMax`; and how many of them have each number. */
  readonly #last: number[] = Array.from({ length: questionsRemembered }, () => 1);
  readonly #counts: number[] = Array.from({ length: sharersMax + 1 }, (_, size) =>
    size === 1 ? questionsRemembered : 0,
  );
  #at = 0;
  #most = 1;

  /** So many are there now. */
  met(callers: number): void {
    if (callers > this.#most) this.#most = Math.min(callers, sharersMax);
  }

  /** The question that those were counted for is sent. */
  next(): void {
    const before = this.#last[this.#at] ?? 1;
    this.#counts[before] = (this.#counts[before] ?? 0) - 1;
    this.#counts[this.#most] = (this.#counts[this.#most] ?? 0) + 1;
    this.#last[this.#at] = this.#most;
    this.#at = (this.#at + 1) % questionsRemembered;
    this.#most = 1;
  }

  /** So many, or more, in several of the last questions. */
  get size(): number {
    let questions = 0;
    for (let size = sharersMax; size > 1; size--) {
      questions += this.#counts[size] ?? 0;
      if (questions >= questionsWanted) return size;
    }
    return 1;
  }
}
