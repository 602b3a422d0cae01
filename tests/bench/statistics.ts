/**
 * What is worked out of measurements taken in turn: medians, quartiles, ratios within pairs, and the order of the turns. Pure.
 *
 * Invariant: a ratio above 1 says that ours is better, whatever is measured: where less is better, it is theirs over ours.
 */

/** Whether more of a figure is better (operations a second) or less (milliseconds, bytes). */
export type Better = 'more' | 'less';

/** Ours against theirs, over all pairs. */
export interface Comparison {
  /** Medians of the figures themselves. */
  readonly ours: number;
  readonly theirs: number;
  /** Median and quartiles of the ratios within the pairs. */
  readonly ratio: number;
  readonly low: number;
  readonly high: number;
  readonly pairs: number;
  /**
   * The quartiles have 1 between them, so the measurement does not tell the two apart. With nine pairs the true median lies between the
   * quartiles in 82 of 100 measurements.
   */
  readonly isOpen: boolean;
}

/** The value below which the share `q` (0 to 1) of the values lies, between neighbours in proportion; NaN of none. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * q;
  const below = sorted[Math.floor(at)] ?? Number.NaN;
  const above = sorted[Math.ceil(at)] ?? Number.NaN;
  return below + (above - below) * (at - Math.floor(at));
}

/** The middle value; NaN of none. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/**
 * Compares by pairs: what disturbs a machine for longer than a pair takes disturbs both sides of it and is not in their ratio. Pairs in which
 * a side measured nothing (0 or NaN) are left out; undefined when none is left.
 */
export function compare(
  pairs: readonly (readonly [ours: number, theirs: number])[],
  better: Better,
): Comparison | undefined {
  const whole = pairs.filter((pair) => pair.every((value) => Number.isFinite(value) && value > 0));
  if (whole.length === 0) return undefined;
  const ratios = whole.map(([ours, theirs]) => (better === 'more' ? ours / theirs : theirs / ours));
  const [low, high] = [quantile(ratios, 0.25), quantile(ratios, 0.75)];
  return {
    ours: median(whole.map(([ours]) => ours)),
    theirs: median(whole.map(([, theirs]) => theirs)),
    ratio: median(ratios),
    low,
    high,
    pairs: whole.length,
    isOpen: low <= 1 && high >= 1,
  };
}

/**
 * Who is measured when: one array per round, with each side once. The first two, which are compared most closely, change places from round to
 * round (A B C, B A C, …), so that neither a drift of the machine nor who came before favours one; the others keep theirs. Not the whole round
 * the other way round: then the second of three would always rest for a shorter time than the first.
 */
export function rotation<Side>(sides: readonly Side[], rounds: number): readonly (readonly Side[])[] {
  const [first, second, ...others] = sides;
  const swapped = first === undefined || second === undefined ? sides : [second, first, ...others];
  return Array.from({ length: rounds }, (_, round) => (round % 2 === 0 ? sides : swapped));
}
