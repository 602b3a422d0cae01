import { expect, test } from 'vitest';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { createMemoryStore } from '#pkg/storage/drivers/memory/memory-store.ts';
import { renumberStore } from './renumber.ts';
import { loopbackAddresses } from './settings.ts';

test('every address of the cluster moves to its place in the new ranges, once, and nothing else does (fault 43)', async () => {
  const store = createMemoryStore({ clock: new VirtualClock() });
  const [from, to] = [loopbackAddresses(0), loopbackAddresses(5)];
  const before: Record<string, object> = {
    '/registry/services/specs/default/web': {
      kind: 'Service',
      apiVersion: 'v1',
      metadata: { name: 'web', annotations: { address: 'x', note: '127.96.0.7' } },
      spec: { clusterIP: '127.96.0.7', clusterIPs: ['127.96.0.7'], externalIPs: ['10.0.0.1'] },
    },
    '/registry/services/specs/default/headless': { kind: 'Service', spec: { clusterIP: 'None', clusterIPs: ['None'] } },
    '/registry/minions/n': {
      kind: 'Node',
      spec: { podCIDR: '127.128.1.0/24', podCIDRs: ['127.128.1.0/24'] },
      status: {
        addresses: [
          { type: 'InternalIP', address: '127.0.0.1' },
          { type: 'Hostname', address: 'n' },
        ],
      },
    },
    '/registry/pods/default/p': {
      kind: 'Pod',
      spec: { containers: [{ env: [{ name: 'WEB', value: '127.96.0.7' }] }] },
      status: {
        podIP: '127.128.1.4',
        podIPs: [{ ip: '127.128.1.4' }],
        hostIP: '127.0.0.1',
        hostIPs: [{ ip: '127.0.0.1' }],
      },
    },
    '/registry/services/endpoints/default/kubernetes': {
      kind: 'Endpoints',
      subsets: [{ addresses: [{ ip: '127.0.0.1' }] }],
    },
    '/registry/endpointslices/default/web-1': { endpoints: [{ addresses: ['127.128.1.4'] }] },
    '/registry/servicecidrs/kubernetes': { spec: { cidrs: [from.serviceCidr, '10.0.0.0/16'] } },
    '/registry/configmaps/default/c': { data: { ip: '127.96.0.7' } },
  };
  for (const [key, object] of Object.entries(before))
    await store.write({ type: 'put', key, value: Buffer.from(JSON.stringify(object)), ifModRevision: 0 });
  expect(await renumberStore(store, from, to)).toBe(5);
  const after = Object.fromEntries(
    (await store.range({ prefix: '/registry/' })).items.map(({ key, value }) => [
      key,
      JSON.parse(Buffer.from(value).toString()),
    ]),
  );
  expect(after).toEqual({
    ...before,
    '/registry/servicecidrs/kubernetes': { spec: { cidrs: [to.serviceCidr, '10.0.0.0/16'] } },
    '/registry/services/specs/default/web': {
      kind: 'Service',
      apiVersion: 'v1',
      metadata: { name: 'web', annotations: { address: 'x', note: '127.96.0.7' } },
      spec: { clusterIP: '127.97.64.7', clusterIPs: ['127.97.64.7'], externalIPs: ['10.0.0.1'] },
    },
    '/registry/minions/n': {
      kind: 'Node',
      spec: { podCIDR: '127.138.1.0/24', podCIDRs: ['127.138.1.0/24'] },
      status: {
        addresses: [
          { type: 'InternalIP', address: '127.0.0.6' },
          { type: 'Hostname', address: 'n' },
        ],
      },
    },
    '/registry/pods/default/p': {
      kind: 'Pod',
      spec: { containers: [{ env: [{ name: 'WEB', value: '127.96.0.7' }] }] },
      status: {
        podIP: '127.138.1.4',
        podIPs: [{ ip: '127.138.1.4' }],
        hostIP: '127.0.0.6',
        hostIPs: [{ ip: '127.0.0.6' }],
      },
    },
    '/registry/endpointslices/default/web-1': { endpoints: [{ addresses: ['127.138.1.4'] }] },
  });
  expect(await renumberStore(store, from, to)).toBe(0);
});

test('ranges of different sizes are refused before anything is written', async () => {
  const to = { ...loopbackAddresses(5), podCidr: '127.200.0.0/16' };
  await expect(
    renumberStore(createMemoryStore({ clock: new VirtualClock() }), loopbackAddresses(0), to),
  ).rejects.toThrow(/are not of one size$/);
});
