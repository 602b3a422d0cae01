import { expect, test } from 'vitest';
import { BodyBudget } from './body-budget.ts';

const limits = { bodiesBytesMax: 10, shareBytesMax: 6, smallBodiesBytesMax: 5, waitingMax: 3, waitMs: 1_000 };

/** Takes room and notes who has got it, or why not. */
function setUp() {
  const budget = new BodyBudget(limits);
  const log: string[] = [];
  const take = (client: string, bytes: number, name = client, signal = new AbortController().signal) => {
    const note = (what: string): void => void log.push(`${name} ${what}`);
    try {
      const waiting = budget.take(client, bytes, { nowMs: 0, signal: () => signal });
      if (waiting === undefined) return note('at once');
      note('waits');
      waiting.then(
        () => note('in'),
        (error: Error) => note(`out: ${error.message}`),
      );
    } catch (error) {
      note(`refused: ${(error as Error).message}`);
    }
  };
  const settled = async (): Promise<string[]> => {
    await new Promise((resolve) => setImmediate(resolve));
    return log.splice(0);
  };
  return { budget, take, settled };
}

const tooMany = 'Too many requests, please try again later.';

test('who finds no room waits in order, and a client with its share is passed over (fault 59)', async () => {
  const { budget, take, settled } = setUp();
  take('a', 3, 'a1');
  take('a', 3, 'a2');
  take('a', 3, 'a3');
  take('b', 4, 'b1');
  take('c', 1, 'c1');
  expect(await settled()).toEqual(['a1 at once', 'a2 at once', 'a3 waits', 'b1 at once', 'c1 waits']);
  budget.give('a', 3);
  expect(await settled()).toEqual(['a3 in']);
  budget.give('b', 4);
  expect(await settled()).toEqual(['c1 in']);
  for (const [client, bytes] of [
    ['a', 3],
    ['a', 3],
    ['c', 1],
  ] as const)
    budget.give(client, bytes);
  expect([budget.takenBytes, budget.waiting]).toEqual([0, 0]);
});

test('what is larger than its share, or than all, goes alone rather than never', async () => {
  const { budget, take, settled } = setUp();
  take('a', 50, 'a1');
  take('b', 1);
  budget.give('a', 50);
  expect(await settled()).toEqual(['a1 at once', 'b waits', 'b in']);
});

test('one client has half of the line at most', async () => {
  const { take, settled } = setUp();
  for (const name of ['a1', 'a2', 'a3', 'a4']) take('a', 6, name);
  take('b', 6);
  expect(await settled()).toEqual(['a1 at once', 'a2 waits', 'a3 waits', `a4 refused: ${tooMany}`, 'b waits']);
});

test('too many in line are refused, and who waits too long is', async () => {
  const { budget, take, settled } = setUp();
  take('a', 10, 'a');
  for (const name of ['b', 'c', 'd', 'e']) take(name, 1);
  expect(await settled()).toEqual(['a at once', 'b waits', 'c waits', 'd waits', `e refused: ${tooMany}`]);
  budget.sweep(999);
  expect(await settled()).toEqual([]);
  budget.sweep(1_000);
  expect(await settled()).toEqual(['b', 'c', 'd'].map((name) => `${name} out: ${tooMany}`));
  expect(budget.waiting).toBe(0);
});

test('a client that goes leaves its place in line', async () => {
  const { budget, take, settled } = setUp();
  const leaving = new AbortController();
  take('a', 10, 'a');
  take('b', 1, 'b', leaving.signal);
  leaving.abort(new Error('gone'));
  expect(await settled()).toEqual(['a at once', 'b waits', 'b out: gone']);
  budget.give('a', 10);
  expect(budget.takenBytes).toBe(0);
});

test('a body in chunks grows while there is room', () => {
  const { budget } = setUp();
  expect([budget.grow('a', 5), budget.grow('a', 2), budget.grow('b', 5), budget.grow('c', 1)]).toEqual([
    true,
    false,
    true,
    false,
  ]);
});

test('small bodies have a room of their own', () => {
  const { budget } = setUp();
  expect([budget.takeSmall(3), budget.takeSmall(3), budget.takeSmall(2)]).toEqual([true, false, true]);
  budget.giveSmall(3);
  expect([budget.smallTakenBytes, budget.takenBytes]).toEqual([2, 0]);
});
