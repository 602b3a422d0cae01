/** Integers of 64 bits, in custom resources and in the API's own types: as they were sent in everything that is made of them. */
import { expect, test } from 'vitest';
import { decodeProtobuf, encodeProtobuf } from '#pkg/api/protobuf/codec.ts';
import { decodeStored, encodeForWrite } from '#pkg/apiserver/storage/object-codec.ts';
import { createMemoryStore } from '#pkg/storage/drivers/memory/memory-store.ts';
import { apiForEachTest } from './testing-api.ts';

const api = apiForEachTest();
const peer = { address: '', certificate: { commonName: 'admin', organizations: ['system:masters'] } };

/** Sends a text and returns the text of the answer. */
async function send(
  method: string,
  target: string,
  text: string | Uint8Array = '',
  headers: Readonly<Record<string, string>> = {},
) {
  const [path = '', query = ''] = target.split('?');
  const answer = await api.handle({
    method,
    path,
    query,
    headers: { 'content-type': 'application/json', ...headers },
    peer,
    signal: new AbortController().signal,
    body: { kind: 'bytes', bytes: typeof text === 'string' ? Buffer.from(text) : text },
  });
  await api.clock.settle();
  const { body, status } = answer;
  const bytes = body.kind === 'object' ? Buffer.from(body.bytes()) : Buffer.alloc(0);
  return { status, bytes, text: bytes.toString() };
}

const integer = (more: object = {}) => ({ type: 'integer', format: 'int64', ...more });
const properties = {
  n: integer(),
  list: { type: 'array', items: integer(), 'x-kubernetes-list-type': 'set' },
  small: { type: 'integer', format: 'int32' },
  bounded: integer({ minimum: 0, maximum: 9.3e18, multipleOf: 3 }),
  one: integer(),
  any: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
  float: { type: 'number' },
  checked: integer({ 'x-kubernetes-validations': [{ rule: 'self != 9007199254740993 && self + 1 > self' }] }),
};
const schema = JSON.stringify({ type: 'object', properties: { spec: { type: 'object', properties } } });
const whole = '9007199254740993';
const things = '/apis/x.io/v1/namespaces/default/things';

async function define(): Promise<void> {
  // What JavaScript cannot write is put in as text.
  const exact = schema.replace(
    '"one":{',
    `"one":{"default":9223372036854775807,"enum":[1,${whole},9223372036854775807],"maximum":9223372036854775807,`,
  );
  const version = `{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":${exact}},"additionalPrinterColumns":[{"name":"N","type":"integer","jsonPath":".spec.n"}]}`;
  const made = await send(
    'POST',
    '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
    `{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"things.x.io"},"spec":{"group":"x.io","scope":"Namespaced","names":{"plural":"things","kind":"Thing"},"versions":[${version}]}}`,
  );
  expect(made.status, made.text).toBe(201);
}

const thing = (spec: string, name = 'a'): string =>
  `{"apiVersion":"x.io/v1","kind":"Thing","metadata":{"name":"${name}"},"spec":{${spec}}}`;

