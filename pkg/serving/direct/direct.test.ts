/** Requests that pass Node's parser by are read and answered as those that do not: both servers are told the same bytes. */
import { Buffer } from 'node:buffer';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ApiHandler, ApiResponse } from '#pkg/apimachinery/http.ts';
import { type Random, randomInt, SeededRandom } from '#pkg/base/random.ts';
import type { Exchange } from '../exchange.ts';
import { introduce, knowing, openRaw, serveForTest, type TestServing } from '../test-server.ts';
import { readHead } from './direct-head.ts';
import { DirectRequest } from './direct-request.ts';

const seeds = 500;

/** Says all that a handler can see of a request, and whether it was read directly. */
const tell: ApiHandler = async (request) => {
  const { method, path, query, headers, body } = request;
  direct.push((request as Exchange).request instanceof DirectRequest);
  const bytes = body?.kind === 'unread' ? await body.read({ limitBytes: 1_000 }) : Buffer.alloc(0);
  const seen = { method, path, query, headers, body: Buffer.from(bytes).toString('latin1') };
  return { status: 200, headers: { 'x-own': 'a' }, body: { kind: 'bytes', bytes: Buffer.from(JSON.stringify(seen)) } };
};

let direct: boolean[] = [];
let directly: TestServing;
let byNode: TestServing;

beforeAll(async () => {
  directly = await serveForTest(tell);
  byNode = await serveForTest(tell, { isDirect: false });
});

afterAll(async () => {
  await directly.close();
  await byNode.close();
});

/** All that a server answers to bytes which end with a request that closes the connection. */
async function answers(server: TestServing, pieces: readonly Buffer[]): Promise<string> {
  const client = await openRaw(server.port, { isKnown: true });
  for (const piece of pieces) client.send(piece);
  const text = await client.ended();
  return text.replaceAll(/^Date: .*$/gm, 'Date');
}

function pick<T>(random: Random, list: readonly [T, ...T[]]): T {
  return list[randomInt(random, list.length)] ?? list[0];
}

const targets = [
  '/',
  '/api/v1/pods?limit=1',
  '/a%2Fb?x=%20',
  '/a"b',
  '/a#b',
  '*',
  'a',
  '//x',
  '/a\u00e9',
  '/~|^`{}',
  'http://a/b?c',
  '/a b',
  '/?',
] as const;
const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', 'get', 'PROPFIND', 'G\u00e9T'] as const;
const lines = [
  'accept: application/json',
  'Accept:application/json \t ',
  'X-Empty:',
  'x-high: \u00e9',
  'x-zero: a\0b',
  'x-tab: a\tb',
  'x y: z',
  'x\u00e9: z',
  ': none',
  'no colon',
  ' folded: line',
  'x-bare: a\rb',
  'x-bell: a\x07b',
  'cookie: a=1',
  'connection: keep-alive',
  'Connection: Keep-Alive',
  'connection: x-own',
  'te: trailers',
  'expect: 100-continue',
  'expect: 200-ok',
  'transfer-encoding: identity',
  '__proto__: x',
  'constructor: x',
  'content-length: 0',
  'content-length: 3',
  'content-length: 03',
  'content-length: 3 ',
  'content-length: 3, 3',
  'content-length: 3x',
  'content-length:',
  'content-length: 99999999999999999999',
  'host: b',
  'Host:',
  'upgrade: h2c',
] as const;

function request(random: Random): string {
  const method = randomInt(random, 3) > 0 ? pick(random, ['GET', 'POST']) : pick(random, methods);
  const target = randomInt(random, 3) > 0 ? '/a?b=c' : pick(random, targets);
  const version =
    randomInt(random, 20) > 0
      ? 'HTTP/1.1'
      : pick(random, ['HTTP/1.0', 'HTTP/1.2', 'HTTP/2.0', 'http/1.1', 'HTTP/1.1 ']);
  const end = randomInt(random, 30) > 0 ? '\r\n' : pick(random, ['\n', '\r', '\r\r\n']);
  const fields = randomInt(random, 20) > 0 ? ['host: a'] : [];
  for (let count = randomInt(random, 4); count > 0; count--) fields.push(pick(random, lines));
  const length =
    fields.some((line) => /^content-length: 0?3 ?$/.test(line)) && !fields.includes('content-length: 0') ? 3 : 0;
  return `${method} ${target} ${version}${end}${fields.map((line) => line + end).join('')}${end}${'abc'.slice(0, length)}`;
}

