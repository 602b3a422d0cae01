import { Buffer } from 'node:buffer';
import { PassThrough } from 'node:stream';
import { Agent, WebSocket } from 'undici';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { UpgradedConnection } from '#pkg/apimachinery/http.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { SpdyConnection } from '#pkg/serving/spdy/connection.ts';
import type { SpdyStream } from '#pkg/serving/spdy/stream.ts';
import { testCertificate as cert, testKey as key, serveForTest, type TestServing } from '#pkg/serving/test-server.ts';
import { takeUpgrade } from '#pkg/serving/upgrade-in-process.ts';
import { streamKubelet } from './testing.ts';

const kubelet = streamKubelet();
const clock = new SystemClock();
let server: TestServing;

beforeAll(async () => {
  server = await serveForTest(kubelet.handle);
});
afterAll(() => server.close());

const dispatcher = new Agent({ connect: { rejectUnauthorized: false, cert, key } });
afterAll(() => dispatcher.destroy());

function answer(path: string, headers: Readonly<Record<string, string>>) {
  const [pathname = '', query = ''] = path.split('?');
  return kubelet.handle({
    method: 'POST',
    path: pathname,
    query,
    headers,
    ...(headers.upgrade === undefined ? {} : { upgrade: headers.upgrade.toLowerCase() }),
    peer: { address: '' },
    signal: new AbortController().signal,
  });
}

async function plain(): Promise<SpdyConnection> {
  const headers = { upgrade: 'SPDY/3.1', 'x-stream-protocol-version': 'portforward.k8s.io' };
  const { body } = await answer('/portForward/default/pod', headers);
  if (body.kind !== 'upgrade') throw new Error('no upgrade');
  return new SpdyConnection(takeUpgrade(body), { clock, role: 'client' });
}

/** SPDY inside of a WebSocket, as kubectl has it: no client of npm takes a protocol with a slash in its name, so the frames are made here. */
async function tunnelled(): Promise<SpdyConnection> {
  const { body, headers } = await answer('/portForward/default/pod', {
    upgrade: 'websocket',
    'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
    'sec-websocket-version': '13',
    'sec-websocket-protocol': 'SPDY/3.1+portforward.k8s.io',
  });
  expect(headers['sec-websocket-protocol']).toBe('SPDY/3.1+portforward.k8s.io');
  if (body.kind !== 'upgrade') throw new Error('no upgrade');
  const end = takeUpgrade(body);
  const inner = new PassThrough();
  void unframe(end, inner);
  const send = (opcode: number, bytes: Uint8Array): boolean => {
    const head = Buffer.from([0x80 | opcode, 0x80 | 126, bytes.length >> 8, bytes.length & 255, 0, 0, 0, 0]);
    return end.write(
      Buffer.concat([bytes.length > 125 ? head : Buffer.from([head[0]!, 0x80 | bytes.length, 0, 0, 0, 0]), bytes]),
    );
  };
  const connection = {
    destroyed: false,
    write: (bytes: Uint8Array) => {
      // In pieces that begin and end anywhere.
      let hasRoom = true;
      for (let at = 0; at < bytes.length; at += 1000) hasRoom = send(2, bytes.slice(at, at + 1000));
      return hasRoom;
    },
    end: () => send(8, Buffer.from([3, 232])),
    destroy: () => end.destroy(),
    pause: () => inner.pause(),
    resume: () => inner.resume(),
    on: (event: string, listener: () => void) => (event === 'drain' ? end : inner).on(event, listener),
  } as unknown as UpgradedConnection;
  return new SpdyConnection(connection, { clock, role: 'client' });
}

/** The payloads of what a server sends, until it closes. */
async function unframe(source: AsyncIterable<Buffer>, target: PassThrough): Promise<void> {
  let bytes = Buffer.alloc(0);
  for await (const chunk of source) {
    bytes = Buffer.concat([bytes, chunk]);
    while (bytes.length >= 2) {
      const short = bytes[1]! & 127;
      const head = short === 127 ? 10 : short === 126 ? 4 : 2;
      if (bytes.length < head) break;
      const length = short === 127 ? Number(bytes.readBigUInt64BE(2)) : short === 126 ? bytes.readUInt16BE(2) : short;
      if (bytes.length < head + length) break;
      if ((bytes[0]! & 15) === 2 && !target.write(bytes.subarray(head, head + length))) {
        await new Promise((resolve) => target.once('drain', resolve));
      }
      bytes = bytes.subarray(head + length);
    }
  }
  target.destroy();
}

