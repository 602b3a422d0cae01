/** Lists of indexes of a job's pods as text, such as `0,3-5`. Source: upstream `validateIndexesFormat`. */

/** How many indexes a text has, or what is wrong with it. */
export type ParsedIndexes = { readonly count: number } | { readonly problem: string };

/** Reads a list whose indexes are to be in order and below `completions`. */
export function parseIndexes(text: string, completions: number): ParsedIndexes {
  if (text === '') return { count: 0 };
  let count = 0;
  let last = -1;
  for (const interval of text.split(',')) {
    const ends = interval.split('-');
    if (ends.length > 2) {
      const rule = "violates the requirement that an index interval can have at most two parts separated by '-'";
      return { problem: `the fragment ${JSON.stringify(interval)} ${rule}` };
    }
    for (const end of ends) {
      const shown = JSON.stringify(end);
      if (!/^\d+$/.test(end)) return { problem: `cannot convert string to integer for index: ${shown}` };
      if (Number(end) >= completions) return { problem: `too large index: ${shown}` };
    }
    const [first = 0, end = first] = ends.map(Number);
    if (ends.length === 2 && first >= end) return { problem: outOfOrder(first, end) };
    if (first <= last) return { problem: outOfOrder(last, first) };
    last = end;
    count += end - first + 1;
  }
  return { count };
}

function outOfOrder(previous: number, current: number): string {
  return `non-increasing order, previous: ${previous}, current: ${current}`;
}
