/**
 * What is known of texts that came lately, such as of the spec that a thousand pods have. Of each of two generations so many characters are kept: when
 * one is full, what was not asked for since it began is forgotten. Invariant: only what follows from a text alone is kept by it, so that to forget
 * it costs time and nothing else.
 */

/** Of one generation. What a busy cluster's clients and controllers send is some hundred different specs of a few hundred bytes. */
const charactersMax = 512 * 1024;

/** Longer texts are of large objects, which do not come by the thousand. */
const textMax = 16 * 1024;

/** Values by text. */
export class RecentTexts<Value> {
  #recent = new Map<string, Value>();
  #older = new Map<string, Value>();
  #characters = 0;

  get(text: string): Value | undefined {
    const found = this.#recent.get(text);
    if (found !== undefined) return found;
    const older = this.#older.get(text);
    if (older !== undefined) this.set(text, older);
    return older;
  }

  /** Forgets other texts when there is no room; keeps nothing of a text that is too long. */
  set(text: string, value: Value): void {
    if (text.length > textMax) return;
    if (this.#characters + text.length > charactersMax) {
      this.#older = this.#recent;
      this.#recent = new Map();
      this.#characters = 0;
    }
    if (!this.#recent.has(text)) this.#characters += text.length;
    this.#recent.set(text, value);
  }
}
