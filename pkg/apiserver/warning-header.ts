/**
 * The header that tells a client what it was warned of. Invariant: it stays within what clients read of a head, however much there is to warn of.
 * Upstream counterpart: apiserver `endpoints/filters/warning.go`, apimachinery `util/net` `NewWarningHeader`.
 */

/** Characters of all warnings. Beyond it each is cut, and once the cut ones are beyond it the rest is left out. Source: `truncateAtTotalRunes`. */
const allMax = 4 * 1024;
/** Characters of one that is cut. Source: `truncateItemRunes`. */
const itemMax = 256;

/** The header's value: each text once, in order. Source: RFC 7234 section 5.5 as upstream uses it: code 299, agent `-`. */
export function warningHeader(warnings: readonly string[]): string {
  const texts = [...new Set(warnings)].filter((text) => text !== '');
  return fitting(texts)
    .map((text) => `299 - ${quoted(text)}`)
    .join(', ');
}

function fitting(texts: readonly string[]): readonly string[] {
  let total = 0;
  const over = texts.findIndex((text) => {
    total += text.length;
    return total > allMax;
  });
  if (over < 0) return texts;
  const cut: string[] = [];
  let length = 0;
  for (const [i, text] of texts.entries()) {
    // Those up to the one that was too much are all told.
    if (i > over && length >= allMax) break;
    const short = [...text.slice(0, 2 * itemMax)].slice(0, itemMax).join('');
    cut.push(short);
    length += short.length;
  }
  return cut;
}

/** A quoted string as a header may carry it: ASCII, without control characters. */
function quoted(text: string): string {
  return JSON.stringify(text.replaceAll(/[^\x20-\x7e]+/g, ' '));
}
