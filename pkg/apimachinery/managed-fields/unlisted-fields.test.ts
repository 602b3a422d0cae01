import { expect, test } from 'vitest';
import { deepFreeze } from '../json.ts';
import type { KubeObject } from '../object.ts';
import type { ObjectSchema } from '../schema.ts';
import { applyObject } from './apply.ts';
import { trackUpdate } from './track.ts';

/** A custom resource whose schema lists nothing and keeps everything. */
const schema: ObjectSchema = { type: 'object', fields: new Map(), preserveUnknown: true, atomic: false };
const base = { schema, apiVersion: 'example.com/v1', timestamp: '2026-01-01T00:00:00Z', force: false };

function apply(live: KubeObject | undefined, manager: string, spec: object): KubeObject {
  const config = deepFreeze({ spec }) as KubeObject;
  const result = applyObject({ ...base, live, config, manager });
  if (!result.ok) throw result.error;
  return deepFreeze(result.object) as KubeObject;
}

test('unlisted objects are owned field by field, unlisted lists as a whole', () => {
  const one = apply(undefined, 'one', { a: { x: 1 }, list: [{ y: 1 }] });
  const both = apply(one, 'two', { a: { z: 2 } }) as KubeObject & { spec: unknown };
  expect(both.spec).toEqual({ a: { x: 1, z: 2 }, list: [{ y: 1 }] });
  expect(both.metadata?.managedFields?.map((entry) => entry.fieldsV1)).toEqual([
    { 'f:spec': { '.': {}, 'f:a': { '.': {}, 'f:x': {} }, 'f:list': {} } },
    { 'f:spec': { '.': {}, 'f:a': { '.': {}, 'f:z': {} } } },
  ]);
  expect(() => apply(both, 'two', { list: [] })).toThrow('conflict with "one": .spec.list');
  expect(apply(both, 'one', { a: {} })).toMatchObject({ spec: { a: { z: 2 } } });
});

test('updates of unlisted fields are tracked', () => {
  const live = apply(undefined, 'one', { a: { x: 1 } });
  const updated = deepFreeze({ ...live, spec: { a: { x: 2, y: { z: [1] } } } }) as KubeObject;
  const entries = trackUpdate({ ...base, live, updated, manager: 'two' });
  expect(entries.map((entry) => entry.fieldsV1)).toEqual([
    { 'f:spec': { '.': {}, 'f:a': {} } },
    { 'f:spec': { 'f:a': { 'f:x': {}, 'f:y': { '.': {}, 'f:z': {} } } } },
  ]);
});
