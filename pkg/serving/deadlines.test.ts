/** What clients do who never end: each has its time, on a clock that the test moves, and then its connection goes. */
import { Buffer } from 'node:buffer';
import { expect, onTestFinished, test } from 'vitest';
import type { ApiHandler, ApiResponse } from '#pkg/apimachinery/http.ts';
import type { StatusError } from '#pkg/apimachinery/status-error.ts';
import type { Logger } from '#pkg/base/logger.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { connectionLimits, defaultLimits } from './limits.ts';
import { openRaw, type RawClient, serveForTest, type TestServing, type TestServingOptions } from './test-server.ts';

const second = 1_000;

/** Says who asks; knows those with a certificate. What has a body is read. */
const handler: ApiHandler = async ({ peer, path, body }) => {
  const who = peer.certificate?.commonName;
  if (who !== undefined) peer.identified?.(who);
  const reply = (status: number, text: string) =>
    ({ status, headers: {}, body: { kind: 'bytes', bytes: Buffer.from(text) } }) as const;
  if (who === undefined && path !== '/open') return reply(401, 'Unauthorized');
  if (path === '/big') return reply(200, 'x'.repeat(30_000_000));
  if (body?.kind !== 'unread') return reply(200, who ?? 'anybody');
  if (path === '/impatient') {
    body.read({ limitBytes: 100_000 }).catch(() => {});
    return reply(504, 'did not complete');
  }
  try {
    return reply(200, `read ${(await body.read({ limitBytes: 100_000 })).length}`);
  } catch (error) {
    return reply((error as StatusError).status.code, (error as StatusError).message);
  }
};

async function serve(options: Omit<TestServingOptions, 'clock'> = {}): Promise<TestServing & { clock: VirtualClock }> {
  const clock = new VirtualClock();
  const server = await serveForTest(handler, { ...options, clock });
  onTestFinished(() => server.close());
  return Object.assign(Object.create(server) as TestServing, { clock });
}

