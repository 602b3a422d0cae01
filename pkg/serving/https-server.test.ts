import { once } from 'node:events';
import type { IncomingMessage, RequestOptions } from 'node:http';
import { request } from 'node:https';
import { text } from 'node:stream/consumers';
import { connect } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ApiHandler, ApiRequest } from '#pkg/apimachinery/http.ts';
import { objectResponse } from '#pkg/apiserver/responses.ts';
import { storedView } from '#pkg/apiserver/storage/version-view.ts';
import { startTestServer, type TestServer } from '#pkg/apiserver/testing/test-server.ts';
import { objectFrame } from '#pkg/apiserver/watch-frame.ts';
import { WatchStream } from '#pkg/apiserver/watch-stream.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { createHttpsServer, type HttpsServer } from './https-server.ts';
import { testCertificate as cert, testKey as key } from './test-server.ts';

let api: TestServer;
let port: number;
let running: Promise<unknown>;
const stop = new AbortController();

async function serve(
  handler: ApiHandler,
  signal: AbortSignal,
): Promise<{ port: number; done: Promise<void>; server: HttpsServer }> {
  const server = createHttpsServer({ handler, cert, key, clientCa: cert, clock: new SystemClock(), log: silentLogger });
  const address = await server.listen({ host: '127.0.0.1', port: 0 });
  return { port: address.port, done: server.run(signal), server };
}

beforeAll(async () => {
  api = await startTestServer();
  const serving = await serve(api.server.handle, stop.signal);
  port = serving.port;
  running = Promise.all([serving.done, api.server.run(stop.signal)]);
});

afterAll(async () => {
  stop.abort();
  await running;
});

interface Sent extends RequestOptions {
  readonly body?: string | Buffer;
  readonly known?: boolean;
}

function open(method: string, path: string, { body, known = true, ...options }: Sent = {}): Promise<IncomingMessage> {
  const identity = known ? { cert, key } : {};
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: '127.0.0.1', port, method, path, rejectUnauthorized: false, agent: false, ...identity, ...options },
      resolve,
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

async function call(method: string, path: string, options: Sent = {}): Promise<{ status: number; text: string }> {
  const response = await open(method, path, options);
  return { status: response.statusCode!, text: await text(response) };
}

const json = { 'content-type': 'application/json' };
const maps = '/api/v1/namespaces/default/configmaps';

test('the subject of the client certificate is the user and its groups', async () => {
  const body = '{}';
  const answer = await call('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', { body, headers: json });
  expect(JSON.parse(answer.text).status.userInfo).toEqual({
    username: 'ann',
    groups: ['system:masters', 'people', 'system:authenticated'],
    extra: { 'authentication.kubernetes.io/credential-id': [expect.stringMatching(/^X509SHA256=[0-9a-f]{64}$/)] },
  });
});

test('a client without a certificate is anonymous', async () => {
  expect((await call('GET', '/api/v1/pods', { known: false })).status).toBe(403);
  expect(await call('GET', '/healthz', { known: false })).toEqual({ status: 200, text: 'ok' });
});

test('objects go to and fro, with their length', async () => {
  const body = JSON.stringify({ metadata: { name: 'a' }, data: { x: 'ü' } });
  const made = await open('POST', maps, { body, headers: json });
  const answer = await text(made);
  expect([made.statusCode, Number(made.headers['content-length'])]).toEqual([201, Buffer.byteLength(answer)]);
  expect((await call('GET', `${maps}/a`)).text).toBe(answer);
  const head = await open('HEAD', '/healthz');
  expect([await text(head), head.headers['content-length']]).toEqual(['', '2']);
});

test('a body over the limit is refused, announced or not', async () => {
  const body = Buffer.alloc(3 * 1024 * 1024 + 1, ' ');
  for (const headers of [json, { ...json, 'transfer-encoding': 'chunked' }]) {
    const { status, text: answer } = await call('POST', maps, { body, headers });
    expect([status, JSON.parse(answer).reason]).toEqual([413, 'RequestEntityTooLarge']);
  }
});

