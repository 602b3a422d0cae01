/**
 * Objects for the fuzzer: valid ones of every kind, made from the schemas and from the manifests, and ways to spoil them that know
 * the schema. Everything depends on the seed alone.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadAll } from 'js-yaml';
import { typeSchema } from '#pkg/api/facts.ts';
import type { ResourceInfo } from '#pkg/api/resources.ts';
import { deepClone, isObject, setOwn } from '#pkg/apimachinery/json.ts';
import { apiVersionOf, type JsonObject } from '#pkg/apimachinery/object.ts';
import type { ObjectSchema, Schema } from '#pkg/apimachinery/schema.ts';
import { type Random, randomInt } from '#pkg/base/random.ts';

export function pick<T>(random: Random, list: readonly T[]): T {
  return list[randomInt(random, list.length)]!;
}

const scalars: Readonly<Record<string, unknown>> = {
  boolean: true,
  double: 1.5,
  bytes: 'Zm9v',
  time: '2026-01-01T00:00:00Z',
  microTime: '2026-01-01T00:00:00.000001Z',
  duration: '5s',
  quantity: '3Gi',
  intOrString: '5%',
  rawObject: { a: 1 },
  any: true,
  int32: 1,
  int64: 2,
  string: 'a',
};

/** A value of the schema, with the fields that are required and, by chance, some that are not. */
function makeValue(schema: Schema, random: Random, { depth, density }: { depth: number; density: number }): unknown {
  const inner = { depth: depth + 1, density };
  switch (schema.type) {
    case 'object': {
      const object: JsonObject = {};
      for (const [name, field] of schema.fields) {
        if (skipped.has(name) || (depth > 8 && !field.required)) continue;
        if (depth > 12 || !(field.required || random.next() < density)) continue;
        object[name] = makeValue(field.schema, random, inner);
      }
      return object;
    }
    case 'list':
      return [makeValue(schema.of, random, inner)];
    case 'map':
      return { [`k${randomInt(random, 9)}`]: makeValue(schema.of, random, inner) };
    default:
      return deepClone(scalars[schema.type]);
  }
}

const skipped: ReadonlySet<string> = new Set(['apiVersion', 'kind', 'metadata', 'status']);

/** The objects of the manifests, by `apiVersion/kind`. */
function manifestObjects(): ReadonlyMap<string, readonly JsonObject[]> {
  const folder = join(import.meta.dirname, '..', '..', 'manifests');
  const found = new Map<string, JsonObject[]>();
  for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()) {
    if (!file.endsWith('.yaml')) continue;
    for (const document of loadAll(readFileSync(join(folder, file), 'utf8'))) {
      if (!isObject(document)) continue;
      const key = `${document.apiVersion}/${document.kind}`;
      found.set(key, [...(found.get(key) ?? []), document]);
    }
  }
  return found;
}

const manifests = manifestObjects();

/** What the schema alone does not get right. */
const known: Readonly<Record<string, JsonObject>> = {
  'v1/Pod': { spec: { containers: [{ name: 'c', image: 'i' }] } },
  'v1/Secret': { data: { a: 'Zm9v' }, type: 'Opaque' },
  'v1/PersistentVolumeClaim': {
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  },
  'v1/PersistentVolume': {
    spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], hostPath: { path: '/a' } },
  },
  'v1/Event': { involvedObject: { kind: 'Pod', name: 'a', namespace: 'default' }, reason: 'r', message: 'm' },
  'apps/v1/StatefulSet': {
    spec: {
      serviceName: 's',
      selector: { matchLabels: { a: 'b' } },
      template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
    },
  },
  'apps/v1/DaemonSet': {
    spec: {
      selector: { matchLabels: { a: 'b' } },
      template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
    },
  },
  'batch/v1/Job': { spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } } } },
  'batch/v1/CronJob': {
    spec: {
      schedule: '* * * * *',
      jobTemplate: {
        spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } } },
      },
    },
  },
  'networking.k8s.io/v1/NetworkPolicy': { spec: { podSelector: {}, policyTypes: ['Ingress'], ingress: [{}] } },
  'networking.k8s.io/v1/Ingress': {
    spec: { defaultBackend: { service: { name: 'a', port: { number: 80 } } } },
  },
  'rbac.authorization.k8s.io/v1/Role': { rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }] },
  'rbac.authorization.k8s.io/v1/RoleBinding': {
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'r' },
    subjects: [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: 'u' }],
  },
  'autoscaling/v2/HorizontalPodAutoscaler': {
    spec: { maxReplicas: 3, scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'a' } },
  },
  'policy/v1/PodDisruptionBudget': { spec: { minAvailable: 1, selector: { matchLabels: { a: 'b' } } } },
};

