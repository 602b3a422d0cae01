/** HTTP/2: many requests of one connection, and what clients do with streams that never end, on a clock that the test moves (fault 18). */
import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import { connect } from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import type { ApiHandler, ApiResponse, ReadyFrames, WatchFrame } from '#pkg/apimachinery/http.ts';
import type { StatusError } from '#pkg/apimachinery/status-error.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { chunkAround } from './chunked.ts';
import { defaultLimits } from './limits.ts';
import {
  openRaw,
  serveForTest,
  type TestServing,
  type TestServingOptions,
  testCertificate,
  testKey,
} from './test-server.ts';
import { answerOf, ask, begin, openSession } from './test-streams.ts';

const second = 1_000;
const refused = 'No answer: code 7';

/** What the handler of one test does besides answering. */
class Stage {
  /** Requests that are held until `go`. */
  held = 0;
  readonly #going = Promise.withResolvers<void>();
  readonly watchers: Watcher[] = [];
  readonly clock = new VirtualClock();

  go(): void {
    this.#going.resolve();
  }

  readonly handle: ApiHandler = async (request) => {
    const { peer, path, body } = request;
    const who = peer.certificate?.commonName;
    if (who !== undefined) peer.identified?.(who);
    if (path === '/held' || path === '/held-long') {
      this.held++;
      await this.#going.promise;
    }
    if (who === undefined && path !== '/open') return reply(401, 'Unauthorized');
    if (path === '/held-long' || path === '/long') return reply(200, 'x'.repeat(3_000_000));
    if (path === '/watch') {
      const watcher = new Watcher();
      this.watchers.push(watcher);
      return { status: 200, headers: {}, body: { kind: 'watch', batches: nothing(), ready: watcher } };
    }
    if (body?.kind !== 'unread' || path !== '/') return reply(200, who ?? 'anybody');
    try {
      return reply(200, `read ${(await body.read({ limitBytes: 100_000 })).length}`);
    } catch (error) {
      return reply((error as StatusError).status.code, (error as StatusError).message);
    }
  };
}

async function* nothing(): AsyncGenerator<readonly WatchFrame[]> {}

const reply = (status: number, text: string): ApiResponse => ({
  status,
  headers: { connection: 'keep-alive', 'content-type': 'text/plain' },
  body: { kind: 'bytes', bytes: Buffer.from(text) },
});

class Watcher implements ReadyFrames {
  isEnded = false;
  isClosed = false;
  #frames: WatchFrame[] = [];
  #listener: (atOnce: boolean) => void = () => {};

  take(): readonly WatchFrame[] {
    const taken = this.#frames;
    this.#frames = [];
    return taken;
  }

  onReady(listener: (atOnce: boolean) => void): void {
    this.#listener = listener;
  }

  tell(line: string, isShared: boolean): void {
    const bytes = Buffer.from(line);
    const frame = { type: 'ADDED', object: {}, bytes: () => bytes } as const;
    this.#frames.push(isShared ? { ...frame, chunk: chunkAround(bytes) } : frame);
    this.#listener(false);
  }

  end(): void {
    this.isEnded = true;
    this.#listener(false);
  }

  close(): void {
    this.isClosed = true;
  }
}

async function serve(
  limits: TestServingOptions['limits'] = {},
): Promise<{ readonly server: TestServing; readonly stage: Stage; readonly clock: VirtualClock }> {
  const stage = new Stage();
  const server = await serveForTest(stage.handle, { limits, clock: stage.clock });
  onTestFinished(() => server.close());
  onTestFinished(() => stage.go());
  return { server, stage, clock: stage.clock };
}

async function open(port: number, isKnown = true): Promise<ClientHttp2Session> {
  const session = await openSession(port, { isKnown });
  onTestFinished(() => session.destroy());
  return session;
}

/** Lets the machine work until something is so. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

/** Moves the clock until something is so; the milliseconds that it took. */
async function advanceUntil(clock: VirtualClock, holds: () => boolean): Promise<number> {
  const fromMs = clock.monotonicMs();
  while (!holds()) {
    await clock.advance(second);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return clock.monotonicMs() - fromMs;
}

/** Bytes of a stream until there are as many. */
function take(stream: ClientHttp2Stream, bytes: number): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.length >= bytes) resolve(text);
    });
    stream.resume();
  });
}

