/** Answers of others that count for a time. Limits: `entriesMax`; the one that was used least lately goes first. Source: `utils/cache.LRUExpireCache`. */
import type { Clock } from '#pkg/base/clock.ts';

/** Source: apiserver `plugin/pkg/authorizer/webhook` and `token/cache`. */
const entriesMax = 8_192;

/** By a text that names the question. */
export class AnswerCache<T> {
  readonly #clock: Clock;
  readonly #entries = new Map<string, { readonly answer: T; readonly untilMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get(question: string): T | undefined {
    const found = this.#entries.get(question);
    if (found === undefined) return undefined;
    this.#entries.delete(question);
    if (this.#clock.monotonicMs() >= found.untilMs) return undefined;
    this.#entries.set(question, found);
    return found.answer;
  }

  keep(question: string, answer: T, ttlMs: number): void {
    this.#entries.delete(question);
    if (ttlMs <= 0) return;
    this.#entries.set(question, { answer, untilMs: this.#clock.monotonicMs() + ttlMs });
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= entriesMax) break;
      this.#entries.delete(oldest);
    }
  }
}
