import { expect, test } from 'vitest';
import { SeededRandom } from '#pkg/base/random.ts';
import { LogRingReader, LogRingWriter, makeLogRing } from './log-ring.ts';

test('what is written is read, in order and around the end, and the reader is told once until it looks', () => {
  const random = new SeededRandom(1);
  const below = (limit: number): number => Math.floor(random.next() * limit);
  const ring = makeLogRing();
  let told = 0;
  const writer = new LogRingWriter(ring, () => told++);
  const reader = new LogRingReader(ring);
  for (let round = 0; round < 300; round++) {
    const wrote: string[] = [];
    for (let piece = below(4); piece >= 0; piece--) {
      const stream = below(2) === 0 ? 'stdout' : 'stderr';
      const text = String.fromCharCode(97 + below(26)).repeat(1 + below(10_000));
      writer.write(stream, Buffer.from(text));
      wrote.push(`${stream} ${text}`);
    }
    expect(told).toBe(round + 1);
    const pieces = reader.take(Number.POSITIVE_INFINITY) ?? [];
    expect(pieces.map(({ stream, bytes }) => `${stream} ${bytes}`)).toEqual(wrote);
  }
});

test('a long write is several pieces, and a reader takes no more than it wants', () => {
  const ring = makeLogRing();
  const writer = new LogRingWriter(ring, () => {});
  const reader = new LogRingReader(ring);
  writer.write('stdout', Buffer.alloc(40_000, 'x'));
  expect([reader.take(1), reader.take(20_000)].map((pieces) => pieces?.map(({ bytes }) => bytes.length))).toEqual([
    [16_384],
    [16_384, 7_232],
  ]);
});

test('a ring whose numbers make no sense is given up', () => {
  for (const spoil of [
    (words: Int32Array) => Atomics.store(words, 0, 1_000_000),
    (words: Int32Array) => Atomics.store(words, 0, 4),
  ]) {
    const ring = makeLogRing();
    spoil(new Int32Array(ring, 0, 3));
    expect(new LogRingReader(ring).take(10)).toBe(undefined);
  }
});
