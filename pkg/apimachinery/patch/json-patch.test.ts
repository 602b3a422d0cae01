import { expect, test } from 'vitest';
import { deepFreeze } from '../json.ts';
import { applyJsonPatch, jsonPatchOperationsMax } from './json-patch.ts';

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
  ['a missing field', [{ op: 'remove', path: '/nope' }]],
  ['an inherited name', [{ op: 'replace', path: '/toString', value: 1 }]],
  ['a missing parent', [{ op: 'add', path: '/no/where', value: 1 }]],
  ['an index too large', [{ op: 'add', path: '/a/b/9', value: 1 }]],
  ['an unknown operation', [{ op: 'jump', path: '/d' }]],
  ['no value', [{ op: 'add', path: '/d' }]],
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