test('a client that sends far more than the limit before it looks still gets the answer', async () => {
  const body = Buffer.alloc(20 * 1024 * 1024, ' ');
  for (const headers of [json, { ...json, 'transfer-encoding': 'chunked' }]) {
    const { status, text: answer } = await call('POST', maps, { body, headers });
    expect([status, JSON.parse(answer).reason]).toEqual([413, 'RequestEntityTooLarge']);
  }
});

test('selectors may be longer than headers usually are', async () => {
  const labelSelector = Array.from({ length: 2_500 }, (_, i) => `example.com/key-${i}`).join(',');
  const { status } = await call('GET', `${maps}?labelSelector=${encodeURIComponent(labelSelector)}`);
  expect(status).toBe(200);
  expect((await call('GET', `${maps}/${'a'.repeat(2 * 1024 * 1024)}`)).status).toBe(431);
});

test('a request as to a proxy is for this server', async () => {
  const { status, text: answer } = await call('GET', 'https://somewhere.example/version?pretty=1');
  expect([status, JSON.parse(answer).major]).toEqual([200, '1']);
});

test('a watch is a stream of lines', async () => {
  const response = await open('GET', `${maps}?watch=1`);
  const lines: string[] = [];
  let rest = '';
  for await (const chunk of response.setEncoding('utf8')) {
    rest += chunk;
    const parts = rest.split('\n');
    rest = parts.pop()!;
    lines.push(...parts);
    if (lines.length === 1) await call('DELETE', `${maps}/a`);
    if (lines.length >= 2) break;
  }
  expect(lines.map((line) => JSON.parse(line)).map(({ type, object }) => `${type} ${object.metadata.name}`)).toEqual([
    'ADDED a',
    'DELETED a',
  ]);
});

test('frames that are made on the way are a stream of lines too', async () => {
  const batch = ['a', 'ü'].map((name) => objectFrame('ADDED', { metadata: { name } }));
  const done = new AbortController();
  const serving = await serve(async () => {
    const batches = (async function* () {
      yield batch;
    })();
    return { status: 200, headers: {}, body: { kind: 'watch', batches } };
  }, done.signal);
  const { text: lines } = await call('GET', '/x', { port: serving.port });
  expect(lines).toBe(batch.map((frame) => Buffer.from(frame.bytes()).toString()).join(''));
  done.abort();
  await serving.done;
});

test('many frames at once come whole', async () => {
  const done = new AbortController();
  const frames = Array.from({ length: 300 }, (_, i) =>
    objectFrame('ADDED', { metadata: { name: `${i}`, annotations: { padding: 'x'.repeat(10_000) } } }),
  );
  const stream = new WatchStream({ view: storedView, selection: undefined, errorFrame: () => frames[0]! });
  stream.begin(frames);
  stream.close();
  const serving = await serve(
    async () => ({ status: 200, headers: {}, body: { kind: 'watch', batches: stream } }),
    done.signal,
  );
  const { text: lines } = await call('GET', '/api/v1/x', { port: serving.port });
  expect(lines).toBe(frames.map((frame) => Buffer.from(frame.bytes()).toString()).join(''));
  done.abort();
  await serving.done;
});

test('a reader that leaves aborts the request', async () => {
  const began = Promise.withResolvers<ApiRequest>();
  const done = new AbortController();
  const serving = await serve((asked) => {
    began.resolve(asked);
    return new Promise(() => {});
  }, done.signal);
  const left = request({
    host: '127.0.0.1',
    port: serving.port,
    path: '/api/v1/x',
    rejectUnauthorized: false,
    agent: false,
  });
  left.on('error', () => {});
  left.end();
  const { signal } = await began.promise;
  const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
  left.destroy();
  await aborted;
  done.abort();
  await serving.done;
});

