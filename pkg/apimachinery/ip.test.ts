import { expect, test } from 'vitest';
import { blockContains, parseCidr, parseIp } from './ip.ts';

const hex = (bytes: Uint8Array | undefined): string | undefined => bytes && Buffer.from(bytes).toString('hex');

test.each([
  ['10.0.0.1', '0a000001'],
  ['255.255.255.255', 'ffffffff'],
  ['::', '00000000000000000000000000000000'],
  ['::1', '00000000000000000000000000000001'],
  ['fd00::a:B', 'fd0000000000000000000000000a000b'],
  ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
  ['1::3:4:5:6:7:8', '00010000000300040005000600070008'],
  ['::ffff:1.2.3.4', '00000000000000000000ffff01020304'],
  ['1:2:3:4:5:6:1.2.3.4', '00010002000300040005000601020304'],
])('%s is the address %s', (text, bytes) => {
  expect(hex(parseIp(text))).toBe(bytes);
});

test.each([
  [''],
  ['1.2.3'],
  ['1.2.3.4.5'],
  ['01.2.3.4'],
  ['256.1.1.1'],
  ['1.2.3.x'],
  [':'],
  [':1'],
  ['1:2:3'],
  ['1::2::3'],
  ['1:2:3:4:5:6:7:8:9'],
  ['1:2:3:4:5:6:7::8:9'],
  ['g::'],
  ['12345::'],
  ['fe80::1%eth0'],
  ['1.2.3.4::'],
  ['::1.2.3.4:1'],
])('%j is no address', (text) => {
  expect(parseIp(text)).toBe(undefined);
});

test.each([
  ['10.0.0.0/8', '10.255.0.1', true],
  ['10.0.0.0/8', '11.0.0.1', false],
  ['10.1.2.0/23', '10.1.3.4', true],
  ['10.1.2.0/23', '10.1.4.0', false],
  ['0.0.0.0/0', '1.2.3.4', true],
  ['1.2.3.4/32', '1.2.3.4', true],
  ['fd00::/64', 'fd00::1', true],
  ['fd00::/64', 'fd00:0:0:1::', false],
  ['::/0', '1.2.3.4', false],
])('%s contains %s: %s', (block, ip, contains) => {
  expect(blockContains(parseCidr(block)!, parseIp(ip)!)).toBe(contains);
});

test.each([['10.0.0.0'], ['10.0.0.0/33'], ['10.0.0.0/08'], ['10.0.0.0/-1'], ['fd00::/129'], ['x/8']])(
  '%j is no block',
  (text) => {
    expect(parseCidr(text)).toBe(undefined);
  },
);
