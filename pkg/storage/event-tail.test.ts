import { expect, test } from 'vitest';
import { EventTail } from './event-tail.ts';
import type { StoreEvent } from './store.ts';
import { eventRevision } from './watch-hub.ts';

function put(revision: number, key = '/a', bytes = 1): StoreEvent {
  return { type: 'put', kv: { key, value: new Uint8Array(bytes), createRevision: revision, modRevision: revision } };
}

function revisions(tail: EventTail, from: number, prefix = '/'): number[] {
  return tail.since(from, prefix).map(eventRevision);
}

test('events are found by revision and prefix', () => {
  const tail = new EventTail({ maxEvents: 10, maxBytes: 1000 }, 1);
  for (const [revision, key] of [
    [2, '/a/1'],
    [3, '/b/1'],
    [5, '/a/2'],
    [5, '/a/3'],
    [6, '/b/2'],
  ] as const)
    tail.push(put(revision, key));
  expect(revisions(tail, 2)).toEqual([2, 3, 5, 5, 6]);
  expect(revisions(tail, 4)).toEqual([5, 5, 6]);
  expect(revisions(tail, 3, '/a/')).toEqual([5, 5]);
  expect(revisions(tail, 7)).toEqual([]);
  tail.forget(5);
  expect([tail.startRevision, ...revisions(tail, 6)]).toEqual([5, 6]);
});

test('beyond twice the count the oldest are dropped, with all of their revision', () => {
  const tail = new EventTail({ maxEvents: 2, maxBytes: 1000 }, 1);
  for (const revision of [2, 3, 4, 4]) tail.push(put(revision));
  expect([tail.startRevision, ...revisions(tail, 2)]).toEqual([1, 2, 3, 4, 4]);
  tail.push(put(5));
  expect([tail.startRevision, ...revisions(tail, 5)]).toEqual([4, 5]);
});

test('beyond twice the bytes the oldest are dropped', () => {
  const tail = new EventTail({ maxEvents: 100, maxBytes: 100 }, 1);
  for (let revision = 2; revision <= 6; revision++) tail.push(put(revision, '/a', 50));
  expect([tail.startRevision, ...revisions(tail, 5)]).toEqual([4, 5, 6]);
  tail.push(put(7, '/a', 500));
  expect([tail.startRevision, ...revisions(tail, 8)]).toEqual([7]);
});
