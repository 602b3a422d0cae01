/** Field ownership and server-side apply on built-in types. It stands here because the engine's own layer knows no types. */
import { expect, test } from 'vitest';
import { deepFreeze } from '#pkg/apimachinery/json.ts';
import { applyObject } from '#pkg/apimachinery/managed-fields/apply.ts';
import { trackUpdate } from '#pkg/apimachinery/managed-fields/track.ts';
import { typedErrors } from '#pkg/apimachinery/managed-fields/typed-errors.ts';
import type { KubeObject, ManagedFieldsEntry } from '#pkg/apimachinery/object.ts';
import { typeSchema } from '../facts.ts';

const schema = typeSchema('io.k8s.api.apps.v1.Deployment');
const podSchema = typeSchema('io.k8s.api.core.v1.Pod');
const apiVersion = 'apps/v1';
const t0 = '2026-01-01T00:00:00Z';
const t1 = '2026-01-01T00:01:00Z';

type Fields = Record<string, unknown>;

/** A Deployment with one container, given as the parts that matter. */
function deployment(spec: Fields, metadata: Fields = {}): KubeObject {
  const base = { apiVersion, kind: 'Deployment', metadata: { name: 'web', namespace: 'default', ...metadata }, spec };
  return deepFreeze(base) as KubeObject;
}

const containers = (list: readonly Fields[]): Fields => ({ template: { spec: { containers: list } } });

function update(
  live: KubeObject | undefined,
  updated: KubeObject,
  manager = 'kubectl',
  subresource = '',
): readonly ManagedFieldsEntry[] {
  return deepFreeze(
    trackUpdate({ live, updated, manager, apiVersion, timestamp: live === undefined ? t0 : t1, subresource, schema }),
  );
}

function owned(object: KubeObject, manager = 'kubectl', subresource = ''): KubeObject {
  const managedFields = update(undefined, object, manager, subresource);
  return deepFreeze({ ...object, metadata: { ...object.metadata, managedFields } });
}

interface Applied {
  readonly object: KubeObject;
  readonly changed: boolean;
}

function apply(
  live: KubeObject | undefined,
  config: KubeObject,
  options: { manager?: string; force?: boolean; timestamp?: string } = {},
): Applied {
  const { manager = 'applier', force = false, timestamp = t1 } = options;
  const result = applyObject({ live, config, manager, force, schema, apiVersion, timestamp });
  if (!result.ok) throw result.error;
  return { object: deepFreeze(result.object) as KubeObject, changed: result.changed };
}

const specOf = (object: KubeObject): unknown => (object as { spec?: unknown }).spec;
const managersOf = (object: KubeObject): unknown =>
  object.metadata?.managedFields?.map((entry) => [entry.manager, entry.operation, entry.time, entry.fieldsV1]);

test('a create owns what it sets, in the form clients know', () => {
  const object = deployment({
    replicas: 2,
    selector: { matchLabels: { app: 'web' } },
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%' } },
    template: {
      metadata: { labels: { app: 'web' } },
      spec: {
        containers: [
          {
            name: 'web',
            image: 'nginx',
            resources: {},
            env: [{ name: 'A', value: '1' }],
            ports: [{ containerPort: 80, protocol: 'TCP' }],
            args: ['x'],
          },
        ],
        securityContext: {},
      },
    },
  });
  expect(update(undefined, object)).toEqual([
    {
      manager: 'kubectl',
      operation: 'Update',
      apiVersion,
      time: t0,
      fieldsType: 'FieldsV1',
      fieldsV1: {
        'f:spec': {
          'f:replicas': {},
          'f:selector': {},
          'f:strategy': { 'f:type': {}, 'f:rollingUpdate': { '.': {}, 'f:maxSurge': {} } },
          'f:template': {
            'f:metadata': { 'f:labels': { '.': {}, 'f:app': {} } },
            'f:spec': {
              'f:containers': {
                'k:{"name":"web"}': {
                  '.': {},
                  'f:name': {},
                  'f:image': {},
                  'f:resources': {},
                  'f:args': {},
                  'f:env': { '.': {}, 'k:{"name":"A"}': { '.': {}, 'f:name': {}, 'f:value': {} } },
                  'f:ports': {
                    '.': {},
                    'k:{"containerPort":80,"protocol":"TCP"}': { '.': {}, 'f:containerPort': {}, 'f:protocol': {} },
                  },
                },
              },
              'f:securityContext': {},
            },
          },
        },
      },
    },
  ]);
});

