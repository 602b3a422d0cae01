/** Calls over HTTP/2 to Node's own server of it, and to one that does what no server should. */
import { once } from 'node:events';
import {
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type ServerOptions,
} from 'node:http2';
import { type AddressInfo, createServer as createSocketServer, type Server, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { SystemClock } from '#pkg/base/clock.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { GrpcConnection } from './grpc-connection.ts';
import { GrpcError } from './grpc-error.ts';
import { FrameReader, frameHead } from './grpc-frames.ts';

const path = '/test.Service/Echo';

function framed(message: Buffer | string): Buffer {
  return Buffer.concat([frameHead(message.length), Buffer.from(message)]);
}

/** What a test is told of: each asks for the next in turn. */
class Arrivals<T> {
  readonly #come: T[] = [];
  readonly #wanted: ((one: T) => void)[] = [];

  put(one: T): void {
    const wanted = this.#wanted.shift();
    if (wanted === undefined) this.#come.push(one);
    else wanted(one);
  }

  next(): Promise<T> {
    const one = this.#come.shift();
    return one === undefined ? new Promise((resolve) => void this.#wanted.push(resolve)) : Promise.resolve(one);
  }
}

/** A server of HTTP/2, with the sessions and streams that come to it. */
async function served(options: ServerOptions = {}) {
  const server: Http2Server = createServer(options);
  const sessions = new Arrivals<ServerHttp2Session>();
  const streams = new Arrivals<ServerHttp2Stream>();
  const headers = new Map<ServerHttp2Stream, IncomingHttpHeaders>();
  const open = new Set<ServerHttp2Session>();
  server.on('session', (session) => {
    open.add(session);
    session.on('error', () => {});
    sessions.put(session);
  });
  server.on('stream', (stream: ServerHttp2Stream, sent) => {
    stream.on('error', () => {});
    headers.set(stream, sent);
    streams.put(stream);
  });
  const endpoint = await listening(server);
  onTestFinished(() => {
    for (const session of open) session.destroy();
    server.close();
  });
  return { endpoint, sessions, streams, headers };
}

/** A server of TCP, whose sockets a test writes to by hand. */
async function servedRaw() {
  const server = createSocketServer();
  const sockets = new Arrivals<Socket>();
  server.on('connection', (socket) => {
    socket.on('error', () => {});
    onTestFinished(() => void socket.destroy());
    sockets.put(socket);
  });
  const endpoint = await listening(server);
  onTestFinished(() => void server.close());
  return { endpoint, sockets };
}

async function listening(server: Http2Server | Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function connected(endpoint: string, clock = new SystemClock()): GrpcConnection {
  const connection = new GrpcConnection({ endpoint, clock, headers: { hasleader: 'true' } });
  onTestFinished(() => connection.close());
  return connection;
}

async function bodyOf(stream: ServerHttp2Stream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function answer(stream: ServerHttp2Stream, body: Buffer, trailers: Record<string, string> = { 'grpc-status': '0' }) {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  stream.end(body);
}

const ask = (connection: GrpcConnection, message: Buffer | string) =>
  connection.call({ path }, { message: framed(message), timeoutMs: 60_000 });

test('a call is answered with its message, whatever its length and however many are under way', async () => {
  const { endpoint, streams } = await served();
  const connection = connected(endpoint);
  const messages = [0, 1, 16_379, 65_536, 3_000_000, 40].map((length, i) => Buffer.alloc(length, `${i}`));
  const answers = messages.map((message) => ask(connection, message));
  for (let left = messages.length; left > 0; left--) {
    const stream = await streams.next();
    void bodyOf(stream).then((body) => answer(stream, body));
  }
  expect((await Promise.all(answers)).map((whole, i) => whole.equals(messages[i]!))).toEqual(messages.map(() => true));
});

test('the server gets the headers of the connection and of the call', async () => {
  const { endpoint, streams, headers } = await served();
  const asked = connected(endpoint).call({ path, token: 'secret' }, { message: framed('a'), timeoutMs: 60_000 });
  const stream = await streams.next();
  expect(Object.fromEntries(Object.entries(headers.get(stream) ?? {}))).toEqual({
    ':method': 'POST',
    ':scheme': 'http',
    ':path': path,
    ':authority': new URL(endpoint).host,
    'content-type': 'application/grpc',
    te: 'trailers',
    hasleader: 'true',
    token: 'secret',
  });
  answer(stream, framed('b'));
  expect((await asked).toString()).toBe('b');
});

test('a refusal has the code and the text of the server, behind a body or in its place', async () => {
  const { endpoint, streams } = await served();
  const connection = connected(endpoint);
  const trailers = { 'grpc-status': '5', 'grpc-message': 'not%20here%3A %E2%82%AC' };
  const first = ask(connection, 'a');
  answer(await streams.next(), Buffer.alloc(0), trailers);
  await expect(first).rejects.toMatchObject({ message: 'not here: €', code: 5, wasSent: true, isLost: false });
  const second = ask(connection, 'b');
  (await streams.next()).respond({ ':status': 200, ...trailers }, { endStream: true });
  await expect(second).rejects.toMatchObject({ message: 'not here: €', code: 5, isLost: false });
  const third = ask(connection, 'c');
  (await streams.next()).respond({ ':status': 503 }, { endStream: true });
  await expect(third).rejects.toMatchObject({ message: 'it answers with HTTP status 503', isLost: true });
});

test('more calls than the server takes at a time wait for the others', async () => {
  const { endpoint, streams } = await served({ settings: { maxConcurrentStreams: 2 } });
  const connection = connected(endpoint);
  const first = ask(connection, 'x');
  answer(await streams.next(), framed('x'));
  await first;
  const answers = Array.from({ length: 9 }, (_, i) => ask(connection, `${i}`));
  for (let i = 0; i < 9; i++) {
    const stream = await streams.next();
    answer(stream, await bodyOf(stream));
  }
  expect((await Promise.all(answers)).map(String)).toEqual(Array.from({ length: 9 }, (_, i) => `${i}`));
});

test('a stream has messages in both directions until one side ends it', async () => {
  const { endpoint, streams } = await served();
  const connection = connected(endpoint);
  const said = new Arrivals<string>();
  const ended = new Arrivals<Error>();
  const sink = {
    onMessage: (message: Buffer) => said.put(message.toString()),
    onEnd: (error: Error) => ended.put(error),
  };
  const stream = connection.open({ path }, sink);
  stream?.write(framed('one'));
  const there = await streams.next();
  const heard = new Arrivals<string>();
  const reader = new FrameReader();
  there.on('data', (chunk: Buffer) => {
    for (const message of reader.push(chunk)) heard.put(message.toString());
  });
  expect(await heard.next()).toBe('one');
  there.respond({ ':status': 200 }, { waitForTrailers: true });
  there.write(framed('two'));
  expect(await said.next()).toBe('two');
  stream?.write(framed('three'));
  expect(await heard.next()).toBe('three');
  there.on('wantTrailers', () => there.sendTrailers({ 'grpc-status': '0' }));
  there.end();
  expect(await ended.next()).toMatchObject({ code: 0 });
  const other = connection.open({ path }, sink);
  other?.write(framed('four'));
  const closed = await streams.next();
  const wasClosed = once(closed, 'close');
  other?.close();
  await wasClosed;
  expect(closed.rstCode).toBe(8);
});

test('a stream that the server has not looked at may be asked for again, one that it has begun may not', async () => {
  const { endpoint, streams } = await served();
  const connection = connected(endpoint);
  for (const [code, wasSent] of [
    [7, false],
    [2, true],
  ] as const) {
    const asked = ask(connection, 'a');
    (await streams.next()).close(code);
    await expect(asked).rejects.toMatchObject({ isLost: true, wasSent });
  }
});

test('a server that goes answers what it has, and the next call opens another connection', async () => {
  const { endpoint, streams, sessions } = await served();
  const connection = connected(endpoint);
  const first = ask(connection, 'a');
  const stream = await streams.next();
  const session = await sessions.next();
  session.goaway(0, stream.id);
  // The answer comes behind it.
  answer(stream, framed('b'));
  expect((await first).toString()).toBe('b');
  const second = ask(connection, 'c');
  answer(await streams.next(), framed('d'));
  expect((await second).toString()).toBe('d');
  expect(await sessions.next()).not.toBe(session);
});

test('a call whose connection is lost has failed, and the next one opens another', async () => {
  const { endpoint, streams, sessions } = await served();
  const connection = connected(endpoint);
  const first = ask(connection, 'a');
  await streams.next();
  (await sessions.next()).destroy();
  await expect(first).rejects.toMatchObject({ isLost: true, wasSent: true });
  const second = ask(connection, 'b');
  answer(await streams.next(), framed('c'));
  expect((await second).toString()).toBe('c');
});

test('what cannot be reached has got nothing', async () => {
  const { endpoint } = await servedRaw();
  const connection = connected(endpoint.replace(/\d+$/, '1'));
  await expect(ask(connection, 'a')).rejects.toMatchObject({ isLost: true, wasSent: false });
});

test.each([
  ['another protocol', 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n', 'the server does not speak HTTP/2'],
  ['frames before its settings', Buffer.alloc(9), 'the server does not speak HTTP/2'],
  [
    'the midst of headers that have not begun',
    Buffer.from('000000040000000000000000090400000001', 'hex'),
    'what HTTP/2 does not know',
  ],
])('a server that sends %s is given up', async (_, bytes, message) => {
  const { endpoint, sockets } = await servedRaw();
  const asked = ask(connected(endpoint), 'a');
  (await sockets.next()).write(bytes);
  await expect(asked).rejects.toThrow(message);
  await expect(asked).rejects.toBeInstanceOf(GrpcError);
});

test('a server that gives no sign of life is given up, one that does is not, and its own question is answered', async () => {
  const clock = new VirtualClock();
  const { endpoint, streams, sessions } = await served();
  const connection = connected(endpoint, clock);
  const asked = ask(connection, 'a');
  const stream = await streams.next();
  const session = await sessions.next();
  // Answered when its time has come.
  const sign = new Promise((resolve) => session.ping(resolve));
  const asks = once(session, 'ping');
  await clock.advance(6_000);
  await asks;
  // Whether the answer to the question has come is known once that to a call behind it has.
  const second = ask(connection, 'b');
  answer(await streams.next(), framed('c'));
  await second;
  await clock.advance(200);
  expect(await sign).toBeNull();
  await clock.advance(5_799);
  answer(stream, framed('d'));
  expect((await asked).toString()).toBe('d');

  const silent = await servedRaw();
  const lost = ask(connected(silent.endpoint, clock), 'a');
  const socket = await silent.sockets.next();
  await once(socket, 'data');
  socket.write(Buffer.from('000000040000000000', 'hex'));
  await once(socket, 'data');
  const failed = expect(lost).rejects.toThrow('the server gives no sign of life');
  await clock.advance(9_000);
  await failed;
});

test('a call that is given up, or takes too long, is over', async () => {
  const clock = new VirtualClock();
  const { endpoint, streams } = await served();
  const connection = connected(endpoint, clock);
  const controller = new AbortController();
  const message = framed('a');
  const given = connection.call({ path }, { message, timeoutMs: 5_000, signal: controller.signal });
  const stream = await streams.next();
  const wasClosed = once(stream, 'close');
  controller.abort();
  await expect(given).rejects.toThrow('the call was cancelled');
  await wasClosed;
  const late = connection.call({ path }, { message, timeoutMs: 5_000 });
  await streams.next();
  const failed = expect(late).rejects.toThrow('no answer within 5 s');
  await clock.advance(5_000);
  await failed;
});
