import { Buffer } from 'node:buffer';
import { request } from 'node:https';
import { expect, onTestFinished, test } from 'vitest';
import { sliceBytes } from './limits.ts';
import { giveSlice, takeSlice } from './slice-memory.ts';
import { serveForTest } from './test-server.ts';

test('memory is lent to one at a time, and used again once it is given back', () => {
  const [first, second] = [takeSlice(10), takeSlice(10)];
  expect(first.buffer === second.buffer).toBe(false);
  giveSlice(first.subarray(0, 3));
  giveSlice(first);
  const third = takeSlice(sliceBytes);
  expect([third.buffer === first.buffer, third.length]).toEqual([true, sliceBytes]);
  expect(takeSlice(10).buffer === first.buffer).toBe(false);
  const large = takeSlice(sliceBytes + 1);
  giveSlice(large);
  giveSlice(Buffer.alloc(sliceBytes));
  expect([large.length, takeSlice(10).buffer === large.buffer]).toEqual([sliceBytes + 1, false]);
});

test('many long answers at once, read slowly, broken off or whole, each have their own bytes', async () => {
  const count = 12;
  const length = 40 * sliceBytes;
  const server = await serveForTest(async ({ path }) => {
    const code = Number(path.slice(1));
    const slices = function* (take: (bytes: number) => Buffer): Generator<Uint8Array> {
      for (let at = 0; at < length; at += sliceBytes) yield take(sliceBytes).subarray(0, sliceBytes).fill(code);
    };
    const body = {
      kind: 'object',
      object: {},
      bytes: () => Buffer.alloc(length, code),
      sliced: () => ({ length, slices }),
    } as const;
    return { status: 200, headers: {}, body };
  });
  onTestFinished(() => server.close());
  const readOne = (code: number): Promise<readonly [number, boolean]> =>
    new Promise((resolve, reject) => {
      const sent = request({
        host: '127.0.0.1',
        port: server.port,
        path: `/${code}`,
        rejectUnauthorized: false,
        agent: false,
      });
      sent.on('error', reject);
      sent.on('response', (response) => {
        let read = 0;
        let isOwn = true;
        response.on('data', (chunk: Buffer) => {
          read += chunk.length;
          isOwn &&= chunk.equals(Buffer.alloc(chunk.length, code));
          if (code % 3 === 0 && read > 5 * sliceBytes) return response.destroy();
          response.pause();
          setImmediate(() => response.resume());
        });
        response.on('close', () => resolve([code % 3 === 0 ? length : read, isOwn]));
        response.on('error', () => {});
      });
      sent.end();
    });
  const seen = await Promise.all(Array.from({ length: count }, (_, index) => readOne(index + 1)));
  expect(seen).toEqual(Array.from({ length: count }, () => [length, true]));
});
