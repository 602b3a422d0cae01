/** Rules in CEL of custom resources, from the definition that has them to the objects that break them. Words: upstream apiextensions. */
import { expect, test } from 'vitest';
import { apiForEachTest } from './testing-api.ts';

// biome-ignore lint/suspicious/noExplicitAny: answers of every shape.
type Body = any;

const api = apiForEachTest();

async function call(method: string, path: string, sent: unknown) {
  const { body, ...answer } = await api.call(method, path, sent);
  const json: Body = body;
  return { ...answer, body: json };
}

const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const foos = '/apis/example.com/v1/namespaces/default/foos';

/** Defines `foos` whose spec has the schema; returns the answer. */
function define(spec: object, root: object = {}) {
  const schema = { type: 'object', ...root, properties: { spec: { type: 'object', ...spec } } };
  return call('POST', crds, {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'foos.example.com' },
    spec: {
      group: 'example.com',
      names: { plural: 'foos', kind: 'Foo' },
      scope: 'Namespaced',
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema } }],
    },
  });
}

function create(spec: object, name = 'a') {
  return call('POST', foos, { apiVersion: 'example.com/v1', kind: 'Foo', metadata: { name }, spec });
}

function change(spec: object) {
  return call('PATCH', `${foos}/a`, { spec });
}

const causesOf = ({ body }: { body: Body }): readonly string[] =>
  (body.details?.causes ?? []).map((cause: Body) => `${cause.field} ${cause.reason}: ${cause.message}`);

const integer = { type: 'integer' };
const text = { type: 'string', maxLength: 20 };

test('a rule is kept by what is made and what is changed, in the words of the rule', async () => {
  const rules = [
    { rule: 'self.min <= self.max', message: 'min is above max' },
    { rule: 'self.max < 100', messageExpression: "'max %d is not below 100'.format([self.max])", fieldPath: '.max' },
    { rule: "!has(self.name) || self.name != 'root'", reason: 'FieldValueForbidden', fieldPath: '.name' },
  ];
  const spec = { properties: { min: integer, max: integer, name: text }, 'x-kubernetes-validations': rules };
  expect((await define(spec)).status).toBe(201);
  expect((await create({ min: 1, max: 2, name: 'x' })).status).toBe(201);
  const broken = await create({ min: 300, max: 200, name: 'root' }, 'b');
  expect(broken.status).toBe(422);
  expect(causesOf(broken)).toEqual([
    'spec FieldValueInvalid: Invalid value: min is above max',
    'spec.max FieldValueInvalid: Invalid value: max 200 is not below 100',
    "spec.name FieldValueForbidden: Forbidden: failed rule: !has(self.name) || self.name != 'root'",
  ]);
  expect(causesOf(await change({ min: 3 }))).toEqual(['spec FieldValueInvalid: Invalid value: min is above max']);
  expect((await change({ min: 2 })).status).toBe(200);
});

test('finalizers of custom resources need no domain', async () => {
  await define({ properties: { name: text } });
  const metadata = { name: 'a', finalizers: ['finalizer.example.com'] };
  const made = await call('POST', foos, { apiVersion: 'example.com/v1', kind: 'Foo', metadata });
  expect([made.status, made.body.metadata?.finalizers]).toEqual([201, metadata.finalizers]);
});

