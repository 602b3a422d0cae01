import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from 'lmdb';
import { expect, onTestFinished, test } from 'vitest';
import { randomInt, SeededRandom } from '#pkg/base/random.ts';
import { Lz4Compressor } from './lz4.ts';

const known = Buffer.from(
  '{"kind":"Event","apiVersion":"v1","metadata":{"namespace":"default"},"message":"Successfully assigned"}',
);
const bytesMin = 64;

/** Values of every sort: parts of what is known, repetitions, noise, what looks like a mark, and lengths around the rules of the format. */
function* values(random: SeededRandom): Generator<Buffer> {
  for (let length = 0; length <= 80; length++) yield Buffer.alloc(length, length % 2 === 0 ? 'a' : 0xfe);
  for (let n = 0; n < 500; n++) {
    const parts = Array.from({ length: randomInt(random, 40) }, () => {
      const length = randomInt(random, 60);
      const start = randomInt(random, known.length);
      if (randomInt(random, 3) === 0) return known.subarray(start, start + length);
      const alphabet = randomInt(random, 2) === 0 ? 2 : 256;
      return Buffer.from(Array.from({ length }, () => randomInt(random, alphabet)));
    });
    yield Buffer.concat(parts);
  }
}

test.each([known, Buffer.alloc(0)])('the library reads what was compressed (%#)', async (text) => {
  const path = mkdtempSync(join(tmpdir(), 'coxswain-lz4-'));
  const root = open<Buffer, number>({ path, encoding: 'binary', maxDbs: 2 });
  onTestFinished(async () => {
    await root.close();
    rmSync(path, { recursive: true, force: true });
  });
  const compression = { threshold: bytesMin, dictionary: text };
  const reading = root.openDB<Buffer, number>('values', { encoding: 'binary', compression });
  const writing = root.openDB<Buffer, number>('values', { encoding: 'binary' });
  const compressor = new Lz4Compressor(text, bytesMin);
  const largest = Buffer.alloc(compressor.valueBytesMax, 'largest of all');
  const written = [...values(new SeededRandom(1)), largest].filter(({ length }) => length > 0);
  await root.batch(() => {
    for (const [key, value] of written.entries()) {
      value.copy(compressor.place(value.length));
      const target = Buffer.alloc(compressor.bound(value.length));
      void writing.put(key, target.subarray(0, compressor.compress(value.length, target)));
    }
  });
  for (const [key, value] of written.entries()) expect(value.equals(reading.get(key)!)).toBe(true);
  expect(writing.get(written.length - 1)!.length).toBeLessThan(largest.length / 100);
});

test('a value that is like what is known becomes a fraction of it', () => {
  const compressor = new Lz4Compressor(known, bytesMin);
  known.copy(compressor.place(known.length));
  expect(compressor.compress(known.length, Buffer.alloc(compressor.bound(known.length)))).toBeLessThan(32);
});
