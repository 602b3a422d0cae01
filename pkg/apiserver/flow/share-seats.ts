/**
 * Divides seats among those who want some: everybody gets the same fraction of what they aim at, but nobody less than their lower bound or more than
 * their upper one. There is one such fraction.
 * Upstream counterpart: apiserver `util/flowcontrol/conc_alloc.go`.
 */

/** One who wants seats. `lower <= target`, `lower <= upper`, none is negative. */
export interface SeatWish {
  readonly target: number;
  readonly lower: number;
  readonly upper: number;
}

/** Seats of each, in the order of the wishes, and the fraction. */
export interface SharedSeats {
  readonly seats: readonly number[];
  readonly fraction: number;
}

/** Who aims at less is taken to aim at this: a fraction of nothing is nothing. */
const targetMin = 0.001;
const tolerance = 1e-7;

/** Divides `total` seats; undefined where the bounds do not allow it. */
export function shareSeats(total: number, wishes: readonly SeatWish[]): SharedSeats | undefined {
  const sum = (of: (wish: SeatWish) => number): number => wishes.reduce((all, wish) => all + of(wish), 0);
  const lowest = sum(({ lower }) => lower);
  const highest = sum(({ upper }) => upper);
  if (lowest - total > tolerance || total - highest > tolerance) return undefined;
  if (total === 0) return { seats: wishes.map(() => 0), fraction: 0 };
  const aims = wishes.map(({ target }) => Math.max(target, targetMin));
  const relative = (of: (wish: SeatWish) => number): readonly number[] =>
    wishes.map((wish, at) => of(wish) / (aims[at] ?? targetMin));
  const lows = relative(({ lower }) => lower);
  const highs = relative(({ upper }) => upper);
  if (lowest - total > -tolerance) return { seats: wishes.map(({ lower }) => lower), fraction: Math.min(...lows) };
  if (total - highest > -tolerance) return { seats: wishes.map(({ upper }) => upper), fraction: Math.max(...highs) };
  const fraction = fractionOf(total, { aims, lows, highs, lowest });
  const seats = wishes.map(({ lower, upper }, at) =>
    Math.max(lower, Math.min(upper, fraction * (aims[at] ?? targetMin))),
  );
  return { seats, fraction };
}

interface Bounds {
  readonly aims: readonly number[];
  readonly lows: readonly number[];
  readonly highs: readonly number[];
  readonly lowest: number;
}

/** Goes up from bound to bound: between two of them the seats grow with the aims of those whose bounds do not hold them. */
function fractionOf(total: number, { aims, lows, highs, lowest }: Bounds): number {
  const turns = [
    ...lows.map((at, index) => ({ at, aim: aims[index] ?? 0 })),
    ...highs.map((at, index) => ({ at, aim: -(aims[index] ?? 0) })),
  ].sort((a, b) => a.at - b.at);
  let fraction = turns[0]?.at ?? 0;
  let given = lowest;
  let growing = 0;
  for (const { at, aim } of turns) {
    const next = given + (at - fraction) * growing;
    if (growing > 0 && next >= total) break;
    given = next;
    fraction = at;
    growing += aim;
  }
  return growing > 0 ? fraction + (total - given) / growing : fraction;
}