test('a request with a body that comes before the answer to the last one is taken is read once it is', async () => {
  const done = new AbortController();
  const serving = await serve(async ({ body, peer }) => {
    peer.identified?.('ann');
    const bytes = body?.kind === 'unread' ? await body.read({ limitBytes: 1_000_000 }) : Buffer.alloc(20_000_000, 'x');
    const text = body === undefined ? bytes : Buffer.from(`read ${bytes.length}`);
    return { status: 200, headers: {}, body: { kind: 'bytes', bytes: text } };
  }, done.signal);
  const socket = connect({ host: '127.0.0.1', port: serving.port, rejectUnauthorized: false });
  socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
  await once(socket, 'readable');
  const rest = ' '.repeat(500_000);
  const head = `POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: ${rest.length}\r\n\r\n`;
  socket.write(head + rest);
  // What is sent has arrived once the answer to another connection has.
  await call('GET', '/', { port: serving.port });
  const answers = await text(socket);
  expect(answers.slice(-11)).toBe('read 500000');
  done.abort();
  await serving.done;
});

test('a connection goes on after a request that came before the answer to the last one was taken', async () => {
  const done = new AbortController();
  const serving = await serve(async ({ path }) => {
    const bytes = path === '/large' ? Buffer.alloc(20_000_000, 'x') : Buffer.from(`answer to ${path}`);
    return { status: 200, headers: {}, body: { kind: 'bytes', bytes } };
  }, done.signal);
  const socket = connect({ host: '127.0.0.1', port: serving.port, rejectUnauthorized: false });
  let received = '';
  const until = (end: string) =>
    new Promise<void>((resolve) => {
      const look = (): void => {
        if (!received.endsWith(end)) return;
        socket.off('data', look);
        resolve();
      };
      socket.on('data', look);
      look();
    });
  const ask = (path: string): void => void socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`);
  ask('/large');
  await once(socket, 'readable');
  ask('/early');
  // It has arrived once the answer to another connection has.
  await call('GET', '/', { port: serving.port });
  socket.on('data', (bytes: Buffer) => {
    received = (received + bytes.toString('latin1')).slice(-100);
  });
  await until('answer to /early');
  for (const path of ['/next', '/after']) {
    ask(path);
    await until(`answer to ${path}`);
  }
  socket.destroy();
  done.abort();
  await serving.done;
});

test('what is not HTTP is refused', async () => {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
  socket.write('not http\r\n\r\n');
  expect(await text(socket)).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n.*\r\n\r\n400 Bad Request$/s);
});

test('a port that is taken is an error of listen', async () => {
  const other = createHttpsServer({
    handler: async () => objectResponse(200, {}),
    cert,
    key,
    clock: new SystemClock(),
    log: silentLogger,
  });
  await expect(other.listen({ host: '127.0.0.1', port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
});

test('an answer that says itself how it may be kept says it once', async () => {
  const headers = { 'content-type': 'application/json', 'cache-control': 'public' };
  const ending = new AbortController();
  const { port: own, done } = await serve(async () => objectResponse(200, {}, headers), ending.signal);
  const response = await open('GET', '/', { port: own });
  await text(response);
  const { rawHeaders } = response;
  const said = rawHeaders.filter((_, i) => rawHeaders[i - 1]?.toLowerCase() === 'cache-control');
  expect(said).toEqual(['public']);
  ending.abort();
  await done;
});

test('what is done before answers leave has been done for each answer that a client has', async () => {
  let answered = 0;
  let settled = 0;
  const server = createHttpsServer({
    handler: async ({ isHeld }) => {
      answered++;
      const body = { kind: 'bytes', bytes: Buffer.from(String(isHeld === true && answered)) } as const;
      return { status: 200, headers: { 'content-type': 'text/plain' }, body };
    },
    cert,
    key,
    clock: new SystemClock(),
    log: silentLogger,
    beforeAnswers: () => {
      settled = answered;
    },
  });
  const address = await server.listen({ host: '127.0.0.1', port: 0 });
  const stopped = new AbortController();
  const done = server.run(stopped.signal);
  const ask = async (): Promise<boolean> => {
    const answer = await text(await open('GET', '/', { port: address.port }));
    return Number(answer) > 0 && Number(answer) <= settled;
  };
  expect(await ask()).toBe(true);
  expect(await Promise.all(Array.from({ length: 20 }, ask))).toEqual(new Array(20).fill(true));
  stopped.abort();
  await done;
});
