import { Buffer } from 'node:buffer';
import type { Duplex } from 'node:stream';
import { Agent, WebSocket } from 'undici';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { ApiRequest, ApiResponse } from '#pkg/apimachinery/http.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { SpdyConnection } from '#pkg/serving/spdy/connection.ts';
import type { SpdyStream } from '#pkg/serving/spdy/stream.ts';
import { testCertificate as cert, testKey as key, serveForTest, type TestServing } from '#pkg/serving/test-server.ts';
import { takeUpgrade } from '#pkg/serving/upgrade-in-process.ts';
import { streamKubelet } from './testing.ts';

const kubelet = streamKubelet();
let server: TestServing;

beforeAll(async () => {
  server = await serveForTest(kubelet.handle);
});
afterAll(() => server.close());

const dispatcher = new Agent({ connect: { rejectUnauthorized: false, cert, key } });
afterAll(() => dispatcher.destroy());

interface Said {
  readonly socket: WebSocket;
  /** By channel: what has come. */
  readonly channels: string[];
  readonly closed: Promise<void>;
}

async function open(path: string, protocol: string): Promise<Said> {
  const socket = new WebSocket(`wss://127.0.0.1:${server.port}${path}`, {
    protocols: protocol === '' ? [] : [protocol],
    dispatcher,
  });
  socket.binaryType = 'arraybuffer';
  onTestFinished(() => socket.close());
  const channels: string[] = [];
  socket.addEventListener('message', ({ data }) => {
    const isText = typeof data === 'string';
    const bytes = isText ? Buffer.from(data.slice(1), 'base64') : Buffer.from(data as ArrayBuffer).subarray(1);
    const channel = isText ? Number(data[0]) : Buffer.from(data as ArrayBuffer)[0]!;
    channels[channel] = (channels[channel] ?? '') + bytes.toString();
  });
  const closed = new Promise<void>((resolve) => socket.addEventListener('close', () => resolve()));
  await new Promise<void>((resolve, reject) => {
    socket.addEventListener('open', () => resolve());
    socket.addEventListener('error', (event) => reject(new Error(`Cannot open: ${event.message}`)));
  });
  return { socket, channels, closed };
}

const exec = '/exec/default/pod/main';
const outputs = 'output=1&error=1';
const exit3 = {
  metadata: {},
  status: 'Failure',
  message: 'command terminated with non-zero exit code: error executing command [exit 3], exit code 3',
  reason: 'NonZeroExitCode',
  details: { causes: [{ reason: 'ExitCode', message: '3' }] },
};

test.each(['v5.channel.k8s.io', 'v4.channel.k8s.io', 'v4.base64.channel.k8s.io'])(
  'output, errors and the end of a command come over channels of %s',
  async (protocol) => {
    const said = await open(`${exec}?${outputs}&command=say&command=hello+there`, protocol);
    expect(said.socket.protocol).toBe(protocol);
    await said.closed;
    expect(said.channels[1]).toBe('hello there\n');
    expect(said.channels[2]).toBe('complaint\n');
    expect(JSON.parse(said.channels[3]!)).toEqual({ metadata: {}, status: 'Success' });
    const failed = await open(`${exec}?${outputs}&command=exit&command=3`, protocol);
    await failed.closed;
    expect(JSON.parse(failed.channels[3]!)).toEqual(exit3);
  },
);

test.each(['', 'channel.k8s.io', 'base64.channel.k8s.io', 'v2.channel.k8s.io', 'v3.channel.k8s.io'])(
  'before version 4 (%j) the end is a text, and none for a success',
  async (protocol) => {
    const said = await open(`${exec}?${outputs}&command=say&command=hello`, protocol);
    await said.closed;
    expect([said.channels[1], said.channels[3]]).toEqual(['hello\n', undefined]);
    const failed = await open(`${exec}?${outputs}&command=exit&command=3`, protocol);
    await failed.closed;
    expect(failed.channels[3]).toBe(exit3.message);
  },
);

test('input goes to the command, and version 5 says when it ends', async () => {
  const said = await open(`${exec}?input=1&output=1&command=cat`, 'v5.channel.k8s.io');
  for (const text of ['\0one ', '\0two']) said.socket.send(Buffer.from(text));
  said.socket.send(Uint8Array.of(255, 0));
  await said.closed;
  expect(said.channels[1]).toBe('one two');
  expect(JSON.parse(said.channels[3]!).status).toBe('Success');
});

test('sizes reach a terminal, in whatever pieces they come', async () => {
  const said = await open(`${exec}?input=1&output=1&tty=1&command=cat`, 'v5.channel.k8s.io');
  for (const text of ['\x04{"Width":80,"Hei', '\x04ght":24}{"Width":100,"Height":30}', '\x04{"Width":-1,"Height":1}']) {
    said.socket.send(Buffer.from(text));
  }
  said.socket.send(Uint8Array.of(255, 0));
  await said.closed;
  expect(kubelet.sizes.splice(0)).toEqual([
    { columns: 80, rows: 24 },
    { columns: 100, rows: 30 },
  ]);
});

test('a command whose client goes is told so', async () => {
  const said = await open(`${exec}?output=1&command=hang`, 'v4.channel.k8s.io');
  await expect.poll(() => kubelet.commands.at(-1)?.command).toEqual(['hang']);
  const { signal } = kubelet.commands.at(-1)!;
  const aborted = new Promise((resolve) => signal!.addEventListener('abort', resolve));
  said.socket.close();
  await aborted;
});

test('who attaches has the terminal that the program has, whatever was asked for', async () => {
  const said = await open('/attach/default/pod/shell?input=1&output=1&error=1', 'v5.channel.k8s.io');
  said.socket.send(Buffer.from('\0typed'));
  said.socket.send(Uint8Array.of(255, 0));
  await said.closed;
  expect(said.channels[1]).toBe('typed');
  expect(kubelet.commands.at(-1)).toMatchObject({ stdin: true, tty: true });
});

