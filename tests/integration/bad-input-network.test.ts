/** What no HTTP library sends: the server answers or hangs up, serves the next client, and stores nothing. */
import { connect as connectPlain } from 'node:net';
import { text } from 'node:stream/consumers';
import { connect } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestServer, type TestServer } from '#pkg/apiserver/testing/test-server.ts';
import { type Served, serveHttps } from './fuzz-https.ts';

const maps = '/api/v1/namespaces/default/configmaps';

let server: TestServer;
let https: Served;

beforeAll(async () => {
  server = await startTestServer();
  await server.call('POST', maps, { object: { metadata: { name: 'a' } } });
  https = await serveHttps(server.server.handle);
});

afterAll(() => https.close());

/** Sends bytes as they are over TLS and reads until the server hangs up, or until `until` was received. */
function exchange(bytes: readonly (Buffer | string)[], until?: RegExp): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port: https.port, ...https.client });
    let received = '';
    const done = (): void => {
      socket.destroy();
      resolve(received);
    };
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString();
      if (until?.test(received)) done();
    });
    // A connection that is reset while we still write has been answered, too.
    socket.on('error', () => undefined);
    socket.on('close', done);
    socket.on('secureConnect', () => {
      for (const part of bytes) socket.write(part);
    });
  });
}

function head(method: string, path: string, ...headers: string[]): string {
  return [`${method} ${path} HTTP/1.1`, 'host: x', 'content-type: application/json', ...headers, '', ''].join('\r\n');
}

const statusOf = (answer: string): string => answer.split('\r\n')[0] ?? '';
const big = Buffer.alloc(4 * 1024 * 1024, 'x');
const tooLarge = /"message":"Request entity too large: limit is 3145728","reason":"RequestEntityTooLarge","code":413/;

/** The rest is as it was: one more request is answered and nothing was stored. */
async function unharmed(before: unknown): Promise<void> {
  const answer = await exchange([head('GET', `${maps}/a`, 'connection: close')]);
  expect(statusOf(answer)).toBe('HTTP/1.1 200 OK');
  expect(await server.store.range({ prefix: '/' })).toEqual(before);
}

const cases: readonly (readonly [name: string, bytes: readonly (Buffer | string)[], status: string, body: RegExp])[] = [
  [
    'a body whose length is beyond the limit',
    [head('POST', maps, `content-length: ${big.length}`), big],
    'HTTP/1.1 413 Payload Too Large',
    tooLarge,
  ],
  [
    'only the announcement of such a body',
    [head('POST', maps, `content-length: ${big.length}`)],
    'HTTP/1.1 413 Payload Too Large',
    tooLarge,
  ],
  [
    'a body in chunks beyond the limit',
    [head('POST', maps, 'transfer-encoding: chunked'), `${big.length.toString(16)}\r\n`, big, '\r\n0\r\n\r\n'],
    'HTTP/1.1 413 Payload Too Large',
    tooLarge,
  ],
  [
    'chunks that are none',
    [head('POST', maps, 'transfer-encoding: chunked'), 'zz\r\n{}\r\n0\r\n\r\n'],
    'HTTP/1.1 400 Bad Request',
    /./,
  ],
  [
    'two lengths',
    [head('POST', maps, 'content-length: 2', 'transfer-encoding: chunked'), '{}'],
    'HTTP/1.1 400 Bad Request',
    /./,
  ],
  ['a length that is no number', [head('POST', maps, 'content-length: x'), '{}'], 'HTTP/1.1 400 Bad Request', /./],
  ['a negative length', [head('POST', maps, 'content-length: -1'), '{}'], 'HTTP/1.1 400 Bad Request', /./],
  ['a method that is none', [head('BREW', maps)], 'HTTP/1.1 400 Bad Request', /./],
  ['a request line that is none', ['hello\r\n\r\n'], 'HTTP/1.1 400 Bad Request', /./],
  ['no host', [`GET ${maps} HTTP/1.1\r\n\r\n`], 'HTTP/1.1 400 Bad Request', /./],
  [
    'headers beyond the limit',
    [head('GET', maps, `x: ${'x'.repeat(1_100_000)}`)],
    'HTTP/1.1 431 Request Header Fields Too Large',
    /./,
  ],
  ['a path with raw bytes', ['GET /api/v1/\x00 HTTP/1.1\r\nhost: x\r\n\r\n'], 'HTTP/1.1 400 Bad Request', /./],
  [
    'an expectation nobody knows',
    [head('POST', maps, 'expect: tea', 'content-length: 2', 'connection: close'), '{}'],
    'HTTP/1.1 417 Expectation Failed',
    /./,
  ],
];

test.each(cases)('%s', async (_name, bytes, status, body) => {
  const before = await server.store.range({ prefix: '/' });
  // Who sent too much keeps its connection, as long as what it still sends is bounded.
  const answer = await exchange(bytes, body === tooLarge ? tooLarge : undefined);
  expect(statusOf(answer)).toBe(status);
  expect(answer).toMatch(body);
  await unharmed(before);
});

test('a client that waits to be told to continue is told, and its body read', async () => {
  const before = await server.store.range({ prefix: '/' });
  const answer = await exchange([
    head('POST', maps, 'expect: 100-continue', 'content-length: 1', 'connection: close'),
    '{',
  ]);
  expect(answer).toMatch(
    /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 400 Bad Request\r\n[\s\S]*unexpected end of JSON input/,
  );
  await unharmed(before);
});

test('half of a body and a hang-up store nothing', async () => {
  const before = await server.store.range({ prefix: '/' });
  const body = '{"metadata":{"name":"half"}}';
  for (const framing of [`content-length: ${body.length + 1}`, 'transfer-encoding: chunked']) {
    const socket = connect({ host: '127.0.0.1', port: https.port, ...https.client });
    await new Promise<void>((resolve) => socket.once('secureConnect', resolve));
    socket.write(head('POST', maps, framing));
    socket.end(framing.startsWith('content') ? body : `${body.length.toString(16)}\r\n${body}`);
    // Read whatever comes until the other side has hung up, too.
    await text(socket).catch(() => '');
  }
  await unharmed(before);
});

test('requests sent at once are answered in order', async () => {
  const before = await server.store.range({ prefix: '/' });
  const answer = await exchange([
    head('GET', `${maps}/a`) +
      head('GET', `${maps}/none`) +
      head('POST', maps, 'content-length: 1') +
      '{' +
      head('GET', '/version', 'connection: close'),
  ]);
  expect(answer.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 404', 'HTTP/1.1 400', 'HTTP/1.1 200']);
  await unharmed(before);
});

test('the old protocol gets an answer and a hang-up', async () => {
  const answer = await exchange([`GET ${maps}/a HTTP/1.0\r\n\r\n`]);
  expect(statusOf(answer)).toBe('HTTP/1.1 200 OK');
  expect(answer).toContain('"name":"a"');
});

test('a watch over the old protocol ends with its connection', async () => {
  const answer = await exchange([`GET ${maps}?watch=1 HTTP/1.0\r\n\r\n`], /"ADDED"/);
  expect(statusOf(answer)).toBe('HTTP/1.1 200 OK');
  await unharmed(await server.store.range({ prefix: '/' }));
});

test('HTTP without TLS gets a hang-up', async () => {
  const before = await server.store.range({ prefix: '/' });
  const socket = connectPlain({ host: '127.0.0.1', port: https.port });
  socket.write(head('DELETE', `${maps}/a`));
  expect(await text(socket).catch(() => '')).not.toContain('200');
  await unharmed(before);
});
