/** Random objects of every built-in kind go through everything that the schema drives, and come out as they went in. */
import { expect, test } from 'vitest';
import { deepFreeze } from '#pkg/apimachinery/json.ts';
import { applyObject } from '#pkg/apimachinery/managed-fields/apply.ts';
import { apiVersionOf, type KubeObject } from '#pkg/apimachinery/object.ts';
import type { ListSchema, ObjectSchema, Schema } from '#pkg/apimachinery/schema.ts';
import { withUnset } from '#pkg/apimachinery/write-unset.ts';
import { type Random, randomInt, SeededRandom } from '#pkg/base/random.ts';
import { kindFacts, typeSchema } from '../facts.ts';
import { decodeProtobuf, encodeProtobuf } from '../protobuf/codec.ts';
import { convertAndCheck } from './structural.ts';

const timestamp = '2026-01-01T00:00:00Z';
const left: ReadonlySet<string> = new Set(['managedFields', 'apiVersion', 'kind']);

/** Deepest random object: schemas may contain themselves. */
const depthMax = 9;

const scalars: Readonly<Record<string, unknown>> = {
  boolean: true,
  double: 1.5,
  bytes: 'Zm9v',
  time: timestamp,
  microTime: '2026-01-01T00:00:00.000001Z',
  duration: '5s',
  quantity: '3Gi',
  intOrString: '5%',
  rawObject: { a: 1 },
  any: true,
};

function randomObject(schema: ObjectSchema, random: Random, depth: number): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  if (depth > depthMax) return object;
  for (const [name, field] of schema.fields) {
    if (left.has(name) || random.next() > (depth < 3 ? 0.9 : 0.5)) continue;
    object[name] = randomValue(field.schema, random, depth + 1);
  }
  return object;
}

function randomList(schema: ListSchema, random: Random, depth: number): unknown[] {
  return [1, 2].map(() => {
    const item = randomValue(schema.of, random, depth) as Record<string, unknown>;
    for (const key of schema.mapKeys) {
      item[key] ??= randomValue((schema.of as ObjectSchema).fields.get(key)!.schema, random, depth);
    }
    return item;
  });
}

function randomValue(schema: Schema, random: Random, depth: number): unknown {
  switch (schema.type) {
    case 'object':
      return randomObject(schema, random, depth);
    case 'list':
      return randomList(schema, random, depth);
    case 'map':
      return { [`k${randomInt(random, 99)}`]: randomValue(schema.of, random, depth) };
    case 'int32':
    case 'int64':
      return 1 + randomInt(random, 1e9);
    default:
      return scalars[schema.type] ?? `s${randomInt(random, 1e9)}`;
  }
}

const random = new SeededRandom(5);
const kinds = Object.values(kindFacts).filter((fact) => fact.client === true);

test.each(kinds)('$group/$version $kind', (fact) => {
  const schema = typeSchema(fact.type);
  const apiVersion = apiVersionOf(fact);
  const object = deepFreeze({ apiVersion, kind: fact.kind, ...randomObject(schema, random, 0) });
  expect(convertAndCheck(object, schema, { strict: 'Strict' })).toEqual({ object, strictErrors: [] });
  const decoded = decodeProtobuf(encodeProtobuf(object)!);
  expect(decoded.ok && withUnset(decoded.object, schema)).toEqual(withUnset(object, schema));

  const base = { manager: 'm', force: false, schema, apiVersion };
  const applied = applyObject({ ...base, live: undefined, config: object as KubeObject, timestamp });
  const live = deepFreeze(applied.ok ? applied.object : {}) as KubeObject;
  const again = applyObject({ ...base, live, config: object as KubeObject, timestamp: '2027-01-01T00:00:00Z' });
  expect(again.ok && again.object === live).toBe(true);
  const bare = applyObject({ ...base, live, config: { apiVersion, kind: fact.kind, metadata: {} }, timestamp });
  expect(bare.ok && Object.keys(bare.object).sort()).toEqual(['apiVersion', 'kind', 'metadata']);
});
