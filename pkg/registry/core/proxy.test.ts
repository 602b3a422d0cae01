import { Buffer } from 'node:buffer';
import { createServer, type Server } from 'node:http';
import { deflateRawSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ApiResponse } from '#pkg/apimachinery/http.ts';
import { startTestServer, type TestServer } from '#pkg/apiserver/testing/test-server.ts';
import { forwardTransport } from '#pkg/client/forward-transport.ts';
import { takeUpgrade } from '#pkg/serving/upgrade-in-process.ts';
import { createStrategies } from '../table.ts';

const pods = '/api/v1/namespaces/default/pods';
const services = '/api/v1/namespaces/default/services';
let target: Server;
let port: number;
let api: TestServer;

beforeAll(async () => {
  target = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { url = '', method, headers } = request;
      if (url.startsWith('/redirect')) {
        response.writeHead(302, { location: new URL(url, 'http://x').searchParams.get('to') ?? '' }).end();
        return;
      }
      if (url.startsWith('/page')) {
        const page = Buffer.from(
          `<a href="/x">1</a><img src="http://127.0.0.1:${port}/y"><a href="http://cluster:6443/z"><a href="http://else/">`,
        );
        const encoding = url.split('?')[1] ?? '';
        const sent = encoding === 'gzip' ? gzipSync(page) : encoding === 'deflate' ? deflateRawSync(page) : page;
        const encoded = encoding === '' ? {} : { 'content-encoding': encoding };
        response
          .writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'content-length': sent.length, ...encoded })
          .end(sent);
        return;
      }
      const status = url.startsWith('/teapot') ? 418 : 200;
      response.writeHead(status, {
        'content-type': 'application/json',
        'x-own': 'kept',
        connection: 'x-hop',
        'x-hop': '1',
      });
      response.end(JSON.stringify({ url, method, headers, body: Buffer.concat(chunks).toString() }));
    });
  });
  target.on('upgrade', (_request, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello ');
    socket.on('data', (bytes: Buffer) => socket.end(bytes));
  });
  await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve));
  ({ port } = target.address() as { port: number });
  api = await startTestServer({
    strategies: createStrategies({ serviceCidr: '127.96.0.0/12' }),
    reach: (wanted) => forwardTransport({ ...wanted, keepsConnections: false }).request,
    kubelet: (name) =>
      name === 'node'
        ? async (request): Promise<ApiResponse> => ({
            status: 200,
            headers: {},
            body: { kind: 'bytes', bytes: Buffer.from(`${request.method} ${request.path}?${request.query}`) },
          })
        : undefined,
  });
  const containers = [{ name: 'a', image: 'a', ports: [{ containerPort: port }] }];
  for (const [name, podIP] of [
    ['web', '127.0.0.1'],
    ['none', ''],
    ['link', '169.254.169.254'],
  ] as const) {
    await api.call('POST', pods, { object: { metadata: { name }, spec: { containers } } });
    const status = podIP === '' ? { phase: 'Running' } : { phase: 'Running', podIP, podIPs: [{ ip: podIP }] };
    const made = (await api.call('GET', `${pods}/${name}`)).body;
    expect((await api.call('PUT', `${pods}/${name}/status`, { object: { ...made, status } })).status).toBe(200);
  }
  const ports = [
    { name: 'http', port: 80 },
    { name: 'other', port: 81 },
  ];
  await api.call('POST', services, { object: { metadata: { name: 'web' }, spec: { ports } } });
  await api.call('POST', services, { object: { metadata: { name: 'empty' }, spec: { ports: [{ port: 80 }] } } });
  const subsets = [
    {
      addresses: [
        { ip: '127.0.0.9', targetRef: { kind: 'Pod', name: 'web', namespace: 'default' } },
        { ip: '127.0.0.1' },
        { ip: '127.0.0.1', targetRef: { kind: 'Pod', name: 'web', namespace: 'default' } },
      ],
      ports: [{ name: 'http', port }],
    },
  ];
  await api.call('POST', '/api/v1/namespaces/default/endpoints', { object: { metadata: { name: 'web' }, subsets } });
  await api.call('POST', '/api/v1/nodes', {
    object: {
      metadata: { name: 'node' },
      status: {
        addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
        daemonEndpoints: { kubeletEndpoint: { Port: 10250 } },
      },
    },
  });
});

