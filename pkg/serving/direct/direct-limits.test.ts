/** What a connection that is read directly holds, for how long, and what its client's end does. */
import { Buffer } from 'node:buffer';
import { expect, onTestFinished, test } from 'vitest';
import type { ApiHandler, ApiResponse } from '#pkg/apimachinery/http.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import type { Exchange } from '../exchange.ts';
import { defaultLimits } from '../limits.ts';
import {
  introduce,
  knowing,
  openRaw,
  type RawClient,
  serveForTest,
  type TestServing,
  type TestServingOptions,
} from '../test-server.ts';
import { readHead } from './direct-head.ts';

const second = 1_000;

const answer = (bytes: string | Buffer, headers: ApiResponse['headers'] = {}): ApiResponse => ({
  status: 200,
  headers,
  body: { kind: 'bytes', bytes: Buffer.from(bytes) },
});

async function serve(handler: ApiHandler, options: TestServingOptions = {}): Promise<TestServing> {
  const server = await serveForTest(knowing(handler), options);
  onTestFinished(() => server.close());
  return server;
}

async function open(port: number): Promise<RawClient> {
  const client = await openRaw(port, { isKnown: true });
  onTestFinished(() => void client.socket.destroy());
  return client;
}

async function openKnown(port: number): Promise<RawClient> {
  const client = await open(port);
  await introduce(client);
  return client;
}

/** Lets the machine work until something is so. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

test('of requests in a row the next waits until the answers before it are taken', async () => {
  let asked = 0;
  const bytes = Buffer.alloc(200_000, 'x');
  const server = await serve(async () => {
    asked++;
    return answer(bytes);
  });
  const client = await open(server.port);
  client.socket.pause();
  const count = 200;
  for (let i = 0; i < count; i++) client.send(`GET /${i} HTTP/1.1\r\nhost: a\r\n\r\n`);
  for (let turn = 0; turn < 500; turn++) await new Promise((resolve) => setImmediate(resolve));
  // What the kernels of both sides hold is a few MB.
  expect(asked).toBeLessThan(count / 4);
  client.socket.resume();
  await until(() => client.received.length > count * bytes.length);
  expect(asked).toBe(count);
});

test('pieces of a body that is read once its client has gone end, as it does', async () => {
  const asked = Promise.withResolvers<AbortSignal>();
  const ended = Promise.withResolvers<unknown>();
  const server = await serve(async ({ body, signal }) => {
    asked.resolve(signal);
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    if (body?.kind === 'unread') {
      try {
        for await (const _ of body.chunks());
      } catch (error) {
        ended.resolve(error);
      }
    }
    return answer('');
  });
  const client = await openKnown(server.port);
  client.send('PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc');
  await asked.promise;
  client.socket.destroy();
  expect(await ended.promise).toBeInstanceOf(Error);
});

test('a head in pieces has its time from its first one, however long the answer before it was', async () => {
  const clock = new VirtualClock();
  const late = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const server = await serve(
    async ({ path, peer }) => {
      peer.identified?.('ann');
      asked.resolve();
      if (path === '/late') await late.promise;
      return answer(path);
    },
    { clock },
  );
  const client = await open(server.port);
  client.send('GET /late HTTP/1.1\r\nhost: a\r\n\r\n');
  await asked.promise;
  await clock.advance(2 * defaultLimits.headMs);
  late.resolve();
  await client.until(/late$/);
  client.send('GET /next HTTP/1.1\r\nhost: a\r\n');
  // The server has it once it has answered another one that was sent after it.
  const other = await open(server.port);
  other.send('GET /other HTTP/1.1\r\nhost: a\r\n\r\n');
  await other.until(/other$/);
  await clock.advance(2 * second);
  client.send('\r\n');
  await client.until(/next$/);
});

test('a connection whose last body came behind its head and was read by nobody is kept as any idle one is', async () => {
  const clock = new VirtualClock();
  const gate = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const bodies: boolean[] = [];
  const server = await serve(
    async (request) => {
      request.peer.identified?.('ann');
      asked.resolve();
      if (request.method === 'PUT') await gate.promise;
      bodies.push((request as Exchange).request.complete);
      return answer('done');
    },
    { clock },
  );
  const client = await openKnown(server.port);
  client.send('PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\n');
  await asked.promise;
  client.send('abc');
  const other = await open(server.port);
  other.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  await other.until(/done$/);
  gate.resolve();
  await client.until(/done$/);
  await clock.advance(2 * defaultLimits.headMs);
  client.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  await client.until(/done[\s\S]*done$/);
  expect(bodies).toEqual([true, true, true]);
});

test.each([true, false])('a signal that is asked for after the answer is aborted (directly: %s)', async (isDirect) => {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const answered = Promise.withResolvers<void>();
  const server = await serve(
    async (request) => {
      void answered.promise.then(() => resolve(request.signal.aborted));
      return answer('done');
    },
    { isDirect },
  );
  const client = await open(server.port);
  client.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  await client.until(/done$/);
  answered.resolve();
  expect(await promise).toBe(true);
});

test.each([true, false])('an answer that says its own date says no other (directly: %s)', async (isDirect) => {
  const server = await serve(async () => answer('done', { date: 'Thu, 01 Jan 1970 00:00:00 GMT' }), { isDirect });
  const client = await open(server.port);
  client.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  expect((await client.until(/done$/)).match(/^date: .*$/gim)).toEqual(['date: Thu, 01 Jan 1970 00:00:00 GMT']);
});

test.each([true, false])(
  'a length that an answer without a body says is the only one (directly: %s)',
  async (isDirect) => {
    const headers = { 'content-length': '10' };
    const server = await serve(async () => ({ status: 200, headers, body: { kind: 'empty' } }), { isDirect });
    const client = await open(server.port);
    client.send('HEAD / HTTP/1.1\r\nhost: a\r\n\r\n');
    expect((await client.until(/\r\n\r\n$/)).match(/^content-length: .*$/gim)).toEqual(['content-length: 10']);
  },
);

test('the lines of a head that are kept for the next one do not keep the body that came with it', () => {
  const piece = Buffer.concat([
    Buffer.from('PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 16000\r\n\r\n'),
    Buffer.alloc(16_000),
  ]);
  expect(readHead(piece, undefined)?.fields.bytes.buffer.byteLength).toBeLessThan(200);
});
