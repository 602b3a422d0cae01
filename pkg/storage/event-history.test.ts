import { expect, test } from 'vitest';
import type { CacheEntry } from './cache.ts';
import { EventHistory } from './event-history.ts';

function entry(key: string, modRevision: number, settled: string[]): CacheEntry {
  const settle = (): void => void settled.push(`${key}@${modRevision}`);
  return { key, modRevision, createRevision: 1, object: {}, bytes: new Uint8Array(1), settle };
}

/** Adds one event at each of the revisions; returns what was settled, without repetitions. */
function settledBy(history: EventHistory, revisions: readonly number[]): ReadonlySet<string> {
  const settled: string[] = [];
  for (const revision of revisions) {
    const previous = entry('old', revision - 1, settled);
    const event = { type: 'MODIFIED', entry: entry('new', revision, settled), previous, revision } as const;
    history.add(event, { bytes: 1, nowMs: revision });
  }
  return new Set(settled);
}

function revisions(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

const limits = { windowMs: 1e9, minEvents: 1, maxEvents: 100, maxBytes: 1e9 };

test('the state of an event and the one before are held as news until 64 more have come', () => {
  const history = new EventHistory(limits);
  history.reset(0);
  expect(settledBy(history, revisions(1, 64))).toEqual(new Set());
  expect(settledBy(history, [65])).toEqual(new Set());
  const settled = settledBy(new EventHistory(limits), revisions(1, 66));
  expect(settled).toEqual(new Set(['new@1', 'old@0', 'new@2', 'old@1']));
});

test('more of them are held as news where that is wanted', () => {
  const history = new EventHistory({ ...limits, maxEvents: 1_000 }, 200);
  expect(settledBy(history, revisions(1, 200))).toEqual(new Set());
  expect(settledBy(history, [201])).toEqual(new Set());
  expect(settledBy(new EventHistory({ ...limits, maxEvents: 1_000 }, 200), revisions(1, 201))).toEqual(
    new Set(['new@1', 'old@0']),
  );
});

test('an event that is forgotten is no longer news, however few there are', () => {
  const history = new EventHistory({ ...limits, maxEvents: 2 });
  history.reset(0);
  expect(settledBy(history, [1, 2, 3])).toEqual(new Set(['new@1', 'old@0']));
  expect(history.startRevision).toBe(1);
});

test('the events of the history are not the ones that watchers were told', () => {
  const history = new EventHistory(limits);
  history.reset(0);
  const event = { type: 'ADDED', entry: entry('a', 1, []), revision: 1 } as const;
  history.add(event, { bytes: 1, nowMs: 0 });
  const [found] = history.since(0, 'a')!;
  expect(found).toEqual(event);
  expect(found).not.toBe(event);
});