test('rules compare with what was before, where items are the same by their keys', async () => {
  const items = {
    type: 'object',
    required: ['name'],
    properties: {
      name: text,
      size: { ...integer, 'x-kubernetes-validations': [{ rule: 'self >= oldSelf', message: 'sizes only grow' }] },
    },
  };
  const list = {
    type: 'array',
    maxItems: 5,
    items,
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['name'],
  };
  const first = {
    ...text,
    'x-kubernetes-validations': [{ rule: 'oldSelf.hasValue() || self.startsWith("new")', optionalOldSelf: true }],
  };
  expect((await define({ properties: { disks: list, first } })).status).toBe(201);
  expect(causesOf(await create({ first: 'old' }))).toEqual([
    'spec.first FieldValueInvalid: Invalid value: "old": failed rule: oldSelf.hasValue() || self.startsWith("new")',
  ]);
  expect(
    (
      await create({
        disks: [
          { name: 'a', size: 2 },
          { name: 'b', size: 5 },
        ],
        first: 'new',
      })
    ).status,
  ).toBe(201);
  expect((await change({ first: 'old' })).status).toBe(200);
  expect(
    causesOf(
      await change({
        disks: [
          { name: 'b', size: 4 },
          { name: 'a', size: 3 },
        ],
      }),
    ),
  ).toEqual(['spec.disks[0].size FieldValueInvalid: Invalid value: 4: sizes only grow']);
});

test('what is unchanged and breaks a new rule is a warning, not an error', async () => {
  expect((await define({ properties: { a: integer, b: integer } })).status).toBe(201);
  expect((await create({ a: 1, b: 1 })).status).toBe(201);
  const rules = [{ rule: 'self > 5', message: 'must be above 5' }];
  const schema = {
    type: 'object',
    properties: {
      spec: { type: 'object', properties: { a: { ...integer, 'x-kubernetes-validations': rules }, b: integer } },
    },
  };
  const versions = [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema } }];
  expect((await call('PATCH', `${crds}/foos.example.com`, { spec: { versions } })).status).toBe(200);
  const kept = await change({ b: 2 });
  expect(kept.status).toBe(200);
  expect(kept.warning).toContain('spec.a: Invalid value: 1: must be above 5');
  expect(causesOf(await change({ a: 2 }))).toEqual(['spec.a FieldValueInvalid: Invalid value: 2: must be above 5']);
});

test('expressions that are none of their place are refused with the definition', async () => {
  const rule = (one: object) =>
    define({
      properties: { a: text, 'b-c': integer, names: { type: 'array', items: text } },
      'x-kubernetes-validations': [one],
    });
  const place = 'spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0]';
  const shown = (text: string) =>
    JSON.stringify({
      Rule: text,
      Message: '',
      MessageExpression: '',
      Reason: null,
      FieldPath: '',
      OptionalOldSelf: null,
    });
  expect(causesOf(await rule({ rule: 'self.c > 1' }))).toEqual([
    `${place}.rule FieldValueInvalid: Invalid value: ${shown('self.c > 1')}: compilation failed: ERROR: <input>:1:5: undefined field 'c'\n | self.c > 1\n | ....^`,
  ]);
  expect(causesOf(await rule({ rule: 'self.a > 1' }))[0]).toContain(
    "found no matching overload for '_>_' applied to '(string, int)'",
  );
  expect(causesOf(await rule({ rule: 'self.b__dash__c' }))[0]).toContain('cel expression must evaluate to a bool');
  expect(causesOf(await rule({ rule: ' ' }))).toEqual([
    `${place}.rule FieldValueRequired: Required value: rule is not specified`,
  ]);
  expect(causesOf(await rule({ rule: 'true', reason: 'Nope' }))[0]).toContain('Unsupported value: "Nope"');
  expect(causesOf(await rule({ rule: 'true', fieldPath: '.x' }))).toEqual([
    `${place}.fieldPath FieldValueInvalid: Invalid value: ".x": must be a valid path`,
  ]);
  expect(causesOf(await rule({ rule: 'true', messageExpression: '1' }))[0]).toContain(
    'messageExpression must evaluate to a string',
  );
  expect(causesOf(await rule({ rule: 'true', optionalOldSelf: true }))[0]).toContain(
    'may not be set if oldSelf is not used in rule',
  );
  expect((await rule({ rule: "self.b__dash__c > 1 && self.names.all(n, n != '')" })).status).toBe(201);
});

