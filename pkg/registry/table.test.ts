import { expect, test } from 'vitest';
import { resources } from '#pkg/api/resources.ts';
import { definitions, strategies } from './table.ts';
import { created, createErrors, strategyOf, updateErrors } from './testing.ts';

test('every strategy belongs to a resource, and no resource has two', () => {
  const known = new Set(resources.map(({ group, resource }) => `${group}/${resource}`));
  const named = strategies.map(({ group, resource }) => `${group}/${resource}`);
  expect(named.filter((name) => !known.has(name))).toEqual([]);
  expect(named.length).toBe(new Set(named).size);
});

test('every resource that can be listed by default has a strategy', () => {
  const named = new Set(strategies.map(({ group, resource }) => `${group}/${resource}`));
  const without = resources
    .filter((info) => info.enabledByDefault && info.verbs.includes('list') && info.group !== 'metrics.k8s.io')
    .map(({ group, resource }) => `${group}/${resource}`)
    .filter((name) => !named.has(name));
  expect(without).toEqual([]);
});

test('the checks of every kind that is made from data compile', () => {
  const versions = definitions.flatMap((definition) => definition.versions);
  const checked = versions.filter(({ checkValues }) => checkValues !== undefined);
  expect(checked.length).toBeGreaterThan(0);
  for (const { type, checkValues } of checked) expect(() => checkValues?.({}), type).not.toThrow();
});

test('every printer makes as many cells as it has columns, for an empty object too', () => {
  for (const { resource, table } of strategies) {
    if (table !== undefined) expect(table.cells({}, 0).length, resource).toBe(table.columns.length);
  }
});

test('every rule bears an empty object', () => {
  for (const strategy of strategies) {
    const empty = { metadata: { name: 'x' }, spec: {} };
    expect(() => createErrors(strategy, empty), strategy.resource).not.toThrow();
    expect(() => updateErrors(strategy, empty, () => undefined), strategy.resource).not.toThrow();
  }
});

test('defaulting twice changes nothing', () => {
  for (const strategy of strategies) {
    const once = created(strategy, { metadata: { name: 'x' }, spec: { template: { spec: {} }, ports: [{}] } });
    const twice = structuredClone(once);
    strategy.setDefaults?.(twice);
    expect(twice, strategy.resource).toEqual(once);
  }
});

test.each<[string, object, object]>([
  [
    'namespaces',
    { metadata: { name: 'a' } },
    {
      metadata: { name: 'a', labels: { 'kubernetes.io/metadata.name': 'a' } },
      spec: { finalizers: ['kubernetes'] },
      status: { phase: 'Active' },
    },
  ],
  ['secrets', { stringData: { a: 'b' } }, { type: 'Opaque', data: { a: 'Yg==' } }],
  ['priorityclasses', { value: 5 }, { value: 5, preemptionPolicy: 'PreemptLowerPriority' }],
  [
    'replicationcontrollers',
    { metadata: {}, spec: { template: { metadata: { labels: { a: 'b' } } } } },
    {
      metadata: { labels: { a: 'b' } },
      spec: { replicas: 1, selector: { a: 'b' }, template: { metadata: { labels: { a: 'b' } } } },
      status: { replicas: 0 },
    },
  ],
  [
    'limitranges',
    { spec: { limits: [{ type: 'Container', max: { cpu: '1' } }] } },
    {
      spec: {
        limits: [{ type: 'Container', max: { cpu: '1' }, default: { cpu: '1' }, defaultRequest: { cpu: '1' } }],
      },
    },
  ],
])('a new object of %s becomes complete', (resource, given, wanted) => {
  expect(created(strategyOf(resource), given)).toEqual(wanted);
});

test.each<[string, object, readonly string[]]>([
  [
    'configmaps',
    { data: { 'a b': '1' } },
    [
      "data[a b]: Invalid value: \"a b\": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
    ],
  ],
  ['configmaps', { data: { a: 'x'.repeat(2 ** 20 + 1) } }, ['[]: Too long: may not be more than 1048576 bytes']],
  ['secrets', { type: 'kubernetes.io/tls', data: { 'tls.crt': '' } }, ['data[tls.key]: Required value']],
  [
    'clusterroles',
    { rules: [{ verbs: [], apiGroups: [''], resources: ['pods'] }] },
    ['rules[0].verbs: Required value: verbs must contain at least one value'],
  ],
  ['ingresses', { spec: {} }, ['spec: Invalid value: []: either `defaultBackend` or `rules` must be specified']],
  [
    'poddisruptionbudgets',
    { spec: { minAvailable: 1, maxUnavailable: 1 } },
    ['spec: Invalid value: {"minAvailable":1,"maxUnavailable":1}: minAvailable and maxUnavailable cannot be both set'],
  ],
])('%s refuse what breaks their rules', (resource, object, errors) => {
  expect(createErrors(strategyOf(resource), object)).toEqual(errors);
});

test('what said it is immutable stays', () => {
  const errors = updateErrors(strategyOf('configmaps'), { immutable: true, data: { a: '1' } }, (draft) => {
    draft.data.a = '2';
  });
  expect(errors).toEqual(['data: Forbidden: field is immutable when `immutable` is set']);
});
