import { expect, test } from 'vitest';
import { silentLogger } from '#pkg/base/logger.ts';
import { WatchRounds } from './watch-rounds.ts';

/** Rounds whose turns end when they are told to, and whose watchers take as long as they say. */
function setUp() {
  let nowMs = 0;
  const ends: (() => void)[] = [];
  const errors: unknown[] = [];
  const log = { ...silentLogger, error: (_text: string, fields?: object) => void errors.push(fields) };
  const clock = { monotonicMs: () => nowMs, yield: () => new Promise<void>((resolve) => ends.push(resolve)) };
  const rounds = new WatchRounds({ clock, log, outbox: { after: (send) => void ends.push(send) } });
  const told: string[] = [];
  const add = (name: string, takesMs = 0): void =>
    rounds.add(() => {
      told.push(name);
      nowMs += takesMs;
    });
  const endTurn = async (): Promise<void> => {
    ends.shift()?.();
    await Promise.resolve();
    await Promise.resolve();
  };
  return {
    rounds,
    told,
    errors,
    add,
    pass: (ms: number) => {
      nowMs += ms;
    },
    /** Watches were told just now. */
    async busy() {
      add('first');
      told.length = 0;
      await endTurn();
    },
    turns: () => ends.length,
    endTurn,
  };
}

test('where none was told for a while the first are told at once, and the rest of many in a round', async () => {
  const { add, told, turns, endTurn, pass } = setUp();
  for (const name of ['a', 'b', 'c', 'd']) add(name, 0.4);
  expect(told).toEqual(['a', 'b', 'c']);
  await endTurn();
  expect([told, turns()]).toEqual([['a', 'b', 'c'], 1]);
  await endTurn();
  expect([told, turns()]).toEqual([['a', 'b', 'c', 'd'], 0]);
  pass(7.9);
  add('a');
  expect(told).toHaveLength(4);
  await endTurn();
  pass(8);
  add('b');
  expect(told.slice(4)).toEqual(['a', 'b']);
});

test('whoever waits is told in one round at the end of the turn, in order', async () => {
  const { add, told, turns, endTurn, busy } = setUp();
  await busy();
  add('a');
  add('b');
  expect([told, turns()]).toEqual([[], 1]);
  await endTurn();
  expect([told, turns()]).toEqual([['a', 'b'], 0]);
  add('a');
  await endTurn();
  expect(told).toEqual(['a', 'b', 'a']);
});

test('a long round lets others in, and what comes meanwhile has the next one', async () => {
  const { add, told, turns, endTurn, busy } = setUp();
  await busy();
  for (const name of ['a', 'b', 'c', 'd', 'e']) add(name, 2);
  await endTurn();
  expect([told, turns()]).toEqual([['a', 'b', 'c'], 1]);
  add('a');
  await endTurn();
  expect([told, turns()]).toEqual([['a', 'b', 'c', 'd', 'e'], 1]);
  await endTurn();
  expect([told, turns()]).toEqual([['a', 'b', 'c', 'd', 'e', 'a'], 0]);
});

test('one that fails leaves the others alone', async () => {
  const { rounds, add, told, errors, endTurn, busy } = setUp();
  await busy();
  rounds.add(() => {
    throw new Error('gone');
  });
  add('b');
  await endTurn();
  expect([told, errors]).toMatchObject([['b'], [{ error: { message: 'gone' } }]]);
});