test('they are stored, read, listed, watched, printed and shown in YAML as they were sent', async () => {
  await define();
  const spec = `"n":${whole},"list":[-${whole},${whole}],"any":{"deep":[{"x":-9223372036854775808,"y":1152921504606846976,"z":69943595926876190}]}`;
  const made = await send('POST', things, thing(spec));
  expect(made.status, made.text).toBe(201);
  const shown = `"n":${whole},`;
  expect(made.text).toContain(shown);
  expect(made.text).toContain(`"list":[-${whole},${whole}]`);
  expect(made.text).toContain('"x":-9223372036854775808,"y":1152921504606846976,"z":69943595926876190');
  expect(made.text).toContain('"one":9223372036854775807');
  expect((await send('GET', `${things}/a`)).text).toContain(shown);
  expect((await send('GET', things)).text).toContain(shown);
  expect((await send('GET', `${things}/a`, '', { accept: 'application/yaml' })).text).toContain(`"n": ${whole}\n`);
  expect((await send('GET', `${things}/a?pretty=true`)).text).toContain(`"n": ${whole},`);
  const table = await send('GET', things, '', { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' });
  expect(table.text).toContain(`"cells":["a",${whole}]`);
});

test('they come through every sort of change', async () => {
  await define();
  await send('POST', things, thing(`"n":${whole}`));
  const patch = (type: string, text: string, query = '') =>
    send('PATCH', `${things}/a${query}`, text, { 'content-type': `application/${type}` });
  expect((await patch('merge-patch+json', '{"metadata":{"labels":{"x":"y"}}}')).text).toContain(`"n":${whole}`);
  expect((await patch('merge-patch+json', '{"spec":{"n":9007199254740995}}')).text).toContain('"n":9007199254740995');
  const steps =
    '[{"op":"test","path":"/spec/n","value":9007199254740995},{"op":"replace","path":"/spec/n","value":9007199254740997}]';
  expect((await patch('json-patch+json', steps)).text).toContain('"n":9007199254740997');
  expect((await patch('json-patch+json', steps)).status).not.toBe(200);
  const applied = await patch(
    'apply-patch+yaml',
    `apiVersion: x.io/v1\nkind: Thing\nspec:\n  any: {x: ${whole}}\n`,
    '?fieldManager=m',
  );
  expect(applied.text).toContain(`"any":{"x":${whole}}`);
  expect(applied.text).toContain('"n":9007199254740997');
  const again = await send('PUT', `${things}/a`, applied.text.replace('9007199254740997', whole));
  expect(again.text).toContain(`"n":${whole}`);
  expect((await send('DELETE', `${things}/a`)).status).toBe(200);
});

test.each<readonly [string, string]>([
  [`"small":${whole}`, 'Checked value must be of type integer with format int32'],
  ['"bounded":9007199254740994000', 'spec.bounded in body should be a multiple of 3'],
  ['"bounded":-9007199254740993', 'spec.bounded in body should be greater than or equal to 0'],
  [
    '"one":9007199254740995',
    'Unsupported value: 9007199254740995: supported values: "1", "9007199254740993", "9223372036854775807"',
  ],
  [`"list":[${whole},${whole}]`, `spec.list[1]: Duplicate value: ${whole}`],
  [`"checked":${whole}`, 'failed rule: self != 9007199254740993'],
  ['"n":1.5', 'spec.n in body must be of type integer'],
])('the rules of a schema count for them: %s', async (spec, why) => {
  await define();
  const refused = await send('POST', things, thing(spec));
  expect(refused.status).toBe(422);
  expect(JSON.parse(refused.text).message).toContain(why);
});

test('rules take them whole, numbers that may have a fraction are doubles', async () => {
  await define();
  const made = await send('POST', things, thing('"checked":9007199254740995,"bounded":9007199254740993,"float":1.5'));
  expect(made.status, made.text).toBe(201);
  expect(made.text).toContain('"checked":9007199254740995');
});

const pods = '/api/v1/namespaces/default/pods';
const container = '"containers":[{"name":"c","image":"i"}]';
const toleration = `{"key":"k","operator":"Exists","effect":"NoExecute","tolerationSeconds":${whole}}`;
const pod = (spec: string): string => `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{${spec}}}`;
const patient = `"terminationGracePeriodSeconds":${whole}`;

test('fields of the API’s own types keep them in every form and through every sort of change', async () => {
  const made = await send('POST', pods, pod(`${container},${patient},"tolerations":[${toleration}]`));
  expect(made.status, made.text).toBe(201);
  expect(made.text).toContain(patient);
  expect(made.text).toContain(`"tolerationSeconds":${whole}`);
  expect((await send('GET', pods)).text).toContain(patient);
  const yaml = await send('GET', `${pods}/a`, '', { accept: 'application/yaml' });
  expect(yaml.text).toContain(`terminationGracePeriodSeconds: ${whole}\n`);
  const again = await send('PUT', `${pods}/a`, made.text);
  expect(again.text).toBe(made.text);
  const patch = (type: string, text: string, query = '') =>
    send('PATCH', `${pods}/a${query}`, text, { 'content-type': `application/${type}` });
  const labelled = await patch('strategic-merge-patch+json', '{"metadata":{"labels":{"x":"y"}}}');
  expect(labelled.text).toContain(patient);
  const step = `[{"op":"test","path":"/spec/terminationGracePeriodSeconds","value":${whole}}]`;
  expect((await patch('json-patch+json', step)).status).toBe(200);
  const configuration = `{apiVersion: v1, kind: Pod, spec: {${patient.replace(':', ': ')}}}`;
  const applied = await patch('apply-patch+yaml', configuration, '?fieldManager=m');
  expect(applied.status, applied.text).toBe(200);
  expect(applied.text).toContain(patient);
  expect((await send('DELETE', `${pods}/a`)).status).toBe(200);
});

test('protobuf carries them both ways', async () => {
  const spec = { terminationGracePeriodSeconds: 9007199254740993n, containers: [{ name: 'c', image: 'i' }] };
  const bytes = encodeProtobuf({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' }, spec });
  const protobuf = 'application/vnd.kubernetes.protobuf';
  const made = await send('POST', pods, bytes, { 'content-type': protobuf });
  expect(made.status, made.text).toBe(201);
  expect(made.text).toContain(patient);
  const read = await send('GET', `${pods}/a`, '', { accept: protobuf });
  const kept = { terminationGracePeriodSeconds: 9007199254740993n };
  expect(decodeProtobuf(read.bytes)).toMatchObject({ object: { spec: kept } });
});

const ids = 'must be between 0 and 2147483647, inclusive';

test.each<readonly [string, number, string]>([
  [`"activeDeadlineSeconds":${whole}`, 422, 'must be between 1 and 2147483647, inclusive'],
  [`"securityContext":{"runAsUser":${whole}}`, 422, ids],
  [`"securityContext":{"supplementalGroups":[${whole}]}`, 422, ids],
  [
    `"priority":${whole}`,
    400,
    `cannot unmarshal number ${whole} into Go struct field PodSpec.spec.priority of type int32`,
  ],
  ['"terminationGracePeriodSeconds":9223372036854775808', 400, 'cannot unmarshal number 9223372036854775808'],
])('what is too much for a field is refused: %s', async (spec, status, why) => {
  const refused = await send('POST', pods, pod(`${container},${spec}`));
  expect(refused.status, refused.text).toBe(status);
  expect(JSON.parse(refused.text).message).toContain(why);
});

test('a number below zero is one, however long', async () => {
  const template = `"jobTemplate":{"spec":{"template":{"spec":{"restartPolicy":"Never",${container}}}}}`;
  const spec = `"schedule":"* * * * *","startingDeadlineSeconds":-${whole},${template}`;
  const text = `{"apiVersion":"batch/v1","kind":"CronJob","metadata":{"name":"a"},"spec":{${spec}}}`;
  const refused = await send('POST', '/apis/batch/v1/namespaces/default/cronjobs', text);
  expect(refused.status).toBe(422);
  expect(JSON.parse(refused.text).message).toContain(`Invalid value: -${whole}: must be greater than or equal to 0`);
});

test.each([whole, '99999999999999'])(
  'a pod may be given %s seconds for its end, in nanoseconds of 64 bits',
  async (seconds) => {
    await send('POST', pods, pod(`"nodeName":"n",${container}`));
    const ended = await send('DELETE', `${pods}/a`, `{"gracePeriodSeconds":${seconds}}`);
    expect(ended.status, ended.text).toBe(200);
    expect(ended.text).toContain(`"deletionGracePeriodSeconds":${seconds}`);
  },
);

test('what is stored says that it has some, and is decoded so', async () => {
  const store = createMemoryStore({ clock: api.clock });
  const object = {
    kind: 'Thing',
    apiVersion: 'x.io/v1',
    metadata: { name: 'a' },
    spec: { n: 9007199254740993n, m: 5 },
  };
  const value = encodeForWrite('/registry/x', object);
  await store.write({ type: 'put', key: '/registry/x', value, ifModRevision: 0 });
  expect(Buffer.from(value).toString()).toMatch(/"n":9007199254740993,"m":5\}\} $/);
  expect(decodeStored(value)).toMatchObject({ spec: { n: 9007199254740993n, m: 5 } });
  const plain = encodeForWrite('/registry/y', { ...object, spec: { n: 5 } });
  expect(Buffer.from(plain).toString()).toMatch(/\}\}$/);
  await store.close();
});
