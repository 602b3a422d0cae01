/** The forms of answers that are not the objects themselves: refusals, documents, metadata; and what every answer carries. */
import { load } from 'js-yaml';
import { beforeAll, expect, test } from 'vitest';
import { createDocumentProvider } from './discovery/provider.ts';
import { startTestServer, type TestServer } from './testing/test-server.ts';

const maps = '/api/v1/namespaces/default/configmaps';

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ documents: createDocumentProvider });
  await server.call('POST', maps, { object: { metadata: { name: 'a' }, data: { x: '1' } } });
});

const missing = {
  kind: 'Status',
  apiVersion: 'v1',
  metadata: {},
  status: 'Failure',
  message: 'configmaps "none" not found',
  reason: 'NotFound',
  details: { name: 'none', kind: 'configmaps' },
  code: 404,
};

test('JSON is what Go writes: escaped for HTML, and with a newline at its end unless it is indented (fault 20)', async () => {
  const data = { x: '<a href="?b&c">\u2028' };
  const escaped = String.raw`"\u003ca href=\"?b\u0026c\"\u003e\u2028"`;
  const created = await server.call('POST', maps, { object: { metadata: { name: 'html' }, data } });
  const answers = [
    created,
    await server.call('GET', `${maps}/html`),
    await server.call('GET', maps),
    await server.call('PUT', `${maps}/html?dryRun=All`, { object: { metadata: { name: 'html' }, data } }),
    await server.call('PATCH', `${maps}/html?dryRun=All`, {
      headers: { 'content-type': 'application/merge-patch+json' },
      text: '{}',
    }),
  ];
  for (const { text } of answers) {
    expect(text).toContain(escaped);
    expect(text.slice(-2)).toBe('}\n');
  }
  for (const path of ['/api', '/apis', '/api/v1', `${maps}/none<&>`]) {
    expect((await server.call('GET', path)).text).toMatch(/^[^<>&]*\}\n$/);
  }
  const accept = { accept: 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1' };
  expect((await server.call('GET', `${maps}/html`, { headers: accept })).text.endsWith('}\n')).toBe(true);
  const pretty = (await server.call('GET', `${maps}/html?pretty=true`)).text;
  expect([pretty.includes(escaped), pretty.endsWith('\n}')]).toEqual([true, true]);
  await server.call('DELETE', `${maps}/html`);
});

test('a refusal comes in the form that was asked for', async () => {
  const ask = (headers: Record<string, string>, query = '') => server.call('GET', `${maps}/none${query}`, { headers });
  const yaml = await ask({ accept: 'application/yaml' });
  expect([yaml.status, yaml.headers['content-type'], load(yaml.text)]).toEqual([404, 'application/yaml', missing]);
  for (const answer of [
    await ask({ 'user-agent': 'curl/8' }),
    await ask({ accept: 'application/json' }, '?pretty=1'),
  ]) {
    expect(answer.text).toBe(JSON.stringify(missing, undefined, 2));
  }
  const protobuf = await ask({ accept: 'application/vnd.kubernetes.protobuf' });
  expect([protobuf.headers['content-type'], protobuf.text.slice(0, 3)]).toEqual([
    'application/vnd.kubernetes.protobuf',
    'k8s',
  ]);
  const table = 'application/json;as=Table;v=v1;g=meta.k8s.io';
  expect((await ask({ accept: table })).body).toEqual(missing);
});

test('what cannot be answered in any form that is accepted is refused as JSON', async () => {
  const { status, body } = await server.call('GET', maps, { headers: { accept: 'text/html' } });
  expect([status, body]).toEqual([
    406,
    {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message:
        'only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf',
      reason: 'NotAcceptable',
      code: 406,
    },
  ]);
});

test('documents come as YAML and indented too', async () => {
  const plain = await server.call('GET', '/apis/apps');
  const yaml = await server.call('GET', '/apis/apps', { headers: { accept: 'application/yaml' } });
  const indented = await server.call('GET', '/apis/apps', { headers: { 'user-agent': 'curl/8' } });
  expect(load(yaml.text)).toEqual(plain.body);
  expect(indented.text).toBe(JSON.stringify(plain.body, undefined, 2));
  expect((await server.call('GET', '/apis', { headers: { accept: 'text/html' } })).status).toBe(406);
  const version = await server.call('GET', '/version', { headers: { accept: 'text/html' } });
  expect([version.status, version.text.startsWith('{\n  "major": "1",\n  "minor": "36",')]).toEqual([200, true]);
});

test('metadata of one object is no list, and that of a list no object', async () => {
  const as = (kind: string) => ({ headers: { accept: `application/json;as=${kind};v=v1;g=meta.k8s.io` } });
  const one = await server.call('GET', `${maps}/a`, as('PartialObjectMetadata'));
  expect(one.body).toEqual({
    kind: 'PartialObjectMetadata',
    apiVersion: 'meta.k8s.io/v1',
    metadata: expect.objectContaining({ name: 'a' }),
  });
  const wrong = [
    await server.call('GET', maps, as('PartialObjectMetadata')),
    await server.call('GET', `${maps}/a`, as('PartialObjectMetadataList')),
  ];
  expect(wrong.map(({ status, body }) => [status, body.reason, body.message])).toEqual([
    [
      406,
      'NotAcceptable',
      'you requested PartialObjectMetadata, but the requested object is a list (*core.ConfigMapList)',
    ],
    [
      406,
      'NotAcceptable',
      'you requested PartialObjectMetadataList, but the requested object is not a list (*core.ConfigMap)',
    ],
  ]);
});

