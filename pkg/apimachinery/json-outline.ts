/**
 * What a JSON text has outside of its strings, found in one pass that steps over those: bodies of requests are mostly strings. The text is known to be valid.
 */

/** What was found. */
export interface JsonOutline {
  /** Keys of all objects, also those that come twice. */
  readonly keys: number;
  /** Deepest nesting of lists and objects. */
  readonly depth: number;
  /** Whether there is a number with a fraction, an exponent or sixteen digits or more. */
  readonly hasUnusualNumber: boolean;
}

/** So many digits are more than a double may hold. */
const digitsMany = 16;

/** Looks through a text. Each key is a string followed by a colon, and no colon stands elsewhere outside of strings. */
export function outlineOf(text: string): JsonOutline {
  let keys = 0;
  let level = 0;
  let depth = 0;
  let hasUnusualNumber = false;
  for (let position = 0; ; ) {
    const open = text.indexOf('"', position);
    const end = open < 0 ? text.length : open;
    let digits = 0;
    for (let i = position; i < end; i++) {
      const code = text.charCodeAt(i);
      if (code >= 48 && code <= 57) {
        if (++digits >= digitsMany) hasUnusualNumber = true;
        continue;
      }
      if (code === 58) keys++;
      else if (code === 123 || code === 91) {
        if (++level > depth) depth = level;
      } else if (code === 125 || code === 93) level--;
      // The words have an "e" too, but not after a digit.
      else if (code === 46 || (digits > 0 && (code === 101 || code === 69))) hasUnusualNumber = true;
      digits = 0;
    }
    if (open < 0) return { keys, depth, hasUnusualNumber };
    position = stringEnd(text, open + 1) + 1;
  }
}

/** The position of the quote that ends the string whose first character is at `start`. */
export function stringEnd(text: string, start: number): number {
  let end = text.indexOf('"', start);
  for (;;) {
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === 92 && end - 1 - backslashes >= start) backslashes++;
    if (backslashes % 2 === 0) return end;
    end = text.indexOf('"', end + 1);
  }
}