test('whoever is known has many requests at once on one connection (fault 18)', async () => {
  const { server, stage } = await serve();
  const session = await open(server.port);
  const held = Array.from({ length: 50 }, () => ask(session, { path: '/held' }));
  await until(() => stage.held === 50);
  expect((await ask(session, { method: 'POST', body: Buffer.alloc(70_000) })).text).toBe('read 70000');
  stage.go();
  for (const { status, text } of await Promise.all(held)) expect([status, text]).toEqual([200, 'ann']);
  expect(server.connectionCount).toBe(1);
});

test('more streams than are allowed are refused to be asked again, and the others go on', async () => {
  const { server, stage } = await serve({ streamsMax: 3 });
  const session = await open(server.port);
  await ask(session);
  // Sent before the client knows of the limit, or in spite of it.
  const held = Array.from({ length: 3 }, () => ask(session, { path: '/held' }));
  await until(() => stage.held === 3);
  session.settings({});
  stage.go();
  await Promise.all(held);
  expect((await ask(session)).text).toBe('ann');
  expect(stage.held).toBe(3);
});

test('resetting streams frees no place, and a client that goes on resetting is sent away', async () => {
  const { server, stage, clock } = await serve({ streamsMax: 10 });
  const raw = await openRawStreams(server.port, { isKnown: true });
  const flood = [preface, headersFrame(1)];
  for (let id = 3; id < 6_000; id += 2)
    flood.push(requestFrame(id, '/held'), frame(3, 0, id, Buffer.from([0, 0, 0, 8])));
  raw.socket.write(Buffer.concat(flood));
  await advanceUntil(clock, () => raw.isEnded);
  expect(clock.monotonicMs()).toBeLessThan(defaultLimits.idleMs);
  expect([stage.held > 0, stage.held <= 10]).toEqual([true, true]);
  expect((await ask(await open(server.port))).text).toBe('ann');
});

test('whoever is not known has one answer on a connection', async () => {
  const { server, clock } = await serve();
  const session = await open(server.port, false);
  const left = once(session, 'goaway');
  const answers = await Promise.allSettled(Array.from({ length: 5 }, () => ask(session, { path: '/open' })));
  expect(answers.map((one) => (one.status === 'fulfilled' ? one.value.text : one.reason.message))).toEqual([
    'anybody',
    ...Array.from({ length: 4 }, () => refused),
  ]);
  expect((await left)[0]).toBe(0);
  session.destroy();
  await until(() => server.connectionCount === 0);
  expect(clock.monotonicMs()).toBe(0);
});

test('a stranger that does not go is closed a moment after its answer', async () => {
  const { server, clock } = await serve();
  const raw = await openRawStreams(server.port);
  raw.socket.write(Buffer.concat([preface, headersFrame(1)]));
  await raw.until(7);
  expect(await advanceUntil(clock, () => server.connectionCount === 0)).toBeLessThanOrEqual(2 * second);
  await until(() => raw.isEnded);
});

test('whoever asks first is known before the others are looked at', async () => {
  const { server } = await serve();
  const session = await open(server.port);
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask(session)));
  expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200));
});

test('half a body from nobody is answered 401, and the rest need not be sent', async () => {
  const { server } = await serve();
  const session = await open(server.port, false);
  const stream = begin(session, { method: 'POST', headers: { 'content-length': '3000000' } });
  stream.write(Buffer.alloc(60_000));
  const { status, text } = await answerOf(stream);
  expect([status, text, stream.rstCode]).toEqual([401, 'Unauthorized', 0]);
});

