import { expect, test } from 'vitest';
import { AddressPool } from './address-pool.ts';

test('a pool gives what is neither the range, nor the node, nor broadcast, and what was given back last of all', () => {
  const pool = new AddressPool('10.1.2.77/29');
  expect([pool.gateway, pool.prefixBits, pool.family]).toEqual(['10.1.2.73', 29, 4]);
  const given = ['a', 'b', 'c', 'd', 'e'].map((owner) => pool.take(owner));
  expect(given).toEqual(['10.1.2.74', '10.1.2.75', '10.1.2.76', '10.1.2.77', '10.1.2.78']);
  expect(pool.take('late')).toBeUndefined();
  pool.giveBack('10.1.2.75');
  expect([pool.mark('10.1.2.75', 'x'), pool.mark('10.1.2.75', 'y'), pool.mark('10.1.2.79', 'y')]).toEqual([
    true,
    false,
    false,
  ]);
  expect(pool.mark('10.1.2.73', 'y') || pool.mark('fd00::1', 'y') || pool.mark('nonsense', 'y')).toBe(false);
});

test('ranges of IPv6 have no broadcast, and what is no range is refused', () => {
  const pool = new AddressPool('fd00:1::/64');
  expect([pool.gateway, pool.take('a'), pool.take('b')]).toEqual(['fd00:1::1', 'fd00:1::2', 'fd00:1::3']);
  for (const cidr of ['10.0.0.0/31', 'fd00::/127', '10.0.0.0', 'x/24'])
    expect(() => new AddressPool(cidr)).toThrow(RangeError);
});
