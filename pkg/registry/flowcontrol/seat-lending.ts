/**
 * Divides the server's seats among its priority levels: by their shares, and every ten seconds anew by what they wanted, so that what one does not use
 * another has. Nothing wakes up for it: who asks says what time it is, and periods that have passed since are made up for, as between two requests
 * nothing changes.
 *
 * Invariant: no level has fewer seats than it keeps for itself, nor more than it may borrow.
 * Upstream counterpart: `updateBorrowingLocked` of apiserver `util/flowcontrol/apf_controller.go`, KEP-1040.
 */
import { type SeatWish, shareSeats } from '#pkg/apiserver/flow/share-seats.ts';
import type { FairnessMetrics } from './fairness-metrics.ts';
import type { PriorityLevel } from './priority-level.ts';

/** Source: upstream `borrowingAdjustmentPeriod`. */
const periodMs = 10_000;

/** The levels and the seats between them. */
export class SeatLending {
  readonly #total: number;
  readonly #metrics: FairnessMetrics;
  #levels: readonly PriorityLevel[] = [];
  #nominalSum = 0;
  /** What the levels wanted when seats were divided last. */
  #wishes: readonly SeatWish[] = [];
  #nextMs: number;

  constructor(total: number, metrics: FairnessMetrics, nowMs: number) {
    this.#total = total;
    this.#metrics = metrics;
    this.#nextMs = nowMs + periodMs;
  }

  /** Other levels, or other shares of them, from now on. */
  setLevels(levels: readonly PriorityLevel[], nowMs: number): void {
    this.#levels = levels;
    const shareSum = levels.reduce((sum, { spec }) => sum + spec.shares, 0);
    this.#nominalSum = 0;
    for (const level of levels) {
      level.entitle(this.#total, shareSum);
      this.#nominalSum += level.nominal;
      const { nominal, lower, upper } = level;
      this.#metrics.setLevel(level.spec.name, {
        nominal_limit_seats: nominal,
        lower_limit_seats: lower,
        upper_limit_seats: upper,
      });
    }
    this.#note(nowMs);
    this.#divide(levels.map(wishOf), nowMs);
  }

  /** To be called before a request is judged: costs a comparison unless a period is over. */
  catchUp(nowMs: number): void {
    if (nowMs < this.#nextMs) return;
    this.#note(this.#nextMs);
    this.#nextMs += periodMs;
    const more = Math.floor((nowMs - this.#nextMs) / periodMs) + 1;
    if (more > 0) {
      const endMs = this.#nextMs + (more - 1) * periodMs;
      for (const level of this.#levels) {
        level.queues.advance(endMs);
        level.queues.demand.reset(endMs);
        level.noteSteady(more);
      }
      this.#nextMs = endMs + periodMs;
    }
    const wishes = this.#levels.map(wishOf);
    // As long as all want what they wanted, which mostly is nothing, they keep what they have.
    if (!wishes.every((wish, at) => isSameWish(wish, this.#wishes[at]))) this.#divide(wishes, nowMs);
    else for (const level of this.#levels) this.#tell(level);
  }

  #note(atMs: number): void {
    for (const level of this.#levels) {
      level.queues.advance(atMs);
      level.note(level.queues.demand.reset(atMs));
    }
  }

  #divide(all: readonly SeatWish[], nowMs: number): void {
    this.#wishes = all;
    const limited = this.#levels.filter(({ isExempt }) => !isExempt);
    let left = this.#nominalSum;
    for (const level of this.#levels) {
      if (!level.isExempt) continue;
      const seats = leastOf(level);
      left -= seats;
      this.#give(level, seats, { nowMs, target: seats });
    }
    const wishes = all.filter((_, at) => this.#levels[at]?.isExempt === false);
    const shared = this.#share(left, limited, wishes);
    this.#metrics.setFraction(shared.fraction);
    limited.forEach((level, at) => {
      this.#give(level, Math.round(shared.seats[at] ?? level.current), { nowMs, target: wishes[at]?.target ?? 0 });
    });
  }

  /** What exempt requests use is taken from what levels could borrow, and then from what they would lend. */
  #share(
    left: number,
    limited: readonly PriorityLevel[],
    wishes: readonly SeatWish[],
  ): { readonly seats: readonly number[]; readonly fraction: number } {
    const kept = limited.reduce((sum, { lower }) => sum + lower, 0);
    const wanted = wishes.reduce((sum, { lower }) => sum + lower, 0);
    if (left <= kept) return { seats: limited.map(({ lower }) => lower), fraction: 0 };
    if (left <= wanted) {
      const part = (left - kept) / (wanted - kept);
      const seats = limited.map(({ lower }, at) => lower + Math.round(((wishes[at]?.lower ?? lower) - lower) * part));
      return { seats, fraction: 0 };
    }
    const shared = shareSeats(this.#nominalSum, wishes);
    return shared ?? { seats: limited.map(({ current }) => current), fraction: 0 };
  }

  #give(
    level: PriorityLevel,
    seats: number,
    { nowMs, target }: { readonly nowMs: number; readonly target: number },
  ): void {
    level.current = seats;
    level.queues.configure(level.spec.waiting, seats, nowMs);
    this.#metrics.setLevel(level.spec.name, { current_limit_seats: seats, target_seats: target });
    this.#tell(level);
  }

  #tell({ spec, stats }: PriorityLevel): void {
    this.#metrics.setDemand(spec.name, stats);
  }
}

/** The fewest seats that a level has now: what it used lately, but no more than it is entitled to, and no less than it keeps. */
function leastOf({ isExempt, lower, nominal, stats }: PriorityLevel): number {
  return Math.max(lower, isExempt ? stats.highest : Math.min(nominal, stats.highest));
}

function isSameWish(a: SeatWish, b: SeatWish | undefined): boolean {
  return a.lower === b?.lower && a.upper === b.upper && a.target === b.target;
}

function wishOf(level: PriorityLevel): SeatWish {
  const lower = leastOf(level);
  return { lower, upper: level.upper, target: Math.max(lower, level.stats.smoothed) };
}
