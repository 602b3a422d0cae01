import { expect, test } from 'vitest';
import { valueFormats } from './value-formats.ts';

test.each([
  ['ipv4', '10.0.0.1', true],
  ['ipv4', '10.0.0.01', false],
  ['ipv4', '::1', false],
  ['ipv6', '::1', true],
  ['ipv6', 'fe80::1%eth0', false],
  ['ipv6', '10.0.0.1', false],
  ['cidr', '10.0.0.0/8', true],
  ['cidr', 'fd00::/129', false],
  ['cidr', 'fe80::%eth0/10', false],
])('%s: %s is one: %s', (format, text, isOne) => {
  expect(valueFormats[format]!(text)).toBe(isOne);
});
