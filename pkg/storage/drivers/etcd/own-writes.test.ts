import { expect, test } from 'vitest';
import { OwnWrites } from './own-writes.ts';

test('what comes back as it was written is the very bytes, once', () => {
  const own = new OwnWrites();
  const value = Buffer.from('one');
  own.add('/a', value);
  expect(own.take('/a', Buffer.from('one'))).toBe(value);
  expect(own.take('/a', Buffer.from('one'))).not.toBe(value);
});

test('what others wrote is a copy of its own', () => {
  const own = new OwnWrites();
  const mine = Buffer.from('mine');
  own.add('/a', mine);
  const theirs = Buffer.from('their');
  const taken = own.take('/a', theirs);
  expect([Buffer.compare(taken, theirs), taken === theirs, taken.buffer.byteLength]).toEqual([0, false, 5]);
  expect(own.take('/a', Buffer.from('mine'))).toBe(mine);
});

test('a write that came to nothing leaves a later one of the same key', () => {
  const own = new OwnWrites();
  const [first, second] = [Buffer.from('x'), Buffer.from('x')];
  own.add('/a', first);
  own.add('/a', second);
  own.drop('/a', first);
  expect(own.take('/a', Buffer.from('x'))).toBe(second);
});
