import { expect, test, vi } from 'vitest';
import { deepFreeze } from '../json.ts';
import { applyJsonPatch, jsonPatchOperationsMax, unknownOperationFields } from './json-patch.ts';

const document = deepFreeze({ a: { b: [1, 2, 3], c: null }, d: 'x', 'e/f~': 1, data: { constructor: 'y' } });

test.each<[string, unknown[], unknown]>([
  ['add a field', [{ op: 'add', path: '/n', value: 1 }], { ...document, n: 1 }],
  ['add replaces', [{ op: 'add', path: '/d', value: 1 }], { ...document, d: 1 }],
  ['add inserts', [{ op: 'add', path: '/a/b/1', value: 9 }], { ...document, a: { b: [1, 9, 2, 3], c: null } }],
  ['add appends', [{ op: 'add', path: '/a/b/-', value: 9 }], { ...document, a: { b: [1, 2, 3, 9], c: null } }],
  ['remove', [{ op: 'remove', path: '/a/b/0' }], { ...document, a: { b: [2, 3], c: null } }],
  ['replace with escapes', [{ op: 'replace', path: '/e~1f~0', value: 2 }], { ...document, 'e/f~': 2 }],
  ['replace all', [{ op: 'replace', path: '', value: 2 }], 2],
  ['move', [{ op: 'move', from: '/a/b/0', path: '/d' }], { ...document, a: { b: [2, 3], c: null }, d: 1 }],
  ['copy', [{ op: 'copy', from: '/a/b', path: '/n' }], { ...document, n: [1, 2, 3] }],
  ['test', [{ op: 'test', path: '/a', value: { c: null, b: [1, 2, 3] } }], document],
  ['test of null', [{ op: 'test', path: '/a/c', value: null }], document],
  ['add without a value', [{ op: 'add', path: '/d' }], { ...document, d: null }],
  ['replace of a field that is not there', [{ op: 'replace', path: '/n', value: 1 }], { ...document, n: 1 }],
  ['replace all by an object', [{ op: 'replace', path: '', value: { a: 1 } }], { a: 1 }],
  ['an empty name', [{ op: 'add', path: '/', value: 1 }], { ...document, '': 1 }],
  ['a name that looks like an escape', [{ op: 'add', path: '/~01', value: 1 }], { ...document, '~1': 1 }],
  ['add at the length', [{ op: 'add', path: '/a/b/3', value: 4 }], { ...document, a: { b: [1, 2, 3, 4], c: null } }],
  ['add from the end', [{ op: 'add', path: '/a/b/-1', value: 4 }], { ...document, a: { b: [1, 2, 3, 4], c: null } }],
  ['remove the last', [{ op: 'remove', path: '/a/b/-1' }], { ...document, a: { b: [1, 2], c: null } }],
  [
    'replace with leading zeros',
    [{ op: 'replace', path: '/a/b/01', value: 9 }],
    { ...document, a: { b: [1, 9, 3], c: null } },
  ],
  [
    'move within a list',
    [{ op: 'move', from: '/a/b/0', path: '/a/b/-' }],
    { ...document, a: { b: [2, 3, 1], c: null } },
  ],
  ['move to itself', [{ op: 'move', from: '/a/b', path: '/a/b' }], document],
  ['copy of what is not there', [{ op: 'copy', from: '/n', path: '/d' }], { ...document, d: null }],
  [
    'copy into itself',
    [{ op: 'copy', from: '/data', path: '/data/n' }],
    { ...document, data: { constructor: 'y', n: { constructor: 'y' } } },
  ],
  ['test of the whole', [{ op: 'test', path: '', value: document }], document],
  ['test that a field is not there', [{ op: 'test', path: '/n', value: null }], document],
  ['test without a value', [{ op: 'test', path: '/n' }], document],
  ['a key named constructor', [{ op: 'remove', path: '/data/constructor' }], { ...document, data: {} }],
])('%s', (_, patch, value) => {
  expect(applyJsonPatch(document, patch)).toEqual({ ok: true, value });
});

test('a key named __proto__ is data', () => {
  const result = applyJsonPatch(document, [{ op: 'add', path: '/data/__proto__', value: { x: 1 } }]);
  expect(result.ok && JSON.stringify(result.value)).toContain('"__proto__":{"x":1}');
  expect(({} as Record<string, unknown>).x).toBe(undefined);
});