test('answers over the network name their request, by its own name if it has one', async () => {
  const ask = async (address: string, headers: Record<string, string> = {}) => {
    const { server: api } = server;
    const peer = { address, certificate: { commonName: 'admin', organizations: ['system:masters'] } };
    const signal = new AbortController().signal;
    return (await api.handle({ method: 'GET', path: maps, query: '', headers, peer, signal })).headers['audit-id'];
  };
  expect([await ask('10.0.0.1'), await ask('10.0.0.1', { 'audit-id': 'mine' }), await ask('')]).toEqual([
    expect.stringMatching(/^[0-9a-f-]{36}$/),
    'mine',
    undefined,
  ]);
});

test('a dry run makes what came with a resourceVersion, which only the store would refuse', async () => {
  const object = { metadata: { name: 'copied', resourceVersion: '5' } };
  expect((await server.call('POST', `${maps}?dryRun=All`, { object })).status).toBe(201);
  expect((await server.call('GET', `${maps}/copied`)).status).toBe(404);
  expect((await server.call('POST', maps, { object })).status).toBe(400);
});

test('checks that do not exist cannot be left out, which is said', async () => {
  const { text } = await server.call('GET', '/livez?verbose&exclude=etcd&exclude=x&exclude=a');
  expect(text).toBe(
    '[+]ping ok\n[+]log ok\n[+]etcd excluded: ok\n[+]poststarthook/bootstrap ok\n' +
      'warn: some health checks cannot be excluded: no matches for "a", "x"\nlivez check passed\n',
  );
});

test('requests are counted under the names that upstream gives them', async () => {
  const fresh = await startTestServer();
  const object = { metadata: { name: 'm' } };
  await fresh.call('POST', `${maps}?dryRun=All`, { object });
  await fresh.call('POST', maps, { object });
  await fresh.call('PUT', `${maps}/m`, { object });
  await fresh.call('PATCH', `${maps}/m?fieldManager=x`, {
    text: JSON.stringify({ kind: 'ConfigMap', apiVersion: 'v1', ...object }),
    headers: { 'content-type': 'application/apply-patch+yaml' },
  });
  await fresh.call('GET', '/api/v1/configmaps');
  await fresh.call('DELETE', maps);
  await fresh.call('GET', '/api/v1/nothing');
  const { text } = await fresh.call('GET', '/metrics');
  const counted = [
    ...text.matchAll(/^apiserver_request_total\{verb="(\w+)",dry_run="(\w*)".*scope="(\w*)".*code="(\d+)"/gm),
  ];
  expect(counted.map(([, ...labels]) => labels.join(' '))).toEqual([
    'POST All resource 201',
    'POST  resource 201',
    'PUT  resource 200',
    'APPLY  resource 200',
    'LIST  cluster 200',
    'DELETECOLLECTION  namespace 200',
    'OTHER   404',
  ]);
  expect(/^kubernetes_build_info\{git_version="v1\.36\.\d+",major="1",minor="36"\} 1$/m.test(text)).toBe(true);
});

test('a request that takes longer than the client gives it is answered', async () => {
  const fresh = await startTestServer();
  // It waits for a revision that does not come.
  const late = fresh.call('GET', `${maps}?resourceVersion=99&timeout=1s`);
  await fresh.clock.advance(1_000);
  expect((await late).body).toEqual({
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: 'Timeout: request did not complete within the allotted timeout',
    reason: 'Timeout',
    details: {},
    code: 504,
  });
  expect((await fresh.call('GET', `${maps}?timeout=1s`)).status).toBe(200);
  expect((await fresh.call('GET', `${maps}?timeout=0s`)).status).toBe(200);
  expect((await fresh.call('GET', `${maps}?timeout=`)).status).toBe(200);
});

test.each([
  ['x', 'time: invalid duration "x"'],
  ['5', 'time: missing unit in duration "5"'],
])('a timeout of %s is refused', async (timeout, why) => {
  const { status, body } = await server.call('GET', `${maps}?timeout=${timeout}`);
  expect([status, body.message]).toEqual([400, `invalid timeout specified in the request URL - ${why}`]);
  // A watch has its own way to say how long.
  expect((await server.raw('GET', `${maps}?watch=1&timeout=${timeout}`)).status).toBe(200);
});

test('YAML is what Go prints (fault 23)', async () => {
  const { call } = await startTestServer();
  const maps = '/api/v1/namespaces/default/configmaps';
  const data = { z: 'true', a10: '1', a2: 'two\nlines', text: 'plain', empty: '' };
  const finalizers = ['example.com/a'];
  // Whoever sends an empty list of managers has none kept.
  const metadata = { name: 'y', finalizers };
  await call('POST', maps, { object: { metadata, data, immutable: false } });
  await call('PUT', `${maps}/y`, { object: { metadata: { ...metadata, managedFields: [] }, data, immutable: false } });
  const { text } = await call('GET', `${maps}/y`, { headers: { accept: 'application/yaml' } });
  expect(text.replace(/"\d+"(?=\n {2}uid)/, '"1"').replace(/uid: \S+/, 'uid: u')).toBe(`apiVersion: v1
data:
  a2: |-
    two
    lines
  a10: "1"
  empty: ""
  text: plain
  z: "true"
immutable: false
kind: ConfigMap
metadata:
  creationTimestamp: "2026-01-01T00:00:00Z"
  finalizers:
  - example.com/a
  name: "y"
  namespace: default
  resourceVersion: "1"
  uid: u
`);
});
