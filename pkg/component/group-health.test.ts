import { expect, test } from 'vitest';
import { GroupHealth } from './group-health.ts';

test('one check speaks for all parts, and names those that are not well (fault 60)', () => {
  const group = new GroupHealth();
  for (let index = 1; index <= 1_000; index++) group.add(`node-${index}`);
  expect(group.check()).toBeUndefined();
  group.fail('node-7', 'it has ended');
  expect(group.check()).toBe('1 of 1000 are not well: node-7: it has ended');
  for (let index = 11; index <= 20; index++) group.fail(`node-${index}`, 'no');
  expect(group.check()).toBe(
    '11 of 1000 are not well: node-7: it has ended, node-11: no, node-12: no, node-13: no, node-14: no and 6 more',
  );
});