test(`${seeds} seeded rows of requests are answered as by Node's parser`, async () => {
  let seen = 0;
  for (let seed = 0; seed < seeds; seed++) {
    const random = new SeededRandom(seed);
    const last = 'GET /last HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n';
    const before =
      randomInt(random, 4) === 0 ? 'GET /one HTTP/1.1\r\nhost: a\r\n\r\nPUT /two HTTP/1.1\r\nhost: a\r\n\r\n' : '';
    const text = before + (before === '' ? request(random) : '') + last;
    const bytes = Buffer.from(text, 'latin1');
    const at = randomInt(random, 2) === 0 ? bytes.length : randomInt(random, bytes.length);
    const pieces = [bytes.subarray(0, at), bytes.subarray(at)];
    direct = [];
    const answered = await answers(directly, pieces);
    seen += direct.filter((isDirect) => isDirect).length;
    expect(answered, JSON.stringify(text)).toBe(await answers(byNode, pieces));
  }
  expect(seen).toBeGreaterThan(seeds / 4);
});

test('a head whose lines are those of the one before is not read again', () => {
  const head = Buffer.from('GET /a HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n');
  const first = readHead(head, undefined);
  expect(first).toMatchObject({
    method: 'GET',
    url: '/a',
    fields: { headers: { host: 'a', accept: '*/*' }, bodyBytes: 0 },
    end: head.length,
  });
  const next = readHead(Buffer.from('GET /bcd HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n'), first?.fields);
  expect(next?.fields).toBe(first?.fields);
  const longer = readHead(Buffer.from('GET /bcd HTTP/1.1\r\nHost: a\r\nAccept: */*\r\nx: y\r\n\r\n'), first?.fields);
  expect(longer?.fields.headers).toEqual({ host: 'a', accept: '*/*', x: 'y' });
});

const answer = (bytes: string, headers: ApiResponse['headers'] = {}): ApiResponse => ({
  status: 200,
  headers,
  body: { kind: 'bytes', bytes: Buffer.from(bytes) },
});

test('a body in many pieces is read whole, and one that nobody reads is not', async () => {
  const lengths: number[] = [];
  const handler = knowing(async ({ path, body }) => {
    if (path === '/read' && body?.kind === 'unread') lengths.push((await body.read({ limitBytes: 1_000_000 })).length);
    return answer('done');
  });
  const server = await serveForTest(handler);
  const client = await openRaw(server.port, { isKnown: true });
  await introduce(client);
  const body = Buffer.alloc(300_000, 'a');
  client.send('PUT /read HTTP/1.1\r\nhost: a\r\ncontent-length: 300000\r\n\r\n');
  for (let at = 0; at < body.length; at += 7_000) client.send(body.subarray(at, at + 7_000));
  await client.until(/done$/);
  client.send('PUT /unread HTTP/1.1\r\nhost: a\r\ncontent-length: 300000\r\n\r\n');
  client.send(body);
  expect(await client.ended()).toMatch(/Connection: close\r\n[\s\S]*done$/);
  expect(lengths).toEqual([300_000]);
  await server.close();
});

test('a client that goes in the middle of its body ends the reading of it', async () => {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const asked = Promise.withResolvers<void>();
  const handler = knowing(async ({ body }) => {
    asked.resolve();
    if (body?.kind === 'unread') await body.read({ limitBytes: 1_000 }).catch(resolve);
    return answer('');
  });
  const server = await serveForTest(handler);
  const client = await openRaw(server.port, { isKnown: true });
  await introduce(client);
  client.send('PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc');
  await asked.promise;
  client.socket.destroy();
  expect(await promise).toMatchObject({ message: 'unexpected EOF' });
  await server.close();
});

test('a value that would end its header ends the connection instead', async () => {
  const server = await serveForTest(async () => answer('x', { 'x-said': 'a\r\nset-cookie: b' }));
  const client = await openRaw(server.port);
  client.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  expect(await client.ended()).toBe('');
  await server.close();
});

test('a server that stops closes a connection once its answer is written', async () => {
  const gate = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const server = await serveForTest(async () => {
    asked.resolve();
    await gate.promise;
    return answer('late');
  });
  const client = await openRaw(server.port, { isKnown: true });
  client.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  await asked.promise;
  const closed = server.close();
  gate.resolve();
  expect(await client.ended()).toMatch(/late$/);
  await closed;
});

test('a body of a stranger that comes in pieces is read whole', async () => {
  direct = [];
  for (const body of ['abc', 'ab']) {
    const client = await openRaw(directly.port);
    client.send(`PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\n${body}`);
    if (body === 'ab') client.send('c');
    await client.until(/"body":"abc"}$/);
    client.socket.destroy();
  }
  expect(direct).toEqual([true, true]);
});
