/** Requests for the fuzzer: mostly near to right, each with something in it that is not. */

import { typeSchema } from '#pkg/api/facts.ts';
import { type ResourceInfo, resources } from '#pkg/api/resources.ts';
import { isObject, jsonText } from '#pkg/apimachinery/json.ts';
import { apiVersionOf, type JsonObject } from '#pkg/apimachinery/object.ts';
import { type Random, randomInt } from '#pkg/base/random.ts';
import { baseObject, oddValue, pick, spoil } from './fuzz-objects.ts';

export interface FuzzRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly text?: string | Uint8Array;
  /** A body as components in the same process send it. */
  readonly object?: unknown;
}

/** What the fuzzer remembers of the server: objects it has made, by collection path. */
export interface Known {
  readonly info: ResourceInfo;
  readonly path: string;
  readonly object: JsonObject;
}

/** The resources that the server may have. */
export const candidates: readonly ResourceInfo[] = resources.filter((info) => info.group !== 'metrics.k8s.io');

export function collectionPath(info: ResourceInfo, namespace: string): string {
  const root = info.group === '' ? `/api/${info.version}` : `/apis/${info.group}/${info.version}`;
  return info.namespaced ? `${root}/namespaces/${namespace}/${info.resource}` : `${root}/${info.resource}`;
}

/** Small numbers of names, so that requests meet. */
function nameOf(random: Random): string {
  return `f${randomInt(random, 6)}`;
}

/** Kinds that are asked for more often than others, as they have the most rules. */
const favourites: ReadonlySet<string> = new Set(['pods', 'services', 'deployments', 'configmaps', 'jobs', 'nodes']);

export function randomResource(random: Random, served: readonly ResourceInfo[]): ResourceInfo {
  return random.next() < 0.3 ? pick(random, served.filter(isFavourite)) : pick(random, served);
}

function isFavourite(info: ResourceInfo): boolean {
  return favourites.has(info.resource);
}

/** The creation of an object that is close to valid. */
export function createRequest(info: ResourceInfo, random: Random): FuzzRequest {
  const base = baseObject(info, random, nameOf(random));
  const object = random.next() < 0.6 ? base : spoil(base, typeSchema(info.type), random);
  return { method: 'POST', path: collectionPath(info, 'default'), query: '', ...bodyOf(object, random) };
}

/** What there is to ask for. */
export interface World {
  readonly served: readonly ResourceInfo[];
  readonly known: readonly Known[];
}

export function randomRequest(random: Random, { served, known }: World): FuzzRequest {
  const kind = randomInt(random, 10);
  if (kind < 3 || known.length === 0) return withNoise(createRequest(randomResource(random, served), random), random);
  const one = pick(random, known);
  if (kind < 5) return withNoise(updateRequest(one, random), random);
  if (kind < 8) return withNoise(patchRequest(one, random), random);
  if (kind < 9) return withNoise(deleteRequest(one, random), random);
  return withNoise(readRequest(one, random), random);
}

function bodyOf(
  object: unknown,
  random: Random,
): Pick<FuzzRequest, 'headers' | 'text'> | Pick<FuzzRequest, 'headers' | 'object'> {
  const kind = randomInt(random, 20);
  const json = jsonText(object) ?? '';
  // Components have no halves of characters: what they send they have read, and decoding puts them right.
  if (kind === 0 && !/\\ud[89a-f]/.test(json)) return { headers: {}, object };
  if (kind === 1) return { headers: { 'content-type': 'application/yaml' }, text: json };
  if (kind === 2) return { headers: { 'content-type': 'application/json' }, text: broken(json, random) };
  return { headers: { 'content-type': 'application/json' }, text: json };
}

function broken(text: string, random: Random): string | Uint8Array {
  const at = randomInt(random, text.length + 1);
  switch (randomInt(random, 7)) {
    case 0:
      return text.slice(0, at);
    case 1:
      return text.slice(0, at) + pick(random, ['\0', '"', '{', '[', ',', '\ufeff', '\\u', '1e999']) + text.slice(at);
    case 2:
      return `\ufeff${text}`;
    case 3:
      return text + text;
    case 4: {
      const bytes = Buffer.from(text);
      if (bytes.length > 0) bytes[randomInt(random, bytes.length)] = randomInt(random, 256);
      return bytes;
    }
    case 5:
      return text.replace(/:(\d+)/, `:${pick(random, ['1e400', '-0', '9223372036854775808', '1.0', '00', '.5'])}`);
    default:
      return text.replace('{', '{"kind":"Pod","kind":"Pod","__proto__":{"polluted":1},');
  }
}

const subresources = [
  '',
  '',
  '',
  '',
  'status',
  'scale',
  'binding',
  'eviction',
  'approval',
  'finalize',
  'log',
  'resize',
  'ephemeralcontainers',
  'token',
  'x',
];

function pathOf({ path, info }: Known, random: Random): string {
  if (random.next() < 0.7) return path;
  if (info.subresources.length > 0 && random.next() < 0.9) return `${path}/${pick(random, info.subresources).name}`;
  return `${path}/${pick(random, subresources)}`;
}

