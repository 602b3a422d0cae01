/** The proxy with real connections on this machine, between clients and backends of the tests. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestOptions, request, type Server } from 'node:http';
import { request as secureRequest } from 'node:https';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Deferred } from '#pkg/base/async.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { issueAuthority, issueLeaf } from '#pkg/pki/certificate.ts';
import type { CompiledMatch, CompiledRule, Endpoint, Filters, ListenerTable, PortTable } from '../model/table.ts';
import { GatewayProxy } from './server.ts';

const loopback = '127.0.0.1';
/** An address of this test's own, at which nobody else takes a port that it has found free. */
const host = `127.78.${process.pid % 250}.1`;
const clock = new VirtualClock();
const proxy = new GatewayProxy({ clock, random: new SeededRandom(1), log: silentLogger, address: host });
/** What backends do, by the first element of the path. */
const backends: Server[] = [];
let echo: Endpoint;
let port: number;
let securePort: number;
/** Resolved with what a mirror was sent. */
let mirrored = new Deferred<string>();

async function backend(
  handler: (incoming: IncomingMessage, respond: (status: number, body: string) => void) => void,
): Promise<Endpoint> {
  const server = createServer((incoming, response) =>
    handler(incoming, (status, body) =>
      response.writeHead(status, { 'x-backend': 'yes', 'set-cookie': ['a=1', 'b=2'] }).end(body),
    ),
  );
  server.on('upgrade', (incoming, socket) => {
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: ${incoming.headers.upgrade}\r\nConnection: Upgrade\r\n\r\n`,
    );
    socket.pipe(socket);
  });
  backends.push(server);
  return { address: loopback, port: await listening(server, loopback) };
}

async function listening(server: Server, address: string): Promise<number> {
  server.listen(0, address);
  await once(server, 'listening');
  const found = server.address();
  return typeof found === 'object' && found !== null ? found.port : 0;
}

/** A port that nobody listens on. */
async function freePort(): Promise<number> {
  const server = createServer();
  const found = await listening(server, host);
  server.close();
  await once(server, 'close');
  return found;
}

beforeAll(async () => {
  echo = await backend((incoming, respond) => {
    void text(incoming).then((body) =>
      respond(200, JSON.stringify({ method: incoming.method, url: incoming.url, headers: incoming.headers, body })),
    );
  });
  port = await freePort();
  securePort = await freePort();
});

afterAll(async () => {
  await proxy.close();
  for (const server of backends) server.closeAllConnections();
  await Promise.all(backends.map((server) => new Promise((resolve) => server.close(resolve))));
});

interface RuleOf {
  readonly endpoints?: readonly Endpoint[] | undefined;
  readonly filters?: Filters;
  readonly requestTimeoutMs?: number;
}

function match(
  path: string,
  { filters = {}, requestTimeoutMs = 0, ...more }: RuleOf = {},
  hostname = '',
): CompiledMatch {
  const endpoints = 'endpoints' in more ? more.endpoints : [echo];
  const rule: CompiledRule = {
    owner: 'ns/route',
    filters,
    backends: [{ weight: 1, endpoints, filters: {} }],
    requestTimeoutMs,
    backendTimeoutMs: 0,
  };
  return { hostname, path: { type: 'PathPrefix', value: path }, method: undefined, headers: [], query: [], rule };
}

const listener = (matches: readonly CompiledMatch[], more: Partial<ListenerTable> = {}): ListenerTable => ({
  hostname: '',
  certificates: [],
  matches,
  ...more,
});

function serve(listeners: readonly ListenerTable[], secure: readonly ListenerTable[] = []): Promise<void> {
  const ports = new Map<number, PortTable>([[port, { protocol: 'HTTP', clientPort: 80, listeners }]]);
  if (secure.length > 0) ports.set(securePort, { protocol: 'HTTPS', clientPort: 443, listeners: secure });
  return proxy.update({ ports });
}

async function ask(path: string, { body, ...options }: RequestOptions & { readonly body?: string } = {}) {
  const sent = request({ host, port, path, agent: false, ...options });
  sent.end(body);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  const answered = await text(response);
  return { status: response.statusCode, headers: response.headers, body: answered };
}

test('a request and its answer go through, with what the rule changes', async () => {
  const filters = {
    requestHeaders: { set: [{ name: 'x-set', value: '1' }], add: [], remove: ['x-gone'] },
    responseHeaders: { set: [{ name: 'x-answer', value: '2' }], add: [], remove: ['x-backend'] },
    rewrite: { hostname: 'inner.test', path: { prefix: '/b' } },
  };
  await serve([listener([match('/a', { filters })])]);
  const headers = { host: 'outer.test:99', 'x-gone': '1', 'x-forwarded-for': '1.2.3.4', te: 'trailers' };
  const answer = await ask('/a/x?q=%20', { method: 'POST', headers, body: 'text' });
  expect([
    answer.status,
    answer.headers['x-answer'],
    answer.headers['x-backend'],
    answer.headers['set-cookie'],
  ]).toEqual([200, '2', undefined, ['a=1', 'b=2']]);
  expect(JSON.parse(answer.body)).toMatchObject({ method: 'POST', url: '/b/x?q=%20', body: 'text' });
  expect(JSON.parse(answer.body).headers).toEqual({
    host: 'inner.test',
    'x-set': '1',
    'x-forwarded-for': `1.2.3.4, ${loopback}`,
    'x-forwarded-proto': 'http',
    'x-forwarded-host': 'outer.test:99',
    connection: 'keep-alive',
    'content-length': '4',
  });
});

test('what leads nowhere is answered by the proxy itself', async () => {
  const gone = { address: host, port: await freePort() };
  await serve([
    listener([
      match('/unresolved', { endpoints: undefined }),
      match('/empty', { endpoints: [] }),
      match('/refused', { endpoints: [gone] }),
      match('/redirect', { filters: { redirect: { status: 308, scheme: 'https' } } }),
    ]),
  ]);
  const statusOf = async (path: string) => (await ask(path, { headers: { host: 'a.test' } })).status;
  expect(await Promise.all(['/unresolved', '/empty', '/refused', '/other'].map(statusOf))).toEqual([
    500, 503, 502, 404,
  ]);
  const redirected = await ask('/redirect/x?y', { headers: { host: 'a.test' } });
  expect([redirected.status, redirected.headers.location]).toEqual([308, 'https://a.test/redirect/x?y']);
});

test('elements that lead upwards do not lead around a rule', async () => {
  await serve([listener([match('/public'), match('/private', { endpoints: undefined })])]);
  const statusOf = async (path: string) => (await ask(path)).status;
  expect(await Promise.all(['/public/../private', '/public/%2e%2e/private', '/public/x'].map(statusOf))).toEqual([
    500, 500, 200,
  ]);
});

test('a backend that is late is given up, and its answer is 504', async () => {
  const asked = new Deferred();
  const silent = await backend(() => asked.resolve());
  await serve([listener([match('/', { endpoints: [silent], requestTimeoutMs: 1_000 })])]);
  const answer = ask('/');
  await asked.promise;
  await clock.advance(999);
  let isAnswered = false;
  void answer.then(() => {
    isAnswered = true;
  });
  expect(isAnswered).toBe(false);
  await clock.advance(1);
  expect((await answer).status).toBe(504);
});

test('a mirror has the body too, and its answer is nobody’s', async () => {
  mirrored = new Deferred();
  const copy = await backend((incoming, respond) => {
    void text(incoming).then((body) => {
      mirrored.resolve(`${incoming.method} ${incoming.url} ${body}`);
      respond(500, 'not seen');
    });
  });
  await serve([listener([match('/', { filters: { mirrors: [{ endpoints: [copy], share: 1, of: 1 }] } })])]);
  const answer = await ask('/x', { method: 'PUT', body: 'text' });
  expect([answer.status, JSON.parse(answer.body).body, await mirrored.promise]).toEqual([200, 'text', 'PUT /x text']);
});

test('an upgraded connection goes both ways, and stays when the routes change', async () => {
  await serve([listener([match('/')])]);
  const socket = connect(port, host);
  socket.write('GET /ws HTTP/1.1\r\nhost: a.test\r\nconnection: Upgrade\r\nupgrade: chat\r\n\r\n');
  let received = '';
  const until = async (part: string): Promise<void> => {
    while (!received.includes(part)) received += String((await once(socket, 'data'))[0]);
  };
  await until('\r\n\r\n');
  expect(received).toMatch(/^HTTP\/1\.1 101 /);
  socket.write('before ');
  await until('before ');
  await serve([listener([])]);
  socket.write('after');
  await until('after');
  expect((await ask('/ws')).status).toBe(404);
  socket.destroy();
});

test('a request under way ends by the routes that it began with', async () => {
  const asked = new Deferred();
  const answering = new Deferred();
  const slow = await backend((_, respond) => {
    asked.resolve();
    void answering.promise.then(() => respond(200, 'whole'));
  });
  await serve([listener([match('/', { endpoints: [slow] })])]);
  const answer = ask('/');
  await asked.promise;
  await proxy.update({ ports: new Map() });
  answering.resolve();
  expect((await answer).body).toBe('whole');
  await expect(ask('/')).rejects.toThrow('ECONNREFUSED');
});

test('each name has its own certificate, and reaches no other listener', async () => {
  const nowMs = Date.parse('2026-01-01T00:00:00Z');
  const authority = issueAuthority({ subject: { commonName: 'authority' }, nowMs, validDays: 36_500 });
  const pair = (name: string) =>
    issueLeaf(authority, { subject: { commonName: name }, nowMs, validDays: 36_500, usage: 'server', hosts: [name] });
  const secure = (name: string): ListenerTable => {
    const { certificate, key } = pair(name);
    return listener([match('/')], { hostname: name, certificates: [{ certificate, key, hosts: [] }] });
  };
  await serve([], [secure('a.test'), secure('b.test')]);
  const statusOf = async (servername: string, asks: string) => {
    const options = {
      host,
      port: securePort,
      servername,
      ca: authority.certificate,
      headers: { host: asks },
      agent: false,
    };
    const sent = secureRequest({ ...options, path: '/' });
    sent.end();
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    const body = await text(response);
    return response.statusCode === 200 ? JSON.parse(body).headers['x-forwarded-proto'] : response.statusCode;
  };
  expect(await statusOf('a.test', 'a.test')).toBe('https');
  expect(await statusOf('b.test', 'b.test')).toBe('https');
  expect(await statusOf('a.test', 'b.test')).toBe(421);
});
