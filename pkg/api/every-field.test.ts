/**
 * Every kind with every field that the table of facts has of it: as JSON, as YAML and as protobuf it is read as it was written. Types that hold themselves are
 * followed once.
 */
import { expect, test } from 'vitest';
import { decodeJson, decodeYaml } from '#pkg/apimachinery/decode.ts';
import { goJson } from '#pkg/apimachinery/json.ts';
import { apiVersionOf, type JsonObject } from '#pkg/apimachinery/object.ts';
import type { ObjectSchema, Schema } from '#pkg/apimachinery/schema.ts';
import { withUnset } from '#pkg/apimachinery/write-unset.ts';
import { yamlText } from '#pkg/apimachinery/yaml-text.ts';
import { kindFacts, typeSchema } from './facts.ts';
import { decodeProtobuf, encodeProtobuf } from './protobuf/codec.ts';
import { convertAndCheck } from './validation/structural.ts';

/** One that is not its zero, of each type, and hard to write as YAML where it is a text. */
const scalars: Readonly<Record<string, unknown>> = {
  boolean: true,
  double: -1.5,
  int32: 2_147_483_647,
  int64: 9_007_199_254_740_991,
  bytes: 'Zm9vYg==',
  time: '2026-01-01T00:00:00Z',
  microTime: '2026-01-01T00:00:00.000001Z',
  duration: '1m30s',
  quantity: '3Gi',
  intOrString: '5%',
  rawObject: { apiVersion: 'example.com/v1', kind: 'Any', yes: ['no', 'null', '1e3', '0644', ' lead', 'a: b', '#'] },
  // A schema, which is what all fields of any JSON take.
  any: { type: 'string', description: 'on' },
};

/** The type of an object, which protobuf has beside the outermost alone. */
const left: ReadonlySet<string> = new Set(['apiVersion', 'kind']);

const kindTypes: ReadonlySet<string> = new Set(Object.values(kindFacts).map(({ type }) => type));

interface Walk {
  /** Names of the types on the way. */
  readonly path: readonly string[];
  /** Is told of each field that has a value. */
  seen(owner: string, field: string): void;
}

function fullObject(schema: ObjectSchema, { path, seen }: Walk): JsonObject {
  const { name = '' } = schema;
  if (name !== '') owners.add(name);
  const object: JsonObject = {};
  for (const [key, field] of schema.fields) {
    if (left.has(key) && kindTypes.has(name)) continue;
    const value = fullValue(field.schema, { path: [...path, name], seen });
    if (value === undefined) continue;
    seen(name, key);
    object[key] = value;
  }
  return object;
}

function fullValue(schema: Schema, walk: Walk): unknown {
  switch (schema.type) {
    case 'object':
      return walk.path.filter((name) => name === schema.name).length < 2 ? fullObject(schema, walk) : undefined;
    case 'list': {
      const item = fullValue(schema.of, walk);
      return item === undefined ? undefined : [item];
    }
    case 'map': {
      const value = fullValue(schema.of, walk);
      return value === undefined ? undefined : { 'a/b.c-d': value };
    }
    default:
      return scalars[schema.type] ?? 'yes: "no" #\n  two lines\té';
  }
}

const kinds = Object.values(kindFacts).filter((fact) => fact.client === true);
const seen = new Set<string>();
/** Types of which an object was made. */
const owners = new Set<string>();

test('every field of every kind is read as it was written, as JSON, YAML and protobuf', () => {
  for (const fact of kinds) {
    const schema = typeSchema(fact.type);
    const walk = { path: [], seen: (owner: string, field: string) => void seen.add(`${owner}.${field}`) };
    const object = { apiVersion: apiVersionOf(fact), kind: fact.kind, ...fullObject(schema, walk) };
    const what = `${object.apiVersion} ${fact.kind}`;
    const json = decodeJson(Buffer.from(goJson(object)));
    expect(json.ok && json.value, `${what} as JSON`).toEqual(object);
    const yaml = decodeYaml(yamlText(object));
    expect(yaml.ok && yaml.value, `${what} as YAML`).toEqual(object);
    expect(convertAndCheck(object, schema, { strict: 'Strict' }).strictErrors, what).toEqual([]);
    const bytes = encodeProtobuf(object);
    const decoded = bytes && decodeProtobuf(bytes);
    expect(decoded?.ok === true && withUnset(decoded.object, schema), `${what} as protobuf`).toEqual(
      withUnset(object, schema),
    );
  }
  const missing = [...owners].flatMap((owner) =>
    [...typeSchema(owner).fields.keys()]
      .filter((key) => !(left.has(key) && kindTypes.has(owner)))
      .map((key) => `${owner}.${key}`)
      .filter((field) => !seen.has(field)),
  );
  expect(missing).toEqual([]);
});
