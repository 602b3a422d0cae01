/** Strategic merge patch on built-in types. It stands here because the engine's own layer knows no types. */
import { expect, test } from 'vitest';
import { deepFreeze } from '#pkg/apimachinery/json.ts';
import { applyStrategicMergePatch } from '#pkg/apimachinery/patch/strategic-merge-patch.ts';
import { typeSchema } from '../facts.ts';

const pod = typeSchema('io.k8s.api.core.v1.Pod');
const deployment = typeSchema('io.k8s.api.apps.v1.Deployment');
const a = { name: 'a', image: '1' };
const b = { name: 'b', image: '1' };
const c = { name: 'c', image: '1' };
const spec = (containers: unknown[]): Record<string, unknown> => ({ spec: { containers } });
const meta = (fields: object): Record<string, unknown> => ({ metadata: fields });

test.each<[string, Record<string, unknown>, unknown, unknown]>([
  ['items are merged by key', spec([a, b]), spec([{ name: 'b', image: '2' }]), spec([a, { name: 'b', image: '2' }])],
  ['new items come first unless the server knows both', spec([a]), spec([b]), spec([b, a])],
  ['items are deleted by key', spec([a, b]), spec([{ name: 'a', $patch: 'delete' }]), spec([b])],
  ['a list is replaced', spec([a, b]), spec([c, { $patch: 'replace' }]), spec([c])],
  [
    'maps are merged, nulls delete',
    meta({ labels: { x: '1', y: '2' } }),
    meta({ labels: { x: null, z: '3' } }),
    meta({ labels: { y: '2', z: '3' } }),
  ],
  [
    'a map is replaced',
    meta({ labels: { x: '1' } }),
    meta({ labels: { $patch: 'replace', z: '3' } }),
    meta({ labels: { z: '3' } }),
  ],
  ['a map is emptied', meta({ labels: { x: '1' } }), meta({ labels: { $patch: 'delete' } }), meta({ labels: {} })],
  [
    'sets of scalars grow',
    meta({ finalizers: ['x'] }),
    meta({ finalizers: ['y', 'x'] }),
    meta({ finalizers: ['y', 'x'] }),
  ],
  [
    'scalars leave sets',
    meta({ finalizers: ['x', 'y'] }),
    meta({ '$deleteFromPrimitiveList/finalizers': ['x'] }),
    meta({ finalizers: ['y'] }),
  ],
  [
    'scalars leave and join in one patch',
    meta({ finalizers: ['x', 'y'] }),
    meta({
      '$deleteFromPrimitiveList/finalizers': ['x'],
      '$setElementOrder/finalizers': ['z', 'y'],
      finalizers: ['z'],
    }),
    meta({ finalizers: ['z', 'y'] }),
  ],
  [
    'other lists are replaced',
    { spec: { containers: [{ ...a, args: ['1', '2'] }] } },
    spec([{ name: 'a', args: ['3'] }]),
    spec([{ ...a, args: ['3'] }]),
  ],
  [
    'the order is set',
    spec([a, b, c]),
    {
      spec: {
        '$setElementOrder/containers': [{ name: 'c' }, { name: 'a' }, { name: 'b' }],
        containers: [{ name: 'c', image: '2' }],
      },
    },
    spec([{ name: 'c', image: '2' }, a, b]),
  ],
  [
    'the order is set with a new item and one only the server has',
    spec([a, b]),
    { spec: { '$setElementOrder/containers': [{ name: 'a' }, { name: 'c' }], containers: [c] } },
    spec([a, c, b]),
  ],
  [
    'an order of a list that is not there is nothing',
    { spec: {} },
    { spec: { '$setElementOrder/containers': [{ name: 'a' }] } },
    { spec: {} },
  ],
  [
    'directives do not end up in new values',
    { spec: {} },
    { spec: { containers: [{ ...a, $patch: 'delete' }, b], x: null } },
    spec([b]),
  ],
  [
    'what is deleted from a set of scalars is not added to it',
    meta({ finalizers: ['x'] }),
    meta({
      '$deleteFromPrimitiveList/finalizers': ['z'],
      '$setElementOrder/finalizers': ['z', 'x'],
      finalizers: ['z'],
    }),
    meta({ finalizers: ['x'] }),
  ],
  [
    'an empty order leaves the patch its own',
    spec([a]),
    { spec: { '$setElementOrder/containers': [], containers: [c, b] } },
    spec([c, b, a]),
  ],
  [
    'of items with one key the first is merged and the others stay where they are',
    spec([
      {
        ...a,
        ports: [{ containerPort: 80, protocol: 'TCP' }, { containerPort: 443 }, { containerPort: 80, protocol: 'UDP' }],
      },
    ]),
    spec([{ name: 'a', ports: [{ containerPort: 443, name: 'https' }] }]),
    spec([
      {
        ...a,
        ports: [
          { containerPort: 80, protocol: 'TCP' },
          { containerPort: 80, protocol: 'UDP' },
          { containerPort: 443, name: 'https' },
        ],
      },
    ]),
  ],
  ['nothing is changed by nothing', spec([a]), {}, spec([a])],
])('%s', (_, original, patch, value) => {
  expect(applyStrategicMergePatch(deepFreeze(original), deepFreeze(patch), pod)).toEqual({ ok: true, value });
});

