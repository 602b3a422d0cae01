/** OpenAPI v3 in protobuf, read back by the field numbers of the published messages and not by those of the writer. */
import { Buffer } from 'node:buffer';
import { load } from 'js-yaml';
import { expect, test } from 'vitest';
import type { ApiResponse } from '#pkg/apimachinery/http.ts';
import { servedInfos } from '../testing/served-infos.ts';
import { encodeOpenApiV3 } from './protobuf-v3.ts';
import { OpenApiProvider } from './provider.ts';

const served = servedInfos();
const provider = new OpenApiProvider({ generation: 1, list: () => served });
const protobuf = 'application/com.github.proto-openapi.spec.v3.v1.0+protobuf';

function get(target: string, accept: string): Promise<ApiResponse> {
  const [path = '', query = ''] = target.split('?');
  const { signal } = new AbortController();
  return provider.handle(path, { method: 'GET', path, query, headers: { accept }, peer: { address: '' }, signal });
}

async function bytesOf(target: string, accept: string): Promise<Buffer> {
  const { body } = await get(target, accept);
  return body.kind === 'bytes' ? Buffer.from(body.bytes) : Buffer.alloc(0);
}

/**
 * Messages of gnostic's `OpenAPIv3.proto`: number, JSON name and type of each field. `[]` is a list, `{}` a list of names and values; a message that
 * begins with `=` stands for whichever of its fields is set, and `...` are fields beside the others.
 */
const messages: Readonly<Record<string, string>> = {
  Document: '1 openapi text, 2 info Info, 4 paths Paths, 5 components Components',
  Info: '1 title text, 2 description text, 6 version text',
  Paths: '1 ... {}PathItem',
  PathItem:
    '4 get Operation, 5 put Operation, 6 post Operation, 7 delete Operation, 8 options Operation, 9 head Operation, 10 patch Operation, 13 parameters []ParameterOr',
  Operation:
    '1 tags []text, 3 description text, 5 operationId text, 6 parameters []ParameterOr, 7 requestBody BodyOr, 8 responses Responses, 13 ... {}Any',
  ParameterOr: '= 1 parameter Parameter, 2 reference Reference',
  Parameter: '1 name text, 2 in text, 3 description text, 4 required flag, 10 schema SchemaOr',
  BodyOr: '= 1 requestBody RequestBody, 2 reference Reference',
  RequestBody: '1 description text, 2 content MediaTypes, 3 required flag',
  MediaTypes: '1 ... {}MediaType',
  MediaType: '1 schema SchemaOr',
  Responses: '2 ... {}ResponseOr',
  ResponseOr: '= 1 response Response, 2 reference Reference',
  Response: '1 description text, 3 content MediaTypes',
  Components: '1 schemas Schemas, 7 securitySchemes SecuritySchemes',
  Schemas: '1 ... {}SchemaOr',
  SecuritySchemes: '1 ... {}SecurityOr',
  SecurityOr: '= 1 securityScheme SecurityScheme, 2 reference Reference',
  SecurityScheme: '1 type text, 2 description text, 3 name text, 4 in text',
  SchemaOr: '= 1 schema Schema, 2 reference Reference',
  Reference: '1 $ref text',
  Schema: [
    '1 nullable flag, 6 externalDocs ExternalDocs, 7 example Any, 9 title text, 10 multipleOf double, 11 maximum double',
    '12 exclusiveMaximum flag, 13 minimum double, 14 exclusiveMinimum flag, 15 maxLength whole, 16 minLength whole',
    '17 pattern text, 18 maxItems whole, 19 minItems whole, 20 uniqueItems flag, 21 maxProperties whole',
    '22 minProperties whole, 23 required []text, 24 enum []Any, 25 type text, 26 allOf []SchemaOr, 27 oneOf []SchemaOr',
    '28 anyOf []SchemaOr, 29 not Schema, 30 items Items, 31 properties Schemas, 32 additionalProperties Additional',
    '33 default Default, 34 description text, 35 format text, 36 ... {}Any',
  ].join(', '),
  ExternalDocs: '1 description text, 2 url text',
  Items: '= 1 schema SchemaOr',
  Additional: '= 1 schema SchemaOr, 2 boolean flag',
  Default: '= 1 number double, 2 boolean flag, 3 string text',
};

/** Fields as they come: the number and what is there. */
function* fieldsOf(bytes: Buffer): Iterable<{ readonly number: number; readonly value: Buffer | bigint }> {
  let at = 0;
  const varint = (): bigint => {
    let result = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = BigInt(bytes[at++] ?? 0);
      result |= (byte & 127n) << shift;
      if (byte < 128n) return result;
    }
  };
  while (at < bytes.length) {
    const key = Number(varint());
    const wireType = key % 8;
    if (wireType === 0) yield { number: key >> 3, value: varint() };
    else {
      const length = wireType === 1 ? 8 : Number(varint());
      expect([1, 2]).toContain(wireType);
      yield { number: key >> 3, value: bytes.subarray(at, at + length) };
      at += length;
    }
  }
}