test('a body that does not come is 408, and other requests of the connection go on', async () => {
  const { server, clock } = await serve();
  const session = await open(server.port);
  const stream = begin(session, { method: 'POST', headers: { 'content-length': '10' } });
  stream.write('abc');
  const answer = answerOf(stream);
  let isOver = false;
  void answer.then(() => {
    isOver = true;
  });
  expect(await advanceUntil(clock, () => isOver)).toBeLessThan(defaultLimits.bodyMs);
  expect((await answer).status).toBe(408);
  expect((await ask(session)).text).toBe('ann');
});

test.each([0, 8])('a body that its client breaks off with code %i is none', async (code) => {
  const seen = Promise.withResolvers<string>();
  const began = Promise.withResolvers<void>();
  const server = await serveForTest(async ({ body, peer }) => {
    peer.identified?.('ann');
    if (body?.kind !== 'unread') return reply(200, '');
    began.resolve();
    await body.read({ limitBytes: 100_000 }).then(
      () => seen.resolve('whole'),
      (error: Error) => seen.resolve(error.message),
    );
    return reply(200, '');
  });
  onTestFinished(() => server.close());
  const raw = await openRawStreams(server.port);
  raw.socket.write(Buffer.concat([preface, headersFrame(1, 4), frame(0, 0, 1, Buffer.from('{"half":'))]));
  await began.promise;
  raw.socket.write(frame(3, 0, 1, Buffer.from([0, 0, 0, code])));
  expect(await seen.promise).toBe('unexpected EOF');
});

test('a long answer to a body that nobody reads comes whole', async () => {
  const { server, clock } = await serve();
  const session = await open(server.port);
  const stream = begin(session, { method: 'POST', path: '/long', headers: { 'content-length': '3000000' } });
  stream.write(Buffer.alloc(60_000));
  const answer = answerOf(stream);
  await advanceUntil(clock, () => stream.closed);
  const { status, text } = await answer;
  expect([status, text.length]).toEqual([200, 3_000_000]);
});

test.each([
  ['without a body', 5, '/long', ['end']],
  ['with a body that nobody reads', 4, '/long', ['end', 'reset 0']],
])('a long answer to a request %s has its end before the stream is closed', async (_what, flags, path, ends) => {
  const { server, clock } = await serve();
  const raw = await openRawStreams(server.port, { isKnown: true });
  raw.socket.write(Buffer.concat([preface, requestFrame(1, path, flags), windowFrame(0), windowFrame(1)]));
  await until(() => raw.ends.length > 0);
  await advanceUntil(clock, () => raw.ends.length === ends.length);
  expect([raw.dataBytes, raw.ends]).toEqual([3_000_000, ends]);
});

test('a client that asks before it sends its body is told to when it is wanted', async () => {
  const { server } = await serve();
  const session = await open(server.port);
  const stream = begin(session, { method: 'POST', headers: { expect: '100-continue', 'content-length': '3' } });
  stream.once('continue', () => stream.end('abc'));
  expect((await answerOf(stream)).text).toBe('read 3');
});

test('watches of one connection are told each event as a line of its own (fault 18)', async () => {
  const { server, stage } = await serve();
  const session = await open(server.port);
  const streams = [1, 2].map(() => begin(session, { path: '/watch' }, { isWhole: true }));
  await until(() => stage.watchers.length === 2);
  const texts = streams.map((stream) => take(stream, 6));
  for (const watcher of stage.watchers) {
    watcher.tell('a\n', true);
    watcher.tell('b\n', false);
    watcher.tell('c\n', true);
  }
  expect(await Promise.all(texts)).toEqual(['a\nb\nc\n', 'a\nb\nc\n']);
  stage.watchers[0]?.end();
  await Promise.race(streams.map((stream) => once(stream, 'end')));
  for (const stream of streams) stream.close();
  await until(() => stage.watchers.every(({ isClosed }) => isClosed));
});

test('a stream that nobody reads is cut off in the end, and others of the connection are served', async () => {
  const { server, clock } = await serve();
  const session = await open(server.port);
  const stream = begin(session, { path: '/long' }, { isWhole: true });
  stream.pause();
  await once(stream, 'response');
  let isClosed = false;
  stream.once('aborted', () => {
    isClosed = true;
  });
  stream.once('close', () => {
    isClosed = true;
  });
  await clock.advance(defaultLimits.stalledMs / 2);
  expect((await ask(session)).text).toBe('ann');
  expect(await advanceUntil(clock, () => isClosed)).toBeLessThan(defaultLimits.stalledMs);
  expect((await ask(session)).text).toBe('ann');
});