test('metadata that the server keeps is owned by no one', () => {
  const object = deployment(
    {},
    { uid: 'u', generation: 1, resourceVersion: '5', creationTimestamp: t0, finalizers: ['a/b'] },
  );
  expect(update(undefined, object)[0]?.fieldsV1).toEqual({
    'f:metadata': { 'f:finalizers': { '.': {}, 'v:"a/b"': {} } },
  });
});

test('an update takes what it changes and leaves the rest', () => {
  const live = owned(deployment({ replicas: 1, paused: true }));
  const updated = deepFreeze({ ...deployment({ replicas: 2, paused: true }), metadata: live.metadata });
  expect(update(live, updated, 'hpa').map((entry) => [entry.manager, entry.time, entry.fieldsV1])).toEqual([
    ['kubectl', t0, { 'f:spec': { 'f:paused': {} } }],
    ['hpa', t1, { 'f:spec': { 'f:replicas': {} } }],
  ]);
});

test('an update that changes nothing gives back the very list', () => {
  const live = owned(deployment({ replicas: 1 }));
  const updated = {
    ...deployment({ replicas: 1 }),
    metadata: { ...live.metadata, resourceVersion: '9', generation: 7 },
  };
  expect(update(live, updated, 'other')).toBe(live.metadata?.managedFields);
});

test('removed fields are owned by no one any more', () => {
  const live = owned(
    deployment({
      replicas: 1,
      ...containers([
        { name: 'a', image: 'x' },
        { name: 'b', image: 'y' },
      ]),
    }),
  );
  const updated = {
    ...deployment({ replicas: 1, ...containers([{ name: 'b', image: 'y' }]) }),
    metadata: live.metadata,
  };
  expect(update(live, updated as KubeObject, 'other')).toEqual([
    {
      ...live.metadata?.managedFields?.[0],
      fieldsV1: {
        'f:spec': {
          'f:replicas': {},
          'f:template': {
            'f:spec': {
              'f:containers': { 'k:{"name":"b"}': { '.': {}, 'f:name': {}, 'f:image': {}, 'f:resources': {} } },
            },
          },
        },
      },
    },
  ]);
});

test('subresources have entries of their own', () => {
  const live = owned(deployment({ replicas: 1 }));
  const updated = deepFreeze({ ...live, status: { readyReplicas: 1 } } as KubeObject);
  expect(update(live, updated, 'kubectl', 'status').map((entry) => [entry.subresource, entry.fieldsV1])).toEqual([
    [undefined, { 'f:spec': { 'f:replicas': {} } }],
    ['status', { 'f:status': { 'f:readyReplicas': {} } }],
  ]);
});

test('an empty list resets the tracking, which stays off for updates', () => {
  const live = owned(deployment({ replicas: 1 }));
  for (const managedFields of [[], [{}]]) {
    const updated = { ...deployment({ replicas: 2 }), metadata: { ...live.metadata, managedFields } };
    expect(update(live, updated as KubeObject)).toEqual([]);
  }
  const untracked = deployment({ replicas: 1 });
  expect(update(untracked, deployment({ replicas: 2 }))).toEqual([]);
});

test('a client that drops or garbles managedFields changes nothing of them', () => {
  const live = owned(deployment({ replicas: 1 }));
  const good = { manager: 'x', operation: 'Update', apiVersion, fieldsType: 'FieldsV1', fieldsV1: {} };
  const garbled = [{ fieldsV1: { nonsense: 1 } }, { fieldsType: 'V2' }, { apiVersion: '' }, { operation: 'Patch' }];
  for (const managedFields of [undefined, ...garbled.map((part) => [{ ...good, ...part }])]) {
    const updated = { ...deployment({ replicas: 1 }), metadata: { ...live.metadata, managedFields } };
    expect(update(live, updated as unknown as KubeObject)).toEqual(live.metadata?.managedFields);
  }
});

