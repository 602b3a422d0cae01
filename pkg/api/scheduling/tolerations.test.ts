import { expect, test } from 'vitest';
import type { Taint, Toleration } from '#pkg/api/types/core-v1.ts';
import { toleratesTaint, untoleratedTaint } from './tolerations.ts';

const taint: Taint = { key: 'k', value: 'v', effect: 'NoExecute' };

test.each<[Toleration, boolean]>([
  [{ key: 'k', value: 'v' }, true],
  [{ key: 'k', operator: 'Equal', value: 'x' }, false],
  [{ key: 'k', operator: 'Exists' }, true],
  [{ operator: 'Exists' }, true],
  [{ operator: 'Exists', effect: 'NoSchedule' }, false],
  [{ key: 'k', operator: 'Exists', effect: 'NoExecute' }, true],
  [{ key: 'other', operator: 'Exists' }, false],
  [{ key: 'k', operator: '', value: 'v' }, true],
  [{ key: '', value: 'v' }, false],
])('%o tolerates k=v:NoExecute: %s', (toleration, expected) => {
  expect(toleratesTaint(toleration, taint)).toBe(expected);
});

test.each<[number, Toleration['operator']]>([
  [1, 'Gt'],
  [9, 'Lt'],
])('a toleration of what compares with %s (%s) bears nothing: comparing is not enabled', (value, operator) => {
  const toleration: Toleration = { key: 'k', operator: operator!, value: String(value) };
  expect(toleratesTaint(toleration, { ...taint, value: '5' })).toBe(false);
});

test('only taints that keep pods away need to be tolerated, and the first that is not is named', () => {
  const [soft, hard]: Taint[] = [
    { key: 'soft', effect: 'PreferNoSchedule' },
    { key: 'hard', effect: 'NoSchedule' },
  ];
  expect(untoleratedTaint([soft!], [])).toBeUndefined();
  expect(untoleratedTaint([soft!, hard!, taint], [])).toEqual(hard);
  expect(untoleratedTaint([soft!, hard!, taint], [{ key: 'hard', operator: 'Exists' }])).toEqual(taint);
});
