import { expect, test } from 'vitest';
import { nodeRoute } from './node-routes.ts';

const ranges = { podRange: '10.128.0.0/16', nodeRange: '10.64.0.0/24', ownNode: 'own' };
const routeOf = (name: string, podCIDR: string | undefined, address: string): string | undefined => {
  const node = {
    metadata: { name },
    spec: podCIDR === undefined ? {} : { podCIDR },
    status: {
      addresses: [
        { type: 'Hostname', address: name },
        { type: 'InternalIP', address },
      ],
    },
  };
  const found = nodeRoute(node, ranges);
  return found === undefined ? undefined : `${found.range} ${found.address}`;
};

test('the pods of a node of another machine are at its address', () => {
  expect(routeOf('other', '10.128.3.0/24', '192.0.2.7')).toBe('10.128.3.0/24 192.0.2.7');
});

test('where nodes have no range of their own each is at its address', () => {
  const node = { metadata: { name: 'other' }, spec: { podCIDR: '10.128.3.0/24' } };
  const status = { addresses: [{ type: 'InternalIP', address: '10.64.0.2' }] };
  const found = nodeRoute({ ...node, status }, { podRange: ranges.podRange });
  expect(found).toEqual({ range: '10.128.3.0/24', address: '10.64.0.2' });
});

test('nodes of this machine, nodes without a range and this machine itself need no way', () => {
  expect(routeOf('n1', '10.128.0.0/24', '10.64.0.2')).toBeUndefined();
  expect(routeOf('other', undefined, '192.0.2.7')).toBeUndefined();
  expect(routeOf('own', '10.128.3.0/24', '192.0.2.7')).toBeUndefined();
});

test('a node gets nothing else led to it by what it says: no range of others, not all pods, no address of pods', () => {
  for (const [range, address] of [
    ['192.168.0.0/24', '192.0.2.7'],
    ['0.0.0.0/0', '192.0.2.7'],
    ['10.128.0.0/16', '192.0.2.7'],
    ['10.128.3.0/24', '10.128.0.9'],
    ['10.128.3.0/24', 'x; ip link'],
    ['fd00::/64', '192.0.2.7'],
  ] as const)
    expect(routeOf('other', range, address)).toBeUndefined();
});