test('retained keys are the only ones that stay', () => {
  const original = deepFreeze({ spec: { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } } } });
  const patch = { spec: { strategy: { $retainKeys: ['type'], type: 'Recreate' } } };
  expect(applyStrategicMergePatch(original, patch, deployment)).toEqual({
    ok: true,
    value: { spec: { strategy: { type: 'Recreate' } } },
  });
});

test('lists with two server-side keys merge by their patch key', () => {
  const ports = (list: unknown[]): Record<string, unknown> => spec([{ ...a, ports: list }]);
  const original = ports([{ containerPort: 80, protocol: 'TCP' }]);
  const patch = ports([{ containerPort: 80, name: 'http' }]);
  expect(applyStrategicMergePatch(original, patch, pod)).toEqual({
    ok: true,
    value: ports([{ containerPort: 80, protocol: 'TCP', name: 'http' }]),
  });
});

test.each<[string, unknown, string]>([
  ['no merge key', spec([{ image: '2' }]), 'map: map[image:2] does not contain declared merge key: name'],
  ['an unknown directive', { spec: { $patch: 'explode' } }, 'unknown patch type: explode in map: map[$patch:explode]'],
  [
    'retained keys without one that is set',
    { spec: { $retainKeys: ['x'], nodeName: 'n' } },
    'invalid patch format of retainKeys',
  ],
  ['mixed items', spec([1]), 'list element types are not identical: [[map[image:1 name:a]] [1]]'],
  ['mixed scalars', meta({ finalizers: ['a', 1] }), 'list element types are not identical: [[f] [a 1]]'],
  [
    'an order that the patch does not follow',
    { spec: { '$setElementOrder/containers': [{ name: 'b' }], containers: [{ name: 'a' }] } },
    "The order in patch list:\n[map[name:a]]\n doesn't match $setElementOrder list:\n[map[name:b]]\n",
  ],
  ['no object', [1], 'invalid JSON document'],
])('%s is 400', (_, patch, message) => {
  const result = applyStrategicMergePatch({ ...spec([a]), ...meta({ finalizers: ['f'] }) }, patch, pod);
  expect(result.ok ? undefined : [result.error.code, result.error.message]).toEqual([400, message]);
});

test('what a patch does not touch is shared with the original', () => {
  const original = { metadata: { labels: {} }, spec: { containers: [a, b] } };
  const result = applyStrategicMergePatch(original, spec([{ name: 'b', image: '2' }]), pod);
  const value = (result.ok ? result.value : {}) as typeof original;
  expect(value.metadata).toBe(original.metadata);
  expect(value.spec.containers[0]).toBe(a);
});

test('tens of thousands of items are merged, ordered and deleted without comparing each with each', () => {
  const count = 20_000;
  const names = (of: (i: number) => object): object[] => Array.from({ length: count }, (_, i) => of(i));
  const env = (list: readonly object[]) => spec([{ name: 'a', env: list }]);
  const original = env(names((i) => ({ name: `e${i}`, value: 'a' })));
  const change = (patch: object): unknown => {
    const result = applyStrategicMergePatch(original, spec([{ name: 'a', ...patch }]), pod);
    return result.ok && JSON.stringify(result.value);
  };
  const changed = names((i) => ({ name: `e${i}`, value: 'b' }));
  expect(change({ env: changed }) === JSON.stringify(env(changed))).toBe(true);
  expect(change({ env: names((i) => ({ name: `e${i}`, $patch: 'delete' })) })).toBe(JSON.stringify(env([])));
  const reversed = names((i) => ({ name: `e${count - 1 - i}`, value: 'a' }));
  expect(change({ '$setElementOrder/env': reversed }) === JSON.stringify(env(reversed))).toBe(true);
});

test('tens of thousands of scalars leave a set without comparing each with each', () => {
  const finalizers = Array.from({ length: 60_000 }, (_, i) => `a/${i}`);
  const patch = meta({ '$deleteFromPrimitiveList/finalizers': finalizers.toReversed() });
  const result = applyStrategicMergePatch(meta({ finalizers }), patch, pod);
  expect(result.ok && result.value).toEqual(meta({ finalizers: [] }));
});
