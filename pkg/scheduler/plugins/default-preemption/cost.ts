/** What making room costs, and which way of making it costs less. Source: `preemption.pickOneNodeForPreemption`. */
import { type Candidate, startOf } from './victims.ts';

/** Added to each priority before they are summed, so that more victims never weigh less than fewer. */
const priorityOffset = 2 ** 31;

/** A way of making room, with what it costs. */
export interface Cost {
  readonly candidate: Candidate;
  readonly highest: number;
  readonly sum: number;
  /** The earliest of those with the highest priority. */
  readonly start: string;
}

/** What a way of making room costs. */
export function costOf(candidate: Candidate): Cost {
  const { victims } = candidate;
  const highest = victims[0]?.priority ?? Number.NEGATIVE_INFINITY;
  let sum = 0;
  let start: string | undefined;
  for (const victim of victims) {
    sum += victim.priority + priorityOffset;
    const own = startOf(victim);
    if (victim.priority === highest && (start === undefined || own < start)) start = own;
  }
  return { candidate, highest, sum, start: start ?? '' };
}

/**
 * Negative when `a` costs less: fewer budgets violated, a lower highest priority, a lower sum of priorities, fewer victims, and a later start
 * of those with the highest priority; then by name, so that the choice is the same each time.
 */
export function compareCosts(a: Cost, b: Cost): number {
  const byNumber =
    a.candidate.violations - b.candidate.violations ||
    order(a.highest, b.highest) ||
    a.sum - b.sum ||
    a.candidate.victims.length - b.candidate.victims.length;
  return byNumber || order(b.start, a.start) || order(a.candidate.nodeName, b.candidate.nodeName);
}

function order<T extends number | string>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
