import { expect, test } from 'vitest';
import { randomInt, SeededRandom } from '#pkg/base/random.ts';
import type { KeptRow } from './row-of.ts';
import { SortedRows } from './sorted-rows.ts';

function row(name: string, time: number): KeptRow {
  const common = {
    uid: name,
    namespace: '',
    version: '1',
    cells: [],
    created: time,
    deleting: false,
    labels: {},
    facts: {},
  };
  return { key: name, name, time, ...common };
}

test.each([undefined, { by: 'time', descending: true } as const])(
  'changes by the one and by the hundred leave the rows that match in their order (%j)',
  (sort) => {
    const random = new SeededRandom(7);
    const all = new Map<string, KeptRow>();
    const matches = ({ time }: KeptRow): boolean => time % 3 !== 0;
    const kept = new SortedRows([], matches, sort);
    for (let turn = 0; turn < 60; turn++) {
      const changes = new Map<string, { before?: KeptRow; after?: KeptRow }>();
      for (let i = randomInt(random, turn % 2 === 0 ? 4 : 200); i >= 0; i--) {
        const name = `row-${randomInt(random, 400)}`;
        if (changes.has(name)) continue;
        const before = all.get(name);
        const after = random.next() < 0.3 ? undefined : row(name, randomInt(random, 50));
        if (after === undefined) all.delete(name);
        else all.set(name, after);
        changes.set(name, { ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) });
      }
      kept.apply([...changes.values()]);
      const anew = new SortedRows(all.values(), matches, sort);
      expect(kept.slice(0, 400)).toEqual(anew.slice(0, 400));
      expect(kept.length).toBe(anew.length);
    }
  },
);
