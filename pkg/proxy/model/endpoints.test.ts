import { expect, test } from 'vitest';
import { endpointsOfPort, usableEndpoints } from './endpoints.ts';

const endpoint = (ip: string, node: string, more: object = {}) => ({
  addresses: [ip],
  nodeName: node,
  hints: { forNodes: [{ name: node }] },
  ...more,
});

/** Addresses that a proxy on `node` sends to. */
const usedOn = (
  node: string | undefined,
  endpoints: readonly ReturnType<typeof endpoint>[],
  policy: 'Cluster' | 'Local' = 'Cluster',
  zone?: string,
) => {
  const slice = { metadata: {}, addressType: 'IPv4', endpoints, ports: [{ name: '', port: 80 }] };
  return usableEndpoints(endpointsOfPort([slice], { port: 80 }), policy, { nodeName: node, zone }).map(({ ip }) => ip);
};
const both = [endpoint('10.0.0.1', 'n1'), endpoint('10.0.0.2', 'n2')];

test('endpoints with hints of nodes serve their node; a node with none of its own, or no name, uses all', () => {
  expect(usedOn('n1', both)).toEqual(['10.0.0.1']);
  expect(usedOn('n2', both)).toEqual(['10.0.0.2']);
  expect(usedOn('n3', both)).toEqual(['10.0.0.1', '10.0.0.2']);
  expect(usedOn(undefined, both)).toEqual(['10.0.0.1', '10.0.0.2']);
});

test('hints of nodes count only where every ready endpoint has them, and an endpoint that is not ready is none to prefer', () => {
  expect(usedOn('n1', [...both, endpoint('10.0.0.3', 'n3', { hints: undefined })])).toHaveLength(3);
  const waiting = endpoint('10.0.0.1', 'n1', { conditions: { ready: false } });
  expect(usedOn('n1', [waiting, endpoint('10.0.0.2', 'n2')])).toEqual(['10.0.0.2']);
});

test('of traffic that stays on its node under the policy Local, hints take nothing away', () => {
  const elsewhere = endpoint('10.0.0.4', 'n1', { hints: { forNodes: [{ name: 'n2' }] } });
  expect(usedOn('n1', [...both, elsewhere], 'Local')).toEqual(['10.0.0.1', '10.0.0.4']);
});

test('hints of zones serve the zone of the node after those of nodes; a zone with none of its own, or no zone, uses all', () => {
  const inZone = (ip: string, node: string, zone: string, forNodes: object = {}) =>
    endpoint(ip, node, { hints: { forZones: [{ name: zone }], ...forNodes } });
  const zoned = [inZone('10.0.0.1', 'n1', 'a'), inZone('10.0.0.2', 'n2', 'b'), inZone('10.0.0.3', 'n3', 'b')];
  expect(usedOn('n9', zoned, 'Cluster', 'b')).toEqual(['10.0.0.2', '10.0.0.3']);
  expect(usedOn('n9', zoned, 'Cluster', 'c')).toHaveLength(3);
  expect(usedOn('n1', zoned)).toHaveLength(3);
  expect(usedOn('n9', [...zoned, endpoint('10.0.0.4', 'n4', { hints: {} })], 'Cluster', 'b')).toHaveLength(4);
  // PreferSameNode has hints of both: the zone is next where the node has none.
  const both = [
    inZone('10.0.0.1', 'n1', 'a', { forNodes: [{ name: 'n1' }] }),
    inZone('10.0.0.2', 'n2', 'a', { forNodes: [{ name: 'n2' }] }),
    inZone('10.0.0.3', 'n3', 'b', { forNodes: [{ name: 'n3' }] }),
  ];
  expect(usedOn('n2', both, 'Cluster', 'a')).toEqual(['10.0.0.2']);
  expect(usedOn('n9', both, 'Cluster', 'a')).toEqual(['10.0.0.1', '10.0.0.2']);
});