function updateRequest(one: Known, random: Random): FuzzRequest {
  const schema = typeSchema(one.info.type);
  const object = spoil(withoutVersion(one.object, random), schema, random);
  return {
    method: pick(random, ['PUT', 'PUT', 'PUT', 'POST']),
    path: pathOf(one, random),
    query: '',
    ...bodyOf(object, random),
  };
}

/** Half of the writers do not say which state they have seen. */
function withoutVersion(object: JsonObject, random: Random): JsonObject {
  if (random.next() < 0.5 || !isObject(object.metadata)) return object;
  const { resourceVersion: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}

const patchTypes = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
  'application/json',
];

function patchRequest(one: Known, random: Random): FuzzRequest {
  // The nulls that events always show are nobody's once they are put back.
  const type = pick(
    random,
    patchTypes.filter((name) => one.info.kind !== 'Event' || !name.includes('apply')),
  );
  const value = type.includes('json-patch') ? jsonPatch(one.object, random) : partOf(one, type, random);
  const text = jsonText(value) ?? '';
  const query = type.includes('apply')
    ? `fieldManager=m${randomInt(random, 3)}&force=${pick(random, ['true', 'false'])}`
    : '';
  return {
    method: 'PATCH',
    path: pathOf(one, random),
    query,
    headers: { 'content-type': type },
    text: randomInt(random, 15) === 0 ? broken(text, random) : text,
  };
}

function partOf({ info, object }: Known, type: string, random: Random): unknown {
  if (randomInt(random, 12) === 0) return oddValue(random);
  const changed = spoil(withoutVersion(object, random), typeSchema(info.type), random);
  if (type.includes('apply')) {
    if (isObject(changed.metadata) && random.next() < 0.9) delete changed.metadata.managedFields;
    if (isObject(changed.metadata) && random.next() < 0.7) changed.metadata = { name: changed.metadata.name };
    return { apiVersion: apiVersionOf(info), kind: info.kind, ...changed };
  }
  const keys = Object.keys(changed);
  return Object.fromEntries(keys.filter(() => random.next() < 0.5).map((key) => [key, changed[key]]));
}

function jsonPatch(object: JsonObject, random: Random): unknown {
  if (randomInt(random, 12) === 0) return oddValue(random);
  return Array.from({ length: 1 + randomInt(random, 3) }, () => ({
    op: pick(random, ['add', 'remove', 'replace', 'move', 'copy', 'test', 'x']),
    path: pointer(object, random),
    from: pointer(object, random),
    ...(randomInt(random, 8) === 0 ? {} : { value: oddValue(random) }),
  }));
}