/** An object that is valid, or close to it. */
export function baseObject(info: ResourceInfo, random: Random, name: string): JsonObject {
  const apiVersion = apiVersionOf(info);
  const key = `${apiVersion}/${info.kind}`;
  const samples = [...(manifests.get(key) ?? []), ...(known[key] === undefined ? [] : [known[key]])];
  const density = pick(random, [0, 0, 0.02, 0.1]);
  const body =
    samples.length > 0 && random.next() < 0.9
      ? (deepClone(pick(random, samples)) as JsonObject)
      : (makeValue(typeSchema(info.type), random, { depth: 0, density }) as JsonObject);
  const metadata: JsonObject = { ...(isObject(body.metadata) ? body.metadata : {}), name };
  delete metadata.namespace;
  return { ...body, apiVersion, kind: info.kind, metadata };
}

/** Values that are wrong nearly everywhere, or right by surprise. */
const oddValues: readonly unknown[] = [
  null,
  0,
  -1,
  1.5,
  2 ** 31,
  2 ** 53,
  2n ** 53n + 1n,
  -(2n ** 53n) - 1n,
  2n ** 63n - 1n,
  -(2 ** 63),
  1e308,
  '',
  ' ',
  'x',
  '-',
  'A_b',
  '\0',
  '\ud800',
  '\u202e',
  'é'.repeat(70),
  'a'.repeat(300),
  '../..',
  '%',
  '99999999999999999999999',
  '1e400',
  '0',
  '-5',
  true,
  false,
  [],
  {},
  [null],
  [[]],
  [{}],
  ['', ''],
  { a: null },
  { '': '' },
  { a: {} },
  { $patch: 'delete' },
  { $patch: 'replace' },
  { $patch: 1 },
  { $retainKeys: ['a'] },
  { $retainKeys: 1 },
  { '$setElementOrder/containers': [{ name: 'x' }] },
  { '$deleteFromPrimitiveList/finalizers': ['a'] },
  JSON.parse('{"__proto__": {"polluted": true}}'),
  { constructor: { prototype: { polluted: true } } },
  { toString: 1, hasOwnProperty: 2, valueOf: 3 },
];

/** One of them, which belongs to the caller. */
export function oddValue(random: Random): unknown {
  return deepClone(pick(random, oddValues));
}

const oddKeys = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', '', 'a b', '$patch', 'x'.repeat(300), 'é'];

/** A copy of `value` with up to three things in it changed. */
export function spoil(value: JsonObject, schema: ObjectSchema, random: Random): JsonObject {
  const copy = deepClone(value);
  for (let times = 1 + randomInt(random, 3); times > 0; times--) spoilOnce(copy, schema, random);
  return copy;
}

function spoilOnce(root: JsonObject, schema: ObjectSchema, random: Random): void {
  let target: JsonObject | unknown[] = root;
  let at: Schema | undefined = schema;
  for (let depth = 0; depth < 10; depth++) {
    const inside = Object.entries(target).filter(([, item]) => typeof item === 'object' && item !== null);
    if (inside.length === 0 || random.next() < 0.2) break;
    const [key, item] = pick(random, inside);
    at = schemaBelow(at, key);
    target = item as JsonObject | unknown[];
  }
  if (Array.isArray(target)) spoilList(target, at, random);
  else spoilObject(target, at, random);
}

function schemaBelow(schema: Schema | undefined, key: string): Schema | undefined {
  if (schema?.type === 'object') return schema.fields.get(key)?.schema;
  return schema?.type === 'list' || schema?.type === 'map' ? schema.of : undefined;
}

function spoilList(list: unknown[], schema: Schema | undefined, random: Random): void {
  const of = schema?.type === 'list' ? schema.of : undefined;
  switch (randomInt(random, 5)) {
    case 0:
      list.push(oddValue(random));
      break;
    case 1:
      if (list.length > 0) list.push(deepClone(pick(random, list)));
      break;
    case 2:
      list.splice(randomInt(random, list.length + 1), 1);
      break;
    case 3:
      if (of !== undefined) list.push(makeValue(of, random, { depth: 3, density: 0.3 }));
      break;
    default:
      if (list.length > 0) list[randomInt(random, list.length)] = oddValue(random);
  }
}

function spoilObject(object: JsonObject, schema: Schema | undefined, random: Random): void {
  const keys = Object.keys(object);
  const fields = schema?.type === 'object' ? [...schema.fields] : [];
  switch (randomInt(random, 6)) {
    case 0:
      if (keys.length > 0) delete object[pick(random, keys)];
      break;
    case 1:
      if (keys.length > 0) setOwn(object, pick(random, keys), oddValue(random));
      break;
    case 2:
      setOwn(object, pick(random, oddKeys), oddValue(random));
      break;
    case 3:
      if (fields.length > 0) setOwn(object, pick(random, fields)[0], oddValue(random));
      break;
    default: {
      if (fields.length === 0) break;
      const [name, field] = pick(random, fields);
      setOwn(object, name, makeValue(field.schema, random, { depth: 3, density: 0.3 }));
    }
  }
}
