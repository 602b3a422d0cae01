import { expect, test } from 'vitest';
import { sourceTest } from './source-ranges.ts';

test.each([
  [[], '8.8.8.8', true],
  [['10.0.0.0/8'], '10.1.2.3', true],
  [['10.0.0.0/8'], '11.1.2.3', false],
  [['10.0.0.0/8'], '::ffff:10.1.2.3', true],
  [['fd00::/8'], 'fd12::1', true],
  [['fd00::/8'], '10.1.2.3', false],
  [['nonsense', '10.0.0.0/8'], '10.1.2.3', true],
  [['nonsense'], '10.1.2.3', false],
  [['0.0.0.0/0'], 'fd12::1', false],
  [['0.0.0.0/0'], 'nonsense', false],
] as const)('clients of %j: %s %s', (ranges, client, isIn) => {
  expect(sourceTest(ranges)(client)).toBe(isIn);
});
