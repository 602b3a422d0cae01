import { expect, test } from 'vitest';
import { networkConformance } from '../conformance.ts';
import { createLoopbackNetwork } from './loopback-network.ts';

networkConformance('loopback', {
  make: async () => createLoopbackNetwork(),
  small: { ranges: ['127.8.1.0/29'], places: 5 },
  others: ['127.9.0.0/24'],
  refused: [
    ['10.0.0.0/24'],
    ['127.0.0.0/31'],
    ['127.0.0.0'],
    ['127.0.0.256/24'],
    ['fd00::/64'],
    ['127.8.1.0/24', 'fd00::/64'],
  ],
});

test('the first address names the range, the second is the node, the last one is for broadcast', async () => {
  const network = createLoopbackNetwork({ podCidr: '127.8.1.0/29' });
  const attach = (owner: string) => network.attach({ owner, id: owner });
  expect(await Promise.all(['a', 'b', 'c', 'd', 'e'].map(attach))).toEqual(
    ['127.8.1.2', '127.8.1.3', '127.8.1.4', '127.8.1.5', '127.8.1.6'].map((address) => [address]),
  );
  await expect(attach('f')).rejects.toThrow('no IP addresses are available in range set: 127.8.1.0/29');
  await expect(createLoopbackNetwork().attach({ owner: 'a', id: 'a' })).rejects.toThrow('no pod range yet');
});
