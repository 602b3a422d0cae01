/** What flags say of the time that pods get when their node shuts down. */
import { expect, test } from 'vitest';
import { shutdownFlags, shutdownOf, stopMsMaxOf } from './shutdown-flags.ts';

const all = 'shutdown-grace-period';
const critical = 'shutdown-grace-period-critical-pods';
const byPriority = 'shutdown-grace-period-by-pod-priority';

test.each([
  ['nothing', {}, []],
  [
    'a time for all',
    { [all]: 30_000, [critical]: 10_000 },
    [
      [0, 20],
      [2_000_000_000, 10],
    ],
  ],
  [
    'times by priority',
    { [byPriority]: '0=20,-5=1,1000=10' },
    [
      [0, 20],
      [-5, 1],
      [1_000, 10],
    ],
  ],
])('%s', (_, values, periods) => {
  expect(shutdownOf(values).map(({ priority, seconds }) => [priority, seconds])).toEqual(periods);
});

test('a process waits as much longer for its end', () => {
  expect([stopMsMaxOf({}), stopMsMaxOf({ [all]: 40_000 })]).toEqual([30_000, 70_000]);
});

test('what does not go together is refused, and what is none', () => {
  expect(() => shutdownOf({ [all]: 1_000, [byPriority]: '0=1' })).toThrow(`--${byPriority}: is in place of --${all}`);
  expect(() => shutdownOf({ [critical]: 1_000 })).toThrow(`--${critical}: must be at most --${all}`);
  expect(shutdownFlags[byPriority].parse('soon', undefined)).toEqual({
    ok: false,
    message: 'must be such as 0=20,1000=10',
  });
});
