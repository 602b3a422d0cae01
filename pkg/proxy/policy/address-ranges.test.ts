import { expect, test } from 'vitest';
import { addressRanges } from './address-ranges.ts';

test.each([
  { rule: 'a block', blocks: [{ cidr: '10.0.0.0/24', except: [] }], ranges: ['10.0.0.0-10.0.0.255'] },
  {
    rule: 'a block without a part of it',
    blocks: [{ cidr: '10.0.0.0/24', except: ['10.0.0.8/29', '10.0.0.255/32'] }],
    ranges: ['10.0.0.0-10.0.0.7', '10.0.0.16-10.0.0.254'],
  },
  {
    rule: 'what one block excepts and another has',
    blocks: [
      { cidr: '10.0.0.0/24', except: ['10.0.0.0/25'] },
      { cidr: '10.0.0.1/32', except: [] },
      { cidr: '10.0.1.0/24', except: [] },
    ],
    ranges: ['10.0.0.1', '10.0.0.128-10.0.1.255'],
  },
  { rule: 'everything', blocks: [{ cidr: '0.0.0.0/0', except: [] }], ranges: ['0.0.0.0-255.255.255.255'] },
  { rule: 'nothing', blocks: [{ cidr: 'fd00::/8', except: [] }], ranges: [] },
])('$rule', ({ blocks, ranges }) => {
  expect(addressRanges(blocks, '4')).toEqual(ranges);
});

test('ranges of IPv6', () => {
  expect(addressRanges([{ cidr: 'fd00::/126', except: ['fd00::1/128'] }], '6')).toEqual(['fd00::', 'fd00::2-fd00::3']);
});
