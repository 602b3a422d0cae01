/** What every clock and every source of chance has to do: the laws of `clock.ts` and `random.ts` as tests. */
import { expect, test } from 'vitest';
import type { Clock } from './clock.ts';
import { type Random, randomInt } from './random.ts';

export interface ClockUnderTest {
  make(): Clock;
  /** Lets time pass until `promise` is settled. */
  settle<T>(clock: Clock, promise: Promise<T>): Promise<T>;
}

/** Runs the suite for clocks. `name` is that of the clock. */
export function clockConformance(name: string, { make, settle }: ClockUnderTest): void {
  const after = (clock: Clock, delayMs: number): Promise<number> =>
    new Promise((resolve) => clock.setTimeout(() => resolve(clock.monotonicMs()), delayMs));

  test(`${name}: a callback runs once, never before its delay and never at once`, async () => {
    const clock = make();
    const startMs = clock.monotonicMs();
    let calls = 0;
    for (const delayMs of [-5, 0, 3]) {
      clock.setTimeout(() => calls++, delayMs);
      expect(calls).toBe(0);
    }
    // Delays are counted in whole milliseconds, of which the first may have begun.
    expect((await settle(clock, after(clock, 5))) - startMs).toBeGreaterThan(4);
    expect(calls).toBe(3);
  });

  test(`${name}: callbacks of one instant run in the order they were set`, async () => {
    const clock = make();
    const seen: number[] = [];
    for (let index = 0; index < 5; index++) clock.setTimeout(() => seen.push(index), 2);
    await settle(clock, after(clock, 2));
    expect(seen).toEqual([0, 1, 2, 3, 4]);
  });

  test(`${name}: what is cancelled does not run, and cancelling again does nothing`, async () => {
    const clock = make();
    const seen: string[] = [];
    const cancelled = clock.setTimeout(() => seen.push('cancelled'), 1);
    const other = clock.setTimeout(() => seen.push('other'), 1);
    cancelled.cancel();
    cancelled.cancel();
    await settle(clock, after(clock, 3));
    other.cancel();
    expect(seen).toEqual(['other']);
  });

  test(`${name}: measured time does not go back, and the time of day is whole milliseconds of this era`, async () => {
    const clock = make();
    let beforeMs = clock.monotonicMs();
    for (let index = 0; index < 3; index++) {
      await settle(clock, after(clock, 1));
      expect(clock.monotonicMs()).toBeGreaterThanOrEqual(beforeMs);
      beforeMs = clock.monotonicMs();
    }
    expect(clock.nowMs()).toBeGreaterThan(Date.UTC(2000, 0));
  });

  test(`${name}: to yield lets run what is queued already`, async () => {
    const clock = make();
    const seen: string[] = [];
    void Promise.resolve().then(() => seen.push('queued'));
    await settle(clock, clock.yield());
    expect(seen).toEqual(['queued']);
  });
}

/** Runs the suite for sources of chance. `name` is that of the source. */
export function randomConformance(name: string, make: () => Random): void {
  test(`${name}: numbers are in [0, 1) and spread evenly`, () => {
    const random = make();
    const buckets = new Array<number>(10).fill(0);
    for (let index = 0; index < 10_000; index++) {
      const value = random.next();
      expect(value >= 0 && value < 1).toBe(true);
      buckets[Math.floor(value * 10)]!++;
    }
    for (const count of buckets) expect(Math.abs(count - 1000)).toBeLessThan(200);
  });

  test(`${name}: ids are of version 4 and differ`, () => {
    const random = make();
    const ids = Array.from({ length: 1000 }, () => random.uuid());
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test(`${name}: integers reach both ends of their range`, () => {
    const random = make();
    const seen = new Set(Array.from({ length: 1000 }, () => randomInt(random, 4)));
    expect([...seen].toSorted()).toEqual([0, 1, 2, 3]);
  });
}
