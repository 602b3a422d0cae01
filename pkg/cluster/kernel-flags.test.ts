/** By which flags a machine is a node of a network of the kernel: among others of one machine, or by itself. */
import { expect, test } from 'vitest';
import { hostRangesOf, kernelFlagValues, kernelSettingsOf } from './kernel-flags.ts';

const settings = { name: 'one', podCidr: '10.128.0.0/16', serviceCidr: '10.96.0.0/18', nodeAddress: '10.64.0.1' };
const among = { ...kernelFlagValues(settings), network: 'bridge' };

test('with an address among its nodes it carries several, and without one it is a node itself', () => {
  expect(kernelSettingsOf(among)).toEqual(settings);
  expect(hostRangesOf(among)).toBeUndefined();
  const itself = { ...among, 'machine-address': '' };
  expect(kernelSettingsOf(itself)).toBeUndefined();
  const ranges = { cluster: 'one', podRanges: ['10.128.0.0/16'], serviceRanges: ['10.96.0.0/18'] };
  expect(hostRangesOf(itself)).toEqual(ranges);
  expect(hostRangesOf({ ...itself, network: 'loopback' })).toBeUndefined();
  expect(hostRangesOf({ ...itself, 'cluster-cidr': '' })).toBeUndefined();
  expect(() => hostRangesOf({ ...itself, 'service-cluster-ip-range': '' })).toThrow(
    'is required beside --cluster-cidr',
  );
});
