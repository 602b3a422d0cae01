import { expect, test } from 'vitest';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { Expectations } from './expectations.ts';

test('a key is satisfied when all creations were seen or will not come', () => {
  const expectations = new Expectations(new VirtualClock());
  expect(expectations.satisfied('a')).toBe(true);
  expectations.expectCreations('a', 2);
  expectations.creationObserved('a');
  expect(expectations.satisfied('a')).toBe(false);
  expectations.creationObserved('a');
  expectations.creationObserved('a');
  expect(expectations.satisfied('a')).toBe(true);
});

test('deletions count by name: the same one seen twice counts once', () => {
  const expectations = new Expectations(new VirtualClock());
  expectations.expectDeletions('a', ['x', 'y']);
  expectations.deletionObserved('a', 'x');
  expectations.deletionObserved('a', 'x');
  expect(expectations.satisfied('a')).toBe(false);
  expectations.deletionObserved('a', 'y');
  expect(expectations.satisfied('a')).toBe(true);
});

test('expectations run out after five minutes, and are gone with their key', async () => {
  const clock = new VirtualClock();
  const expectations = new Expectations(clock);
  expectations.expectCreations('a', 1);
  const leftMs = expectations.expiresInMs('a');
  await clock.advance(leftMs - 1);
  expect(expectations.satisfied('a')).toBe(false);
  await clock.advance(1);
  expect(expectations.satisfied('a')).toBe(true);
  expectations.expectCreations('b', 1);
  expectations.forget('b');
  expect(expectations.satisfied('b')).toBe(true);
});
