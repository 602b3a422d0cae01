/** Watches and logs over WebSockets, as dashboards in browsers ask for them (fault 16). */
import { Buffer } from 'node:buffer';
import { request } from 'node:https';
import { Agent, WebSocket } from 'undici';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { ApiHandler } from '#pkg/apimachinery/http.ts';
import { testCertificate as cert, testKey as key, serveForTest, type TestServing } from '#pkg/serving/test-server.ts';
import { startTestServer, type TestServer } from './testing/test-server.ts';

const maps = '/api/v1/namespaces/default/configmaps';
let api: TestServer;
let server: TestServing;

beforeAll(async () => {
  api = await startTestServer();
  server = await serveForTest(api.server.handle);
});

afterAll(() => server.close());

const dispatcher = new Agent({ connect: { rejectUnauthorized: false, cert, key } });
afterAll(() => dispatcher.destroy());

interface Opened {
  readonly socket: WebSocket;
  readonly messages: unknown[];
  /** Resolves when so many messages have come. */
  has(count: number): Promise<void>;
}

async function open(port: number, path: string, protocols: string[] = [], headers = {}): Promise<Opened> {
  const socket = new WebSocket(`wss://127.0.0.1:${port}${path}`, { protocols, dispatcher, headers });
  socket.binaryType = 'arraybuffer';
  onTestFinished(() => socket.close());
  const messages: unknown[] = [];
  let look = (): void => {};
  socket.addEventListener('message', ({ data }) => {
    messages.push(data);
    look();
  });
  await new Promise<void>((resolve, reject) => {
    socket.addEventListener('open', () => resolve());
    socket.addEventListener('error', (event) => reject(new Error(`Cannot open: ${event.message}`)));
  });
  const has = (count: number): Promise<void> =>
    new Promise((resolve) => {
      look = () => messages.length >= count && resolve();
      look();
    });
  return { socket, messages, has };
}

const make = (name: string) => api.call('POST', maps, { object: { metadata: { name } } });

test.each<[protocols: string[]]>([[[]], [['base64.binary.k8s.io']]])(
  'a watch sends an event a message as text, whatever protocol of %j is spoken (fault 16)',
  async (protocols) => {
    const watch = await open(server.port, `${maps}?watch=1&resourceVersion=0`, protocols);
    expect(watch.socket.protocol).toBe(protocols[0] ?? '');
    const before = watch.messages.length;
    await make('a');
    await api.call('DELETE', `${maps}/a`);
    await watch.has(before + 2);
    const events = watch.messages.map((message) => JSON.parse(message as string));
    expect(events.map(({ type, object }) => `${type} ${object.kind} ${object.metadata.name}`)).toEqual([
      'ADDED ConfigMap a',
      'DELETED ConfigMap a',
    ]);
    expect(String(watch.messages[0])).toMatch(/\n$/);
  },
);

test('a protocol that is a token is not spoken (fault 16)', async () => {
  const token = 'base64url.bearer.authorization.k8s.io.dDE';
  expect((await open(server.port, `${maps}?watch=1`, [token, 'other'])).socket.protocol).toBe('other');
});

test('a watch of tables sends tables, one in protobuf sends bytes (fault 16)', async () => {
  const accept = 'application/json;as=Table;g=meta.k8s.io;v=v1';
  const tables = await open(server.port, `${maps}?watch=1`, [], { accept });
  const protobuf = await open(server.port, `${maps}?watch=1`, [], {
    accept: 'application/vnd.kubernetes.protobuf;stream=watch',
  });
  await make('b');
  await Promise.all([tables.has(1), protobuf.has(1)]);
  expect(JSON.parse(tables.messages[0] as string).object.kind).toBe('Table');
  // Without the length that goes before each event where there are no messages: field 1, the type of five bytes.
  expect([...Buffer.from(protobuf.messages[0] as ArrayBuffer).subarray(0, 7)]).toEqual([
    10,
    5,
    ...Buffer.from('ADDED'),
  ]);
});

test('a watch that has had its time is closed as one that is over, and one whose client closes ends (fault 16)', async () => {
  const short = await open(server.port, `${maps}?watch=1&timeoutSeconds=5`);
  const closed = new Promise((resolve) => short.socket.addEventListener('close', ({ code }) => resolve(code)));
  await api.clock.advance(5_001);
  expect(await closed).toBe(1000);
  const left = await open(server.port, `${maps}?watch=1`);
  left.socket.close(1000);
  await new Promise((resolve) => left.socket.addEventListener('close', resolve));
  await untilIdle();
});

