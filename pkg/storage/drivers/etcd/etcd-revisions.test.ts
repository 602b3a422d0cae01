import { expect, test } from 'vitest';
import { endOfRevision, etcdRevision, markFor, placedValue, shownRevision } from './etcd-revisions.ts';

/** A value as etcd keeps it. */
function stored(value: Uint8Array, place: number): Uint8Array {
  return Buffer.concat([value, markFor(value, place) ?? Buffer.alloc(0)]);
}

test('revisions go up from write to write, and each is found in that of etcd', () => {
  const shown = [
    shownRevision(7, 0),
    shownRevision(7, 1),
    shownRevision(7, 125),
    endOfRevision(7),
    shownRevision(8, 0),
  ];
  expect([...shown].sort((a, b) => a - b)).toEqual(shown);
  expect(shown.map(etcdRevision)).toEqual([7, 7, 7, 7, 8]);
  expect(shownRevision(7, 100_000)).toBe(endOfRevision(7));
  expect(etcdRevision(3)).toBe(1);
});

test('the first of a transaction has its value as it is, and the others tell their place behind it', () => {
  const value = Buffer.from('{"a":1}');
  expect(Buffer.from(stored(value, 0)).toString()).toBe('{"a":1}');
  for (const place of [1, 99, 1023]) {
    const found = placedValue(stored(value, place));
    expect([Buffer.from(found.value).toString(), found.place]).toEqual(['{"a":1}', place]);
  }
});

test('whatever a value ends with, it comes back, as what was encrypted may', () => {
  const mark = stored(Buffer.alloc(0), 3);
  for (const value of [
    Buffer.alloc(0),
    mark,
    Buffer.concat([Buffer.from('x'), mark]),
    mark.subarray(1),
    mark.subarray(0, 5),
  ]) {
    for (const place of [0, 1, 300]) {
      const found = placedValue(stored(value, place));
      expect([Buffer.compare(found.value, value), found.place]).toEqual([0, place]);
    }
  }
});
