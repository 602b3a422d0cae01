import { expect, test } from 'vitest';
import { silentLogger } from '#pkg/base/logger.ts';
import { Outbox } from './outbox.ts';

/** A turn of the event loop that ends when it is told to. */
function setUp({ tells = false } = {}) {
  const ends: (() => void)[] = [];
  const errors: unknown[] = [];
  const log = { ...silentLogger, error: (_text: string, fields?: object) => void errors.push(fields) };
  const sent: string[] = [];
  const clock = { yield: () => new Promise<void>((resolve) => ends.push(resolve)) };
  const outbox = new Outbox({ clock, log, ...(tells && { beforeAnswers: () => sent.push('before') }) });
  return {
    outbox,
    errors,
    sent,
    add: (name: string) => outbox.add(() => sent.push(name)),
    after: (name: string) => outbox.after(() => sent.push(name)),
    turns: () => ends.length,
    async endTurn() {
      ends.shift()?.();
      await Promise.resolve();
      await Promise.resolve();
    },
  };
}

/** After a turn with two answers. */
async function setUpBusy() {
  const all = setUp();
  all.add('x');
  all.add('y');
  await all.endTurn();
  all.sent.length = 0;
  return all;
}

test('the answers of one turn leave together at its end, in order', async () => {
  const { add, sent, turns, endTurn } = await setUpBusy();
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

test('what is done before answers leave is done once for those that leave together', async () => {
  const { add, after, sent, endTurn } = setUp({ tells: true });
  add('a');
  add('b');
  add('c');
  expect(sent).toEqual(['before', 'a']);
  await endTurn();
  expect(sent.splice(0)).toEqual(['before', 'a', 'before', 'b', 'c']);
  after('told');
  await endTurn();
  expect(sent).toEqual(['told']);
});

test('an answer that comes alone after one that did leaves at once', async () => {
  const { add, sent, endTurn } = setUp();
  add('a');
  expect(sent).toEqual(['a']);
  await endTurn();
  add('b');
  add('c');
  expect(sent).toEqual(['a', 'b']);
  await endTurn();
  expect(sent).toEqual(['a', 'b', 'c']);
  add('d');
  expect(sent).toEqual(['a', 'b', 'c']);
  await endTurn();
  add('e');
  expect(sent).toEqual(['a', 'b', 'c', 'd', 'e']);
});

test('what is added while others leave has the next turn', async () => {
  const { outbox, add, sent, endTurn } = await setUpBusy();
  add('first');
  outbox.add(() => {
    add('later');
    add('last');
  });
  await endTurn();
  expect(sent).toEqual(['first']);
  await endTurn();
  expect(sent).toEqual(['first', 'later', 'last']);
});

test('one that fails leaves the others alone', async () => {
  const { outbox, add, sent, errors, endTurn } = setUp();
  outbox.add(() => {
    throw new Error('closed');
  });
  outbox.add(() => {
    throw new Error('gone');
  });
  add('b');
  await endTurn();
  expect(sent).toEqual(['b']);
  expect(errors).toMatchObject([{ error: { message: 'closed' } }, { error: { message: 'gone' } }]);
});

test('what is to leave after the answers does, and does not make the next turn a busy one', async () => {
  const { add, after, sent, turns, endTurn } = await setUpBusy();
  after('watch');
  add('a');
  add('b');
  expect(turns()).toBe(1);
  await endTurn();
  expect(sent).toEqual(['a', 'b', 'watch']);
  after('watch');
  await endTurn();
  add('c');
  await endTurn();
  after('watch');
  await endTurn();
  add('d');
  expect(sent).toEqual(['a', 'b', 'watch', 'watch', 'c', 'watch', 'd']);
});
