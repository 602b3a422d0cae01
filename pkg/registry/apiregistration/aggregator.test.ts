/** Servers behind this one that are not there, hang, lie, send clients away or answer without end; and what they are told of who asks. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { endpointSlices, namespaces, services } from '#pkg/api/types/refs.ts';
import type { ApiRequest, ApiResponse } from '#pkg/apimachinery/http.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import type { Client } from '#pkg/client/client.ts';
import { type BareApi, startBareApi } from '#pkg/testing/bare-api.ts';
import { type APIService, apiServices } from './api-service.ts';
import type { RemoteTarget } from './remote-connection.ts';

const group = 'remote.example.com';
const path = `/apis/${group}/v1`;
const list = {
  kind: 'APIResourceList',
  groupVersion: `${group}/v1`,
  resources: [
    { name: 'things', singularName: 'thing', kind: 'Thing', namespaced: true, verbs: ['get', 'list'] },
    { name: 'things/status', kind: 'Thing', namespaced: true, verbs: ['get'] },
  ],
};

const clock = new VirtualClock();
const stopping = new AbortController();
let api: BareApi;
let client: Client;
let running: Promise<void>;
let target: RemoteTarget | undefined;
let asked: { readonly request: ApiRequest; readonly headers: object } | undefined;
let answer: (request: ApiRequest) => Promise<ApiResponse>;

function json(status: number, object: object, headers: object = {}): ApiResponse {
  const bytes = Buffer.from(JSON.stringify(object));
  return { status, headers: { 'content-type': 'application/json', ...headers }, body: { kind: 'bytes', bytes } };
}

const good = async (request: ApiRequest): Promise<ApiResponse> =>
  request.path === path ? json(200, list) : json(200, { kind: 'Thing' });

const service: APIService = {
  metadata: { name: `v1.${group}` },
  spec: {
    group,
    version: 'v1',
    service: { namespace: 'default', name: 'remote' },
    insecureSkipTLSVerify: true,
    groupPriorityMinimum: 2_000,
    versionPriority: 100,
  },
};

async function settled(): Promise<Partial<APIService['status'] & object>> {
  await clock.advance(31_000);
  return (await client.resource(apiServices).get(`v1.${group}`)).status ?? {};
}

async function condition() {
  return (await settled()).conditions?.find(({ type }) => type === 'Available');
}

async function ask(request: Partial<ApiRequest> = {}) {
  const response = await api.handle({
    method: 'GET',
    path: `${path}/namespaces/default/things/a`,
    query: '',
    headers: {},
    peer: { address: '', certificate: { commonName: 'jané', organizations: ['dev', 'system:masters'] } },
    signal: new AbortController().signal,
    ...request,
  });
  const { body } = response;
  const text =
    body.kind === 'bytes'
      ? Buffer.from(body.bytes).toString()
      : body.kind === 'object'
        ? JSON.stringify(body.object)
        : body.kind;
  return { ...response, text };
}

beforeAll(async () => {
  api = await startBareApi({
    clock,
    random: new SeededRandom(1),
    connectRemote(wanted) {
      target = wanted;
      return {
        request(request, headers) {
          if (request.path !== path && request.path !== '/openapi/v2') asked = { request, headers };
          return answer(request);
        },
        close() {},
      };
    },
  });
  running = api.run(stopping.signal);
  client = api.connect('admin', 'test').client;
  await clock.settle();
  await client.resource(namespaces).get('default');
  await client.resource(services).create({
    metadata: { name: 'remote', namespace: 'default' },
    spec: { ports: [{ name: 'https', port: 443 }] },
  });
  await client.resource(endpointSlices).create({
    metadata: { name: 'remote-1', namespace: 'default', labels: { 'kubernetes.io/service-name': 'remote' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.0.0.1'], conditions: { ready: true } }],
    ports: [{ name: 'https', port: 8443, protocol: 'TCP' }],
  });
  await client.resource(apiServices).create(service);
});

afterAll(async () => {
  stopping.abort();
  await clock.advance(10_000);
  await running;
});

beforeEach(async () => {
  answer = good;
  asked = undefined;
  expect(await condition()).toMatchObject({ status: 'True', reason: 'Passed', message: 'all checks passed' });
});

test('a request is passed on in the name of who asks, whatever its headers say, and without what this server was shown', async () => {
  const headers = {
    authorization: 'Bearer secret',
    'x-remote-user': 'root',
    'x-remote-group': 'system:masters',
    'x-remote-extra-a': 'b',
    'x-other': 'kept',
  };
  const { status } = await ask({
    headers,
    query: 'a=b',
    peer: { address: '10.9.8.7', certificate: { commonName: 'jané', organizations: ['dev', 'system:masters'] } },
  });
  expect(status).toBe(200);
  expect(asked?.headers).toEqual({
    'x-remote-user': Buffer.from('jané').toString('latin1'),
    'x-remote-group': ['dev', 'system:masters', 'system:authenticated'],
  });
  expect(asked?.request).toMatchObject({ query: 'a=b', headers: { 'x-other': 'kept', 'x-forwarded-for': '10.9.8.7' } });
  expect(Object.keys(asked?.request.headers ?? {})).toEqual(['x-other', 'x-forwarded-for']);
  expect(target).toMatchObject({ port: 443, serverName: 'remote.default.svc', insecure: true, caBundle: undefined });
});

test('who may not ask here is not passed on', async () => {
  const { status } = await ask({ peer: { address: '' } });
  expect(status).toBe(403);
  expect(asked).toBeUndefined();
});

test('a redirection is refused, and words for browsers do not come through', async () => {
  answer = async () => json(302, {}, { location: 'http://169.254.169.254/' });
  expect(await ask()).toMatchObject({
    status: 502,
    text: 'the backend attempted to redirect this request, which is not permitted\n',
  });
  answer = async () => json(200, {}, { 'access-control-allow-origin': '*', 'x-own': 'kept' });
  const { headers } = await ask();
  expect(headers).not.toHaveProperty('access-control-allow-origin');
  expect(headers['x-own']).toBe('kept');
});

test('a server that hangs is left after a minute with 504, and is found not to be there', async () => {
  let left = false;
  answer = (request) => {
    request.signal.addEventListener('abort', () => {
      left = true;
    });
    return new Promise(() => {});
  };
  const waiting = ask({ path: `${path}/things` });
  // Of the same instant, before its condition tells.
  await clock.advance(60_000);
  expect(await waiting).toMatchObject({ status: 504 });
  expect(left).toBe(true);
  const found = await condition();
  expect(found).toMatchObject({ status: 'False', reason: 'FailedDiscoveryCheck' });
  expect(found?.message).toBe(`failing or missing response from ${path}: timed out waiting for ${path}`);
  expect(await ask()).toMatchObject({ status: 503, text: 'service unavailable\n' });
});

test('a connection that fails is told with 503', async () => {
  answer = () => Promise.reject(new Error('connect ECONNREFUSED'));
  expect(await ask()).toMatchObject({ status: 503, text: 'connect ECONNREFUSED\n' });
});

test('a list of resources without end is not read, and one that lies is not believed', async () => {
  const endless = async function* (): AsyncGenerator<Uint8Array> {
    for (;;) yield new Uint8Array(1024 * 1024);
  };
  answer = async () => ({ status: 200, headers: {}, body: { kind: 'stream', chunks: endless() } });
  expect((await condition())?.message).toMatch(/the answer is longer than \d+ bytes$/);
  for (const lie of [
    { groupVersion: 'apps/v1', resources: [{ name: 'deployments', kind: 'Deployment', verbs: ['get'] }] },
    { groupVersion: `${group}/v1`, resources: [{ name: 3 }, null, 'x', { name: 'a', kind: 'A', verbs: 'all' }] },
    'no list',
  ]) {
    answer = async () => json(200, Object(lie));
    await settled();
    const { text } = await ask({
      path: '/apis',
      headers: { accept: 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList' },
    });
    const items: { metadata: { name: string }; versions: { resources: { resource: string }[] }[] }[] =
      JSON.parse(text).items;
    const told = items.find(({ metadata }) => metadata.name === group)?.versions[0]?.resources ?? [];
    expect(told.map(({ resource }) => resource)).not.toContain('deployments');
    expect(items.filter(({ metadata }) => metadata.name === 'apps')).toHaveLength(1);
  }
});

test('a component of this process stops reading an answer without end, and reads one that comes in parts', async () => {
  const things = client.resource({ group, version: 'v1', resource: 'things', kind: 'Thing', namespaced: true });
  const part = new Uint8Array(16 * 1024 * 1024);
  const endless = async function* (): AsyncGenerator<Uint8Array> {
    for (;;) yield part;
  };
  answer = async () => ({ status: 200, headers: {}, body: { kind: 'stream', chunks: endless() } });
  await expect(things.list()).rejects.toThrow(/more than \d+ bytes$/);
  const inParts = async function* (): AsyncGenerator<Uint8Array> {
    yield Buffer.from('{"kind":"ThingList","items":');
    yield Buffer.from('[]}');
  };
  answer = async () => ({ status: 200, headers: {}, body: { kind: 'stream', chunks: inParts() } });
  expect((await things.list()).items).toEqual([]);
});

test('discovery tells of its resources as soon as they are known, and that they may be old once it has gone', async () => {
  const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
  const told = async () => {
    const items: { metadata: { name: string } }[] = JSON.parse(
      (await ask({ path: '/apis', headers: { accept } })).text,
    ).items;
    return items.find(({ metadata }) => metadata.name === group);
  };
  const resources = [
    {
      resource: 'things',
      responseKind: { group, version: 'v1', kind: 'Thing' },
      scope: 'Namespaced',
      singularResource: 'thing',
      verbs: ['get', 'list'],
      subresources: [{ subresource: 'status', responseKind: { group, version: 'v1', kind: 'Thing' }, verbs: ['get'] }],
    },
  ];
  expect(await told()).toEqual({
    metadata: { name: group },
    versions: [{ version: 'v1', resources, freshness: 'Current' }],
  });
  answer = async () => json(500, {});
  expect(await condition()).toMatchObject({ status: 'False', reason: 'FailedDiscoveryCheck' });
  expect(await told()).toEqual({
    metadata: { name: group },
    versions: [{ version: 'v1', resources, freshness: 'Stale' }],
  });
});

test('the condition names what is missing: the port, the endpoints, the service', async () => {
  const slices = client.resource(endpointSlices);
  const slice = await slices.get('remote-1', { namespace: 'default' });
  await slices.update({ ...slice, endpoints: [{ addresses: ['10.0.0.1'], conditions: { ready: false } }] });
  expect(await condition()).toMatchObject({
    reason: 'MissingEndpoints',
    message: 'endpointslices for service/remote in "default" have no addresses with port name "https"',
  });
  await slices.delete('remote-1', { namespace: 'default' });
  expect(await condition()).toMatchObject({ reason: 'EndpointsNotFound' });
  await slices.create({ ...slice, metadata: { ...slice.metadata, resourceVersion: '', uid: '' } });
  const resource = client.resource(apiServices);
  const move = (spec: object) => resource.patch(`v1.${group}`, { spec: { service: spec } }, { type: 'merge' });
  await move({ port: 8080 });
  expect(await condition()).toMatchObject({
    reason: 'ServicePortError',
    message: 'service/remote in "default" is not listening on port 8080',
  });
  await move({ port: 443, name: 'none' });
  expect(await condition()).toMatchObject({
    status: 'False',
    reason: 'ServiceNotFound',
    message: 'service/none in "default" is not present',
  });
  await move({ name: 'remote' });
});

test('an APIService without a service is this server itself, and always there', async () => {
  const name = `v1.local.example.com`;
  const spec = { group: 'local.example.com', version: 'v1', groupPriorityMinimum: 1, versionPriority: 1 };
  await client.resource(apiServices).create({ metadata: { name }, spec });
  await settled();
  expect((await client.resource(apiServices).get(name)).status?.conditions).toMatchObject([
    { type: 'Available', status: 'True', reason: 'Local', message: 'Local APIServices are always available' },
  ]);
  expect((await ask({ path: '/apis/local.example.com/v1/things' })).status).toBe(404);
});

test.each([
  [{ group: '' }, 'only v1 may have an empty group and it better be legacy kube'],
  [{ version: 'V2' }, 'spec.version: Invalid value: "V2"'],
  [
    { groupPriorityMinimum: 20_001 },
    'spec.groupPriorityMinimum: Invalid value: 20001: must be positive and less than 20000',
  ],
  [{ versionPriority: 0 }, 'spec.versionPriority: Invalid value: 0: must be positive and less than 1000'],
  [{ service: null }, 'local APIServices may not have insecureSkipTLSVerify'],
  [{ service: { name: 'a' } }, 'spec.service.namespace: Required value'],
  [
    { service: { name: 'a', namespace: 'b', port: 70_000 } },
    'spec.service.port: Invalid value: 70000: port is not valid',
  ],
  [{ caBundle: 'YQ==' }, 'spec.insecureSkipTLSVerify: Invalid value: true: may not be true if caBundle is present'],
])('an APIService with %j is refused', async (change, message) => {
  const object = {
    ...service,
    metadata: { name: 'v9.x.example.com' },
    spec: { ...service.spec, version: 'v9', ...change },
  };
  const { text } = await ask({
    method: 'POST',
    path: '/apis/apiregistration.k8s.io/v1/apiservices',
    body: { kind: 'object', object },
  });
  expect(JSON.parse(text)).toMatchObject({ code: 422, message: expect.stringContaining(message) });
});

test('what a server says of its own group in OpenAPI v2 is part of the document, and nothing else that it says', async () => {
  const thing = { type: 'object', properties: { size: { $ref: '#/definitions/com.example.Size' } } };
  const reference = (name: string) => ({ get: { responses: { 200: { schema: { $ref: `#/definitions/${name}` } } } } });
  const metaStatus = 'io.k8s.apimachinery.pkg.apis.meta.v1.Status';
  const document = {
    swagger: '2.0',
    paths: {
      [`${path}/things`]: reference('com.example.Thing'),
      [`${path}/status`]: reference(metaStatus),
      '/api/v1/pods': reference('com.example.Thing'),
    },
    definitions: {
      'com.example.Thing': thing,
      'com.example.Size': { type: 'integer' },
      'com.example.Unused': {},
      [metaStatus]: { type: 'string' },
    },
  };
  let isHanging = false;
  answer = (request) => {
    if (request.path !== '/openapi/v2') return good(request);
    return isHanging ? new Promise(() => {}) : Promise.resolve(json(200, document));
  };
  const published = async () => {
    const { body } = await api.handle({
      method: 'GET',
      path: '/openapi/v2',
      query: '',
      headers: {},
      peer: { address: '', certificate: { commonName: 'a', organizations: ['system:masters'] } },
      signal: stopping.signal,
    });
    return JSON.parse(body.kind === 'bytes' ? Buffer.from(body.bytes).toString() : '{}');
  };
  expect((await condition())?.status).toBe('True');
  const first = await published();
  expect(first.paths[`${path}/things`]).toEqual(reference('com.example.Thing'));
  expect(first.paths[`${path}/status`]).toEqual(reference(`${metaStatus}_v2`));
  expect(JSON.stringify(first.paths['/api/v1/pods'])).not.toContain('com.example');
  expect(first.definitions['com.example.Thing']).toEqual(thing);
  expect(first.definitions[metaStatus].type).toBe('object');
  expect(first.definitions['com.example.Unused']).toBeUndefined();
  // One that does not answer is no less available, and what it said stays.
  isHanging = true;
  expect((await condition())?.status).toBe('True');
  expect((await published()).paths).toHaveProperty([`${path}/things`]);
});
