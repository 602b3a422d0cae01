/** Whatever bytes a head is taken for, Node's parser takes for the same one: two readers that see its end at different places would let a request in between. */
import { Buffer } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { Duplex } from 'node:stream';
import { expect, onTestFinished, test } from 'vitest';
import { type Random, randomInt, SeededRandom } from '#pkg/base/random.ts';
import { defaultLimits } from '../limits.ts';
import { createServer } from '../node-http.ts';
import { nodeOptions } from '../node-server.ts';
import { type DirectHead, readHead } from './direct-head.ts';

const rows = 5_000;
/** Those that divide what may stand at a place from what may not. */
const bytesOfNote = [
  0, 9, 10, 11, 13, 31, 32, 33, 34, 35, 44, 47, 48, 57, 58, 59, 64, 65, 90, 91, 97, 122, 126, 127, 128, 160, 255,
];

/** What Node's server reads in bytes that are all there is of a connection. */
function readerOfNode(): (bytes: Buffer) => readonly IncomingMessage[] {
  let seen: IncomingMessage[] = [];
  const server = createServer(nodeOptions(defaultLimits), (request) => void seen.push(request));
  server.on('clientError', () => {});
  server.on('upgrade', () => {});
  onTestFinished(() => void server.close());
  return (bytes) => {
    seen = [];
    const connection = new Duplex({ read() {}, write: (_bytes, _encoding, done) => done() });
    server.emit('connection', connection);
    connection.emit('data', bytes);
    connection.destroy();
    return seen;
  };
}

const bases: readonly [string, ...string[]] = [
  'GET /a?b=c HTTP/1.1\r\nhost: a\r\naccept: */*\r\n\r\n',
  'POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nX-A: b\r\n\r\nabc',
  'PUT / HTTP/1.1\r\ncontent-length:12\r\nhost:a\r\nconnection: keep-alive\r\n\r\n',
];
const insertions: readonly [string, ...string[]] = [
  '\r',
  '\n',
  '\r\n',
  '\r\n\r\n',
  ' ',
  '\t',
  ':',
  ',',
  '0',
  '\0',
  '\x7f',
  'content-length: 5\r\n',
  'Content-Length:5\r\n',
  '\r\ntransfer-encoding: chunked',
  '\r\nx: y\r\n z',
  '\r\nconnection: close',
  '\r\nkeep-alive: 1',
  '\r\nproxy-connection: close',
];

function pick<T>(random: Random, list: readonly [T, ...T[]]): T {
  return list[randomInt(random, list.length)] ?? list[0];
}

/** A head with up to three changes: a byte instead of another, something between two, or some bytes less. */
function changed(random: Random): Buffer {
  let text: string = pick(random, bases);
  for (let count = randomInt(random, 4); count > 0; count--) {
    const at = randomInt(random, text.length);
    const kind = randomInt(random, 3);
    const more = kind === 0 ? String.fromCharCode(randomInt(random, 256)) : kind === 1 ? pick(random, insertions) : '';
    text = text.slice(0, at) + more + text.slice(at + (kind === 1 ? 0 : 1 + randomInt(random, 2)));
  }
  return Buffer.from(text, 'latin1');
}

/** A head as it is, with a body of the length that it says, and another request. */
function withNext(bytes: Buffer, { end, fields }: DirectHead): Buffer {
  const next = Buffer.from('GET /next HTTP/1.1\r\nhost: next\r\n\r\n');
  return Buffer.concat([bytes.subarray(0, end), Buffer.alloc(fields.bodyBytes, 'x'), next]);
}

test(`${rows} seeded heads are read as by Node's parser, or left to it`, () => {
  const read = readerOfNode();
  const random = new SeededRandom(1);
  let taken = 0;
  for (let row = 0; row < rows; row++) {
    const bytes = changed(random);
    const head = readHead(bytes, undefined);
    if (head === undefined || head.fields.bodyBytes > 1_000) continue;
    taken++;
    const [own, next, ...others] = read(withNext(bytes, head));
    const said = JSON.stringify(bytes.toString('latin1'));
    expect(own?.method, said).toBe(head.method);
    expect(own?.url, said).toBe(head.url);
    expect(own?.headers, said).toEqual(head.fields.headers);
    expect(next?.headers, said).toEqual({ host: 'next' });
    expect(others, said).toEqual([]);
  }
  expect(taken).toBeGreaterThan(rows / 4);
});

test('each byte of note in each place of a head is read as by Node, or left to it', () => {
  const read = readerOfNode();
  for (const base of bases) {
    for (let at = 0; at < base.length; at++) {
      for (const byte of bytesOfNote) {
        const bytes = Buffer.from(base, 'latin1');
        bytes[at] = byte;
        const head = readHead(bytes, undefined);
        if (head === undefined || head.fields.bodyBytes > 1_000) continue;
        const [own, next, ...others] = read(withNext(bytes, head));
        const seen = [own?.method, own?.url, own?.headers, next?.headers, others.length];
        expect(seen).toEqual([head.method, head.url, head.fields.headers, { host: 'next' }, 0]);
      }
    }
  }
});
