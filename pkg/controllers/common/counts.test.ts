import { expect, test } from 'vitest';
import { withoutNoughts } from './counts.ts';

test('counts that are nought are not written, but for those that always are', () => {
  const status = { replicas: 0, readyReplicas: 0, availableReplicas: 2, conditions: [], paused: false };
  expect(withoutNoughts(status, ['replicas'])).toEqual({
    replicas: 0,
    availableReplicas: 2,
    conditions: [],
    paused: false,
  });
});
