import { expect, test } from 'vitest';
import type { SeatQueue, SeatRequest } from '#pkg/apiserver/flow/queue-set.ts';
import { Metrics } from '#pkg/base/metrics.ts';
import { bootstrapPriorityLevels } from './bootstrap.ts';
import { FairnessMetrics } from './fairness-metrics.ts';
import { levelSpecOf, PriorityLevel } from './priority-level.ts';
import { SeatLending } from './seat-lending.ts';

/** Of kube-apiserver: `--max-requests-inflight` and `--max-mutating-requests-inflight` together. */
const total = 600;

function bootstrapLevels(): Map<string, PriorityLevel> {
  const specs = bootstrapPriorityLevels.flatMap((level) => levelSpecOf(level) ?? []);
  return new Map(specs.map((spec) => [spec.name, new PriorityLevel(spec, 0, () => {})]));
}

function lendingOf(levels: ReadonlyMap<string, PriorityLevel>): SeatLending {
  const lending = new SeatLending(total, new FairnessMetrics(new Metrics()), 0);
  lending.setLevels([...levels.values()], 0);
  return lending;
}

class Request implements SeatRequest {
  readonly hand: readonly number[];
  readonly seats = 1;
  readonly finalSeats = 0;
  readonly lingerMs = 0;
  readonly counts = {
    executing: { value: 0 },
    executingSeats: { value: 0 },
    waiting: { value: 0 },
    waitingSeats: { value: 0 },
  };
  queue: SeatQueue | undefined = undefined;
  arrivalR = 0;
  startMs = -1;
  releaseMs = 0;
  earlier: SeatRequest | undefined = undefined;
  later: SeatRequest | undefined = undefined;

  constructor(queue = 0) {
    this.hand = [queue];
  }

  begin(): void {}
}

// Source: KEP-1040, the table of the default configuration.
test('levels have seats by their shares, keep some of them, and begin with all that nobody else uses', () => {
  const levels = bootstrapLevels();
  lendingOf(levels);
  const rows = [...levels].map(([name, { nominal, lower, upper, widest }]) => [name, nominal, lower, upper, widest]);
  expect(rows).toEqual([
    ['exempt', 0, 0, 600, 0],
    ['catch-all', 13, 13, 613, 0],
    ['system', 74, 50, 674, 12],
    ['node-high', 98, 73, 698, 15],
    ['leader-election', 25, 25, 625, 4],
    ['workload-high', 98, 49, 698, 15],
    ['workload-low', 245, 24, 845, 37],
    ['global-default', 49, 24, 649, 8],
  ]);
  const current = [...levels.values()].reduce((sum, level) => sum + level.current, 0);
  expect(Math.abs(current - 602)).toBeLessThanOrEqual(4);
});

test('a level that wants many seats has those of others from the next period on, and they have theirs back when they want them', () => {
  const levels = bootstrapLevels();
  const lending = lendingOf(levels);
  const low = levels.get('workload-low');
  const system = levels.get('system');
  if (low === undefined || system === undefined) throw new Error('levels of every cluster');
  const start = (level: PriorityLevel, count: number, nowMs: number): readonly Request[] =>
    Array.from({ length: count }, (_, n) => new Request(n % 64)).filter(
      (one) => level.queues.start(one, nowMs) !== 'refused',
    );
  const crowd = start(low, 500, 1);
  expect(low.queues.counts.executing).toBe(low.current);
  lending.catchUp(10_000);
  expect(low.current).toBeGreaterThan(290);
  expect(low.queues.counts.executing).toBe(Math.min(crowd.length, low.current));
  // What others keep for themselves is never lent.
  expect(system.current).toBeGreaterThanOrEqual(50);
  start(system, 200, 11_000);
  const before = system.current;
  lending.catchUp(20_000);
  expect(system.current).toBeGreaterThan(before);
  expect(system.current).toBeGreaterThanOrEqual(74);
});

test('periods in which nobody asked are made up for: the same as if they had been gone through one by one', () => {
  const [once, stepwise] = [bootstrapLevels(), bootstrapLevels()];
  const lendings = [lendingOf(once), lendingOf(stepwise)] as const;
  for (const levels of [once, stepwise]) {
    const level = levels.get('workload-low');
    if (level === undefined) throw new Error('a level of every cluster');
    const requests = Array.from({ length: 80 }, () => new Request());
    for (const one of requests) level.queues.start(one, 2_000);
    for (const one of requests) level.queues.finish(one, 9_000);
  }
  lendings[0].catchUp(600_000);
  for (let nowMs = 10_000; nowMs <= 600_000; nowMs += 10_000) lendings[1].catchUp(nowMs);
  const seen = (levels: ReadonlyMap<string, PriorityLevel>): unknown =>
    [...levels.values()].map(({ current, stats }) => [current, Math.round(stats.smoothed * 1e6)]);
  expect(seen(once)).toEqual(seen(stepwise));
});
