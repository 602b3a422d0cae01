/** Frames of HTTP/2 that no library sends: what a server answers to the first stream of a client, and what a client says to a server. Source: RFC 9113, RFC 7541. */
import { type Random, randomInt } from '#pkg/base/random.ts';
import { pick } from './fuzz-objects.ts';

type Header = readonly [name: string, value: string];

const settings = frame(4, 0, 0, Buffer.alloc(0));

const grpcHeaders: readonly Header[] = [
  [':status', '200'],
  [':status', '099'],
  [':status', 'x'],
  ['content-type', 'application/grpc'],
  ['grpc-status', '0'],
  ['grpc-status', '12'],
  ['grpc-status', 'x'],
  ['grpc-message', '%zz'],
  ['grpc-message', '%E0%A4'],
  ['grpc-message', '\u00ff'],
  ['content-length', '1'],
  ['connection', 'close'],
  ['X', 'upper'],
  ['__proto__', 'polluted'],
];

/** What a server says, after its settings or without them. */
export function answerFrames(random: Random): Buffer {
  const frames = randomInt(random, 10) === 0 ? [] : [settings, settingsTaken];
  for (let i = 1 + randomInt(random, 5); i > 0; i--) frames.push(oddFrame(random, grpcHeaders, [':status', '200']));
  return cut(random, Buffer.concat(frames));
}

const settingsTaken = frame(4, 1, 0, Buffer.alloc(0));
const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

const methods = ['GET', 'GET', 'GET', 'POST', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD', 'CONNECT', 'BREW', 'get'] as const;

const paths = [
  '/healthz',
  '/version',
  '//[',
  '*',
  '/%zz',
  '/api/v1/namespaces/default/configmaps',
  '/api/v1/namespaces/default/pods?watch=true&timeoutSeconds=1',
  '/api/v1/namespaces/default/pods/a/exec?command=sh',
  '/openapi/v3',
] as const;

const requestHeaders: readonly Header[] = [
  [':protocol', 'websocket'],
  [':status', '200'],
  ['host', 'a'],
  ['content-length', '5'],
  ['content-length', '-1'],
  ['content-length', '99999999999999999999'],
  ['content-type', 'application/json'],
  ['content-type', 'application/apply-patch+yaml'],
  ['accept', 'application/json;as=Table;v=v1;g=meta.k8s.io'],
  ['accept-encoding', 'gzip'],
  ['authorization', 'Bearer x'],
  ['impersonate-user', 'x'],
  ['expect', '100-continue'],
  ['te', 'trailers'],
  ['connection', 'close'],
  ['transfer-encoding', 'chunked'],
  ['upgrade', 'websocket'],
  ['X', 'upper'],
  ['x', '\u0001'],
  ['cookie', 'a=b'],
  ['__proto__', 'polluted'],
];

const contents = ['', '{}', 'hello', '{"metadata":{"name":"a"}}', 'x'.repeat(15_000)] as const;

/** What a client says, after its preface or without it: mostly requests that are nearly right, some of which it breaks off. */
export function requestFrames(random: Random): Buffer {
  const frames = randomInt(random, 20) === 0 ? [] : [preface, settings];
  for (let i = randomInt(random, 4); i >= 0; i--) frames.push(...requestOf(random, 2 * frames.length + 1));
  for (let i = Math.max(0, randomInt(random, 6) - 3); i > 0; i--) frames.push(oddFrame(random, requestHeaders));
  return cut(random, Buffer.concat(frames));
}

/** A request, with a body that is whole, short or missing. */
function requestOf(random: Random, stream: number): readonly Buffer[] {
  const first: readonly Header[] = [
    [':method', pick(random, methods)],
    [':path', pick(random, paths)],
    [':scheme', randomInt(random, 20) === 0 ? 'x' : 'https'],
    [':authority', 'x'],
  ];
  const isWhole = randomInt(random, 2);
  const head = frame(1, 4 | isWhole, stream, block(random, requestHeaders, first));
  if (isWhole === 1) return randomInt(random, 6) === 0 ? [head, frame(3, 0, stream, uint32(8))] : [head];
  const body = frame(0, randomInt(random, 2), stream, Buffer.from(pick(random, contents)));
  return randomInt(random, 3) === 0 ? [head, body, frame(3, 0, stream, uint32(randomInt(random, 14)))] : [head, body];
}

/** Now and then not all of it. */
function cut(random: Random, bytes: Buffer): Buffer {
  return randomInt(random, 10) === 0 ? bytes.subarray(0, randomInt(random, bytes.length)) : bytes;
}

function oddFrame(random: Random, headers: readonly Header[], ...first: readonly Header[]): Buffer {
  const stream = pick(random, [1, 1, 1, 1, 0, 2, 3, 0x7fffffff]);
  switch (randomInt(random, 12)) {
    case 0:
      return frame(
        0,
        randomInt(random, 2),
        stream,
        pick(random, [Buffer.alloc(0), Buffer.from([0, 0, 0, 0, 2, 8, 1])]),
      );
    case 1:
      return frame(0, 0, stream, Buffer.alloc(randomInt(random, 16_000)));
    case 2:
      return frame(3, 0, stream, uint32(randomInt(random, 16)));
    case 3:
      return frame(7, 0, 0, Buffer.concat([uint32(stream), uint32(randomInt(random, 16))]));
    case 4:
      return frame(8, 0, stream, uint32(pick(random, [0, 1, 0x7fffffff])));
    case 5:
      return frame(6, randomInt(random, 2), 0, Buffer.alloc(pick(random, [8, 8, 7])));
    case 6:
      return frame(5, 4, stream, Buffer.concat([uint32(2), block(random, headers, first)]));
    case 7:
      return frame(randomInt(random, 256), randomInt(random, 256), stream, noise(random, randomInt(random, 40)));
    case 8:
      return frame(4, 0, 0, Buffer.from([0, randomInt(random, 10), 0, 0, 0, randomInt(random, 3)]));
    default:
      return frame(1, 4 | randomInt(random, 2), stream, block(random, headers, first));
  }
}

/** Headers as literals that are not indexed. Source: RFC 7541, 6.2.2. */
function block(random: Random, headers: readonly Header[], first: readonly Header[]): Buffer {
  const chosen = Array.from({ length: Math.max(0, randomInt(random, 6) - 3) }, () => pick(random, headers));
  if (randomInt(random, 6) > 0) chosen.unshift(...first);
  return Buffer.concat(
    chosen.map(([name, value]) =>
      Buffer.from(`\0${String.fromCharCode(name.length)}${name}${String.fromCharCode(value.length)}${value}`, 'latin1'),
    ),
  );
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function noise(random: Random, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => randomInt(random, 256)));
}
