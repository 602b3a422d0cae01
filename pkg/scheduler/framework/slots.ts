/** Checks and scores by slot as one. They run for each node, so that what there is most of costs no loop. */
import type { SlotCheck, SlotScore } from './plugin.ts';

/** One that passes what all pass. */
export function allOf(checks: readonly SlotCheck[]): SlotCheck {
  const [first, second] = checks;
  if (first === undefined) return () => true;
  if (second === undefined) return first;
  if (checks.length === 2) return (slot) => first(slot) && second(slot);
  return (slot) => checks.every((check) => check(slot));
}

/** Their sum, added up in order. */
export function sumOf(scores: readonly SlotScore[]): SlotScore {
  const [only = () => 0] = scores;
  return scores.length <= 1 ? only : (slot) => scores.reduce((total, score) => total + score(slot), 0);
}
