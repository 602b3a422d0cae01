/** Custom resources whose versions a webhook converts: every way in and out, and webhooks that do not do what they should. */
import { beforeEach, expect, test } from 'vitest';
import { apiForEachTest } from './testing-api.ts';

// biome-ignore lint/suspicious/noExplicitAny: bodies of every shape.
type Body = any;

/** How the webhook answers in place of converting. */
let answer: ((review: Body) => Promise<string> | string) | undefined;
let asked: Body[];

beforeEach(() => {
  answer = undefined;
  asked = [];
});

/** `v1` has a port in text, `v2` host and port apart. */
function convert(object: Body, version: string): Body {
  const { host, port, hostPort, ...rest } = object.spec ?? {};
  const spec =
    version === 'x.io/v1'
      ? { hostPort: `${host}:${port}` }
      : { host: hostPort.split(':')[0], port: hostPort.split(':')[1] };
  return { ...object, apiVersion: version, spec: { ...rest, ...spec } };
}

const converted = ({ apiVersion, kind, request }: Body, change: (object: Body) => unknown = (object) => object) =>
  JSON.stringify({
    apiVersion,
    kind,
    response: {
      uid: request.uid,
      result: { status: 'Success' },
      convertedObjects: request.objects.map((object: Body) => change(convert(object, request.desiredAPIVersion))),
    },
  });

const api = apiForEachTest({
  callWebhook: async ({ body }) => {
    const review = JSON.parse(body);
    asked.push(review.request);
    return { status: 200, text: await (answer === undefined ? converted(review) : answer(review)) };
  },
});

async function call(method: string, path: string, sent?: unknown, headers?: Readonly<Record<string, string>>) {
  const { status, body } = await api.call(method, path, sent, headers);
  const json: Body = body;
  return { status, body: json };
}

const text = { type: 'string' };
const schemaOf = (properties: object) => ({
  openAPIV3Schema: {
    type: 'object',
    properties: { spec: { type: 'object', properties: { ...properties, replicas: { type: 'integer' } } } },
  },
});
const subresources = {
  status: {},
  scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' },
};
const v1 = {
  name: 'v1',
  served: true,
  storage: true,
  schema: schemaOf({ hostPort: text }),
  subresources,
  additionalPrinterColumns: [{ name: 'Where', type: 'string', jsonPath: '.spec.hostPort' }],
};
const v2 = {
  name: 'v2',
  served: true,
  storage: false,
  schema: schemaOf({ host: text, port: text }),
  subresources,
  selectableFields: [{ jsonPath: '.spec.host' }],
  additionalPrinterColumns: [{ name: 'Host', type: 'string', jsonPath: '.spec.host' }],
};
const clientConfig = { url: 'https://hooks.example.com/convert' };
const conversion = { strategy: 'Webhook', webhook: { clientConfig, conversionReviewVersions: ['v1'] } };
const crdPath = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const crd = (versions: readonly object[], more: object = {}) => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'sites.x.io' },
  spec: { group: 'x.io', scope: 'Namespaced', names: { plural: 'sites', kind: 'Site' }, versions, conversion, ...more },
});
const at = (version: string, rest = ''): string => `/apis/x.io/${version}/namespaces/default/sites${rest}`;
const site = (version: string, name: string, spec: object, metadata: object = {}) => ({
  apiVersion: `x.io/${version}`,
  kind: 'Site',
  metadata: { name, ...metadata },
  spec,
});

async function define(versions: readonly object[] = [v1, v2]) {
  const made = await call('POST', crdPath, crd(versions));
  expect(made.status, JSON.stringify(made.body)).toBe(201);
}

/** Makes another version the stored one. */
async function storeAs(name: string) {
  const { body } = await call('GET', `${crdPath}/sites.x.io`);
  const versions = body.spec.versions.map((one: Body) => ({ ...one, storage: one.name === name }));
  const changed = await call('PUT', `${crdPath}/sites.x.io`, { ...body, spec: { ...body.spec, versions } });
  expect(changed.status, JSON.stringify(changed.body)).toBe(200);
}

