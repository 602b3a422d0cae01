/** Claims of devices, and what drivers offer. */
import { expect, test } from 'vitest';
import type { DeviceTaintRule, ResourceSlice } from '#pkg/api/types/resource-v1beta2.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { timestamp } from '#pkg/base/clock.ts';
import { created, createErrors, strategyOf, testContext } from '../testing.ts';

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
  [
    'resourceslices',
    'taints without key and effect',
    slice({ devices: [{ name: 'a', taints: [{ key: 'a.io/sick', effect: 'NoExecute' }, { effect: 'Maybe' }] }] }),
    [
      `spec.devices[0].taints[1].key: Invalid value: "": name part must be non-empty`,
      `spec.devices[0].taints[1].key: Invalid value: "": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
      'spec.devices[0].taints[1].effect: Unsupported value: "Maybe": supported values: "NoExecute", "NoSchedule", "None"',
    ],
  ],
  [
    'resourceclaims',
    'tolerations that cannot be',
    claim({
      name: 'a',
      exactly: {
        ...exactly,
        tolerations: [
          { operator: 'Exists', value: 'x' },
          { key: 'k', operator: 'Gt' },
          { key: 'k', effect: 'Maybe' },
        ],
      },
    }),
    [
      'spec.devices.requests[0].exactly.tolerations[0].value: Invalid value: "x": must be empty for operator `Exists`',
      'spec.devices.requests[0].exactly.tolerations[1].operator: Unsupported value: "Gt": supported values: "Equal", "Exists"',
      'spec.devices.requests[0].exactly.tolerations[2].effect: Unsupported value: "Maybe": supported values: "NoExecute", "NoSchedule", "None"',
    ],
  ],
  ['devicetaintrules', 'nothing wrong', { taint: { key: 'sick', effect: 'None' } }, []],
  [
    'devicetaintrules',
    'a selector of no device and no effect',
    { deviceSelector: { driver: '', pool: 'a/b', device: 'A' }, taint: { key: 'sick' } },
    [
      'spec.deviceSelector.driver: Required value',
      expect.stringMatching(/^spec.deviceSelector.device: Invalid value: "A": a lowercase RFC 1123 label/),
      'spec.taint.effect: Required value',
    ],
  ],
])('%s with %s', (resource, _what, spec, errors) => {
  expect(createErrors(strategyOf(resource), { metadata: { name: 'web', namespace: 'default' }, spec })).toEqual(errors);
});

const taintOf = (object: object) => (object as DeviceTaintRule).spec.taint;

test('a taint has the time since when it is there: of its creation, of a change of its effect, or as it is said', () => {
  const strategy = strategyOf('devicetaintrules');
  const now = timestamp(testContext().clock);
  const past = '2020-01-02T03:04:05Z';
  const rule = (taint: object): object => ({ spec: { taint: { key: 'sick', effect: 'NoSchedule', ...taint } } });
  expect(taintOf(created(strategy, rule({})))).toMatchObject({ timeAdded: now });
  expect(taintOf(created(strategy, rule({ timeAdded: past })))).toMatchObject({ timeAdded: past });
  const old = rule({ timeAdded: past });
  const afterUpdate = (taint: object): string | undefined => {
    const draft = rule(taint) as JsonObject;
    strategy.prepareForUpdate?.(draft, old as KubeObject, testContext());
    return taintOf(draft).timeAdded;
  };
  expect(afterUpdate({ timeAdded: past, value: 'very' })).toBe(past);
  expect(afterUpdate({ timeAdded: past, effect: 'NoExecute' })).toBe(now);
  expect(afterUpdate({ timeAdded: '2021-01-02T03:04:05Z', effect: 'NoExecute' })).toBe('2021-01-02T03:04:05Z');
  expect(afterUpdate({})).toBe(now);
});

test('a taint that a driver publishes without a time has that of its slice', () => {
  const devices = [{ name: 'a', taints: [{ key: 'sick', effect: 'NoExecute' }] }, { name: 'b' }];
  const stamped: object = created(strategyOf('resourceslices'), { spec: slice({ devices }) });
  const { spec } = stamped as ResourceSlice;
  expect(spec.devices?.map(({ taints }) => taints?.[0]?.timeAdded)).toEqual([
    timestamp(testContext().clock),
    undefined,
  ]);
});
