import { expect, test } from 'vitest';
import { silentLogger } from '#pkg/base/logger.ts';
import { Outbox } from './outbox.ts';

/** A turn of the event loop that ends when it is told to. */
function setUp() {
  const ends: (() => void)[] = [];
  const errors: unknown[] = [];
  const log = { ...silentLogger, error: (_text: string, fields?: object) => void errors.push(fields) };
  const outbox = new Outbox({ yield: () => new Promise((resolve) => ends.push(resolve)) }, log);
  const sent: string[] = [];
  return {
    outbox,
    errors,
    sent,
    add: (name: string) => outbox.add(() => sent.push(name)),
    turns: () => ends.length,
    async endTurn() {
      ends.shift()?.();
      await Promise.resolve();
      await Promise.resolve();
    },
  };
}

test('the answers of one turn leave together at its end, in order', async () => {
  const { add, sent, turns, endTurn } = setUp();
  add('a');
  add('b');
  expect(sent).toEqual([]);
  expect(turns()).toBe(1);
  await endTurn();
  expect(sent).toEqual(['a', 'b']);
  add('c');
  expect(turns()).toBe(1);
  await endTurn();
  expect(sent).toEqual(['a', 'b', 'c']);
});

test('what is added while others leave has the next turn', async () => {
  const { outbox, add, sent, endTurn } = setUp();
  outbox.add(() => add('later'));
  await endTurn();
  expect(sent).toEqual([]);
  await endTurn();
  expect(sent).toEqual(['later']);
});

test('one that fails leaves the others alone', async () => {
  const { outbox, add, sent, errors, endTurn } = setUp();
  outbox.add(() => {
    throw new Error('closed');
  });
  add('b');
  await endTurn();
  expect(sent).toEqual(['b']);
  expect(errors).toMatchObject([{ error: { message: 'closed' } }]);
});
