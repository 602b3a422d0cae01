/**
 * Requests whose end two readers could see at different places: what a proxy in front takes for a body must never be answered as a request of its own.
 * Source: RFC 9112 sections 6.1, 6.3 and 11.2.
 */
import { Buffer } from 'node:buffer';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { openRaw, serveForTest, type TestServing } from './test-server.ts';

let server: TestServing;
let asked: string[] = [];

beforeAll(async () => {
  server = await serveForTest(async ({ path, body }) => {
    asked.push(path);
    const bytes = body?.kind === 'unread' ? await body.read({ limitBytes: 100_000 }) : Buffer.alloc(0);
    return { status: 200, headers: {}, body: { kind: 'bytes', bytes: Buffer.from(`read ${bytes.length}\n`) } };
  });
});

beforeEach(() => {
  asked = [];
});

afterAll(() => server.close());

const hidden = 'GET /hidden HTTP/1.1\r\nhost: a\r\n\r\n';
const length = hidden.length;
/** A body that ends at once as chunks, so that what is hidden would follow; and one that does not, by its length. */
const ends = `0\r\n\r\n${hidden}`;

test.each([
  ['a length and chunks', `content-length: ${ends.length}\r\ntransfer-encoding: chunked`, ends],
  ['chunks and a length', `transfer-encoding: chunked\r\ncontent-length: ${ends.length}`, ends],
  ['two lengths', `content-length: 0\r\ncontent-length: ${length}`, hidden],
  ['two lengths in one', `content-length: 0, ${length}`, hidden],
  ['a length with a sign', `content-length: +${length}`, hidden],
  ['a length in hex', `content-length: 0x${length.toString(16)}`, hidden],
  ['a length below zero', 'content-length: -1', hidden],
  ['a length with a blank before the colon', `content-length : ${length}`, hidden],
  ['chunks with a blank before the colon', 'transfer-encoding : chunked', ends],
  ['chunks twice', `transfer-encoding: chunked, chunked\r\ncontent-length: ${ends.length}`, ends],
  ['something like chunks', `transfer-encoding: xchunked\r\ncontent-length: ${ends.length}`, ends],
  ['chunks and then something else', `transfer-encoding: chunked, identity\r\ncontent-length: ${ends.length}`, ends],
  ['chunks on a folded line', `transfer-encoding:\r\n chunked\r\ncontent-length: ${ends.length}`, ends],
  [
    'chunks behind a byte that is none of a header',
    `transfer-encoding: \x0bchunked\r\ncontent-length: ${ends.length}`,
    ends,
  ],
  ['a size of a chunk that is too large', 'transfer-encoding: chunked', `10000000000000000\r\n${hidden}`],
  ['a size of a chunk with a sign', 'transfer-encoding: chunked', `-1\r\n${hidden}`],
  ['a chunk that is longer than it says', 'transfer-encoding: chunked', `1\r\nxx\r\n0\r\n\r\n${hidden}`],
  ['a header that ends with a carriage return alone', `x: y\rcontent-length: ${length}`, hidden],
  ['a header with a zero byte', `x: \0\r\ncontent-length: ${length}`, hidden],
])('%s does not let another request in', async (_what, headers, body) => {
  const client = await openRaw(server.port, { isKnown: true });
  client.send(`POST /seen HTTP/1.1\r\nhost: a\r\n${headers}\r\n\r\n${body}`);
  const answer = await client.ended();
  expect(asked.filter((path) => path !== '/seen')).toEqual([]);
  // Refused, or a body was taken for one and the connection was not used again.
  expect(answer === '' || /^HTTP\/1\.1 (4|5)\d\d /.test(answer)).toBe(true);
});
