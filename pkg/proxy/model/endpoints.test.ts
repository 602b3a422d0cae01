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
) => {
  const slice = { metadata: {}, addressType: 'IPv4', endpoints, ports: [{ name: '', port: 80 }] };
  return usableEndpoints(endpointsOfPort([slice], { port: 80 }), policy, node).map(({ ip }) => ip);
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
