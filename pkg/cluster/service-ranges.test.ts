import { expect, test } from 'vitest';
import { serviceRangesProblem } from './service-ranges.ts';

test.each([
  ['10.0.0.0/16', undefined],
  ['fd00::/108', undefined],
  ['10.0.0.0/16,fd00::/108', undefined],
  ['fd00::/108,10.0.0.0/16', undefined],
  ['', 'must be one or two CIDRs with a comma between them'],
  ['10.0.0.0', 'must be one or two CIDRs with a comma between them'],
  ['10.0.0.0/16,10.1.0.0/16', 'must be of both families where there are two'],
  ['10.0.0.0/16,fd00::/108,fd01::/108', 'must be one or two CIDRs with a comma between them'],
  ['10.0.0.0/31', 'must have room for Services'],
])('the ranges %s: %s', (text, problem) => {
  expect(serviceRangesProblem(text)).toBe(problem);
});
