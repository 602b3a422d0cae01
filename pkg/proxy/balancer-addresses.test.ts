import { expect, test } from 'vitest';
import type { Service } from '#pkg/api/types/core-v1.ts';
import { addressesToWrite } from './balancer-addresses.ts';

function makeService(name: string, fields: { readonly spec?: Service['spec']; readonly ip?: string } = {}): Service {
  const { spec, ip } = fields;
  return {
    metadata: { name, namespace: 'shop', creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { type: 'LoadBalancer', ...spec },
    ...(ip === undefined ? {} : { status: { loadBalancer: { ingress: [{ ip }] } } }),
  };
}

const written = (...all: readonly Service[]): readonly string[] =>
  addressesToWrite(all, '10.65.0.0/29').map(({ service, address = 'none' }) => `${service.metadata?.name} ${address}`);

test('Services get the first free addresses, or the one that they ask for, and keep them', () => {
  expect(written(makeService('a'), makeService('b', { ip: '10.65.0.1' }))).toEqual(['a 10.65.0.2']);
  expect(written(makeService('a', { spec: { loadBalancerIP: '10.65.0.5' } }))).toEqual(['a 10.65.0.5']);
  expect(written(makeService('a', { spec: { loadBalancerIP: '192.0.2.1' } }))).toEqual(['a 10.65.0.1']);
});

test('a Service that is none any more gives its address back, and one that somebody else serves is left alone', () => {
  expect(written(makeService('a', { spec: { type: 'ClusterIP' }, ip: '10.65.0.1' }))).toEqual(['a none']);
  expect(written(makeService('a', { spec: { loadBalancerClass: 'x.io/y' } }))).toEqual([]);
  expect(
    written(makeService('a', { ip: '192.0.2.9' }), makeService('b', { spec: { type: 'ClusterIP' }, ip: '192.0.2.8' })),
  ).toEqual([]);
});

test('the names of the range are nobody’s, and when all are used others wait', () => {
  const many = Array.from({ length: 8 }, (_, index) => makeService(`s${index}`));
  expect(written(...many)).toHaveLength(6);
});