test('an object is created, read, listed, changed and deleted in a version that is not stored', async () => {
  await define();
  const made = await call('POST', at('v2'), site('v2', 'a', { host: 'h', port: '1' }));
  expect(made.status, JSON.stringify(made.body)).toBe(201);
  expect(made.body).toMatchObject({ apiVersion: 'x.io/v2', spec: { host: 'h', port: '1' } });
  expect((await call('GET', at('v1', '/a'))).body.spec).toEqual({ hostPort: 'h:1' });
  expect((await call('GET', at('v2', '/a'))).body.spec).toEqual({ host: 'h', port: '1' });
  expect((await call('GET', at('v2'))).body.items[0].spec).toEqual({ host: 'h', port: '1' });
  const merged = await call('PATCH', at('v2', '/a'), { spec: { port: '2' } });
  expect(merged.body.spec).toEqual({ host: 'h', port: '2' });
  const put = await call('PUT', at('v1', '/a'), {
    ...(await call('GET', at('v1', '/a'))).body,
    spec: { hostPort: 'i:3' },
  });
  expect(put.body.spec).toEqual({ hostPort: 'i:3' });
  expect((await call('GET', at('v2', '/a'))).body.metadata.generation).toBe(3);
  expect((await call('DELETE', at('v2', '/a'))).status).toBe(200);
  expect((await call('GET', at('v1', '/a'))).status).toBe(404);
});

test('a review names who is asked for what, and objects in the version wanted are not in it', async () => {
  await define();
  await call('POST', at('v1'), site('v1', 'a', { hostPort: 'h:1' }));
  expect(asked).toEqual([]);
  await call('GET', at('v2', '/a'));
  expect(asked).toMatchObject([
    { uid: expect.any(String), desiredAPIVersion: 'x.io/v2', objects: [{ apiVersion: 'x.io/v1', kind: 'Site' }] },
  ]);
  asked = [];
  await storeAs('v2');
  await call('POST', at('v2'), site('v2', 'b', { host: 'h', port: '2' }));
  expect(asked).toEqual([]);
  const list = await call('GET', at('v2'));
  expect(list.body.items.map(({ spec }: Body) => spec)).toEqual([
    { host: 'h', port: '1' },
    { host: 'h', port: '2' },
  ]);
  expect(asked.map(({ objects }) => objects.map(({ metadata }: Body) => metadata.name))).toEqual([['a']]);
});

test('an object is stored in the new version once it is written again, whatever its managers speak', async () => {
  await define();
  await call('POST', at('v1'), site('v1', 'a', { hostPort: 'h:1' }));
  await storeAs('v2');
  const patched = await call('PATCH', at('v1', '/a'), { metadata: { labels: { x: 'y' } } });
  expect(patched.status, JSON.stringify(patched.body)).toBe(200);
  asked = [];
  expect((await call('GET', at('v2', '/a'))).body.spec).toEqual({ host: 'h', port: '1' });
  expect(asked).toEqual([]);
});

test('apply owns fields in the version of each manager', async () => {
  await define();
  const applying = { 'content-type': 'application/apply-patch+yaml' };
  const apply = (version: string, manager: string, spec: object) =>
    call('PATCH', `${at(version, '/a')}?fieldManager=${manager}`, site(version, 'a', spec), applying);
  expect((await apply('v1', 'one', { hostPort: 'h:1' })).status).toBe(201);
  const taken = await apply('v2', 'two', { host: 'i' });
  expect(taken.body.message).toBe('Apply failed with 1 conflict: conflict with "one": .spec.hostPort');
  const shared = await apply('v2', 'two', { host: 'h', replicas: 2 });
  expect(shared.status, JSON.stringify(shared.body)).toBe(200);
  const owned = Object.fromEntries(
    shared.body.metadata.managedFields.map(({ manager, apiVersion, fieldsV1 }: Body) => [
      manager,
      [apiVersion, Object.keys(fieldsV1['f:spec'])],
    ]),
  );
  expect(owned).toEqual({ one: ['x.io/v1', ['f:hostPort']], two: ['x.io/v2', ['f:host', 'f:replicas']] });
});

