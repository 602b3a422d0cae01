import { expect, test } from 'vitest';
import { formatIpv4, parseIpv4, parseIpv4Range } from './ipv4-range.ts';

test.each([
  ['0.0.0.0', 0],
  ['127.0.0.1', 0x7f000001],
  ['255.255.255.255', 0xffffffff],
])('%s is a number and back', (text, number) => {
  expect([parseIpv4(text), formatIpv4(number)]).toEqual([number, text]);
});

test.each(['', '1.2.3', '01.2.3.4', '1.2.3.256', '::1', 'fe80::1%lo'])('%j is no IPv4 address', (text) => {
  expect(parseIpv4(text)).toBeUndefined();
});

test.each([
  ['127.128.5.0/9', { base: 0x7f800000, prefixBits: 9, size: 2 ** 23 }],
  ['0.0.0.0/0', { base: 0, prefixBits: 0, size: 2 ** 32 }],
  ['10.0.0.1', undefined],
  ['10.0.0.0/33', undefined],
  ['fd00::/8', undefined],
])('the range of %s', (text, range) => {
  expect(parseIpv4Range(text)).toEqual(range);
});
