/** The laws of differences, on tables and on random values. */
import { expect, test } from 'vitest';
import { typeSchema } from '#pkg/api/facts.ts';
import { randomInt, SeededRandom } from '#pkg/base/random.ts';
import { fieldDifferences } from './field-differences.ts';
import { deepClone, deepEqual } from './json.ts';

const pod = typeSchema('io.k8s.api.core.v1.Pod');
const service = typeSchema('io.k8s.api.core.v1.Service');
const container = (name: string, image: string) => ({ name, image });
const podOf = (...containers: readonly object[]) => ({ spec: { containers } });

test.each([
  [
    'a value',
    { spec: { nodeName: 'a' } },
    { spec: { nodeName: 'b' } },
    [{ path: 'spec.nodeName', before: 'a', after: 'b' }],
  ],
  ['a field that came', { spec: {} }, { spec: { nodeName: 'b' } }, [{ path: 'spec.nodeName', after: 'b' }]],
  [
    'a field that went, with what is in it',
    { spec: {}, status: { phase: 'x' } },
    { spec: {} },
    [{ path: 'status', before: { phase: 'x' } }],
  ],
  [
    'an entry of a map',
    { metadata: { labels: { 'a.b/c': '1' } } },
    { metadata: { labels: { 'a.b/c': '2' } } },
    [{ path: 'metadata.labels[a.b/c]', before: '1', after: '2' }],
  ],
  ['null and nothing', { spec: { nodeName: null } }, { spec: {} }, [{ path: 'spec.nodeName', before: null }]],
  [
    'an item by its key, after one that came before it',
    podOf(container('web', 'v1')),
    podOf(container('first', 'x'), container('web', 'v2')),
    [
      { path: 'spec.containers[name=web].image', before: 'v1', after: 'v2' },
      { path: 'spec.containers[name=first]', after: container('first', 'x') },
    ],
  ],
  [
    'an item that went',
    podOf(container('a', 'x'), container('b', 'y')),
    podOf(container('b', 'y')),
    [{ path: 'spec.containers[name=a]', before: container('a', 'x') }],
  ],
  [
    'another order',
    podOf(container('a', 'x'), container('b', 'y')),
    podOf(container('b', 'y'), container('a', 'x')),
    [{ path: 'spec.containers', before: ['name=a', 'name=b'], after: ['name=b', 'name=a'] }],
  ],
  [
    'arguments, as a whole',
    podOf({ name: 'a', args: ['x', 'y'] }),
    podOf({ name: 'a', args: ['y'] }),
    [{ path: 'spec.containers[name=a].args', before: ['x', 'y'], after: ['y'] }],
  ],
  [
    'items that have the same key, by their place',
    podOf(container('a', 'x'), container('a', 'y')),
    podOf(container('a', 'x'), container('a', 'z')),
    [{ path: 'spec.containers[1].image', before: 'y', after: 'z' }],
  ],
])('%s', (_, before, after, expected) => {
  expect(fieldDifferences(before, after, pod)).toEqual(expected);
});

test('a list with several keys has all of them in its paths', () => {
  const ports = (nodePort: number) => ({ spec: { ports: [{ port: 53, protocol: 'UDP', nodePort }] } });
  expect(fieldDifferences(ports(1), ports(2), service)).toEqual([
    { path: 'spec.ports[port=53,protocol=UDP].nodePort', before: 1, after: 2 },
  ]);
});

test('without a schema items are told apart by what they are mostly called', () => {
  const conditions = (status: string) => ({
    status: {
      conditions: [
        { type: 'A', status: 'x' },
        { type: 'B', status },
      ],
    },
  });
  expect(fieldDifferences(conditions('False'), conditions('True'))).toEqual([
    { path: 'status.conditions[type=B].status', before: 'False', after: 'True' },
  ]);
  expect(fieldDifferences([{ at: 1 }, { at: 2 }], [{ at: 1 }, { at: 3 }, { at: 4 }])).toEqual([
    { path: '[1].at', before: 2, after: 3 },
    { path: '[2]', after: { at: 4 } },
  ]);
});

test('integers that no double holds are compared as they are', () => {
  expect(fieldDifferences({ a: 9007199254740993n }, { a: 9007199254740995n })).toEqual([
    { path: 'a', before: 9007199254740993n, after: 9007199254740995n },
  ]);
});

/** A random value with few names, so that two have some in common. */
function randomValue(random: SeededRandom, depth: number): unknown {
  const kind = randomInt(random, depth === 0 ? 3 : 6);
  const items = (): unknown[] => Array.from({ length: randomInt(random, 4) }, () => randomValue(random, depth - 1));
  if (kind < 3) return ['a', 1, null][kind];
  if (kind === 3) return items();
  const names = ['name', 'type', 'spec', 'a/b', '0'];
  const fields = Array.from({ length: randomInt(random, 4) }, () => names[randomInt(random, names.length)] ?? '');
  return Object.fromEntries(fields.map((name) => [name, randomValue(random, depth - 1)]));
}

test('what is equal has no differences, and what is not has some, each with another path', () => {
  const random = new SeededRandom(5);
  for (let round = 0; round < 3_000; round++) {
    const before = randomValue(random, 4);
    const after = round % 3 === 0 ? deepClone(before) : randomValue(random, 4);
    const schema = round % 2 === 0 ? undefined : pod;
    const found = fieldDifferences(before, after, schema);
    expect(found.length === 0).toBe(deepEqual(before, after));
    for (const difference of found) expect(deepEqual(difference.before, difference.after)).toBe(false);
  }
});
