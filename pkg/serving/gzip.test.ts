/** Long answers are compressed for those who ask for it, and only those (fault 18). */
import { Buffer } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ApiHandler, ResponseBody } from '#pkg/apimachinery/http.ts';
import { openRaw, serveForTest, type TestServing } from './test-server.ts';

const long = Buffer.from(JSON.stringify(Array.from({ length: 60_000 }, (_, i) => `item ${i}`)));

function* slicesOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 100_000) yield bytes.subarray(at, at + 100_000);
}

async function* streamOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

const bodies: Readonly<Record<string, () => ResponseBody>> = {
  '/object': () => ({ kind: 'object', object: {}, bytes: () => long }),
  '/list': () => ({
    kind: 'object',
    object: {},
    bytes: () => long,
    sliced: () => ({ length: long.length, slices: () => slicesOf(long) }),
  }),
  '/document': () => ({ kind: 'bytes', bytes: long }),
  '/short': () => ({ kind: 'bytes', bytes: long.subarray(0, 128 * 1024) }),
  '/stream': () => ({ kind: 'stream', chunks: streamOf(long) }),
};

const handler: ApiHandler = async ({ path, peer }) => {
  peer.identified?.('ann');
  const vary: Record<string, string> = path === '/document' ? { vary: 'Accept' } : {};
  return { status: 200, headers: { 'content-type': 'application/json', ...vary }, body: bodies[path]!() };
};

let server: TestServing;
beforeAll(async () => {
  server = await serveForTest(handler);
});
afterAll(() => server.close());

async function get(path: string, encoding?: string): Promise<{ headers: IncomingMessage['headers']; bytes: Buffer }> {
  const headers = encoding === undefined ? {} : { 'accept-encoding': encoding };
  const options = { host: '127.0.0.1', port: server.port, path, headers, rejectUnauthorized: false, agent: false };
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request(options, resolve).on('error', reject).end();
  });
  return { headers: response.headers, bytes: await buffer(response) };
}

test.each([
  ['/object', 'gzip', 'Accept-Encoding'],
  ['/list', 'deflate, gzip', 'Accept-Encoding'],
  ['/document', 'gzip, br', 'Accept, Accept-Encoding'],
])('a long answer of %s comes compressed to who takes %s (fault 18)', async (path, encoding, vary) => {
  const { headers, bytes } = await get(path, encoding);
  expect([headers['content-encoding'], headers.vary, headers['content-length']]).toEqual(['gzip', vary, undefined]);
  expect(bytes.length).toBeLessThan(long.length / 2);
  expect(gunzipSync(bytes).equals(long)).toBe(true);
});

test.each([
  ['/list', undefined],
  ['/list', 'gzip;q=0'],
  ['/list', 'br, deflate'],
  ['/short', 'gzip'],
  ['/stream', 'gzip'],
])('%s comes as it is to who takes %s (fault 18)', async (path, encoding) => {
  const { headers, bytes } = await get(path, encoding);
  expect(headers['content-encoding']).toBeUndefined();
  expect(long.subarray(0, bytes.length).equals(bytes)).toBe(true);
});

test('who leaves in the middle of a compressed answer leaves nothing', async () => {
  const client = await openRaw(server.port);
  client.send('GET /list HTTP/1.1\r\nhost: x\r\naccept-encoding: gzip\r\n\r\n');
  await client.until(/gzip/);
  client.socket.destroy();
  while (server.connectionCount > 0) await new Promise((resolve) => setImmediate(resolve));
});
