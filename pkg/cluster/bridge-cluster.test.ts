import { expect, test } from 'vitest';
import { parseIpv4Range } from '#pkg/apimachinery/ipv4-range.ts';
import { bridgeAddresses, bridgeKernels, bridgeNodeAddress, clusterNetworkOf } from './bridge-cluster.ts';
import {
  addressSlots,
  defaultSettings,
  heldAddresses,
  loopbackAddresses,
  settingsProblem,
  slotAddresses,
} from './settings.ts';

test('no two clusters of a machine share an address, and each holds its slot by the loopback addresses of the same one', () => {
  const ranges = Array.from({ length: addressSlots }, (_, slot) => {
    const network = clusterNetworkOf({ name: 'x', ...bridgeAddresses(slot) });
    return [network.nodeRange, network.balancerRange ?? '', ...network.podRanges, ...network.serviceRanges];
  });
  const blocks = ranges
    .flat()
    .map((text) => parseIpv4Range(text))
    .filter((range) => range !== undefined)
    .toSorted((a, b) => a.base - b.base);
  expect(blocks).toHaveLength(4 * addressSlots);
  for (const [index, { base, size }] of blocks.entries())
    expect(base + size).toBeLessThanOrEqual(blocks[index + 1]?.base ?? 2 ** 32);
  for (const slot of [0, 7, 63]) {
    const addresses = slotAddresses('bridge', slot);
    expect(heldAddresses(addresses)).toEqual(loopbackAddresses(slot));
    expect(heldAddresses(loopbackAddresses(slot))).toEqual(loopbackAddresses(slot));
    const settings = { ...defaultSettings, ...addresses, runtime: 'fake', network: 'bridge' };
    expect(settingsProblem(settings)).toBeUndefined();
    expect(settingsProblem({ ...settings, network: 'loopback' })).toContain('127.0.0.0/8');
  }
});

test('each node and the machine have a table of their own, whose node ports answer at their addresses', () => {
  const settings = { name: 'dev', ...bridgeAddresses(3) };
  expect(bridgeNodeAddress(settings, 249)).toBe('10.64.3.251');
  const kernels = bridgeKernels(settings, ['dev-node-1', 'dev-node-2']);
  expect(
    kernels.map(({ namespace, nodePortAddresses, tableName }) => [namespace, nodePortAddresses, tableName]),
  ).toEqual([
    ['/run/netns/coxswain-dev-node-1', ['10.64.3.2'], 'coxswain-services'],
    ['/run/netns/coxswain-dev-node-2', ['10.64.3.3'], 'coxswain-services'],
    [undefined, ['127.0.0.1', '10.64.3.1'], 'coxswain-dev-services'],
  ]);
  expect(kernels[0]?.served).toEqual(['10.96.192.1', '10.96.192.10']);
});