test('a rule of unlimited cost is refused, and so are many that are costly together', async () => {
  const unbounded = { type: 'array', items: { type: 'string' } };
  const costly = await define({
    properties: { names: unbounded },
    'x-kubernetes-validations': [{ rule: 'self.names.all(a, self.names.all(b, a == b || a.contains(b)))' }],
  });
  expect(costly.status).toBe(422);
  expect(causesOf(costly)[0]).toBe(
    'spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0].rule FieldValueForbidden: Forbidden: estimated rule cost exceeds budget by factor of more than 100x (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)',
  );
  expect(causesOf(costly).at(-1)).toContain(
    'spec.validation.openAPIV3Schema FieldValueForbidden: Forbidden: x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema exceeds budget',
  );
  const bounded = { type: 'array', maxItems: 10, items: { type: 'string', maxLength: 10 } };
  const fine = await define({
    properties: { names: bounded },
    'x-kubernetes-validations': [{ rule: 'self.names.all(a, self.names.all(b, a == b || a.contains(b)))' }],
  });
  expect(fine.status).toBe(201);
});

test('oldSelf is refused where nothing says which item was which', async () => {
  const items = { ...text, 'x-kubernetes-validations': [{ rule: 'self == oldSelf' }] };
  const answer = await define({ properties: { names: { type: 'array', maxItems: 3, items } } });
  expect(causesOf(answer)).toEqual([
    'spec.validation.openAPIV3Schema.properties[spec].properties[names].items.x-kubernetes-validations[0].rule FieldValueInvalid: Invalid value: "self == oldSelf": oldSelf cannot be used on the uncorrelatable portion of the schema within spec.validation.openAPIV3Schema.properties[spec].properties[names]',
  ]);
});

test('rules see the name of their object, typed texts and numbers as they are', async () => {
  const rules = [{ rule: "self.metadata.name.startsWith('a')", message: 'name' }];
  const spec = {
    properties: {
      at: { type: 'string', format: 'date-time' },
      every: { type: 'string', format: 'duration' },
      port: { 'x-kubernetes-int-or-string': true },
      ratio: { type: 'number' },
    },
    'x-kubernetes-validations': [
      { rule: "self.at > timestamp('2020-01-01T00:00:00Z')", message: 'at' },
      { rule: "self.every <= duration('1h')", message: 'every' },
      { rule: "type(self.port) == string ? self.port == 'http' : self.port < 100", message: 'port' },
      { rule: 'self.ratio / 2.0 < 1.0', message: 'ratio' },
    ],
  };
  expect((await define(spec, { 'x-kubernetes-validations': rules })).status).toBe(201);
  const good = { at: '2021-01-01T00:00:00Z', every: '30m', port: 80, ratio: 1 };
  expect((await create(good)).status).toBe(201);
  const bad = await create({ at: '2019-01-01T00:00:00Z', every: '2h', port: 'https', ratio: 2 }, 'b');
  expect(causesOf(bad).map((cause) => cause.split(': ').at(-1))).toEqual(['name', 'at', 'every', 'port', 'ratio']);
});

test('an object is not judged by rules when its fields are not what they should be', async () => {
  expect(
    (await define({ properties: { a: integer }, 'x-kubernetes-validations': [{ rule: 'self.a > 1' }] })).status,
  ).toBe(201);
  expect(causesOf(await create({ a: 'x' })).at(-1)).toBe(
    '<nil> FieldValueInvalid: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation',
  );
  expect(causesOf(await create({}))).toEqual([
    'spec FieldValueInvalid: Invalid value: "object": no such key: a evaluating rule: self.a > 1',
  ]);
});

test('a rule that costs too much for one object ends in an error', async () => {
  const names = { type: 'array', maxItems: 700, items: { type: 'string', maxLength: 10 } };
  const rule = { rule: 'self.names.all(a, self.names.exists(b, a != b) || true)' };
  expect((await define({ properties: { names }, 'x-kubernetes-validations': [rule] })).status).toBe(201);
  const answer = await create({ names: Array.from({ length: 700 }, () => 'same') });
  expect(causesOf(answer)[0]).toContain("'operation cancelled: actual cost limit exceeded'");
});
