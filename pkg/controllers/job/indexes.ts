/**
 * Sets of completion indexes as a job's status writes them, such as `0,3-5,7`. All functions are pure.
 * Invariant: intervals are in order and neither overlap nor touch. Upstream counterpart: `indexed_job_utils.go`.
 */

interface Interval {
  readonly first: number;
  readonly last: number;
}

/** Whole numbers from 0, kept as intervals. */
export type IndexSet = readonly Interval[];

/** The empty set. */
export const noIndexes: IndexSet = [];

/** The indexes of a text below `completions`; parts that cannot be read are left out. */
export function parseIndexSet(text: string | undefined, completions: number): IndexSet {
  if (text === undefined || text === '') return noIndexes;
  const intervals: Interval[] = [];
  for (const part of text.split(',')) {
    const [first = Number.NaN, last = first] = part.split('-').map(Number);
    if (!Number.isInteger(first) || !Number.isInteger(last) || first >= completions) continue;
    intervals.push({ first, last: Math.min(last, completions - 1) });
  }
  return merged(intervals);
}

/** The union. */
export function withIndexes(set: IndexSet, indexes: Iterable<number>): IndexSet {
  const more = [...indexes].map((index) => ({ first: index, last: index }));
  return more.length === 0 ? set : merged([...set, ...more]);
}

/** The union of two sets. */
export function unionOf(a: IndexSet, b: IndexSet): IndexSet {
  return merged([...a, ...b]);
}

function merged(intervals: Interval[]): IndexSet {
  intervals.sort((a, b) => a.first - b.first);
  const result: Interval[] = [];
  for (const interval of intervals) {
    const last = result.at(-1);
    if (last === undefined || interval.first > last.last + 1) result.push(interval);
    else if (interval.last > last.last) result[result.length - 1] = { first: last.first, last: interval.last };
  }
  return result;
}

/** As the status has it: two that follow each other are written one by one, three and more as a range. */
export function formatIndexSet(set: IndexSet): string {
  const text = ({ first, last }: Interval): string => {
    if (first === last) return String(first);
    return last === first + 1 ? `${first},${last}` : `${first}-${last}`;
  };
  return set.map(text).join(',');
}

/** How many indexes there are. */
export function sizeOf(set: IndexSet): number {
  return set.reduce((sum, { first, last }) => sum + last - first + 1, 0);
}

/** By bisection, as sets may have many intervals. */
export function hasIndex(set: IndexSet, index: number): boolean {
  let low = 0;
  let high = set.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((set[middle]?.last ?? -1) >= index) high = middle;
    else low = middle + 1;
  }
  const found = set[low];
  return found !== undefined && found.first <= index;
}

/** How many indexes both have. */
export function sizeOfIntersection(a: IndexSet, b: IndexSet): number {
  let size = 0;
  let [i, j] = [0, 0];
  let [left, right] = [a[i], b[j]];
  while (left !== undefined && right !== undefined) {
    size += Math.max(0, Math.min(left.last, right.last) - Math.max(left.first, right.first) + 1);
    if (left.last < right.last) left = a[++i];
    else right = b[++j];
  }
  return size;
}

/** The first `count` indexes below `completions` that are not in the set. */
export function firstMissing(set: IndexSet, count: number, completions: number): readonly number[] {
  const missing: number[] = [];
  let candidate = 0;
  const upTo = (end: number): void => {
    for (; candidate < end && missing.length < count; candidate++) missing.push(candidate);
  };
  for (const { first, last } of set) {
    upTo(Math.min(first, completions));
    candidate = Math.max(candidate, last + 1);
  }
  upTo(completions);
  return missing;
}
