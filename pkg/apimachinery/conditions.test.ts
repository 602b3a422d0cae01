import { expect, test } from 'vitest';
import { type Condition, findCondition, isConditionTrue, setCondition } from './conditions.ts';

const ready: Condition = { type: 'Ready', status: 'True', reason: 'Up', lastTransitionTime: 't0' };

test('the transition time changes with the status only', () => {
  expect(setCondition([ready], { type: 'Ready', status: 'True', reason: 'Still' }, 't1')).toEqual([
    { ...ready, reason: 'Still' },
  ]);
  expect(setCondition([ready], { type: 'Ready', status: 'False', reason: 'Down' }, 't1')).toEqual([
    { type: 'Ready', status: 'False', reason: 'Down', lastTransitionTime: 't1' },
  ]);
});

test('nothing new gives back the same list', () => {
  const list = [ready];
  expect(setCondition(list, { type: 'Ready', status: 'True', reason: 'Up' }, 't1')).toBe(list);
});

test('conditions are added and found by type', () => {
  const list = setCondition([ready], { type: 'Bad', status: 'False' }, 't1');
  expect(list).toEqual([ready, { type: 'Bad', status: 'False', lastTransitionTime: 't1' }]);
  expect([isConditionTrue(list, 'Ready'), isConditionTrue(list, 'Bad'), isConditionTrue(undefined, 'x')]).toEqual([
    true,
    false,
    false,
  ]);
  expect(findCondition(list, 'Bad')?.status).toBe('False');
});
