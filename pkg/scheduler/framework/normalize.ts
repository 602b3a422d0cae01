/** Bringing raw scores into the common range, in whole numbers as upstream. Source: scheduler `plugins/helper` `DefaultNormalizeScore`. */
import { scoreMax } from './plugin.ts';

/** Scales scores in place so that the highest becomes 100; all zero stays zero. */
export function normalizeHighest(scores: Float64Array): void {
  const highest = highestOf(scores);
  if (highest === 0) return;
  for (let index = 0; index < scores.length; index++) scores[index] = Math.floor((scores[index]! * scoreMax) / highest);
}

/** Scales scores in place so that 0 becomes 100 and the highest becomes 0; all zero becomes 100. */
export function normalizeLowest(scores: Float64Array): void {
  const highest = highestOf(scores);
  if (highest === 0) {
    scores.fill(scoreMax);
    return;
  }
  for (let index = 0; index < scores.length; index++)
    scores[index] = scoreMax - Math.floor((scores[index]! * scoreMax) / highest);
}

function highestOf(scores: Float64Array): number {
  let highest = 0;
  for (let index = 0; index < scores.length; index++) if (scores[index]! > highest) highest = scores[index]!;
  return highest;
}
