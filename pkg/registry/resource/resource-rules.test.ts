/** Claims of devices, and what drivers offer. */
import { expect, test } from 'vitest';
import { createErrors, strategyOf } from '../testing.ts';

const exactly = { deviceClassName: 'gpu' };
const claim = (...requests: readonly object[]): object => ({ devices: { requests } });
const slice = (fields: object): object => ({
  driver: 'a.io',
  nodeName: 'n',
  pool: { name: 'p', resourceSliceCount: 1 },
  ...fields,
});

test.each<[string, string, object, readonly string[]]>([
  ['resourceclaims', 'nothing wrong', claim({ name: 'a', exactly }), []],
  ['resourceclaims', 'no name', claim({ exactly }), ['spec.devices.requests[0].name: Required value']],
  [
    'resourceclaims',
    'one name twice',
    claim({ name: 'a', exactly }, { name: 'a', exactly }),
    ['spec.devices.requests[1].name: Duplicate value: "a"'],
  ],
  [
    'resourceclaims',
    'no device',
    claim({ name: 'a' }),
    ['spec.devices.requests[0]: Required value: one of `exactly` or `firstAvailable` must be specified'],
  ],
  [
    'resourceclaims',
    'no class',
    claim({ name: 'a', exactly: {} }),
    ['spec.devices.requests[0].exactly.deviceClassName: Required value'],
  ],
  [
    'resourceclaims',
    'fewer than one device',
    claim({ name: 'a', exactly: { ...exactly, count: -1 } }),
    ['spec.devices.requests[0].exactly.count: Invalid value: -1: must be greater than zero'],
  ],
  [
    'resourceclaims',
    'all devices, and some',
    claim({ name: 'a', exactly: { ...exactly, allocationMode: 'All', count: 2 } }),
    ["spec.devices.requests[0].exactly.count: Invalid value: 2: must not be specified when allocationMode is 'All'"],
  ],
  [
    'resourceclaimtemplates',
    'alternatives without class',
    { spec: claim({ name: 'a', firstAvailable: [{ name: 'b' }] }) },
    ['spec.spec.devices.requests[0].firstAvailable[0].deviceClassName: Required value'],
  ],
  ['deviceclasses', 'an empty selector', { selectors: [{}] }, ['spec.selectors[0].cel: Required value']],
  ['resourceslices', 'nothing wrong', slice({}), []],
  ['resourceslices', 'no driver', slice({ driver: '' }), ['spec.driver: Required value']],
  [
    'resourceslices',
    'no place',
    slice({ nodeName: undefined }),
    [
      'spec: Required value: exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required',
    ],
  ],
  [
    'resourceslices',
    'two places',
    slice({ allNodes: true }),
    [
      'spec: Invalid value: null: exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required, but multiple fields are set',
    ],
  ],
  [
    'resourceslices',
    'one device twice',
    slice({ devices: [{ name: 'a' }, { name: 'a' }] }),
    ['spec.devices[1].name: Duplicate value: "a"'],
  ],
])('%s with %s', (resource, _what, spec, errors) => {
  expect(createErrors(strategyOf(resource), { metadata: { name: 'web', namespace: 'default' }, spec })).toEqual(errors);
});
