import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { inOneWrite } from './one-write.ts';

test('what is written in one turn goes in one piece, and what is written in the next in another', async () => {
  const pieces: string[][] = [];
  const stream = new Writable({
    decodeStrings: false,
    write: (chunk, _, done) => {
      pieces.push([chunk]);
      done();
    },
    writev: (chunks, done) => {
      pieces.push(chunks.map(({ chunk }) => chunk));
      done();
    },
  });
  for (const text of ['one', 'two', 'three']) {
    inOneWrite(stream);
    stream.write(text);
  }
  expect(pieces).toEqual([]);
  await Promise.resolve();
  expect(pieces).toEqual([['one', 'two', 'three']]);
  inOneWrite(stream);
  stream.write('four');
  await Promise.resolve();
  expect(pieces).toEqual([['one', 'two', 'three'], ['four']]);
});
