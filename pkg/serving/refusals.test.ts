/** What is no request, as Go's server answers it (fault 65). */
import { Buffer } from 'node:buffer';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openRaw, serveForTest, type TestServing } from './test-server.ts';

let server: TestServing;

beforeAll(async () => {
  server = await serveForTest(async () => ({
    status: 200,
    headers: {},
    body: { kind: 'bytes', bytes: Buffer.from('ok') },
  }));
});

afterAll(() => server.close());

test.each([
  ['two hosts', 'GET / HTTP/1.1\r\nhost: a\r\nHost: b\r\n\r\n', '400 Bad Request: too many Host headers'],
  ['two equal hosts', 'GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n', '400 Bad Request: too many Host headers'],
  ['the version 0.9', 'GET /\r\n\r\n', '400 Bad Request: malformed HTTP version'],
  [
    'the version 2.0',
    'GET / HTTP/2.0\r\nhost: a\r\n\r\n',
    '505 HTTP Version Not Supported: unsupported protocol version',
  ],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', '400 Bad Request'],
  [
    'a version that is none',
    'GET / HTTP/9.9\r\nhost: a\r\n\r\n',
    '505 HTTP Version Not Supported: unsupported protocol version',
  ],
  ['no HTTP', 'hello\r\n\r\n', '400 Bad Request'],
  [
    'an upgrade with two hosts',
    'GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
    '400 Bad Request: too many Host headers',
  ],
])('%s is refused and its connection closed', async (_what, bytes, line) => {
  const client = await openRaw(server.port);
  client.send(bytes);
  const answer = await client.ended();
  expect(answer.split('\r\n')[0]).toBe(`HTTP/1.1 ${line}`);
  expect(answer.endsWith(`\r\n\r\n${line}`)).toBe(true);
});

test('what follows a refusal is not answered', async () => {
  const client = await openRaw(server.port);
  const two = 'GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n';
  client.send(`${two}GET / HTTP/1.1\r\nhost: a\r\n\r\n`);
  expect((await client.ended()).match(/HTTP\/1\.1 /g)).toHaveLength(1);
});

test('an upgrade behind a request that is not answered yet waits, or ends the connection where Node reads it, and nothing else', async () => {
  const gate = Promise.withResolvers<void>();
  const slow = await serveForTest(async ({ path }) => {
    if (path === '/slow') await gate.promise;
    return { status: 200, headers: {}, body: { kind: 'empty' } };
  });
  const client = await openRaw(slow.port);
  const upgrade = 'GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n';
  client.send(`GET /slow HTTP/1.1\r\nhost: a\r\nte: trailers\r\n\r\n${upgrade}`);
  expect(await client.ended()).toBe('');
  const patient = await openRaw(slow.port);
  patient.send(`GET /slow HTTP/1.1\r\nhost: a\r\n\r\n${upgrade}`);
  gate.resolve();
  const other = await openRaw(slow.port);
  other.send(upgrade);
  expect(await other.ended()).toMatch(/^HTTP\/1\.1 200 /);
  expect((await patient.ended()).match(/HTTP\/1\.1 200 /g)).toHaveLength(2);
  await slow.close();
});

test('plain HTTP at a port of TLS is told so (fault 20)', async () => {
  const client = await openRaw(server.port, { isPlain: true });
  client.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  expect(await client.ended()).toBe(
    'HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n',
  );
});

test('a protocol that is not known is asked for in vain', async () => {
  const client = await openRaw(server.port);
  client.send('GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade, close\r\nupgrade: h2c\r\n\r\n');
  expect(await client.ended()).toMatch(/^HTTP\/1\.1 200 OK[\s\S]*ok$/);
});
