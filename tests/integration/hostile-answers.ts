/** Answers that no server gives which means well, as bytes: of HTTP/1.1 and of HTTP/2. What asks programs of pods, webhooks, registries and other servers has to outlive them. */
import { type Random, randomInt } from '#pkg/base/random.ts';
import { pick } from './fuzz-objects.ts';
import { answerFrames } from './hostile-frames.ts';

/** What a server does once its bytes are sent. */
export type Leaving = 'destroys' | 'ends' | 'stays';

export interface HostileAnswer {
  readonly bytes: Buffer;
  readonly leaving: Leaving;
}

const statusLines = [
  'HTTP/1.1 200 OK',
  'HTTP/1.1 200 OK',
  'HTTP/1.1 200 OK',
  'HTTP/1.0 200 OK',
  'HTTP/1.1 201 Created',
  'HTTP/1.1 204 No Content',
  'HTTP/1.1 304 Not Modified',
  'HTTP/1.1 401 Unauthorized',
  'HTTP/1.1 302 Found',
  'HTTP/1.1 307 Temporary Redirect',
  'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK',
  'HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK',
  'HTTP/1.1 101 Switching Protocols',
  'HTTP/1.1 000 None',
  'HTTP/1.1 099 Low',
  'HTTP/1.1 199 Odd',
  'HTTP/1.1 999 High',
  'HTTP/1.1 1000 Higher',
  'HTTP/1.1 -1 Negative',
  'HTTP/1.1 500',
  'HTTP/9.9 200 OK',
  'ICY 200 OK',
  '',
] as const;

const headers = [
  'content-length: 5',
  'content-length: 0',
  'content-length: 99999999999',
  'content-length: -1',
  'content-length: 5\r\ncontent-length: 6',
  'transfer-encoding: chunked',
  'transfer-encoding: gzip, chunked',
  'transfer-encoding: identity',
  'content-encoding: gzip',
  'content-encoding: br',
  'connection: close',
  'connection: upgrade\r\nupgrade: websocket',
  'connection: upgrade\r\nupgrade: SPDY/3.1',
  'trailer: x',
  'content-type: application/json',
  'content-type: application/vnd.kubernetes.protobuf',
  'content-type: \u0080\u00ff',
  'location: ftp://127.0.0.1/x',
  'location: ws://127.0.0.1/',
  'location: file:///etc/passwd',
  'location: javascript:1',
  'location: http://',
  'location: //[',
  'location: /%zz',
  'location: /\u00ff',
  'location: /again',
  'location: http://127.0.0.1:1/',
  'set-cookie: a=b\r\nset-cookie: c=d',
  'www-authenticate: Bearer realm="ftp://x/",service="%zz"',
  'www-authenticate: Bearer',
  'www-authenticate: Basic realm="\u00ff',
  'link: <http://[>; rel="next"',
  'docker-content-digest: sha256:x',
  'warning: 299 - "x',
  'retry-after: 99999999999999999999',
  'date: x',
  'x: \u0001',
  'x y: z',
  ': z',
  'x',
  '__proto__: polluted',
] as const;

const bodies = [
  '',
  'hello',
  'hello, more than was said',
  '{}',
  '[]',
  'null',
  '{"kind":"Status","status":"Failure","code":"x"}',
  '{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":7,"allowed":"yes"}}',
  '{"response":{"patch":"%%%","patchType":"JSONPatch"}}',
  '{"__proto__":{"polluted":1}}',
  '5\r\nhello\r\n0\r\n\r\n',
  '5\r\nhel',
  'zz\r\n',
  'ffffffffffffffff\r\nx',
  '0\r\ntrailer: x\r\n\r\n',
  '\u001f\u008b\u0008\u0000',
] as const;

/** The next answer of HTTP/1.1. */
export function hostileAnswer(random: Random): HostileAnswer {
  const leaving = pick<Leaving>(random, ['ends', 'ends', 'destroys', 'stays']);
  const kind = randomInt(random, 12);
  if (kind === 0) return { bytes: noise(random, randomInt(random, 200)), leaving };
  const lines: string[] = [pick(random, statusLines)];
  for (let i = randomInt(random, 4); i > 0; i--) lines.push(pick(random, headers));
  if (randomInt(random, 40) === 0) lines.push(`x-long: ${'y'.repeat(randomInt(random, 100_000))}`);
  const bytes = Buffer.from(`${lines.join('\r\n')}\r\n\r\n${pick(random, bodies)}`, 'latin1');
  if (kind === 1) return { bytes: bytes.subarray(0, randomInt(random, bytes.length + 1)), leaving };
  if (kind === 2) bytes[randomInt(random, bytes.length)] = randomInt(random, 256);
  return { bytes, leaving };
}

/** The next answer of HTTP/2, to the first stream of a client. */
export function hostileFrames(random: Random): HostileAnswer {
  const leaving = pick<Leaving>(random, ['ends', 'destroys', 'stays', 'stays']);
  return { bytes: randomInt(random, 15) === 0 ? noise(random, randomInt(random, 200)) : answerFrames(random), leaving };
}

function noise(random: Random, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => randomInt(random, 256)));
}