test('more than ten updaters are merged, the oldest first', () => {
  let live = owned(deployment({}, { annotations: { a0: '0' } }), 'm0');
  for (let i = 1; i < 14; i++) {
    const annotations = { ...live.metadata?.annotations, [`a${i}`]: '1' };
    const updated = { ...live, metadata: { ...live.metadata, annotations } };
    const timestamp = `2026-01-01T00:00:${String(i).padStart(2, '0')}Z`;
    const managedFields = trackUpdate({ live, updated, manager: `m${i}`, apiVersion, timestamp, schema });
    live = { ...updated, metadata: { ...updated.metadata, managedFields } };
  }
  expect(live.metadata?.managedFields?.map((entry) => entry.manager)).toEqual([
    'ancient-changes',
    'm5',
    'm6',
    'm7',
    'm8',
    'm9',
    'm10',
    'm11',
    'm12',
    'm13',
  ]);
});

test('an apply that creates owns what it says', () => {
  const { object } = apply(undefined, deployment({ replicas: 1, ...containers([{ name: 'a', image: 'x' }]) }));
  expect(managersOf(object)).toEqual([
    [
      'applier',
      'Apply',
      t1,
      {
        'f:spec': {
          'f:replicas': {},
          'f:template': {
            'f:spec': { 'f:containers': { 'k:{"name":"a"}': { '.': {}, 'f:name': {}, 'f:image': {} } } },
          },
        },
      },
    ],
  ]);
});

test('an apply conflicts with who owns a field it changes, and names field and manager', () => {
  const live = owned(deployment({ replicas: 1, paused: true }));
  expect(() => apply(live, deployment({ replicas: 2 }))).toThrow(
    'Apply failed with 1 conflict: conflict with "kubectl" using apps/v1: .spec.replicas',
  );
  const result = applyObject({
    live,
    config: deployment({ replicas: 2, paused: false }),
    manager: 'a',
    force: false,
    schema,
    apiVersion,
    timestamp: t1,
  });
  expect(result.ok ? undefined : result.error.status).toEqual({
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    code: 409,
    reason: 'Conflict',
    message: 'Apply failed with 2 conflicts: conflicts with "kubectl" using apps/v1:\n- .spec.paused\n- .spec.replicas',
    details: {
      causes: [
        { reason: 'FieldManagerConflict', message: 'conflict with "kubectl" using apps/v1', field: '.spec.paused' },
        { reason: 'FieldManagerConflict', message: 'conflict with "kubectl" using apps/v1', field: '.spec.replicas' },
      ],
    },
  });
});

test('paths of conflicts show keys of items', () => {
  const live = apply(undefined, deployment(containers([{ name: 'a', image: 'x' }])), { manager: 'one' }).object;
  expect(() => apply(live, deployment(containers([{ name: 'a', image: 'y' }])), { manager: 'two' })).toThrow(
    'Apply failed with 1 conflict: conflict with "one": .spec.template.spec.containers[name="a"].image',
  );
});

test('force takes a field over', () => {
  const live = owned(deployment({ replicas: 1, paused: true }));
  const { object } = apply(live, deployment({ replicas: 2 }), { force: true });
  expect(specOf(object)).toEqual({ replicas: 2, paused: true });
  expect(managersOf(object)).toEqual([
    ['applier', 'Apply', t1, { 'f:spec': { 'f:replicas': {} } }],
    ['kubectl', 'Update', t0, { 'f:spec': { 'f:paused': {} } }],
  ]);
});

test('the same value is owned together, at first without a time', () => {
  const one = apply(undefined, deployment({ replicas: 1 }), { manager: 'one', timestamp: t0 }).object;
  const both = apply(one, deployment({ replicas: 1 }), { manager: 'two' }).object;
  expect(managersOf(both)).toEqual([
    ['two', 'Apply', undefined, { 'f:spec': { 'f:replicas': {} } }],
    ['one', 'Apply', t0, { 'f:spec': { 'f:replicas': {} } }],
  ]);
  const left = apply(both, deployment({}), { manager: 'one', timestamp: '2026-01-01T00:02:00Z' }).object;
  expect(specOf(left)).toEqual({ replicas: 1 });
  expect(managersOf(left)).toEqual([
    ['two', 'Apply', undefined, { 'f:spec': { 'f:replicas': {} } }],
    ['one', 'Apply', t0, { 'f:spec': {} }],
  ]);
});