test('a watch that is read again and again is not cut off, however much waits for its reader', async () => {
  const { server, stage, clock } = await serve();
  const session = await open(server.port);
  const stream = begin(session, { path: '/watch' }, { isWhole: true });
  await until(() => stage.watchers.length === 1);
  const line = `${'x'.repeat(99_999)}\n`;
  for (let round = 0; round < 5; round++) {
    stage.watchers[0]?.tell(line, true);
    await clock.advance(defaultLimits.stalledMs / 2);
    await take(stream, line.length);
    stream.removeAllListeners('data').pause();
  }
  expect(stream.closed).toBe(false);
});

test.each([
  ['known', true, defaultLimits.idleMs],
  ['not known', false, defaultLimits.headMs],
])('a connection that asks nothing is left after its time, where its client is %s', async (_what, isKnown, limitMs) => {
  const { server, clock } = await serve();
  const session = await open(server.port, isKnown);
  if (isKnown) await ask(session);
  const left = once(session, 'goaway');
  const tookMs = await advanceUntil(clock, () => server.connectionCount === 0);
  expect((await left)[0]).toBe(0);
  expect([tookMs >= limitMs - second, tookMs <= limitMs + 3 * second]).toEqual([true, true]);
});

test('a server that stops says goodbye, and what is under way is answered', async () => {
  const { server, stage } = await serve();
  const session = await open(server.port);
  const held = ask(session, { path: '/held-long' });
  await until(() => stage.held === 1);
  const left = once(session, 'goaway');
  const closed = server.close();
  expect((await left)[0]).toBe(0);
  stage.go();
  expect((await held).text.length).toBe(3_000_000);
  await closed;
  expect(stage.clock.monotonicMs()).toBe(0);
});

test('a server that stops does not wait for a watch that goes on', async () => {
  const { server, stage } = await serve();
  const session = await open(server.port);
  begin(session, { path: '/watch' }, { isWhole: true });
  await until(() => stage.watchers.length === 1);
  let isClosed = false;
  void server.close().then(() => {
    isClosed = true;
  });
  await advanceUntil(stage.clock, () => isClosed);
  expect(stage.watchers[0]?.isClosed).toBe(true);
});

test.each([
  [
    'more headers than a request may have',
    () => Object.fromEntries(Array.from({ length: 2_000 }, (_, i) => [`x-${i}`, 'y'])),
  ],
  ['longer headers than a request may have', () => ({ 'x-a': 'y'.repeat(1_200_000) })],
])('%s are refused, and others are served', async (_what, headers) => {
  const { server } = await serve();
  const session = await open(server.port);
  await expect(ask(session, { headers: headers() })).rejects.toThrow();
  const other = await open(server.port);
  expect((await ask(other)).text).toBe('ann');
});

test('a client that cannot speak HTTP/2, or does not ask for it, has HTTP/1.1', async () => {
  const { server } = await serve();
  const client = await openRaw(server.port, { isKnown: true });
  client.send('GET /open HTTP/1.1\r\nhost: x\r\n\r\n');
  expect(await client.until(/ann$/)).toMatch(/^HTTP\/1\.1 200 OK[\s\S]*ann$/);
});

test('a server without streams does not offer HTTP/2', async () => {
  const { server } = await serve({ streamsMax: 0 });
  const socket = connect({
    host: '127.0.0.1',
    port: server.port,
    rejectUnauthorized: false,
    ALPNProtocols: ['h2', 'http/1.1'],
  });
  onTestFinished(() => void socket.destroy());
  await once(socket, 'secureConnect');
  expect(socket.alpnProtocol).toBe('http/1.1');
});

const preface = Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(4, 0, 0, Buffer.alloc(0))]);

