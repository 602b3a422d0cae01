import { expect, test } from 'vitest';
import { deepFreeze } from '../json.ts';
import { applyMergePatch } from './merge-patch.ts';

// The examples of RFC 7396, appendix A, whose patches are objects.
test.each<[unknown, unknown, unknown]>([
  [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
  [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
  [{ a: 'b' }, { a: null }, {}],
  [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
  [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
  [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
  [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
  [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [[1, 2], { a: 'b', c: null }, { a: 'b' }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
])('%j with %j is %j', (original, patch, value) => {
  expect(applyMergePatch(deepFreeze(original), deepFreeze(patch))).toEqual({ ok: true, value });
});

test('a patch that is no object is 400', () => {
  const result = applyMergePatch({}, [1]);
  expect(result.ok ? 200 : result.error.code).toBe(400);
});

test('names every object inherits are fields like others', () => {
  const patch = JSON.parse('{"constructor":"x","__proto__":{"y":1}}') as unknown;
  const result = applyMergePatch({ a: 1 }, patch);
  expect(result.ok && JSON.stringify(result.value)).toBe('{"a":1,"constructor":"x","__proto__":{"y":1}}');
});
