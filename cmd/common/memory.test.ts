import { expect, test } from 'vitest';
import type { Clock } from '#pkg/base/clock.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { returningMemory } from './memory.ts';
import type { ProcessMemory } from './process-memory.ts';

const mebibyte = 1024 * 1024;

test('memory is returned when it has grown and the process is quiet, and again once it has grown again', async () => {
  const clock = new VirtualClock();
  let resident = 100 * mebibyte;
  let busy = 0;
  let releases = 0;
  const memory: ProcessMemory = {
    residentBytes: () => resident,
    busyShare: () => busy,
    unmapFiles: () => {},
    collectSooner: () => {},
    trim: () => {},
    release() {
      releases++;
      resident = 120 * mebibyte;
    },
  };
  const done = Promise.withResolvers<void>();
  const running = returningMemory({ clock, signal: new AbortController().signal, memory }, () => done.promise);
  const seen: number[] = [];
  for (const [nextBusy, nextResident] of [
    [0, 100],
    [0.9, 400],
    [0.03, 400],
    [0.03, 150],
    [0.03, 152],
  ] as const) {
    busy = nextBusy;
    resident = nextResident * mebibyte;
    await clock.advance(5_000);
    seen.push(releases);
  }
  expect(seen).toEqual([0, 0, 1, 1, 2]);
  done.resolve();
  await running;
});

test('memory that became free without growth is returned too, and where there is none it is tried less and less often', async () => {
  const clock = new VirtualClock();
  let resident = 100 * mebibyte;
  let used = 100 * mebibyte;
  const releasedAt: number[] = [];
  const memory: ProcessMemory = {
    residentBytes: () => resident,
    busyShare: () => 0,
    unmapFiles: () => {},
    collectSooner: () => {},
    trim: () => {},
    release() {
      releasedAt.push(clock.monotonicMs() / 1000);
      resident = used;
    },
  };
  const done = Promise.withResolvers<void>();
  const running = returningMemory({ clock, signal: new AbortController().signal, memory }, () => done.promise);
  resident = 320 * mebibyte;
  used = 300 * mebibyte;
  await clock.advance(150_000);
  expect(releasedAt).toEqual([5, 25, 65, 145]);
  used = 110 * mebibyte;
  await clock.advance(1_000_000);
  expect(releasedAt).toEqual([5, 25, 65, 145, 305]);
  done.resolve();
  await running;
});

test('a long pause is followed by a long time without one', async () => {
  const clock = new VirtualClock();
  let pausedMs = 0;
  const releasedAtMs: number[] = [];
  // On it a release takes time.
  const paused: Clock = {
    nowMs: () => clock.nowMs(),
    monotonicMs: () => clock.monotonicMs() + pausedMs,
    setTimeout: (callback, delayMs) => clock.setTimeout(callback, delayMs),
    yield: () => clock.yield(),
  };
  const memory: ProcessMemory = {
    residentBytes: () => (clock.monotonicMs() / 100) * mebibyte,
    busyShare: () => 0,
    unmapFiles: () => {},
    collectSooner: () => {},
    trim: () => {},
    release() {
      releasedAtMs.push(clock.monotonicMs());
      pausedMs += 900;
    },
  };
  const done = Promise.withResolvers<void>();
  const signal = new AbortController().signal;
  const running = returningMemory({ clock: paused, signal, memory }, () => done.promise);
  await clock.advance(50_000);
  expect(releasedAtMs.map((ms) => ms - releasedAtMs[0]!)).toEqual([0, 20_000, 40_000]);
  done.resolve();
  await running;
});

test('who works is not held up: what the C library has is given back now and then, and the rest once it is idle', async () => {
  const clock = new VirtualClock();
  const done = Promise.withResolvers<void>();
  let busy = 0.1;
  let [releases, trims] = [0, 0];
  const memory: ProcessMemory = {
    residentBytes: () => (clock.monotonicMs() === 0 ? 100 : 300) * mebibyte,
    busyShare: () => busy,
    unmapFiles: () => {},
    collectSooner: () => {},
    trim: () => void trims++,
    release: () => void releases++,
  };
  const running = returningMemory({ clock, signal: new AbortController().signal, memory }, () => done.promise);
  await clock.advance(60_000);
  // Once for the growth, and then each twenty seconds.
  expect([releases, trims]).toEqual([0, 4]);
  busy = 0;
  await clock.advance(5_000);
  expect([releases, trims]).toEqual([1, 4]);
  done.resolve();
  await running;
});

test('what a start leaves behind is returned once, though it is less than later growth has to be', async () => {
  const clock = new VirtualClock();
  let resident = 80 * mebibyte;
  let releases = 0;
  const memory: ProcessMemory = {
    residentBytes: () => resident,
    busyShare: () => 0,
    unmapFiles: () => {},
    collectSooner: () => {},
    trim: () => {},
    release: () => void releases++,
  };
  const done = Promise.withResolvers<void>();
  const running = returningMemory({ clock, signal: new AbortController().signal, memory }, () => done.promise);
  for (const next of [82, 90, 100]) {
    resident = next * mebibyte;
    await clock.advance(5_000);
  }
  expect(releases).toBe(1);
  done.resolve();
  await running;
});

test('who works all the time gives back what the C library has each time it has grown, and does not pause', async () => {
  const clock = new VirtualClock();
  const done = Promise.withResolvers<void>();
  let resident = 100;
  let [releases, trims] = [0, 0];
  const memory: ProcessMemory = {
    residentBytes: () => resident * mebibyte,
    busyShare: () => 0.9,
    unmapFiles: () => {},
    collectSooner: () => {},
    trim() {
      trims++;
      resident -= 5;
    },
    release: () => void releases++,
  };
  const running = returningMemory({ clock, signal: new AbortController().signal, memory }, () => done.promise);
  await clock.advance(20_000);
  expect(trims).toBe(0);
  resident = 107;
  await clock.advance(10_000);
  expect(trims).toBe(0);
  resident = 108;
  await clock.advance(20_000);
  expect([trims, resident]).toEqual([1, 103]);
  resident = 111;
  await clock.advance(20_000);
  expect([releases, trims]).toEqual([0, 2]);
  done.resolve();
  await running;
});

test('the heap is collected sooner while the process is large', async () => {
  const clock = new VirtualClock();
  const done = Promise.withResolvers<void>();
  let resident = 207;
  const told: boolean[] = [];
  const memory: ProcessMemory = {
    residentBytes: () => resident * mebibyte,
    busyShare: () => 0.9,
    unmapFiles: () => {},
    trim: () => {},
    release: () => {},
    collectSooner: (isSooner) => void told.push(isSooner),
  };
  const running = returningMemory({ clock, signal: new AbortController().signal, memory }, () => done.promise);
  for (const next of [255, 256, 300, 100]) {
    resident = next;
    await clock.advance(5_000);
  }
  expect(told).toEqual([false, true, true, false]);
  done.resolve();
  await running;
});