test('what a manager gives up and no one else owns is removed', () => {
  const labels = { a: '1', b: '2' };
  const first = apply(
    undefined,
    deployment(
      {
        replicas: 1,
        ...containers([
          { name: 'a', image: 'x' },
          { name: 'b', image: 'y' },
        ]),
      },
      { labels },
    ),
  );
  const live = deepFreeze({
    ...first.object,
    metadata: { ...first.object.metadata, labels: { ...labels, other: 'x' } },
  });
  const { object } = apply(live, deployment(containers([{ name: 'b', image: 'y' }]), { labels: { b: '2' } }));
  expect(specOf(object)).toEqual(containers([{ name: 'b', image: 'y' }]));
  expect(object.metadata?.labels).toEqual({ b: '2', other: 'x' });
});

test('a struct goes when all that was owned in it goes', () => {
  const first = apply(undefined, deployment({ replicas: 1, strategy: { rollingUpdate: { maxSurge: 1 } } }));
  const { object } = apply(first.object, deployment({ replicas: 1 }));
  expect(specOf(object)).toEqual({ replicas: 1 });
});

test('what an updater set inside an applied item stays', () => {
  const first = apply(undefined, deployment(containers([{ name: 'a', image: 'x' }])));
  const changed = deepFreeze({
    ...deployment(containers([{ name: 'a', image: 'x', tty: true }])),
    metadata: first.object.metadata,
  });
  const live = deepFreeze({
    ...changed,
    metadata: { ...changed.metadata, managedFields: update(first.object, changed) },
  });
  const { object } = apply(live, deployment(containers([{ name: 'a', image: 'y' }])));
  expect(specOf(object)).toEqual(containers([{ name: 'a', image: 'y', tty: true }]));
});

test('an apply that changes nothing gives back the stored object', () => {
  const config = deployment({ replicas: 1, ...containers([{ name: 'a', image: 'x' }]) });
  const first = apply(undefined, config, { timestamp: t0 });
  const live = deepFreeze({ ...first.object, metadata: { ...first.object.metadata, uid: 'u', resourceVersion: '1' } });
  const again = apply(live, config);
  expect(again.changed).toBe(false);
  expect(again.object).toBe(live);
});

test('what was there before the first apply belongs to a manager of its own', () => {
  const { object } = apply(deployment({ replicas: 1, paused: true }), deployment({ replicas: 1 }));
  expect(managersOf(object)).toEqual([
    ['applier', 'Apply', undefined, { 'f:spec': { 'f:replicas': {} } }],
    ['before-first-apply', 'Update', t1, { 'f:spec': { 'f:replicas': {}, 'f:paused': {} } }],
  ]);
});

test('items come in the order of the configuration, others stay where they were', () => {
  const item = (name: string): Fields => ({ name, image: 'x' });
  const live = owned(deployment(containers([item('a'), item('b'), item('c')])));
  const { object } = apply(live, deployment(containers([item('c'), item('d'), item('a')])));
  expect(specOf(object)).toEqual(containers([item('b'), item('c'), item('d'), item('a')]));
});

test('managedFields in a configuration are 400', () => {
  const config = deployment({}, { managedFields: [{ manager: 'x' }] });
  const result = applyObject({ live: undefined, config, manager: 'a', force: true, schema, apiVersion, timestamp: t0 });
  expect(result.ok ? undefined : [result.error.code, result.error.message]).toEqual([
    400,
    'metadata.managedFields must be nil',
  ]);
});

const typed = '.spec.template.spec.containers';