test.each<[string, unknown[]]>([
  ['a failing test', [{ op: 'test', path: '/d', value: 'y' }]],
  ['a test of another number of fields', [{ op: 'test', path: '/a', value: { b: [1, 2, 3] } }]],
  ['a test of another order', [{ op: 'test', path: '/a/b', value: [1, 3, 2] }]],
  ['a test of a string for a number', [{ op: 'test', path: '/e~1f~0', value: '1' }]],
  ['a test behind the end', [{ op: 'test', path: '/a/b/3', value: null }]],
  ['a test without a parent', [{ op: 'test', path: '/no/where', value: null }]],
  ['a missing field', [{ op: 'remove', path: '/nope' }]],
  ['an inherited name', [{ op: 'remove', path: '/toString' }]],
  ['a path through a scalar', [{ op: 'add', path: '/d/x', value: 1 }]],
  ['a path through null', [{ op: 'add', path: '/a/c/x', value: 1 }]],
  ['an index that is no number', [{ op: 'add', path: '/a/b/1e0', value: 1 }]],
  ['a replaced end', [{ op: 'replace', path: '/a/b/-', value: 1 }]],
  ['an index before the start', [{ op: 'remove', path: '/a/b/-4' }]],
  ['add of the whole', [{ op: 'add', path: '', value: {} }]],
  ['remove of the whole', [{ op: 'remove', path: '' }]],
  ['copy of the whole', [{ op: 'copy', from: '', path: '/d' }]],
  ['move to the whole', [{ op: 'move', from: '/d', path: '' }]],
  ['move of what is not there', [{ op: 'move', from: '/n', path: '/d' }]],
  ['copy without a source', [{ op: 'copy', path: '/d' }]],
  ['replace of the whole by nothing', [{ op: 'replace', path: '' }]],
  ['a missing parent', [{ op: 'add', path: '/no/where', value: 1 }]],
  ['an index too large', [{ op: 'add', path: '/a/b/9', value: 1 }]],
  ['an unknown operation', [{ op: 'jump', path: '/d' }]],
  ['no path', [{ op: 'add', value: 1 }]],
  ['a path without slash', [{ op: 'remove', path: 'd' }]],
  ['a move into itself', [{ op: 'move', from: '/a', path: '/a/b' }]],
])('%s is 422', (_, patch) => {
  const result = applyJsonPatch(document, patch);
  expect(result.ok ? undefined : [result.error.code, result.error.reason, result.error.message]).toEqual([
    422,
    'Invalid',
    'the server rejected our request due to an error in our request',
  ]);
});

test('copies that double without end stop at the limit', () => {
  const patch = [{ op: 'add', path: '/n', value: ['x'.repeat(1000)] }] as unknown[];
  for (let i = 0; i < 40; i++) patch.push({ op: 'copy', from: '/n', path: '/n/-' });
  const result = applyJsonPatch({}, patch);
  expect(result.ok ? 200 : result.error.code).toBe(422);
});

test('what is no list of operations is 400, too many are 413', () => {
  const many = Array.from({ length: jsonPatchOperationsMax + 1 }, () => ({ op: 'test', path: '/d', value: 'x' }));
  const code = (patch: unknown): number => {
    const result = applyJsonPatch(document, patch);
    return result.ok ? 200 : result.error.code;
  };
  expect([code({}), code([1]), code(many)]).toEqual([400, 400, 413]);
});

test('fields that operations do not have are named', () => {
  expect(
    unknownOperationFields([
      { op: 'test', path: '', value: 1 },
      { op: 'add', from: '', valeu: 1, x: 2 },
    ]),
  ).toEqual(['[1].valeu', '[1].x']);
  expect(unknownOperationFields({ x: 1 })).toEqual([]);
});

test('many operations on a long list copy it once', () => {
  const list = Array.from({ length: 100_000 }, (_, i) => i);
  const operations = Array.from({ length: jsonPatchOperationsMax }, (_, i) => ({
    op: 'replace',
    path: `/list/${i}`,
    value: -1,
  }));
  const slice = vi.spyOn(list, 'slice');
  const result = applyJsonPatch({ list }, operations);
  expect(slice).toHaveBeenCalledTimes(1);
  expect(list[0]).toBe(0);
  expect(result.ok && (result.value as { list: number[] }).list.filter((one) => one === -1)).toHaveLength(
    jsonPatchOperationsMax,
  );
});

test('what a patch brings is not changed by its later operations', () => {
  const value = deepFreeze({ a: [1] });
  const result = applyJsonPatch({}, [
    { op: 'add', path: '/x', value },
    { op: 'copy', from: '/x', path: '/y' },
    { op: 'add', path: '/x/a/-', value: 2 },
    { op: 'move', from: '/x', path: '/z' },
    { op: 'remove', path: '/z/a/0' },
  ]);
  expect(result).toEqual({ ok: true, value: { y: { a: [1] }, z: { a: [2] } } });
});