afterAll(() => target.close());

async function ask(
  path: string,
  {
    method = 'GET',
    headers = {},
    text = '',
  }: { method?: string; headers?: Record<string, string>; text?: string } = {},
) {
  const [pathname = '', query = ''] = path.split('?');
  const answer = await api.server.handle({
    method,
    path: pathname,
    query,
    headers: { host: 'cluster:6443', 'user-agent': 'test', accept: 'text/html', ...headers },
    ...(text === '' ? {} : { body: { kind: 'bytes', bytes: Buffer.from(text) } as const }),
    peer: { address: '10.1.2.3', certificate: { commonName: 'admin', organizations: ['system:masters'] } },
    signal: new AbortController().signal,
  });
  const { body } = answer;
  const chunks: Uint8Array[] = [];
  if (body.kind === 'stream') for await (const chunk of body.chunks) chunks.push(chunk);
  if (body.kind === 'bytes') chunks.push(body.bytes);
  if (body.kind === 'object') chunks.push(body.bytes());
  return { status: answer.status, headers: answer.headers, text: Buffer.concat(chunks).toString() };
}

test.each(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])('%s goes to the pod as it is', async (method) => {
  const hasBody = method !== 'GET' && method !== 'OPTIONS';
  const { status, headers, text } = await ask(`${pods}/web/proxy/a%20b/c/?q=1&q=%2F`, {
    method,
    headers: {
      authorization: 'Bearer secret',
      'impersonate-user': 'me',
      'x-mine': 'sent',
      'content-type': 'text/plain',
    },
    ...(hasBody ? { text: 'body' } : {}),
  });
  const seen = JSON.parse(text);
  expect([status, headers['x-own'], headers['x-hop']]).toEqual([200, 'kept', undefined]);
  expect(seen).toMatchObject({ method, url: '/a%20b/c/?q=1&q=%2F', body: hasBody ? 'body' : '' });
  expect(seen.headers).toMatchObject({
    host: 'cluster:6443',
    'x-mine': 'sent',
    'x-forwarded-for': '10.1.2.3',
    'x-forwarded-host': 'cluster:6443',
    'x-forwarded-proto': 'https',
    'x-forwarded-uri': `${pods}/web/proxy/a%20b/c/`,
  });
  expect([seen.headers.authorization, seen.headers['impersonate-user']]).toEqual([undefined, undefined]);
});

test.each(['', 'gzip', 'deflate'])('links of a page lead below the proxy (%s)', async (encoding) => {
  const below = `${pods}/web/proxy`;
  const page = `<a href="${below}/x">1</a><img src="${below}/y"><a href="http://cluster:6443${below}/z"><a href="http://else/">`;
  const { headers, text } = await ask(`${below}/page?${encoding}`);
  expect([text, headers['content-length'], headers['content-encoding']]).toEqual([page, undefined, undefined]);
});

test('a page in an encoding that is not known stays as it is', async () => {
  expect((await ask(`${pods}/web/proxy/page?br`)).text).toContain('<a href="/x">');
});

test('what the target answers is its own affair', async () => {
  expect((await ask(`${pods}/web/proxy/teapot`)).status).toBe(418);
  expect(await ask(`${pods}/web/proxy/x`, { method: 'HEAD' })).toMatchObject({ status: 200, text: '' });
});

test.each([['web'], ['http:web:80'], ['web:http']])('a Service is reached by the name %s', async (name) => {
  const wanted = name === 'web' ? 'web:http' : name;
  expect(JSON.parse((await ask(`${services}/${wanted}/proxy/x?y=1`)).text).url).toBe('/x?y=1');
});