test.each<[string, Fields, string | undefined]>([
  ['nothing', containers([{ name: 'a', env: null, args: [], ports: [{ containerPort: 80 }] }]), undefined],
  [
    'an item without its key',
    containers([{ image: 'x' }]),
    `${typed}: element 0: associative list with keys has an element that omits all key fields ["name"] (and doesn't have default values for any key fields)`,
  ],
  [
    'an item that is null',
    containers([null as never]),
    `${typed}: element 0: associative list with keys may not have a null element`,
  ],
  [
    'an item that is text',
    containers(['a' as never]),
    `${typed}: element 0: associative list with keys may not have non-map elements`,
  ],
  ['an item twice', containers([{ name: 'a' }, { name: 'a' }]), `${typed}: duplicate entries for key [name="a"]`],
  [
    'several faults',
    { replicas: '1', ...containers([{ name: 'a', env: [{ name: 'X' }, { name: 'X' }], foo: 1 }]) },
    `errors:\n  .spec.replicas: expected numeric (int or float), got string\n  ${typed}[name="a"].env: duplicate entries for key [name="X"]\n  ${typed}[name="a"].foo: field not declared in schema`,
  ],
  [
    'a port by two keys',
    containers([{ name: 'a', ports: [{ containerPort: 80 }, { containerPort: 80, protocol: 'TCP' }] }]),
    `${typed}[name="a"].ports: duplicate entries for key [containerPort=80,protocol="TCP"]`,
  ],
  ['text for a list', { template: { spec: { containers: 'x' } } }, `${typed}: expected list, got &{x}`],
  ['a list for a map', { template: [1] }, '.spec.template: expected map, got &{[1]}'],
  [
    'a number for text',
    containers([{ name: 'a', image: 1 }]),
    `${typed}[name="a"].image: expected string, got &value.valueUnstructured{Value:1}`,
  ],
  [
    'text in a list of text',
    containers([{ name: 'a', args: [true] }]),
    `${typed}[name="a"].args[0]: expected string, got &value.valueUnstructured{Value:true}`,
  ],
  ['text for a boolean', { paused: 'yes' }, '.spec.paused: expected boolean, got &{yes}'],
  [
    'a map for a quantity',
    containers([{ name: 'a', resources: { limits: { cpu: { a: 1 } } } }]),
    `${typed}[name="a"].resources.limits.cpu: expected any scalar, got &{map[a:1]}`,
  ],
])('%s in a configuration', (_, spec, errors) => {
  expect(typedErrors(deployment(spec) as never, schema)).toBe(errors);
});

test('an item of a set is there once, and is no list or map', () => {
  const found = (finalizers: unknown[]): unknown => typedErrors({ metadata: { finalizers } }, schema);
  expect(found(['a', 'a'])).toBe('.metadata.finalizers: duplicate entries for key [="a"]');
  expect(found([{}])).toBe(
    ".metadata.finalizers: element 0: associative list without keys has an element that's a map type",
  );
  expect(found([[]])).toBe('.metadata.finalizers: element 0: not supported: associative list with lists as elements');
});

test('items that the live list has several times are owned as one, stay, and give way to one that is applied', () => {
  const env = (list: readonly Fields[]): Fields => containers([{ name: 'a', env: list }]);
  const [x1, x2, y] = [
    { name: 'X', value: '1' },
    { name: 'X', value: '2' },
    { name: 'Y', value: '1' },
  ];
  const live = owned(deployment(env([x1, y, x2])));
  expect(live.metadata?.managedFields?.[0]?.fieldsV1).toMatchObject({
    'f:spec': {
      'f:template': {
        'f:spec': {
          'f:containers': {
            'k:{"name":"a"}': {
              'f:env': {
                '.': {},
                'k:{"name":"X"}': {},
                'k:{"name":"Y"}': { '.': {}, 'f:name': {}, 'f:value': {} },
              },
            },
          },
        },
      },
    },
  });
  const z = { name: 'Z', value: '1' };
  expect(specOf(apply(live, deployment(env([z]))).object)).toEqual(env([x1, y, x2, z]));
  const x3 = { name: 'X', value: '3' };
  expect(() => apply(live, deployment(env([x3])))).toThrow(
    'conflict with "kubectl" using apps/v1: .spec.template.spec.containers[name="a"].env[name="X"]',
  );
  expect(specOf(apply(live, deployment(env([x3])), { force: true }).object)).toEqual(env([x3, y]));
  const changed = deepFreeze({ ...deployment(env([x1, y, x3])), metadata: live.metadata }) as KubeObject;
  expect(managersOf({ metadata: { managedFields: [...update(live, changed, 'other')] } })).toMatchObject([
    ['kubectl', 'Update', t0, {}],
    [
      'other',
      'Update',
      t1,
      {
        'f:spec': {
          'f:template': { 'f:spec': { 'f:containers': { 'k:{"name":"a"}': { 'f:env': { 'k:{"name":"X"}': {} } } } } },
        },
      },
    ],
  ]);
});

