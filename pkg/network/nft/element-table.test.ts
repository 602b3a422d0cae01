import { expect, test } from 'vitest';
import { ElementTable, type NftElement } from './element-table.ts';

const ports = (key: string, value: string): NftElement => ({ set: 'ports', key, value });
const address = (key: string): NftElement => ({ set: 'addresses', key });

test('a change tells the kernel of what changed, once for each set, removals first', () => {
  const table = new ElementTable({ table: 'inet t' });
  const first = table.change([{ owner: 'a', elements: [ports('80', 'x'), ports('81', 'x'), address('10.0.0.1')] }]);
  expect(first.commands).toEqual([
    'add element inet t ports { 80 : x, 81 : x }',
    'add element inet t addresses { 10.0.0.1 }',
  ]);
  const second = table.change([{ owner: 'a', elements: [ports('80', 'y'), ports('81', 'x')] }]);
  expect(second.commands).toEqual([
    'delete element inet t ports { 80 }',
    'delete element inet t addresses { 10.0.0.1 }',
    'add element inet t ports { 80 : y }',
  ]);
  expect(table.change([{ owner: 'a', elements: table.elementsOf('a') }]).commands).toEqual([]);
});

test('what several owners want alike is there until the last lets go', () => {
  const table = new ElementTable({ table: 'inet t' });
  expect(table.change(['a', 'b'].map((owner) => ({ owner, elements: [address('1')] }))).commands).toHaveLength(1);
  expect(table.change([{ owner: 'a', elements: [] }]).commands).toEqual([]);
  expect(table.change([{ owner: 'b', elements: [] }]).commands).toEqual(['delete element inet t addresses { 1 }']);
});

test('of owners that want different values the first keeps it, until it lets go', () => {
  const table = new ElementTable({ table: 'inet t' });
  table.change([{ owner: 'a', elements: [ports('80', 'x')] }]);
  const wanted = { owner: 'b', elements: [ports('80', 'y')] };
  const refused = table.change([wanted]);
  expect([refused.commands, refused.conflicts]).toEqual([[], [{ owner: 'b', element: ports('80', 'y') }]]);
  const handedOn = table.change([wanted, { owner: 'a', elements: [] }]);
  expect(handedOn.conflicts).toEqual([]);
  expect(handedOn.commands).toEqual(['delete element inet t ports { 80 }', 'add element inet t ports { 80 : y }']);
});