function pointer(object: JsonObject, random: Random): unknown {
  if (randomInt(random, 12) === 0)
    return pick(random, [
      '',
      'x',
      '/',
      '//',
      '/-',
      '/~2',
      '/__proto__/polluted',
      '/constructor/prototype/polluted',
      null,
      5,
    ]);
  let path = '';
  let value: unknown = object;
  while (typeof value === 'object' && value !== null && Object.keys(value).length > 0 && random.next() < 0.8) {
    const key = pick(random, Object.keys(value));
    path += `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    value = (value as JsonObject)[key];
  }
  return randomInt(random, 10) === 0
    ? `${path}/${pick(random, ['-', '-1', '00', '1e1', '99', '__proto__', 'x', ''])}`
    : path;
}

function deleteRequest(one: Known, random: Random): FuzzRequest {
  const options: JsonObject = {};
  for (const [name, values] of Object.entries(deleteOptions)) {
    if (randomInt(random, 4) === 0) options[name] = pick(random, values);
  }
  const collection = one.path.slice(0, one.path.lastIndexOf('/'));
  const isBody = random.next() < 0.5;
  const query = isBody
    ? ''
    : new URLSearchParams(Object.entries(options).map(([key, value]) => [key, String(value)])).toString();
  return {
    method: 'DELETE',
    path: randomInt(random, 20) === 0 ? collection : one.path,
    query,
    ...(isBody ? bodyOf(randomInt(random, 10) === 0 ? oddValue(random) : options, random) : { headers: {} }),
  };
}

const deleteOptions: Readonly<Record<string, readonly unknown[]>> = {
  kind: ['DeleteOptions', 'Pod', '', 5],
  apiVersion: ['v1', 'meta.k8s.io/v1', 'a/b/c', null],
  gracePeriodSeconds: [0, -5, 30, 1e14, 2n ** 53n + 1n, 'x', 1.5, null],
  propagationPolicy: ['Orphan', 'Foreground', 'Background', 'X', 5],
  orphanDependents: [true, false, 'x'],
  dryRun: [['All'], ['X'], 'All', [null]],
  preconditions: [{}, { uid: 'x' }, { resourceVersion: '1' }, { uid: 5 }, 'x'],
};

function readRequest(one: Known, random: Random): FuzzRequest {
  const collection = one.path.slice(0, one.path.lastIndexOf('/'));
  const path = pick(random, [
    one.path,
    collection,
    `${one.path}/scale`,
    `${one.path}/log`,
    collection.replace('/namespaces/default', ''),
    collection.replace(/\/v1\//, '/v1/watch/'),
  ]);
  return {
    method: pick(random, ['GET', 'GET', 'GET', 'HEAD', 'OPTIONS', 'TRACE', 'get']),
    path,
    query: '',
    headers: {},
  };
}

const queryValues: Readonly<Record<string, readonly string[]>> = {
  limit: ['1', '2', '-1', 'abc', '', '99999999999999999999', '1e3', '0x10'],
  continue: [
    'x',
    '%%%',
    Buffer.from('{"v":"meta.k8s.io/v1","rv":3,"start":"a"}').toString('base64url'),
    Buffer.from('null').toString('base64url'),
    Buffer.from('{"v":"meta.k8s.io/v1","rv":-1,"start":"../x"}').toString('base64url'),
    Buffer.from('{"v":"meta.k8s.io/v1","rv":99999999,"start":"x"}').toString('base64url'),
  ],
  resourceVersion: ['0', '1', 'abc', '-1', '', '18446744073709551616', ' 1', '1.0'],
  resourceVersionMatch: ['Exact', 'NotOlderThan', 'X', ''],
  timeoutSeconds: ['1', '0', '-1', 'abc', '99999999999'],
  labelSelector: ['a=b', 'a in (b', '!', 'a b', 'x in (a,b),!y', '=', 'a>x', ','],
  fieldSelector: ['metadata.name=a', 'x', 'metadata.name', 'a=b,c!=d', '=', 'status.phase=x', 'a\\=b', '\\'],
  watch: ['1', 'true', 'false', 'x'],
  sendInitialEvents: ['true', 'false', 'x'],
  allowWatchBookmarks: ['true', 'x'],
  dryRun: ['All', 'x', ''],
  fieldManager: ['m', 'x'.repeat(129), '\0', 'é', ''],
  fieldValidation: ['Strict', 'Warn', 'Ignore', 'x'],
  force: ['true', 'x'],
  pretty: ['true', 'x'],
  includeObject: ['None', 'Object', 'x'],
  propagationPolicy: ['Orphan', 'x'],
  gracePeriodSeconds: ['-5', '1.5', '99999999999999999999'],
  orphanDependents: ['true', 'x'],
};

const headerValues: Readonly<Record<string, readonly string[]>> = {
  accept: [
    'application/json;as=Table;v=v1;g=meta.k8s.io',
    'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io',
    'application/yaml',
    'application/vnd.kubernetes.protobuf',
    'text/html',
    ';;;',
    'application/json;q=x',
    'application/json;as=X',
  ],
  'content-type': [
    'text/plain',
    'application/json; charset=x',
    'application/vnd.kubernetes.protobuf',
    ';',
    'application/x-www-form-urlencoded',
    'application/yaml',
  ],
  'user-agent': ['', '/', 'x'.repeat(500), '\0'],
  'x-http-method-override': ['DELETE'],
  'impersonate-user': ['x'],
};

const oddPaths = [
  '/',
  '//',
  '/api',
  '/api/',
  '/api/v1',
  '/apis',
  '/apis//',
  '/api/v1/%',
  '/api/v1/namespaces/%2e%2e/pods',
  '/api/v1/namespaces//pods',
  '/api/v1/namespaces/default/pods//log',
  '/api/v1/pods/a/b/c/d/e',
  '/apis/apps/v1/namespaces/default/deployments/%00',
  '/api/v1/namespaces/__proto__/pods',
  '/api/v1/__proto__',
  '/apis/__proto__/v1/constructor',
  '/api/v1/namespaces/default/constructor',
  '/api/v1/watch',
  '/api/v1/watch/',
  '/api/v1/namespaces/default/pods/%2F',
  '/openapi/v3/x',
  '/healthz/x',
  '/metrics/x',
  '/version/x',
  '/api/v1/namespaces/a%20b/pods',
];

function withNoise(request: FuzzRequest, random: Random): FuzzRequest {
  let { path, query, headers, method } = request;
  while (randomInt(random, 4) === 0) {
    const name = pick(random, Object.keys(queryValues));
    query += `${query === '' ? '' : '&'}${name}=${encodeURIComponent(pick(random, queryValues[name]!))}`;
  }
  if (randomInt(random, 10) === 0) {
    const name = pick(random, Object.keys(headerValues));
    headers = { ...headers, [name]: pick(random, headerValues[name]!) };
  }
  if (randomInt(random, 40) === 0) path = pick(random, oddPaths);
  if (randomInt(random, 60) === 0) query += pick(random, ['&%', '&%zz=1', '&=', '&a', '&%00', '&&&&']);
  if (randomInt(random, 40) === 0) method = pick(random, ['GET', 'PUT', 'POST', 'PATCH', 'DELETE', 'HEAD', 'BREW', '']);
  if (randomInt(random, 60) === 0)
    path = `${path.slice(0, randomInt(random, path.length))}${pick(random, ['%', '%zz', '%00', '/', '..', '?'])}`;
  return { ...request, method, path, query, headers };
}
