import { expect, onTestFinished, test } from 'vitest';
import { repeat, sleep } from './async.ts';
import type { Clock, Timer } from './clock.ts';
import { SteeredClock, speedMax, stepMsMax } from './steered-clock.ts';
import { virtualEpochMs } from './virtual-clock.ts';

const minuteMs = 60_000;
const hourMs = 3_600_000;

/** Real time as the test says. */
class HandClock implements Clock {
  ms = 0;
  readonly #timers = new Set<{ readonly atMs: number; readonly callback: () => void }>();

  nowMs(): number {
    return virtualEpochMs + this.ms;
  }

  monotonicMs(): number {
    return this.ms;
  }

  setTimeout(callback: () => void, delayMs: number): Timer {
    const timer = { atMs: this.ms + Math.max(0, delayMs), callback };
    this.#timers.add(timer);
    return { cancel: () => this.#timers.delete(timer) };
  }

  yield(): Promise<void> {
    return turn();
  }

  async pass(durationMs: number): Promise<void> {
    this.ms += durationMs;
    for (const timer of this.#timers) {
      if (timer.atMs > this.ms) continue;
      this.#timers.delete(timer);
      timer.callback();
    }
    for (let turns = 0; turns < 20; turns++) await turn();
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Lets the loop turn until it holds: nothing here waits for time. */
async function until(condition: () => boolean): Promise<void> {
  for (let turns = 0; !condition(); turns++) {
    if (turns > 10_000) throw new Error('Cannot see the awaited state');
    await turn();
  }
}

function start() {
  const real = new HandClock();
  const clock = new SteeredClock(real, virtualEpochMs);
  const end = new AbortController();
  const running = clock.run(end.signal);
  onTestFinished(() => {
    end.abort();
    return running;
  });
  /** Instants at which timers were called, in milliseconds since the start. */
  const seen: number[] = [];
  const at = (delayMs: number): Timer => clock.setTimeout(() => seen.push(clock.monotonicMs()), delayMs);
  return { real, clock, end, running, seen, at };
}

test('a paused clock stands still and a step moves it, each timer at its own instant', async () => {
  const { real, clock, seen, at } = start();
  clock.pause();
  at(10 * minuteMs);
  at(20 * minuteMs);
  at(12 * minuteMs).cancel();
  await real.pass(hourMs);
  expect([clock.monotonicMs(), seen]).toEqual([0, []]);
  expect(await clock.step(15 * minuteMs)).toBe(true);
  expect([clock.monotonicMs(), seen]).toEqual([15 * minuteMs, [10 * minuteMs]]);
  await real.pass(hourMs);
  expect(clock.time).toEqual({
    nowMs: virtualEpochMs + 15 * minuteMs,
    isPaused: true,
    speed: 1,
    stepsToMs: undefined,
  });
});

test('what follows from a timer happens before time moves on, a day at a time', async () => {
  const { clock, seen } = start();
  clock.pause();
  const end = new AbortController();
  const loop = repeat(clock, { periodMs: () => hourMs, signal: end.signal }, async () => {
    await Promise.resolve();
    seen.push(clock.monotonicMs() / hourMs);
  });
  await clock.step(24 * hourMs);
  expect(seen).toEqual(Array.from({ length: 25 }, (_, index) => index));
  end.abort();
  await loop;
});

test('at a speed it passes so many times faster, and no timer early', async () => {
  const { real, clock, seen, at } = start();
  at(30_000);
  clock.setSpeed(60);
  await real.pass(499);
  expect([clock.monotonicMs(), clock.nowMs() - virtualEpochMs, seen]).toEqual([29_940, 29_940, []]);
  await real.pass(1);
  await until(() => seen.length === 1);
  expect(seen).toEqual([30_000]);
  clock.setSpeed(0.5);
  await real.pass(1_000);
  expect(clock.monotonicMs()).toBe(30_500);
});

test('a timer that is set while it sleeps is called in its time', async () => {
  const { real, clock, seen, at } = start();
  at(hourMs);
  await real.pass(1_000);
  at(500);
  await real.pass(500);
  await until(() => seen.length === 1);
  expect([seen, clock.monotonicMs()]).toEqual([[1_500], 1_500]);
});

test('no timer is passed by, however long nobody comes to it', async () => {
  const real = new HandClock();
  const clock = new SteeredClock(real, virtualEpochMs);
  clock.setTimeout(() => {}, 5);
  real.ms = 1_000;
  expect(clock.monotonicMs()).toBe(5);
});

test('work that takes longer than its time holds time up, which is not made up for', async () => {
  const { real, clock, end } = start();
  let calls = 0;
  const loop = repeat(clock, { periodMs: () => 100, signal: end.signal }, () => {
    if (calls++ > 0) real.ms += 5_000;
  });
  // The loop has begun to wait.
  await real.pass(0);
  await real.pass(100);
  expect([calls, clock.monotonicMs()]).toEqual([2, 100]);
  end.abort();
  await loop;
});

test('steps add up, and leave a clock that runs running', async () => {
  const { real, clock } = start();
  const both = [clock.step(minuteMs), clock.step(2 * minuteMs)];
  expect(clock.time.stepsToMs).toBe(virtualEpochMs + 3 * minuteMs);
  expect(await Promise.all(both)).toEqual([true, true]);
  expect(clock.time).toMatchObject({ nowMs: virtualEpochMs + 3 * minuteMs, isPaused: false });
  await real.pass(250);
  expect(clock.monotonicMs()).toBe(3 * minuteMs + 250);
});

test('a pause ends steps at the instant that is under way', async () => {
  const { clock } = start();
  clock.setTimeout(() => clock.pause(), 10 * minuteMs);
  expect(await Promise.all([clock.step(hourMs), clock.step(hourMs)])).toEqual([false, false]);
  expect(clock.time).toMatchObject({ nowMs: virtualEpochMs + 10 * minuteMs, isPaused: true, stepsToMs: undefined });
  clock.resume();
  expect(clock.time.isPaused).toBe(false);
});

test('as fast as it goes it needs no real time, and lets others in between two instants', async () => {
  const { real, clock, end, seen } = start();
  const loop = repeat(clock, { periodMs: () => hourMs, signal: end.signal }, () => void seen.push(clock.monotonicMs()));
  clock.setSpeed(Number.POSITIVE_INFINITY);
  await until(() => seen.length > 100);
  clock.pause();
  const { length } = seen;
  await real.pass(hourMs);
  expect([seen.length, clock.monotonicMs()]).toEqual([length, seen.at(-1)]);
  end.abort();
  await loop;
});

test('the end of its run ends steps', async () => {
  const { clock, end, running } = start();
  clock.setTimeout(() => end.abort(), minuteMs);
  expect(await clock.step(hourMs)).toBe(false);
  await running;
  expect(await sleep(clock, 1, end.signal)).toBe(false);
});

test.each([0, -1, Number.NaN, speedMax + 1])('there is no speed of %d', (speed) => {
  const { clock } = start();
  expect(() => clock.setSpeed(speed)).toThrow(`Cannot run at ${speed} times real time`);
});

test.each([-1, Number.NaN, stepMsMax + 1])('there is no step of %d ms', (durationMs) => {
  const { clock } = start();
  expect(() => clock.step(durationMs)).toThrow(`Cannot step by ${durationMs} ms`);
});