test('a path that ends with the proxy is one below it', async () => {
  const { status, headers } = await ask(`${pods}/web/proxy?a=b`);
  expect([status, headers.location]).toEqual([301, `${pods}/web/proxy/?a=b`]);
});

test.each([
  ['/login', `https://cluster:6443${pods}/web/proxy/login`],
  ['relative', 'relative'],
  ['https://elsewhere.example/x', 'https://elsewhere.example/x'],
  [`${pods}/web/proxy/there`, `https://cluster:6443${pods}/web/proxy/there`],
])('a redirect to %s leads to %s', async (to, location) => {
  const { status, headers } = await ask(`${pods}/web/proxy/redirect?to=${encodeURIComponent(to)}`);
  expect([status, headers.location]).toEqual([302, location]);
});

test('a redirect to the pod’s own address leads to the proxy', async () => {
  const to = encodeURIComponent(`http://127.0.0.1:${port}/a?b=c`);
  expect((await ask(`${pods}/web/proxy/redirect?to=${to}`)).headers.location).toBe(
    `https://cluster:6443${pods}/web/proxy/a?b=c`,
  );
});

test('an upgrade goes through', async () => {
  const answer = await api.server.handle({
    method: 'GET',
    path: `${pods}/web/proxy/socket`,
    query: '',
    headers: { upgrade: 'websocket', connection: 'Upgrade' },
    upgrade: 'websocket',
    peer: { address: '', certificate: { commonName: 'admin', organizations: ['system:masters'] } },
    signal: new AbortController().signal,
  });
  expect([answer.status, answer.headers.upgrade, answer.body.kind]).toEqual([101, 'websocket', 'upgrade']);
  if (answer.body.kind !== 'upgrade') return;
  const end = takeUpgrade(answer.body);
  end.write('there');
  let text = '';
  for await (const chunk of end) text += Buffer.from(chunk as Uint8Array).toString();
  expect(text).toBe('hello there');
});

test('a node is its kubelet, or another of its ports', async () => {
  expect((await ask('/api/v1/nodes/node/proxy/pods/?a=1')).text).toBe('GET /pods/?a=1');
  expect((await ask('/api/v1/nodes/node:10250/proxy/healthz')).text).toBe('GET /healthz?');
  expect(JSON.parse((await ask(`/api/v1/nodes/node:${port}/proxy/x`)).text).url).toBe('/x');
});

test.each([
  [`${pods}/gone/proxy/`, 404, 'pods "gone" not found'],
  [`${pods}/none/proxy/`, 400, 'address not allowed'],
  [`${pods}/link/proxy/`, 400, 'address not allowed'],
  [`${pods}/ftp:web:1/proxy/`, 400, 'invalid pod request "ftp:web:1"'],
  [`${pods}/web:http/proxy/`, 503, 'error trying to reach service: lookup tcp/http: unknown port'],
  [`${services}/web:82/proxy/`, 503, 'no service port 82 found for service "web"'],
  [`${services}/web:other/proxy/`, 503, 'no endpoints available for service "web"'],
  [`${services}/empty/proxy/`, 503, 'no endpoints available for service "empty"'],
  [`${services}/gone/proxy/`, 404, 'services "gone" not found'],
  ['/api/v1/nodes/gone/proxy/', 404, 'nodes "gone" not found'],
])('%s is refused with %i', async (path, status, message) => {
  const answer = await ask(path, { headers: { accept: 'application/json' } });
  expect([answer.status, JSON.parse(answer.text).message]).toEqual([status, message]);
});

test('a port where nobody listens is an error of the service', async () => {
  const { status, text } = await ask(`${pods}/web:1/proxy/`, { headers: { accept: 'application/json' } });
  expect([status, JSON.parse(text).message]).toEqual([503, expect.stringContaining('error trying to reach service:')]);
});
