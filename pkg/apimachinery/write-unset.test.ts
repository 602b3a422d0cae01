import { expect, test } from 'vitest';
import { typeSchema } from '#pkg/api/facts.ts';
import { deepFreeze } from './json.ts';
import type { JsonObject } from './object.ts';
import type { ObjectSchema } from './schema.ts';
import { withUnset, writeUnset } from './write-unset.ts';

const pod = typeSchema('io.k8s.api.core.v1.Pod');
const claim = typeSchema('io.k8s.api.core.v1.PersistentVolumeClaim');
const template = typeSchema('io.k8s.api.core.v1.PodTemplateSpec');
const budget = typeSchema('io.k8s.api.policy.v1.PodDisruptionBudget');
const definition = typeSchema('io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition');

test.each<[ObjectSchema, object, object]>([
  // An object without what has to be there is refused: a null in its place would only be one more form of nothing.
  [template, {}, { metadata: {}, spec: {} }],
  [template, { spec: { containers: [] } }, { metadata: {}, spec: { containers: [] } }],
  [
    pod,
    {
      metadata: {},
      spec: { containers: [{ name: 'a' }] },
      status: { conditions: [{ type: 'Ready', status: 'True' }] },
    },
    {
      metadata: {},
      spec: { containers: [{ name: 'a', resources: {} }] },
      status: { conditions: [{ type: 'Ready', status: 'True', lastProbeTime: null, lastTransitionTime: null }] },
    },
  ],
  // A pointer that JSON always has, and one that it leaves out.
  [
    claim,
    { metadata: {}, spec: { dataSource: { kind: 'k', name: 'n' }, resources: {} }, status: {} },
    { metadata: {}, spec: { dataSource: { apiGroup: null, kind: 'k', name: 'n' }, resources: {} }, status: {} },
  ],
  [
    pod,
    {
      metadata: {},
      spec: { containers: [{ name: 'a', resources: {}, livenessProbe: { grpc: { port: 1 } } }] },
      status: {},
    },
    {
      metadata: {},
      spec: { containers: [{ name: 'a', resources: {}, livenessProbe: { grpc: { port: 1, service: null } } }] },
      status: {},
    },
  ],
  [
    budget,
    { metadata: {}, spec: {}, status: { disruptedPods: { x: null } } },
    {
      metadata: {},
      spec: {},
      status: {
        disruptedPods: { x: null },
        currentHealthy: 0,
        desiredHealthy: 0,
        disruptionsAllowed: 0,
        expectedPods: 0,
      },
    },
  ],
])('what Go writes is there (%#)', (schema, object, wanted) => {
  expect(withUnset(deepFreeze(object) as JsonObject, schema)).toEqual(wanted);
});

test('what is complete is shared, all the way down', () => {
  const object = withUnset({ metadata: {}, spec: { containers: [{ name: 'a', ports: [{ containerPort: 1 }] }] } }, pod);
  expect(withUnset(deepFreeze(object), pod)).toBe(object);
  const changed = withUnset({ ...object, status: { containerStatuses: [{ name: 'a' }] } }, pod);
  expect(changed.spec).toBe(object.spec);
});

test('a draft is completed in place, but for parts that may be shared, and for its metadata', () => {
  const spec = deepFreeze({ containers: [{ name: 'a' }] });
  const metadata = deepFreeze({ name: 'a', ownerReferences: [{ name: 'o' }] });
  const draft: JsonObject = { metadata, spec };
  writeUnset(draft, pod);
  expect(draft).toEqual({ metadata, spec: { containers: [{ name: 'a', resources: {} }] }, status: {} });
  expect(draft.metadata).toBe(metadata);
});

test('a type that contains itself ends', () => {
  const schema = { properties: { a: { properties: { b: { type: 'object' } } } } };
  const object = { metadata: {}, spec: { versions: [{ name: 'v1', schema: { openAPIV3Schema: schema } }] } };
  const { spec } = withUnset(object, definition) as { spec: { versions: unknown[] } };
  expect(spec).toMatchObject({ group: '', names: { plural: '', kind: '' }, scope: '' });
  expect(spec.versions).toEqual([{ name: 'v1', served: false, storage: false, schema: { openAPIV3Schema: schema } }]);
});

test('schemas of custom resources have nothing of the kind', () => {
  const schema: ObjectSchema = {
    type: 'object',
    preserveUnknown: false,
    atomic: false,
    fields: new Map([
      [
        'list',
        {
          name: 'list',
          schema: { type: 'list', of: { type: 'string' }, listType: 'atomic', mapKeys: [] },
          required: false,
          omitEmpty: false,
          patchStrategies: [],
          immutable: false,
        },
      ],
    ]),
  };
  const object = deepFreeze({ list: [] });
  expect(withUnset(object, schema)).toBe(object);
});