test('scale, status, columns and selectable fields are those of the version', async () => {
  await define();
  await call('POST', at('v1'), site('v1', 'a', { hostPort: 'h:1', replicas: 2 }));
  await call('POST', at('v1'), site('v1', 'b', { hostPort: 'i:1' }));
  const scaled = await call('PATCH', at('v2', '/a/scale'), { spec: { replicas: 5 } });
  expect(scaled.body.spec).toEqual({ replicas: 5 });
  expect((await call('GET', at('v1', '/a'))).body.spec).toEqual({ hostPort: 'h:1', replicas: 5 });
  expect((await call('PATCH', at('v2', '/a/status'), { status: { replicas: 1 } })).status).toBe(200);
  const table = await call('GET', at('v2'), undefined, { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' });
  expect(table.body.rows.map(({ cells }: Body) => cells)).toEqual([
    ['a', 'h'],
    ['b', 'i'],
  ]);
  const selected = await call('GET', `${at('v2')}?fieldSelector=spec.host%3Di`);
  expect(selected.body.items.map(({ metadata }: Body) => metadata.name)).toEqual(['b']);
  expect((await call('GET', `${at('v1')}?fieldSelector=spec.host%3Di`)).status).toBe(400);
});

/** A request that is not waited for. */
function send(method: string, path: string, query = '', signal = new AbortController().signal) {
  const certificate = { commonName: 'admin', organizations: ['system:masters'] };
  return api.handle({ method, path, query, headers: {}, peer: { address: '', certificate }, signal });
}

/** The events of a watch as they come, and what ends it. */
async function watch(version: string, query = '') {
  const abort = new AbortController();
  const answered = await send('GET', at(version), `watch=true${query}`, abort.signal);
  const events: Body[] = [];
  if (answered.body.kind !== 'watch') throw new Error('no watch');
  const { batches } = answered.body;
  const ended = (async () => {
    for await (const batch of batches) for (const { type, object } of batch) events.push([type, object]);
  })();
  return {
    events,
    async end() {
      abort.abort();
      await ended;
    },
  };
}

const seen = (events: readonly Body[]) => events.map(([type, { metadata, spec }]) => [type, metadata.name, spec]);

test('watchers are told in order, each in its version, of what enters and leaves their selection', async () => {
  await define();
  await call('POST', at('v1'), site('v1', 'a', { hostPort: 'h:1' }));
  const [all, some, stored] = [await watch('v2'), await watch('v2', '&labelSelector=x%3Dy'), await watch('v1')];
  let release = (): void => {};
  answer = async (review) => {
    const isFirst = review.request.objects.some(({ metadata }: Body) => metadata.name === 'b');
    if (isFirst) await new Promise<void>((resolve) => (release = resolve));
    return converted(review);
  };
  await call('POST', at('v1'), site('v1', 'b', { hostPort: 'h:2' }, { labels: { x: 'y' } }));
  await call('POST', at('v1'), site('v1', 'c', { hostPort: 'h:3' }));
  expect(seen(all.events)).toEqual([['ADDED', 'a', { host: 'h', port: '1' }]]);
  expect(seen(stored.events).map(([, name]) => name)).toEqual(['a', 'b', 'c']);
  release();
  answer = undefined;
  await call('PATCH', at('v1', '/b'), { metadata: { labels: { x: 'z' } } });
  await call('DELETE', at('v1', '/c'));
  expect(seen(all.events).slice(1)).toEqual([
    ['ADDED', 'b', { host: 'h', port: '2' }],
    ['ADDED', 'c', { host: 'h', port: '3' }],
    ['MODIFIED', 'b', { host: 'h', port: '2' }],
    ['DELETED', 'c', { host: 'h', port: '3' }],
  ]);
  expect(seen(some.events)).toEqual([
    ['ADDED', 'b', { host: 'h', port: '2' }],
    ['DELETED', 'b', { host: 'h', port: '2' }],
  ]);
  const versions = all.events.map(([, { metadata }]) => Number(metadata.resourceVersion));
  expect(versions).toEqual(versions.toSorted((a, b) => a - b));
  await Promise.all([all.end(), some.end(), stored.end()]);
});

test('a watch that is told of what cannot be converted ends with the reason, and another definition ends it', async () => {
  await define();
  const [failing, other] = [await watch('v2'), await watch('v1')];
  answer = () => '{}';
  await call('POST', at('v1'), site('v1', 'a', { hostPort: 'h:1' }));
  expect(failing.events).toMatchObject([
    [
      'ERROR',
      {
        code: 500,
        message:
          'conversion webhook for x.io/v1, Kind=Site failed: expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got undefined, Kind=undefined',
      },
    ],
  ]);
  await storeAs('v2');
  expect(seen(other.events)).toEqual([['ADDED', 'a', { hostPort: 'h:1' }]]);
  await Promise.all([failing.end(), other.end()]);
});

const failed = 'conversion webhook for x.io/v1, Kind=Site failed: ';
const returned = 'conversion webhook for x.io/v1, Kind=Site returned ';
const metadata = (change: (metadata: Body) => unknown) => (review: Body) =>
  converted(review, (object) => ({ ...object, metadata: change(object.metadata) }));
const response =
  (more: object) =>
  ({ apiVersion, kind, request }: Body) =>
    JSON.stringify({ apiVersion, kind, response: { uid: request.uid, result: { status: 'Success' }, ...more } });

test.each<readonly [string, NonNullable<typeof answer>, string]>([
  [
    'is not there',
    () => Promise.reject(new Error('connect ECONNREFUSED')),
    `${failed}Post "https://hooks.example.com/convert?timeout=30s": connect ECONNREFUSED`,
  ],
  ['says no JSON', () => 'hello', `${failed}couldn't get version/kind; json parse error: `],
  ['says nothing', ({ apiVersion, kind }) => JSON.stringify({ apiVersion, kind }), `${failed}no response provided`],
  ['answers another', response({ uid: 'x' }), `${failed}expected response.uid=`],
  ['refuses', response({ result: { status: 'Failure', message: 'I will not' } }), `${failed}I will not`],
  ['refuses in silence', response({ result: {} }), `${failed}response.result.status was '', not 'Success'`],
  ['loses an object', response({ convertedObjects: [] }), `${returned}0 objects, expected 1`],
  ['answers text for an object', response({ convertedObjects: ['x'] }), `${returned}invalid object: it is no object`],
  [
    'converts to another version',
    (review) => converted(review, (object) => ({ ...object, apiVersion: 'x.io/v3' })),
    `${returned}invalid object at index 0: invalid groupVersion (expected x.io/v2, received x.io/v3)`,
  ],
  [
    'makes another kind',
    (review) => converted(review, (object) => ({ ...object, kind: 'Other' })),
    `${returned}invalid object at index 0: invalid kind (expected Site, received Other)`,
  ],
  ['renames', metadata((one) => ({ ...one, name: 'b' })), `${returned}invalid object: must have the same name: a != b`],
  [
    'moves',
    metadata((one) => ({ ...one, namespace: 'kube-system' })),
    `${returned}invalid object: must have the same namespace: default != kube-system`,
  ],
  ['changes the UID', metadata((one) => ({ ...one, uid: 'u' })), `${returned}invalid object: must have the same UID: `],
  [
    'labels badly',
    metadata((one) => ({ ...one, labels: { 'a b': 'c' } })),
    `${returned}invalid metadata: metadata.labels: Invalid value: "a b": `,
  ],
  [
    'labels with numbers',
    metadata((one) => ({ ...one, labels: { a: 1 } })),
    `${returned}invalid metadata: metadata.labels[a] must be a string, but is int64 in converted object`,
  ],
])('a webhook that %s converts nothing, and nothing is lost', async (_, lie, message) => {
  await define();
  await call('POST', at('v1'), site('v1', 'a', { hostPort: 'h:1' }));
  answer = lie;
  const refused = await call('GET', at('v2', '/a'));
  expect(refused.status).toBe(500);
  expect(refused.body.message).toContain(message);
  expect((await call('GET', at('v2'))).body.message).toContain(message);
  expect((await call('DELETE', at('v2', '/a'))).status).toBe(500);
  expect((await call('GET', at('v1', '/a'))).body.spec).toEqual({ hostPort: 'h:1' });
  answer = undefined;
  expect((await call('GET', at('v2', '/a'))).body.spec).toEqual({ host: 'h', port: '1' });
});

test('of the metadata only labels and annotations are the webhook’s', async () => {
  await define();
  await call('POST', at('v1'), site('v1', 'a', { hostPort: 'h:1' }, { labels: { a: 'b' }, annotations: { c: 'd' } }));
  answer = metadata(({ annotations: _, ...one }) => ({
    ...one,
    labels: { e: 'f' },
    generation: 7,
    finalizers: ['x/y'],
  }));
  const { body } = await call('GET', at('v2', '/a'));
  expect(body.metadata).toMatchObject({ generation: 1, labels: { e: 'f' } });
  expect(body.metadata).not.toHaveProperty('annotations');
  expect(body.metadata).not.toHaveProperty('finalizers');
});

test('a webhook that does not answer is waited for as long as upstream waits', async () => {
  await define();
  await call('POST', at('v1'), site('v1', 'a', { hostPort: 'h:1' }));
  answer = () => new Promise(() => {});
  const asking = send('GET', at('v2', '/a'));
  await api.clock.advance(30_000);
  const { status, body } = await asking;
  expect(status).toBe(500);
  expect(body.kind === 'object' && body.object).toMatchObject({
    message: `${failed}Post "https://hooks.example.com/convert?timeout=30s": context deadline exceeded`,
  });
});

test('a definition says how its webhook is reached, and nothing of it without one', async () => {
  const refusal = async (more: object) =>
    (await call('POST', crdPath, crd([v1, v2], { conversion: more }))).body.message;
  const service = { name: 'hook', namespace: 'default', port: 0, path: 'x' };
  const webhook = { clientConfig: { service }, conversionReviewVersions: ['v3'] };
  const message = await refusal({ strategy: 'Webhook', webhook });
  expect(message).toContain('spec.conversion.webhookClientConfig.service.port: Invalid value: 0: port is not valid');
  expect(message).toContain(
    `spec.conversion.webhookClientConfig.service.path: Invalid value: "x": must start with a '/'`,
  );
  expect(message).toContain(
    'spec.conversion.conversionReviewVersions: Invalid value: ["v3"]: must include at least one of v1, v1beta1',
  );
  expect(await refusal({ strategy: 'None', webhook: { clientConfig, conversionReviewVersions: ['v1'] } })).toContain(
    'spec.conversion.webhookClientConfig: Forbidden: should not be set when strategy is not set to Webhook',
  );
});
