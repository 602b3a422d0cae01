import { expect, test } from 'vitest';
import { randomInt, SeededRandom } from '#pkg/base/random.ts';
import { compareKeys, SortedMap } from './sorted-map.ts';

function bytesCompare(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

test('keys compare by the bytes of their UTF-8 form', () => {
  const keys = [
    '',
    'a',
    'ab',
    'b',
    '\u00e9',
    '\ud7ff',
    '\ue000',
    '\uffee',
    '\u{10000}',
    '\u{1f600}a',
    'a\u{1f600}',
    'a\uffee',
  ];
  for (const a of keys) {
    for (const b of keys) expect(Math.sign(compareKeys(a, b))).toBe(bytesCompare(a, b));
  }
});

test('a map of many keys answers as a sorted list does, through inserts and deletes', () => {
  const random = new SeededRandom(7);
  const map = new SortedMap<number>();
  const model = new Map<string, number>();
  const alphabet = ['a', 'b', '/', '\uffee', '\u{1f600}', 'z'];
  const randomKey = (): string => {
    let key = '';
    for (let i = randomInt(random, 7); i >= 0; i--) key += alphabet[randomInt(random, alphabet.length)];
    return key;
  };
  for (let step = 0; step < 30_000; step++) {
    const key = randomKey();
    if (random.next() < (step < 15_000 ? 0.8 : 0.3)) {
      expect(map.set(key, step)).toBe(model.get(key));
      model.set(key, step);
    } else {
      expect(map.delete(key)).toBe(model.get(key));
      model.delete(key);
    }
    expect(map.size).toBe(model.size);
    if (step % 1000 !== 0) continue;
    const sorted = [...model.keys()].sort(bytesCompare);
    for (const prefix of ['', 'a', 'ab', '\uffee', '\u{1f600}', 'zz', 'none']) {
      const startKey = randomKey();
      const limit = randomInt(random, 20);
      const all = sorted.filter((k) => k.startsWith(prefix));
      const from = all.filter((k) => bytesCompare(k, startKey) >= 0);
      expect(map.values(prefix)).toEqual(all.map((k) => model.get(k)));
      expect(map.count(prefix)).toBe(all.length);
      expect(map.count(prefix, startKey)).toBe(from.length);
      expect(map.values(prefix, { startKey, limit })).toEqual(
        (limit ? from.slice(0, limit) : from).map((k) => model.get(k)),
      );
    }
    expect(map.get(key)).toBe(model.get(key));
  }
});