function decode(type: string, value: Buffer | bigint): unknown {
  if (typeof value === 'bigint') return type === 'flag' ? value === 1n : Number(BigInt.asIntN(64, value));
  if (type === 'text') return value.toString();
  if (type === 'double') return value.readDoubleLE();
  if (type === 'Any') return load([...fieldsOf(value)].map((field) => String(field.value)).join(''));
  const spec = messages[type] ?? '';
  const known = new Map(
    spec
      .replace(/^= /, '')
      .split(', ')
      .map((text) => text.split(' '))
      .map(([number, name = '', of = '']) => [Number(number), { name, of }] as const),
  );
  const made: Record<string, unknown> = {};
  for (const field of fieldsOf(value)) {
    const { name, of } = known.get(field.number) ?? { name: `${type} has no field ${field.number}`, of: 'text' };
    if (of.startsWith('{}')) {
      const [key, one] = [...fieldsOf(field.value as Buffer)];
      const entry = { [String(key?.value)]: decode(of.slice(2), one?.value ?? Buffer.alloc(0)) };
      if (name === '...') Object.assign(made, entry);
      else made[name] = { ...(made[name] as object), ...entry };
    } else if (of.startsWith('[]')) {
      made[name] = [...((made[name] as unknown[]) ?? []), decode(of.slice(2), field.value)];
    } else made[name] = decode(of, field.value);
  }
  return spec.startsWith('=') ? Object.values(made)[0] : made;
}

/** What has no form in protobuf: defaults that are objects or lists. */
function withoutLargeDefaults(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutLargeDefaults);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([key, one]) => key !== 'default' || typeof one !== 'object');
  return Object.fromEntries(kept.map(([key, one]) => [key, withoutLargeDefaults(one)]));
}

test.each(['apis/autoscaling/v2', 'apis/apiextensions.k8s.io/v1', 'apis/apps'])(
  '%s says in protobuf what it says in JSON',
  async (path) => {
    const json: unknown = JSON.parse((await bytesOf(`/openapi/v3/${path}`, 'application/json')).toString());
    const read = decode('Document', await bytesOf(`/openapi/v3/${path}`, protobuf));
    expect(withoutLargeDefaults(read)).toEqual(withoutLargeDefaults(json));
  },
);

test('a schema of a custom resource keeps its bounds, its alternatives and its extensions', () => {
  const spec = {
    type: 'object',
    title: 't',
    nullable: true,
    externalDocs: { description: 'd', url: 'u' },
    example: { a: [1, 'b'] },
    required: ['n'],
    properties: {
      n: {
        type: 'integer',
        minimum: -3,
        exclusiveMinimum: true,
        maximum: 2.5,
        exclusiveMaximum: true,
        multipleOf: 0.5,
        default: 0,
      },
      s: { type: 'string', minLength: 1, maxLength: 300, pattern: '^a$', enum: ['a', '1'], default: '' },
      l: { type: 'array', minItems: 1, maxItems: 2, uniqueItems: true, items: { type: 'boolean', default: false } },
      m: { type: 'object', minProperties: 1, maxProperties: 2, additionalProperties: true },
      o: { not: { type: 'string' }, anyOf: [{ type: 'string' }], oneOf: [{ $ref: '#/components/schemas/o' }] },
      p: { format: 'x', 'x-kubernetes-preserve-unknown-fields': true, 'x-list': ['a: b', null] },
    },
  };
  const document = {
    openapi: '3.0.0',
    info: { title: 'T', version: 'v' },
    paths: {},
    components: { schemas: { spec } },
  };
  expect(decode('Document', Buffer.from(encodeOpenApiV3(document)))).toEqual(document);
});

test('the form is the one that the client wants most, under one name, and named by its hash it never changes', async () => {
  const typeOf = async (accept: string): Promise<unknown> => {
    const { status, headers } = await get('/openapi/v3/api/v1', accept);
    return status === 200 ? headers['content-type'] : status;
  };
  const older = 'application/com.github.proto-openapi.spec.v3@v1.0+protobuf';
  for (const [accept, type] of [
    [protobuf, protobuf],
    [older, protobuf],
    [`application/json;q=0.5, ${older}`, protobuf],
    ['application/json', 'application/json'],
    ['', 'application/json'],
    ['*/*', 'application/json'],
    [`*/*, ${protobuf}`, protobuf],
    ['text/html, application/*;q=0.1', 'application/json'],
    ['application/yaml', 406],
    [`${protobuf};q=0`, 406],
  ] as const) {
    expect([accept, await typeOf(accept)]).toEqual([accept, type]);
  }
  const index: { readonly paths: Readonly<Record<string, { readonly serverRelativeURL: string }>> } = JSON.parse(
    (await bytesOf('/openapi/v3', 'application/json')).toString(),
  );
  const url = index.paths['api/v1']?.serverRelativeURL ?? '';
  const { status, headers } = await get(url, protobuf);
  const json = await get(url, 'application/json');
  expect([status, headers['cache-control'], headers.vary]).toEqual([200, 'public, immutable', 'Accept']);
  expect(headers.etag).not.toBe(json.headers.etag);
});
