import { expect, test } from 'vitest';
import { randomInt, SeededRandom } from '#pkg/base/random.ts';
import { makeNode } from '#pkg/testing/builders.ts';
import { NodeTable } from '../cache/node-table.ts';
import { NodeInfo } from '../model/node-info.ts';
import { Ranking, Rankings, refused } from './ranking.ts';

function put(table: NodeTable, name: string): void {
  const info = new NodeInfo(name);
  info.setNode(makeNode(name));
  table.put(info);
}

test('the winner is the one that a look at all nodes finds, whatever changed in between', () => {
  const random = new SeededRandom(7);
  const table = new NodeTable();
  const ranking = new Ranking();
  const totals = new Map<string, number>();
  const rate = ({ name }: NodeInfo): number => totals.get(name) ?? refused;
  for (let step = 0; step < 3_000; step++) {
    const name = `n${randomInt(random, step < 1_500 ? 40 : 200)}`;
    const what = randomInt(random, 8);
    if (what === 0) table.remove(name);
    else if (what < 3) put(table, name);
    else {
      if (randomInt(random, 4) === 0) totals.delete(name);
      else totals.set(name, randomInt(random, 6));
      table.touch(name);
    }
    if (randomInt(random, 3) === 0) continue;
    let wanted: number | undefined;
    for (const [slot, node] of table.slots.entries()) {
      if (node === undefined || rate(node) === refused) continue;
      if (wanted === undefined || rate(node) > rate(table.slots[wanted] ?? node)) wanted = slot;
    }
    expect(ranking.best(table, rate)).toBe(wanted);
  }
});

test('nodes that did not change are not asked again', () => {
  const table = new NodeTable();
  for (let index = 0; index < 64; index++) put(table, `n${index}`);
  const asked: string[] = [];
  const ranking = new Ranking();
  const best = () =>
    ranking.best(table, ({ name }) => {
      asked.push(name);
      return name === 'n5' ? 1 : 0;
    });
  expect([best(), asked.splice(0).length]).toEqual([5, 64]);
  table.touch('n7');
  expect([best(), asked]).toEqual([5, ['n7']]);
});

test('without nodes, or where all are refused, there is no best', () => {
  const table = new NodeTable();
  expect(new Ranking().best(table, () => 1)).toBeUndefined();
  put(table, 'a');
  expect(new Ranking().best(table, () => refused)).toBeUndefined();
  expect(new Ranking().best(table, () => 0)).toBe(0);
});

test('a ranking is made for the second pod of a signature', () => {
  const rankings = new Rankings();
  expect(rankings.of('a')).toBeUndefined();
  expect(rankings.of('b')).toBeUndefined();
  const ranking = rankings.of('a');
  expect(ranking).toBeInstanceOf(Ranking);
  expect(rankings.of('a')).toBe(ranking);
});