function openPair(
  connection: SpdyConnection,
  port: number,
  requestid: string,
): { data: SpdyStream; error: SpdyStream } {
  const error = connection.open({ streamtype: 'error', port: String(port), requestid });
  error.end();
  return { error, data: connection.open({ streamtype: 'data', port: String(port), requestid }) };
}

async function bytesOf(stream: SpdyStream): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream.input) chunks.push(chunk);
  return Buffer.concat(chunks);
}

test.each([
  ['SPDY', plain],
  ['SPDY in a WebSocket', tunnelled],
])('several connections go over one of %s, each until its own end', async (_name, open) => {
  const connection = await open();
  const sent = Array.from({ length: 4 }, (_, index) => Buffer.alloc(300_000 + index, `${index}`));
  const pairs = sent.map((_, index) => openPair(connection, 8080, String(index)));
  const received = pairs.map(async ({ data, error }, index) => {
    const back = bytesOf(data);
    await data.write(sent[index]!);
    data.end();
    expect((await bytesOf(error)).toString()).toBe('');
    return back;
  });
  expect((await Promise.all(received)).map((bytes, index) => bytes.equals(sent[index]!))).toEqual([
    true,
    true,
    true,
    true,
  ]);
  await connection.close();
});

test('a port that nobody listens on is an error of that connection alone', async () => {
  const connection = await plain();
  const { error } = openPair(connection, 1, '0');
  const why = 'error forwarding port 1 to pod sandbox, uid uid-1: connection refused';
  expect((await bytesOf(error)).toString()).toBe(why);
  const { data } = openPair(connection, 2, '1');
  void data.write(Buffer.from('still'));
  data.end();
  expect((await bytesOf(data)).toString()).toBe('still');
  await connection.close();
});

test.each([
  [{ streamtype: 'data' }],
  [{ streamtype: 'data', port: '0' }],
  [{ streamtype: 'data', port: '65536' }],
  [{ streamtype: 'data', port: 'http' }],
  [{ streamtype: 'stdout', port: '80' }],
])('a stream with %j is refused', async (headers) => {
  const connection = await plain();
  expect(await connection.open(headers as Record<string, string>).accepted).toBe(false);
  await connection.close();
});

test('a client that leaves takes its connections along', async () => {
  const connection = await plain();
  const { data } = openPair(connection, 8080, '0');
  void data.write(Buffer.from('a'));
  await data.input.read();
  await connection.close();
  await data.over;
});

test('ports over channels begin with their number, and carry both directions', async () => {
  const socket = new WebSocket(`wss://127.0.0.1:${server.port}/portForward/default/pod?port=8080,1`, {
    protocols: ['v4.channel.k8s.io'],
    dispatcher,
  });
  socket.binaryType = 'arraybuffer';
  const messages: string[] = [];
  const echoed = new Promise<void>((resolve) => {
    socket.addEventListener('message', ({ data }) => {
      messages.push(Buffer.from(data as ArrayBuffer).toString('latin1'));
      if (messages.length === 6) resolve();
    });
  });
  await new Promise<void>((resolve) => socket.addEventListener('open', () => resolve()));
  socket.send(Buffer.from('\0ping'));
  await echoed;
  socket.close();
  expect(messages.slice(0, 4)).toEqual(['\0\x90\x1f', '\x01\x90\x1f', '\x02\x01\0', '\x03\x01\0']);
  expect(messages.slice(4).sort()).toEqual([
    '\0ping',
    '\x03error forwarding port 1 to pod sandbox, uid uid-1: connection refused',
  ]);
});

test.each([
  ['', 'query parameter "port" is required'],
  ['port=', 'query parameter "port" cannot be empty'],
  ['port=0', 'port "0" must be > 0'],
  ['port=99999', 'unable to parse "99999" as a port: strconv.ParseUint: parsing "99999": value out of range'],
  ['port=a', 'unable to parse "a" as a port: strconv.ParseUint: parsing "a": invalid syntax'],
])('the ports of %j are refused', async (query, message) => {
  const { status, body } = await answer(`/portForward/default/pod?${query}`, { upgrade: 'websocket' });
  expect([status, body.kind === 'bytes' && Buffer.from(body.bytes).toString()]).toEqual([400, message]);
});
