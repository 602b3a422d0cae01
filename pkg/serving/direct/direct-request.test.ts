/** What becomes of bodies that nobody reads. */
import { Buffer } from 'node:buffer';
import { expect, test } from 'vitest';
import { readHead } from './direct-head.ts';
import { DirectRequest } from './direct-request.ts';

const limit = 1_000;

/** A request whose body's first bytes came with its head, and what its source was told. */
function started(bodyBytes: number, came: number, hasOwnMemory = true) {
  const told: string[] = [];
  const source = { destroyed: false, pause: () => told.push('pause'), resume: () => told.push('resume') };
  const head = `PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: ${bodyBytes}\r\n\r\n`;
  const piece = ownMemory(head.length + came);
  piece.write(head, 'latin1');
  const request = new DirectRequest(readHead(piece, undefined)!, source, hasOwnMemory);
  request.add(piece.subarray(head.length));
  return { request, piece, told };
}

function ownMemory(length: number): Buffer {
  return Buffer.from(new ArrayBuffer(length));
}

test('what nobody wants is let go of at once, what came with the head too', () => {
  const { request, piece, told } = started(600, 100);
  request.unwanted(limit);
  const next = ownMemory(200);
  expect(request.add(next)).toBe(200);
  expect([piece.length, next.length]).toEqual([0, 0]);
  expect(told).toEqual(['pause', 'resume']);
  let done = 0;
  expect(request.throwAway(limit, () => done++)).toBe(true);
  expect(done).toBe(0);
  request.add(ownMemory(300));
  expect([done, request.complete]).toEqual([1, true]);
});

test('memory in which an earlier request is stays', () => {
  const { request, piece } = started(600, 100, false);
  request.unwanted(limit);
  expect(piece.length).toBeGreaterThan(100);
});

test('of more than the limit the rest stays with its client, until more is thrown away', () => {
  const { request, told } = started(5 * limit, 100);
  request.unwanted(limit);
  request.add(ownMemory(limit));
  expect(told).toEqual(['pause', 'resume', 'pause']);
  let done = 0;
  request.throwAway(limit, () => done++);
  expect(done).toBe(1);
  request.throwAway(3 * limit, () => done++);
  expect([done, told.at(-1)]).toEqual([1, 'resume']);
  request.add(ownMemory(2 * limit));
  expect(done).toBe(2);
});

test('a body that somebody has begun to read is a stream', () => {
  const { request, piece } = started(600, 100);
  const read: Buffer[] = [];
  request.on('data', (chunk) => read.push(chunk));
  request.unwanted(limit);
  expect(request.throwAway(limit, () => {})).toBe(false);
  expect(piece.length).toBeGreaterThan(100);
});
