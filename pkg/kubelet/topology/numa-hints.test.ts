import { expect, test } from 'vitest';
import { agreementOf, type NumaHint, numaHints, type TopologyPolicy } from './numa-hints.ts';

const nodes = [0, 1];
const hint = (mask: number, isPreferred = true): NumaHint => ({ mask, isPreferred });

test.each<
  readonly [
    string,
    Omit<Parameters<typeof numaHints>[0], 'again'> & { readonly again?: readonly number[] },
    readonly NumaHint[],
  ]
>([
  [
    'either node where both have enough',
    { count: 2, all: [1, 1, 2, 2], free: [1, 1, 2, 2] },
    [hint(1), hint(2), hint(3, false)],
  ],
  [
    'the node that has some left, and both, which more would not do for better',
    { count: 2, all: [1, 1, 2, 2], free: [1, 2, 2] },
    [hint(2), hint(3, false)],
  ],
  ['both where neither is large enough', { count: 3, all: [1, 1, 2, 2], free: [1, 1, 2, 2] }, [hint(3)]],
  ['both, though one would do if others were gone', { count: 2, all: [1, 1, 2, 2], free: [1, 2] }, [hint(3, false)]],
  [
    'where what is left over is',
    { count: 2, all: [1, 1, 2, 2], again: [1], free: [1, 2, 2] },
    [hint(1), hint(3, false)],
  ],
  ['none where there are too few', { count: 3, all: [1, 1, 2, 2], free: [1, 2] }, []],
])('so many can be had of %s', (_, supply, expected) => {
  expect(numaHints({ again: [], ...supply }, nodes)).toEqual(expected);
});

const both = [hint(1), hint(2), hint(3, false)];

test.each<readonly [string, readonly (readonly NumaHint[])[], TopologyPolicy, object]>([
  ['the lowest of nodes that do for all', [both, both], 'restricted', { mask: 1, isPreferred: true, isAdmitted: true }],
  [
    'the node that one of them needs',
    [both, [hint(2), hint(3, false)]],
    'single-numa-node',
    { mask: 2, isPreferred: true, isAdmitted: true },
  ],
  [
    'nothing where each needs another',
    [[hint(1)], [hint(2)]],
    'restricted',
    { mask: 3, isPreferred: false, isAdmitted: false },
  ],
  [
    'what is nearest where each needs another',
    [
      [hint(1), hint(3, false)],
      [hint(2), hint(3, false)],
    ],
    'best-effort',
    { mask: 1, isPreferred: false, isAdmitted: true },
  ],
  ['both where no fewer would ever do', [[hint(3)]], 'restricted', { mask: 3, isPreferred: true, isAdmitted: true }],
  ['nothing where one node is to have all', [[hint(3)]], 'single-numa-node', { isPreferred: false, isAdmitted: false }],
  ['nothing where there are too few', [both, []], 'restricted', { mask: 1, isPreferred: false, isAdmitted: false }],
  ['anywhere where nobody minds', [], 'single-numa-node', { isPreferred: true, isAdmitted: true }],
  [
    'as many nodes as the one needs that needs most',
    [
      [hint(7, false), hint(15, false)],
      [hint(3, false), hint(15, false)],
    ],
    'best-effort',
    { mask: 7, isPreferred: false, isAdmitted: true },
  ],
])('resources agree on %s', (_, hints, policy, expected) => {
  const all = hints.flat().some(({ mask = 0 }) => mask > 3) ? [0, 1, 2, 3] : nodes;
  expect(agreementOf(hints, { nodes: all, policy })).toEqual(expected);
});

test('many resources on eight nodes are agreed on at once', () => {
  const eight = [0, 1, 2, 3, 4, 5, 6, 7];
  const all = Array.from({ length: 64 }, (_, index) => 1 << (index % 8));
  const hints = numaHints({ count: 8, all, again: [], free: all }, eight);
  expect(hints).toHaveLength(255);
  const twelve = Array.from({ length: 12 }, () => hints);
  expect(agreementOf(twelve, { nodes: eight, policy: 'restricted' })).toEqual({
    mask: 1,
    isPreferred: true,
    isAdmitted: true,
  });
});
