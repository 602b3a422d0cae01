import { expect, test } from 'vitest';
import { HeldOutput } from './held-output.ts';

/** An output, and what has left of it. */
function held() {
  const output = new HeldOutput();
  const left: string[] = [];
  return { output, left, give: (text: string) => output.give(text.length, () => void left.push(text)) };
}

test('what is held leaves with the checkpoint that knows of it, in order', () => {
  const { output, left, give } = held();
  give('before');
  output.hold();
  give('one');
  output.mark(1);
  give('two');
  give('three');
  output.mark(2);
  give('four');
  expect(left).toEqual(['before']);
  output.release(1);
  expect(left).toEqual(['before', 'one']);
  output.release(2);
  expect(left).toEqual(['before', 'one', 'two', 'three']);
  output.release(9);
  output.free();
  give('five');
  expect(left).toEqual(['before', 'one', 'two', 'three', 'four', 'five']);
});

test('what is dropped never leaves', () => {
  const { output, left, give } = held();
  output.hold();
  give('one');
  output.mark(1);
  output.drop();
  output.release(1);
  give('two');
  expect(left).toEqual(['two']);
});

test('a machine whose output is held is told when that is too much, until some has left', () => {
  const { output } = held();
  output.hold();
  output.give(17 << 20, () => undefined);
  output.mark(1);
  expect(output.isFull).toBe(true);
  output.release(1);
  expect(output.isFull).toBe(false);
});
