import { expect, test } from 'vitest';
import { busyShares } from './busy-share.ts';

test('a process is as busy as its own thread, or as all of its threads where others do much', () => {
  let [nowMs, activeMs, processorMs] = [0, 0, 0];
  const share = busyShares({
    loop: (since) => {
      const active = activeMs - (since?.active ?? 0);
      const idle = nowMs - activeMs - (since?.idle ?? 0);
      return { active, idle, utilization: active + idle === 0 ? 0 : active / (active + idle) };
    },
    processorMs: () => processorMs,
    nowMs: () => nowMs,
  });
  const passes = (ms: number, own: number, all: number): number => {
    nowMs += ms;
    activeMs += own;
    processorMs += all;
    return share();
  };
  expect(passes(1000, 20, 25)).toBe(0.02);
  // Garbage is collected, and written to disk, for it.
  expect(passes(1000, 40, 90)).toBe(0.04);
  // A machine serves in another thread.
  expect(passes(1000, 10, 700)).toBe(0.7);
  // It waits, on a busy host, for a processor.
  expect(passes(1000, 400, 100)).toBe(0.4);
  expect(passes(0, 0, 0)).toBe(0);
});
