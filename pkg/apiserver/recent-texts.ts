/**
 * What is known of texts that came lately, such as of the spec that a thousand pods have. Of each of two generations so many characters are kept: when
 * one is full, what was not asked for since it began is forgotten. Invariant: only what follows from a text alone is kept by it, so that to forget
 * it costs time and nothing else.
 */
import { RecentMap } from '#pkg/base/recent-map.ts';

/** Of one generation. What a busy cluster's clients and controllers send is some hundred different specs of a few hundred bytes. */
const charactersMax = 512 * 1024;

/** Longer texts are of large objects, which do not come by the thousand. */
const textMax = 16 * 1024;

/** Values by text. */
export class RecentTexts<Value> {
  readonly #values = new RecentMap<Value>(charactersMax, (text) => text.length);

  get(text: string): Value | undefined {
    return this.#values.get(text);
  }

  /** Forgets other texts when there is no room; keeps nothing of a text that is too long. */
  set(text: string, value: Value): void {
    if (text.length <= textMax) this.#values.set(text, value);
  }
}
