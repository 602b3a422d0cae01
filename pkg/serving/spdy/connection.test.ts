import { Buffer } from 'node:buffer';
import { duplexPair } from 'node:stream';
import { afterEach, expect, test } from 'vitest';
import type { BytePipe } from '#pkg/base/byte-pipe.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { SpdyConnection, type SpdyOptions } from './connection.ts';
import { encodeControl, encodeData, encodeNumbers, frameType } from './frames.ts';
import { HeaderWriter } from './header-block.ts';
import type { SpdyStream } from './stream.ts';

const clock = new VirtualClock();
const open: SpdyConnection[] = [];

afterEach(() => {
  open.length = 0;
});

interface Ends {
  readonly client: SpdyConnection;
  readonly server: SpdyConnection;
  /** The next stream that the client opens, at the server. */
  next(): Promise<SpdyStream>;
}

function connect(options: Partial<SpdyOptions> = {}): Ends {
  const [near, far] = duplexPair();
  const streams: SpdyStream[] = [];
  const waiting: ((stream: SpdyStream) => void)[] = [];
  const server = new SpdyConnection(far, {
    clock,
    role: 'server',
    onStream: (stream) => {
      stream.accept();
      const take = waiting.shift();
      if (take === undefined) streams.push(stream);
      else take(stream);
    },
    ...options,
  });
  const client = new SpdyConnection(near, { clock, role: 'client' });
  open.push(client, server);
  return {
    client,
    server,
    next: () => {
      const stream = streams.shift();
      return stream === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(stream);
    },
  };
}

async function textOf(pipe: BytePipe): Promise<string> {
  let text = '';
  for await (const chunk of pipe) text += Buffer.from(chunk).toString();
  return text;
}

test('streams carry both directions, and each ends by itself', async () => {
  const { client, next } = connect();
  const mine = client.open({ streamtype: 'data', port: '80' });
  const theirs = await next();
  expect(theirs.headers).toEqual({ streamtype: 'data', port: '80' });
  expect(await mine.accepted).toBe(true);
  void mine.write(Buffer.from('question'));
  mine.end();
  expect(await textOf(theirs.input)).toBe('question');
  void theirs.write(Buffer.from('answer'));
  theirs.end();
  expect(await textOf(mine.input)).toBe('answer');
  await Promise.all([mine.over, theirs.over]);
});

test('many streams at once keep their bytes apart', async () => {
  const { client, next } = connect();
  const streams = Array.from({ length: 50 }, (_, id) => client.open({ id: String(id) }));
  const echoes = streams.map(async () => {
    const stream = await next();
    for await (const chunk of stream.input) await stream.write(chunk);
    stream.end();
  });
  const answers = streams.map(async (stream, id) => {
    for (let round = 0; round < 10; round++) await stream.write(Buffer.from(`${id}.${round} `));
    stream.end();
    return textOf(stream.input);
  });
  const expected = streams.map((_, id) => Array.from({ length: 10 }, (__, round) => `${id}.${round} `).join(''));
  expect(await Promise.all(answers)).toEqual(expected);
  await Promise.all(echoes);
});

test('a reader that is behind holds its connection back, and nothing is lost', async () => {
  const { client, next } = connect();
  const mine = client.open({});
  const theirs = await next();
  const block = Buffer.alloc(64 * 1024, 'x');
  let written = 0;
  const writing = (async () => {
    for (; written < 100; written++) await mine.write(block);
    mine.end();
  })();
  for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(written).toBeLessThan(20);
  expect(theirs.input.unreadBytes).toBeLessThan(512 * 1024);
  expect((await textOf(theirs.input)).length).toBe(100 * block.length);
  await writing;
});

test('a reset ends a stream at both ends, and the others go on', async () => {
  const { client, next } = connect();
  const [first, second] = [client.open({}), client.open({})];
  const [theirFirst, theirSecond] = [await next(), await next()];
  theirFirst.reset();
  await first.over;
  expect(await textOf(first.input)).toBe('');
  void second.write(Buffer.from('still here'));
  second.end();
  expect(await textOf(theirSecond.input)).toBe('still here');
});

test('streams beyond the limit are refused', async () => {
  const { client, next } = connect({ streamsMax: 1 });
  client.open({});
  await next();
  expect(await client.open({}).accepted).toBe(false);
});

test('the end of a connection is the end of its streams', async () => {
  const { client, server, next } = connect();
  const mine = client.open({});
  const theirs = await next();
  await Promise.all([server.close(), client.ended.then(() => client.close()), mine.over, theirs.over]);
  expect(await textOf(mine.input)).toBe('');
  // Lost, and no error.
  void mine.write(Buffer.from('late'));
});

/** A server, and what it says to bytes. */
function raw(): { send(bytes: Uint8Array): void; received(): Promise<Buffer>; readonly ended: Promise<void> } {
  const [near, far] = duplexPair();
  const server = new SpdyConnection(far, { clock, role: 'server', onStream: (stream) => stream.accept() });
  open.push(server);
  const chunks: Buffer[] = [];
  near.on('data', (chunk: Buffer) => chunks.push(chunk));
  return {
    send: (bytes) => void near.write(bytes),
    received: async () => {
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
      return Buffer.concat(chunks.splice(0));
    },
    ended: server.ended,
  };
}

function synStream(id: number, writer: HeaderWriter): Buffer {
  const head = Buffer.alloc(10);
  head.writeUInt32BE(id);
  return encodeControl({ type: frameType.synStream, flags: 0, payload: Buffer.concat([head, writer.write({})]) });
}

test('a ping is answered, and windows are kept for whoever has them', async () => {
  const { send, received } = raw();
  const writer = new HeaderWriter();
  send(encodeNumbers(frameType.ping, 7));
  expect(await received()).toEqual(encodeNumbers(frameType.ping, 7));
  send(synStream(1, writer));
  await received();
  for (const piece of Buffer.concat(encodeData(1, Buffer.alloc(40_000), false))
    .reverse()
    .subarray(0, 0))
    void piece;
  const frame = Buffer.concat(encodeData(1, Buffer.alloc(40_000), false));
  for (let at = 0; at < frame.length; at += 999) send(frame.subarray(at, at + 999));
  // Nobody reads it, so nothing is said of it yet.
  expect((await received()).length).toBe(0);
});

test.each([
  ['is of another version', Buffer.from([0x80, 2, 0, 1, 0, 0, 0, 0])],
  ['is too long', Buffer.from([0x80, 3, 0, 1, 0, 0xff, 0xff, 0xff])],
  ['has no headers that can be read', encodeControl({ type: 1, flags: 0, payload: Buffer.alloc(30, 1) })],
  ['is too short', encodeControl({ type: 6, flags: 0, payload: Buffer.alloc(0) })],
])('a frame that %s ends the connection', async (_what, bytes) => {
  const { send, received, ended } = raw();
  send(bytes);
  await ended;
  expect(await received()).toEqual(encodeNumbers(frameType.goAway, 0, 1));
});

test('an identifier that was used before is refused', async () => {
  const { send, received } = raw();
  const writer = new HeaderWriter();
  send(synStream(3, writer));
  await received();
  send(synStream(1, writer));
  expect(await received()).toEqual(encodeNumbers(frameType.rstStream, 1, 1));
});