/** `:authority: x`, field 1 of the static table. */
const authority = Buffer.from([0x01, 1, 0x78]);

/** `GET /` over https: fields 2, 7 and 4 of the static table. `flags`: 4 the head ends, 1 the request does. */
function headersFrame(id: number, flags = 5): Buffer {
  return frame(1, flags, id, Buffer.concat([Buffer.from([0x82, 0x87, 0x84]), authority]));
}

/** `GET` of a path, in the clear. */
function requestFrame(id: number, path: string, flags = 5): Buffer {
  return frame(
    1,
    flags,
    id,
    Buffer.concat([Buffer.from([0x82, 0x87, 0x04, path.length]), Buffer.from(path), authority]),
  );
}

/** The client takes ten million bytes more. */
function windowFrame(id: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(10_000_000);
  return frame(8, 0, id, payload);
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** A connection that chose HTTP/2, for bytes as they are. */
class RawStreams {
  readonly socket: ReturnType<typeof connect>;
  isEnded = false;
  /** Of all that has come: bytes of data, and what ended streams. */
  dataBytes = 0;
  readonly ends: string[] = [];
  readonly #codes = new Set<number>();
  #bytes = Buffer.alloc(0);

  constructor(socket: ReturnType<typeof connect>) {
    this.socket = socket;
    socket.on('error', () => {});
    socket.on('close', () => {
      this.isEnded = true;
    });
    socket.on('data', (bytes: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, bytes]);
      while (this.#bytes.length >= 9) {
        const length = 9 + this.#bytes.readUIntBE(0, 3);
        if (this.#bytes.length < length) return;
        const type = this.#bytes.readUInt8(3);
        this.#codes.add(type);
        if (type === 0) this.dataBytes += length - 9;
        if (type === 0 && (this.#bytes.readUInt8(4) & 1) === 1) this.ends.push('end');
        if (type === 3) this.ends.push(`reset ${this.#bytes.readUInt32BE(9)}`);
        this.#bytes = this.#bytes.subarray(length);
      }
    });
  }

  /** Resolves once a frame of a type has come. */
  until(type: number): Promise<void> {
    return until(() => this.#codes.has(type));
  }
}

async function openRawStreams(port: number, { isKnown = false } = {}): Promise<RawStreams> {
  const identity = isKnown ? { cert: testCertificate, key: testKey } : {};
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ALPNProtocols: ['h2'], ...identity });
  onTestFinished(() => void socket.destroy());
  const raw = new RawStreams(socket);
  await once(socket, 'secureConnect');
  return raw;
}

test.each([
  ['no preface', () => Buffer.from('GET / HTTP/1.1\r\nhost: x\r\n\r\n')],
  [
    'pings without end',
    () => Buffer.concat([preface, ...Array.from({ length: 20_000 }, () => frame(6, 0, 0, Buffer.alloc(8)))]),
  ],
  [
    'settings without end',
    () => Buffer.concat([preface, ...Array.from({ length: 20_000 }, () => frame(4, 0, 0, Buffer.alloc(0)))]),
  ],
  ['a frame that is too long', () => Buffer.concat([preface, frame(0, 0, 1, Buffer.alloc(70_000))])],
  ['data for a stream that is not there', () => Buffer.concat([preface, frame(0, 0, 5, Buffer.alloc(10))])],
  [
    'headers that go on and on',
    () =>
      Buffer.concat([
        preface,
        headersFrame(1, 1),
        ...Array.from({ length: 50 }, () => frame(9, 0, 1, Buffer.from([0x84]))),
      ]),
  ],
  [
    'a table of headers that does not decode',
    () => Buffer.concat([preface, frame(1, 5, 1, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff]))]),
  ],
])('a stranger that sends %s is gone in time, and others are served', async (_what, bytes) => {
  const { server, clock } = await serve();
  const raw = await openRawStreams(server.port);
  raw.socket.write(bytes());
  const other = await open(server.port);
  expect((await ask(other)).text).toBe('ann');
  other.destroy();
  await advanceUntil(clock, () => raw.isEnded);
  await until(() => server.connectionCount === 0);
});