test.each([
  ['/exec/default/pod/over?output=1&command=a', 'unable to upgrade connection: container not found ("over")'],
  ['/exec/default/none/main?output=1&command=a', 'unable to upgrade connection: pod does not exist'],
  [
    '/exec/default/pod/main?command=a',
    'unable to upgrade connection: you must specify at least 1 of stdin, stdout, stderr',
  ],
  ['/attach/default/pod/over?output=1', 'unable to upgrade connection: container over not found in pod pod_default'],
  ['/exec/default/pod/main?output=1&command=broken', 'error executing command in container: no such command'],
])('version 5 is told in its own words that %s cannot be', async (path, message) => {
  const said = await open(path, 'v5.channel.k8s.io');
  await said.closed;
  expect(JSON.parse(said.channels[3]!)).toEqual({
    metadata: {},
    status: 'Failure',
    message: `Internal error occurred: ${message}`,
    reason: 'InternalError',
    details: { causes: [{ message }] },
    code: 500,
  });
});

/** Asks without a socket. */
function ask(path: string, headers: Readonly<Record<string, string>> = {}, method = 'POST'): Promise<ApiResponse> {
  const [pathname = '', query = ''] = path.split('?');
  const request: ApiRequest = {
    method,
    path: pathname,
    query,
    headers,
    ...(headers.upgrade === undefined ? {} : { upgrade: headers.upgrade.toLowerCase() }),
    peer: { address: '' },
    signal: new AbortController().signal,
  };
  return kubelet.handle(request);
}

const said = ({ status, body }: ApiResponse): string =>
  `${status} ${body.kind === 'bytes' ? Buffer.from(body.bytes).toString() : body.kind}`;

test.each([
  ['/exec/default/pod/over?output=1&command=a', {}, '500 container not found ("over")'],
  ['/exec/default/none/main?output=1&command=a', {}, '404 pod does not exist'],
  ['/exec/default/pod/main?command=a', {}, '400 you must specify at least 1 of stdin, stdout, stderr'],
  ['/exec/default/pod?output=1', {}, '404 404 page not found'],
  ['/exec/default/pod/other-uid/main?output=1', {}, '500 pod pod_default not found'],
  ['/exec/default/pod/main?output=1&command=a', {}, '500 Upgrade request required\n'],
  [
    '/exec/default/pod/main?output=1&command=a',
    { upgrade: 'SPDY/3.1' },
    '400 unable to upgrade: X-Stream-Protocol-Version is required\n',
  ],
  [
    '/exec/default/pod/main?output=1&command=a',
    { upgrade: 'SPDY/3.1', 'x-stream-protocol-version': 'v9.channel.k8s.io' },
    '403 unable to upgrade: unable to negotiate protocol: client supports [v9.channel.k8s.io], ' +
      'server accepts [v4.channel.k8s.io v3.channel.k8s.io v2.channel.k8s.io channel.k8s.io]\n',
  ],
  [
    '/exec/default/pod/main?output=1&command=a',
    {
      upgrade: 'websocket',
      'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
      'sec-websocket-version': '13',
      'sec-websocket-protocol': 'soap',
    },
    '403 requested protocol(s) are not supported: [soap]',
  ],
  ['/run/default/pod/main?cmd=say+hi', {}, '200 say hi\n'],
  ['/run/default/pod/main?cmd=exit+2', {}, "500 command 'exit 2' exited with 2: "],
])('%s with %j is answered plainly', async (path, headers, expected) => {
  expect(said(await ask(path, headers))).toBe(expected);
});

async function overSpdy(path: string, version: string): Promise<{ connection: SpdyConnection; end: Duplex }> {
  const answer = await ask(path, { upgrade: 'SPDY/3.1', 'x-stream-protocol-version': version });
  expect([answer.status, answer.headers['x-stream-protocol-version']]).toEqual([101, version]);
  if (answer.body.kind !== 'upgrade') throw new Error('no upgrade');
  const end = takeUpgrade(answer.body);
  return { connection: new SpdyConnection(end, { clock: new SystemClock(), role: 'client' }), end };
}

async function textOf(stream: SpdyStream): Promise<string> {
  let text = '';
  for await (const chunk of stream.input) text += Buffer.from(chunk).toString();
  return text;
}

test.each([
  ['v4.channel.k8s.io', JSON.stringify({ metadata: {}, status: 'Success' })],
  ['v3.channel.k8s.io', ''],
  ['v2.channel.k8s.io', ''],
  ['channel.k8s.io', ''],
])('a command over SPDY has a stream for each of its own, in %s', async (version, end) => {
  const { connection } = await overSpdy(`${exec}?input=1&output=1&command=cat`, version);
  const [error, stdin, stdout] = ['error', 'stdin', 'stdout'].map((streamtype) => connection.open({ streamtype }));
  expect(await connection.open({ streamtype: 'nonsense' }).accepted).toBe(false);
  void stdin!.write(Buffer.from('typed'));
  stdin!.end();
  expect(await textOf(stdout!)).toBe('typed');
  expect(await textOf(error!)).toBe(end);
  await connection.ended;
  await connection.close();
});

test('a failure over SPDY is told as a status', async () => {
  const { connection } = await overSpdy(`${exec}?${outputs}&command=exit&command=3`, 'v4.channel.k8s.io');
  const [error] = ['error', 'stdout', 'stderr'].map((streamtype) => connection.open({ streamtype }));
  expect(JSON.parse(await textOf(error!))).toEqual(exit3);
  await connection.close();
});
