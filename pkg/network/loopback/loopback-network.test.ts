import { expect, test } from 'vitest';
import { createLoopbackNetwork } from './loopback-network.ts';

test('addresses are unique, stable per owner and reused only after the rest of the range', () => {
  const network = createLoopbackNetwork({ podCidr: '127.8.1.0/29' });
  expect(['a', 'b', 'a', 'c'].map((owner) => network.allocate(owner))).toEqual([
    '127.8.1.2',
    '127.8.1.3',
    '127.8.1.2',
    '127.8.1.4',
  ]);
  network.release('a');
  expect([network.allocate('d'), network.allocate('e'), network.allocate('f')]).toEqual([
    '127.8.1.5',
    '127.8.1.6',
    '127.8.1.2',
  ]);
  expect(() => network.allocate('g')).toThrow('no IP addresses are available in range set: 127.8.1.0/29');
});

test('recovered addresses are kept from others', () => {
  const network = createLoopbackNetwork({ podCidr: '127.8.1.0/24' });
  expect(network.recover('a', '127.8.1.2')).toBe(true);
  expect(network.recover('a', '127.8.1.2')).toBe(true);
  expect(network.recover('b', '127.8.1.2')).toBe(false);
  expect(network.recover('b', '127.8.2.2')).toBe(false);
  expect(network.allocate('b')).toBe('127.8.1.3');
});

test.each(['10.0.0.0/24', '127.0.0.0/31', '127.0.0.0', '127.0.0.256/24'])('the range %s is refused', (podCidr) => {
  expect(() => createLoopbackNetwork({ podCidr })).toThrow('Cannot use pod range');
});

test('there are no addresses before the range is known', () => {
  expect(() => createLoopbackNetwork().allocate('a')).toThrow('no pod range yet');
});
