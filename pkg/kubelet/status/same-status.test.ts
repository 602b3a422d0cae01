import { expect, test } from 'vitest';
import { sameStatus } from './same-status.ts';

test.each<[unknown, unknown, boolean]>([
  [{ type: 'Ready', lastProbeTime: null }, { type: 'Ready' }, true],
  [{ type: 'Ready' }, { type: 'Ready', lastProbeTime: null, message: '' }, true],
  [[{ state: { terminated: { exitCode: 0, startedAt: null } } }], [{ state: { terminated: { exitCode: 0 } } }], true],
  [{ started: false }, {}, false],
  [{ restartCount: 0 }, { restartCount: 1 }, false],
  [{ lastProbeTime: null }, { lastProbeTime: '2026-01-01T00:00:00Z' }, false],
  [[1, 2], [1], false],
  [[{}], {}, false],
  [undefined, [], false],
])('%j and %j: %s', (a, b, same) => {
  expect([sameStatus(a, b), sameStatus(b, a)]).toEqual([same, same]);
});