/** Lets the machine work until something is so. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

async function open(port: number, options?: Parameters<typeof openRaw>[1]): Promise<RawClient> {
  const client = await openRaw(port, options);
  onTestFinished(() => void client.socket.destroy());
  return client;
}

const ask = 'GET /open HTTP/1.1\r\nhost: x\r\n\r\n';

test('a connection without a hello is destroyed after its time (fault 54)', async () => {
  const server = await serve();
  const client = await open(server.port, { isPlain: true });
  // Its time runs once the server has it.
  await until(() => server.connectionCount === 1);
  await server.clock.advance(defaultLimits.handshakeMs - second);
  expect(client.socket.destroyed).toBe(false);
  await server.clock.advance(2 * second);
  await client.ended();
});

test('a client that goes without a hello leaves nothing (fault 54)', async () => {
  const server = await serve();
  const client = await open(server.port, { isPlain: true });
  await until(() => server.connectionCount === 1);
  client.socket.destroy();
  await until(() => server.connectionCount === 0);
});

test('a server stops whatever silent connections there are (fault 54)', async () => {
  const server = await serveForTest(handler, { clock: new VirtualClock() });
  const silent = await open(server.port, { isPlain: true });
  const halfway = await open(server.port, { isKnown: true });
  halfway.send('GET / HTTP/1.1\r\nhost');
  await until(() => server.connectionCount === 2);
  await server.close();
  await Promise.all([silent.ended(), halfway.ended()]);
});

test.each([
  ['never begins', ''],
  ['stops in its request line', 'GET /op'],
  ['stops in its headers', 'GET /open HTTP/1.1\r\nhost: x\r\nx-a: '],
])('a client that %s is cut off after the time for headers (fault 58)', async (_what, bytes) => {
  const { port, clock } = await serve();
  const client = await open(port);
  client.send(bytes);
  await clock.advance(defaultLimits.headMs - 2 * second);
  expect(client.socket.destroyed).toBe(false);
  for (let i = 0; i < 4; i++) await clock.advance(second);
  expect(await client.ended()).toBe('');
});

test('headers that never end are cut off though they keep coming (fault 58)', async () => {
  const { port, clock } = await serve();
  const client = await open(port, { isKnown: true });
  client.send('GET /open HTTP/1.1\r\nhost: x\r\n');
  for (let at = 0; at < defaultLimits.headMs + 3 * second && !client.socket.destroyed; at += second) {
    client.send(`x-${at}: y\r\n`);
    await clock.advance(second);
  }
  expect(await client.ended()).toBe('');
});

test('the headers of a later request have their time, too, and the pause before it a longer one', async () => {
  const server = await serve();
  const client = await open(server.port, { isKnown: true });
  client.send(ask);
  await client.until(/ann$/);
  await server.clock.advance(defaultLimits.headMs * 2);
  expect(client.socket.destroyed).toBe(false);
  client.send('GET /');
  // Once the server has it, its time runs.
  while (!client.socket.destroyed) await server.clock.advance(second);
  await client.ended();
  expect(server.clock.monotonicMs()).toBeLessThan(defaultLimits.idleMs);
});

test('a later request that begins right behind an answer has the time for headers as well', async () => {
  const server = await serve();
  const client = await open(server.port, { isKnown: true });
  for (const body of ['', 'abc']) {
    client.send(`POST / HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    await client.until(body === '' ? /ann$/ : /read 3$/);
  }
  client.send('GET / HT');
  // It is there before the connection is looked at.
  const other = await open(server.port, { isKnown: true });
  other.send(ask);
  await other.until(/ann$/);
  const fromMs = server.clock.monotonicMs();
  while (server.connectionCount > 1) await server.clock.advance(second);
  expect(server.clock.monotonicMs() - fromMs).toBeLessThanOrEqual(defaultLimits.headMs + 3 * second);
  await client.ended();
});

test('an idle connection is closed in the end', async () => {
  const server = await serve();
  const client = await open(server.port, { isKnown: true });
  client.send(ask);
  await client.until(/ann$/);
  while (server.connectionCount > 0) await server.clock.advance(second);
  expect(server.clock.monotonicMs()).toBeGreaterThanOrEqual(defaultLimits.idleMs);
  expect(server.clock.monotonicMs()).toBeLessThan(1.5 * defaultLimits.idleMs);
  await client.ended();
});

test.each([
  ['announced', 'content-length: 10', 'abc'],
  ['in chunks', 'transfer-encoding: chunked', '3\r\nabc\r\n'],
])('a body, %s, that does not come is 408 and the end of the connection (fault 58)', async (_how, framing, part) => {
  const { port, clock } = await serve();
  const client = await open(port, { isKnown: true });
  client.send(`POST / HTTP/1.1\r\nhost: x\r\n${framing}\r\n\r\n${part}`);
  for (let at = 0; !/did not arrive in time/.test(client.received); at += second) {
    expect(at).toBeLessThan(defaultLimits.bodyMs * 100);
    await clock.advance(second);
  }
  expect(client.received).toMatch(/^HTTP\/1\.1 408 Request Timeout[\s\S]*Connection: close/i);
  while (!client.socket.destroyed) await clock.advance(second);
});

test('a body has as long as its length takes at a slow pace, and no longer', async () => {
  const { port, clock } = await serve();
  const client = await open(port, { isKnown: true });
  client.send('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n');
  let at = 0;
  for (; !/did not arrive in time/.test(client.received); at += second) {
    // A byte now and then does not make it longer.
    client.send('x');
    expect(at).toBeLessThan(defaultLimits.bodyMs);
    await clock.advance(second);
  }
  expect(at).toBeGreaterThanOrEqual(defaultLimits.bodyLeastMs);
});

test('small bodies that do not come take room, of which one client has a share', async () => {
  const clock = new VirtualClock();
  let asked = 0;
  const counting: ApiHandler = (request) => {
    asked++;
    return handler(request);
  };
  const server = await serveForTest(counting, { clock, limits: { bodiesBytesMax: 4_000, shareBytesMax: 2_000 } });
  onTestFinished(() => server.close());
  const { port } = server;
  const head = 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n';
  const clients = await Promise.all([1, 2, 3, 4].map(() => open(port, { isKnown: true })));
  for (const client of clients) client.send(`${head}x`);
  // All are being read before any time passes.
  await until(() => asked === clients.length);
  await clock.advance(2 * second);
  const refusals = () => clients.filter(({ received }) => /Too many requests/.test(received)).length;
  await until(() => refusals() >= 2);
  expect(refusals()).toBe(2);
  // Those who have room go on, and so does who sends all at once.
  const other = await open(port, { isKnown: true });
  other.send(`${head}${'x'.repeat(1_000)}`);
  expect(await other.until(/read 1000$/)).toBeTruthy();
  const patient = clients.find(({ received }) => received === '')!;
  patient.send('x'.repeat(999));
  expect(await patient.until(/read 1000$/)).toBeTruthy();
});

test('a body that is still being read when its request is answered is let go of', async () => {
  const { port, clock } = await serve();
  const client = await open(port, { isKnown: true });
  client.send('POST /impatient HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nx');
  await client.until(/did not complete$/);
  for (let at = 0; at <= defaultLimits.discardMs + second; at += second) await clock.advance(second);
  await client.ended();
});

test('half a body from nobody is answered 401 and its connection closed within a second', async () => {
  const server = await serve();
  const client = await open(server.port);
  client.send(`POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3000000\r\n\r\n${'x'.repeat(100_000)}`);
  expect(await client.until(/Unauthorized$/)).toMatch(/^HTTP\/1\.1 401 [\s\S]*Connection: close/i);
  await server.clock.advance(defaultLimits.lingerMs + 100);
  await client.ended();
  await until(() => server.connectionCount === 0);
  expect(server.clock.monotonicMs()).toBeLessThan(second);
});

test('whoever is told 401 in the middle of a body is told at once that nothing follows, and leaves nothing once it goes', async () => {
  const server = await serve();
  const clients = await Promise.all(Array.from({ length: 40 }, () => open(server.port)));
  for (const client of clients) {
    client.send(`POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3000000\r\n\r\n${'x'.repeat(70_000)}`);
  }
  for (const client of clients) expect(await client.ended()).toMatch(/^HTTP\/1\.1 401 [\s\S]*Unauthorized$/);
  await until(() => server.connectionCount === 0);
  expect(server.clock.monotonicMs()).toBe(0);
});

test('of a body that nobody wants hardly anything is taken', async () => {
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<ApiResponse>();
  const server = await serveForTest(() => {
    asked.resolve();
    return answer.promise;
  });
  onTestFinished(() => server.close());
  const client = await open(server.port);
  client.send(`POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 50000000\r\n\r\n`);
  for (let i = 0; i < 500; i++) client.send(Buffer.alloc(100_000));
  await asked.promise;
  for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
  // What the kernels of both sides hold is a few MB.
  expect(client.socket.writableLength).toBeGreaterThan(30_000_000);
  answer.resolve({ status: 401, headers: {}, body: { kind: 'empty' } });
  await client.ended();
  expect(client.received).toMatch(/^HTTP\/1\.1 401 /);
});

test('a client that asks before it sends its body is not told to when nobody wants it', async () => {
  const { port } = await serve();
  const client = await open(port);
  client.send('POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n');
  expect(await client.until(/Unauthorized$/)).toMatch(/^HTTP\/1\.1 401 /);
});

test('a client that never reads is cut off, and others are served meanwhile', async () => {
  const server = await serve();
  const other = await open(server.port, { isKnown: true });
  const client = await open(server.port, { isKnown: true });
  client.socket.pause();
  client.send('GET /big HTTP/1.1\r\nhost: x\r\n\r\n');
  await until(() => client.socket.bytesRead > 0);
  for (let at = 0; server.connectionCount === 2; at += 10 * second) {
    expect(at).toBeLessThan(defaultLimits.stalledMs * 2);
    await server.clock.advance(10 * second);
    if (at !== 20 * second) continue;
    other.send(ask);
    await other.until(/ann$/);
  }
});

test('readers that take nothing are cut off at once where they hold too much together, the longest stalled first', async () => {
  const server = await serve({ limits: { stalledBytesMax: 600_000 } });
  const clients: RawClient[] = [];
  for (let i = 0; i < 4; i++) {
    const client = await open(server.port, { isKnown: true });
    client.socket.pause();
    client.send('GET /big HTTP/1.1\r\nhost: x\r\n\r\n');
    await until(() => client.socket.bytesRead > 0);
    clients.push(client);
    await server.clock.advance(2 * second);
  }
  expect(server.connectionCount).toBe(4);
  for (let at = 0; at < defaultLimits.stalledUnknownMs + 10 * second; at += second) await server.clock.advance(second);
  // Each holds a slice.
  expect(server.connectionCount).toBe(2);
  const left = clients.at(-1)!;
  left.socket.resume();
  await left.until(/x{1000}$/);
});

test('connections that nobody is known on give way, the oldest first, and there is one line about it (fault 55)', async () => {
  const lines: string[] = [];
  const log = { warn: (message: string) => void lines.push(message), debug() {} } as unknown as Logger;
  const server = await serve({ log, limits: { connectionsMax: 8, unknownMax: 4 } });
  const known = await open(server.port, { isKnown: true });
  known.send(ask);
  await known.until(/ann$/);
  const silent: RawClient[] = [];
  for (let i = 0; i < 20; i++) silent.push(await open(server.port, { isPlain: true }));
  await Promise.all(silent.slice(0, 16).map((client) => client.ended()));
  expect(server.connectionCount).toBe(5);
  const another = await open(server.port, { isKnown: true });
  another.send(ask);
  await another.until(/ann$/);
  known.send(ask);
  await known.until(/ann[\s\S]*ann$/);
  expect(lines).toEqual(['Connections are at their limit']);
});

test('those who are known are never closed for others: a connection too many is', async () => {
  const server = await serve({ limits: { connectionsMax: 2, unknownMax: 2 } });
  const known = await Promise.all([1, 2].map(() => open(server.port, { isKnown: true })));
  for (const client of known) {
    client.send(ask);
    await client.until(/ann$/);
  }
  const more = await open(server.port, { isKnown: true });
  await more.ended();
  for (const client of known) {
    client.send(ask);
    await client.until(/ann[\s\S]*ann$/);
  }
});

test.each([
  [300, 150, 37],
  [1_024, 512, 128],
  [20, 32, 16],
  [1_048_576, 20_000, 5_000],
])('of %i descriptors, connections get %i, those that are not known %i', (descriptors, connectionsMax, unknownMax) => {
  expect(connectionLimits(descriptors)).toEqual({ connectionsMax, unknownMax });
});
