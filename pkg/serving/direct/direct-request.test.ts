/** What becomes of bodies that nobody reads. */
import { Buffer } from 'node:buffer';
import { expect, test } from 'vitest';
import { readHead } from './direct-head.ts';
import { DirectRequest } from './direct-request.ts';

const limit = 1_000;

/** A request whose body's first bytes came with its head, and what its source was told. */
function started(bodyBytes: number, came: number) {
  const told: string[] = [];
  const source = { destroyed: false, pause: () => told.push('pause'), resume: () => told.push('resume') };
  const head = `PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: ${bodyBytes}\r\n\r\n`;
  const request = new DirectRequest(readHead(Buffer.from(head), undefined)!, source);
  request.add(Buffer.alloc(came));
  return { request, told };
}

test('what nobody wants is thrown away as it comes, and its memory, where other pieces may be, stays', () => {
  const { request, told } = started(600, 100);
  request.unwanted(limit);
  const next = Buffer.from(new ArrayBuffer(200));
  expect(request.add(next)).toBe(200);
  expect(next.length).toBe(200);
  expect(told).toEqual(['pause', 'resume']);
  let done = 0;
  expect(request.throwAway(limit, () => done++)).toBe(true);
  expect(done).toBe(0);
  request.add(Buffer.alloc(300));
  expect([done, request.complete]).toEqual([1, true]);
});

test('whoever wants it after all is told that it is gone', async () => {
  const { request } = started(600, 100);
  request.unwanted(limit);
  await expect(request.iterator().next()).rejects.toThrow('Premature close');
});

test('of more than the limit the rest stays with its client, until more is thrown away', () => {
  const { request, told } = started(5 * limit, 100);
  request.unwanted(limit);
  request.add(Buffer.alloc(limit));
  expect(told).toEqual(['pause', 'resume', 'pause']);
  let done = 0;
  request.throwAway(limit, () => done++);
  expect(done).toBe(1);
  request.throwAway(3 * limit, () => done++);
  expect([done, told.at(-1)]).toEqual([1, 'resume']);
  request.add(Buffer.alloc(2 * limit));
  expect(done).toBe(2);
});

test('a body that somebody has begun to read is a stream', () => {
  const { request } = started(600, 100);
  request.on('data', () => {});
  request.unwanted(limit);
  expect(request.throwAway(limit, () => {})).toBe(false);
});