test('conflicts are told level by level', () => {
  const live = owned(deployment({ template: { metadata: { labels: { a: '1' } } }, replicas: 1, paused: true }));
  const config = deployment({ template: { metadata: { labels: { a: '2' } } }, replicas: 2, paused: false });
  expect(() => apply(live, config)).toThrow(
    'kubectl" using apps/v1:\n- .spec.paused\n- .spec.replicas\n- .spec.template.metadata.labels.a',
  );
});

test('a key with a default may be left out of a configuration', () => {
  const port = (fields: Fields): Fields => containers([{ name: 'a', ports: [{ containerPort: 80, ...fields }] }]);
  const live = apply(undefined, deployment(port({ protocol: 'TCP' })), { manager: 'one' }).object;
  const { object } = apply(live, deployment(port({ name: 'http' })), { manager: 'two' });
  expect(specOf(object)).toEqual(port({ protocol: 'TCP', name: 'http' }));
});

test('maps of Pods and keys such as constructor are fields like others', () => {
  const pod = deepFreeze({
    metadata: { name: 'a', annotations: { constructor: 'x' } },
    spec: { nodeSelector: { a: 'b' } },
  });
  const [entry] = trackUpdate({
    live: undefined,
    updated: pod,
    manager: 'm',
    apiVersion: 'v1',
    timestamp: t0,
    schema: podSchema,
  });
  expect(entry?.fieldsV1).toEqual({
    'f:metadata': { 'f:annotations': { '.': {}, 'f:constructor': {} } },
    'f:spec': { 'f:nodeSelector': {} },
  });
});

test('fields that an endpoint does not write are neither claimed nor applied', () => {
  const resetFields = { 'f:status': {} };
  const config = deepFreeze({ ...deployment({ replicas: 1 }), status: { replicas: 5 } }) as KubeObject;
  const base = { manager: 'a', schema, apiVersion, timestamp: t0, resetFields };
  const result = applyObject({ ...base, live: undefined, config, force: false });
  const object = (result.ok ? result.object : {}) as KubeObject & { status?: unknown };
  expect(object.status).toBe(undefined);
  expect(object.metadata?.managedFields?.[0]?.fieldsV1).toEqual({ 'f:spec': { 'f:replicas': {} } });
  expect(trackUpdate({ ...base, live: undefined, updated: config })[0]?.fieldsV1).toEqual({
    'f:spec': { 'f:replicas': {} },
  });
});

test('kubectl takes over what it applied on the client side and keeps the annotation current', () => {
  const annotation = 'kubectl.kubernetes.io/last-applied-configuration';
  const applied = deployment({ replicas: 1, paused: true });
  const metadata = { annotations: { [annotation]: JSON.stringify(applied) } };
  const live = owned(deployment({ replicas: 1, paused: false }, metadata), 'kubectl-client-side-apply');
  const { object } = apply(live, deployment({ replicas: 2 }), { manager: 'kubectl' });
  expect(specOf(object)).toEqual({ replicas: 2 });
  expect(JSON.parse(object.metadata?.annotations?.[annotation] ?? '')).toMatchObject({ spec: { replicas: 2 } });
  expect(() => apply(live, deployment({ replicas: 2, paused: true }), { manager: 'kubectl' })).toThrow(
    'Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using apps/v1: .spec.paused',
  );
  expect(() => apply(live, deployment({ replicas: 2 }), { manager: 'other' })).toThrow('Apply failed with 1 conflict');
  const older = { annotations: { [annotation]: JSON.stringify({ ...applied, apiVersion: 'apps/v1beta1' }) } };
  const before = owned(deployment({ replicas: 1 }, older), 'kubectl-client-side-apply');
  expect(() => apply(before, deployment({ replicas: 2 }), { manager: 'kubectl' })).toThrow('1 conflict');
});
