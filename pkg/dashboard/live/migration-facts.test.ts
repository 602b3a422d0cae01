import { expect, test } from 'vitest';
import { migrationFacts } from './migration-facts.ts';

const round = (number: number, pages: number) => ({
  ...{ round: number, pages, bytes: 4096 * pages, durationMs: 10, dirtied: 7 },
});

const nothing = {
  ...{ machine: '', mode: '', from: '', to: '', why: '', hasEnded: false, started: 0, ended: 0, rounds: [] },
  ...{ sentBytes: 0, bandwidth: 0, throttle: 1, downtimeMs: -1, faults: 0, pushed: 0 },
};

test('a migration is understood as it runs and when it is over', () => {
  const spec = { vmName: 'board', mode: 'hybrid' };
  const status = {
    ...{ phase: 'Running', sourceNode: 'a', targetNode: 'b', startTime: '1970-01-01T00:00:01.000000Z' },
    source: { node: 'a', figures: { rounds: [round(1, 100)], sentBytes: 409_600, bandwidth: 1e6, throttle: 0.5 } },
  };
  const running = {
    ...{ ...nothing, machine: 'board', mode: 'hybrid', from: 'a', to: 'b', started: 1_000 },
    ...{ rounds: [round(1, 100)], sentBytes: 409_600, bandwidth: 1e6, throttle: 0.5 },
  };
  expect(migrationFacts({ spec, status })).toEqual({ phase: 'Running', migration: running });
  const ended = {
    ...{ ...status, phase: 'Failed', reason: 'TargetLost', completionTime: '1970-01-01T00:00:03Z' },
    target: { node: 'b', figures: { downtimeMs: 12 } },
  };
  expect(migrationFacts({ spec, status: ended })).toEqual({
    phase: 'Failed',
    migration: { ...running, why: 'TargetLost', hasEnded: true, ended: 3_000, downtimeMs: 12 },
  });
});

test('of many rounds the latest are told, and of what has not begun nothing', () => {
  const rounds = Array.from({ length: 1_000 }, (_, index) => round(index + 1, 5));
  const { migration } = migrationFacts({ status: { source: { node: 'a', figures: { rounds } } } });
  expect(migration?.rounds.map((one) => one.round)).toEqual(Array.from({ length: 40 }, (_, index) => 961 + index));
  expect(migrationFacts({})).toEqual({ phase: 'Pending', migration: nothing });
});