/** Every connection is gone again. */
async function untilIdle(): Promise<void> {
  while (server.connectionCount > 0) await new Promise((resolve) => setImmediate(resolve));
}

/** What a request for an upgrade is refused with. */
function refusal(path: string, headers: Readonly<Record<string, string>>): Promise<string> {
  return new Promise((resolve, reject) => {
    const all = { connection: 'Upgrade', upgrade: 'websocket', ...headers };
    const options = { host: '127.0.0.1', port: server.port, path, headers: all, agent: false, cert, key };
    const sent = request({ ...options, rejectUnauthorized: false }, async (response) => {
      let text = '';
      for await (const chunk of response) text += chunk;
      resolve(`${response.statusCode} ${text}`);
    });
    sent.on('error', reject);
    sent.on('upgrade', () => reject(new Error('Upgraded')));
    sent.end();
  });
}

const good = { 'sec-websocket-key': Buffer.alloc(16).toString('base64'), 'sec-websocket-version': '13' };

test.each([
  ['without a key', `${maps}?watch=1`, {}, '400 challenge/response error'],
  [
    'of another version',
    `${maps}?watch=1`,
    { ...good, 'sec-websocket-version': '8' },
    '400 missing or bad WebSocket Version',
  ],
])('an upgrade %s is refused (fault 16)', async (_what, path, headers, said) => {
  expect(await refusal(path, headers)).toBe(said);
  await untilIdle();
});

test('what is no watch is answered as ever, and so is what may not be watched (fault 16)', async () => {
  expect(await refusal(`${maps}?limit=1`, good)).toMatch(/^200 \{"kind":"ConfigMapList"/);
  expect(await refusal(`${maps}?watch=1&resourceVersion=x`, good)).toMatch(/^400 \{"kind":"Status"/);
});

/** A pod whose log is what `kubelet` says. */
async function logOf(kubelet: ApiHandler): Promise<number> {
  const own = await startTestServer({ kubelet: () => kubelet });
  const spec = { nodeName: 'n', containers: [{ name: 'c', image: 'i' }] };
  await own.call('POST', '/api/v1/namespaces/default/pods', { object: { metadata: { name: 'p' }, spec } });
  const serving = await serveForTest(own.server.handle);
  onTestFinished(() => serving.close());
  return serving.port;
}

const log = '/api/v1/namespaces/default/pods/p/log';

test.each<[protocols: string[], encode: (line: string) => Buffer | string]>([
  [[], (line: string) => Buffer.from(line)],
  [['binary.k8s.io'], (line: string) => Buffer.from(line)],
  [['v1.other', 'base64.binary.k8s.io'], (line: string) => Buffer.from(line).toString('base64')],
])('a log that is followed comes in messages of %j, an empty one first (fault 16)', async (protocols, encode) => {
  const more = Promise.withResolvers<void>();
  let ended = false;
  const port = await logOf(async ({ signal }) => ({
    status: 200,
    headers: { 'content-type': 'text/plain' },
    body: {
      kind: 'stream',
      chunks: (async function* () {
        yield Buffer.from('one\n');
        await more.promise;
        yield Buffer.from('two\n');
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        ended = true;
      })(),
    },
  }));
  const { socket, messages, has } = await open(port, `${log}?follow=true`, protocols);
  await has(2);
  more.resolve();
  await has(3);
  const expected = ['', 'one\n', 'two\n'].map((line) => encode(line));
  const seen = messages.map((message) => (typeof message === 'string' ? message : Buffer.from(message as ArrayBuffer)));
  expect(seen).toEqual(expected);
  socket.close();
  while (!ended) await new Promise((resolve) => setImmediate(resolve));
});

test('a log in one piece is closed once it is sent, and one that there is not is refused (fault 16)', async () => {
  const bytes = Buffer.alloc(100_000, 'x');
  const port = await logOf(async () => ({ status: 200, headers: {}, body: { kind: 'bytes', bytes } }));
  const { socket, messages } = await open(port, log);
  const code = await new Promise((resolve) => socket.addEventListener('close', (event) => resolve(event.code)));
  expect(code).toBe(1000);
  expect(Buffer.concat(messages.map((message) => Buffer.from(message as ArrayBuffer))).equals(bytes)).toBe(true);
  await expect(open(port, log, ['v4.channel.k8s.io'])).rejects.toThrow('Cannot open');
  await expect(open(port, log.replace('/p/', '/q/'))).rejects.toThrow('Cannot open');
});
