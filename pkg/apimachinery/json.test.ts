import { expect, test } from 'vitest';
import { canonicalJson, deepClone, deepEqual, deepFreeze } from './json.ts';

const proto = JSON.parse('{"__proto__":{"x":1},"constructor":"y"}') as Record<string, unknown>;

test.each<[unknown, unknown, boolean]>([
  [1, 1, true],
  [1, '1', false],
  [{}, [], false],
  [null, {}, false],
  [{ a: 1, b: [1, { c: 2 }] }, { b: [1, { c: 2 }], a: 1 }, true],
  [{ a: 1 }, { a: 1, b: 2 }, false],
  [{ a: 1, b: undefined }, { a: 1 }, true],
  [[1, 2], [2, 1], false],
  [{ constructor: 'y' }, {}, false],
  [{}, { constructor: 'y' }, false],
  [proto, JSON.parse('{"constructor":"y","__proto__":{"x":1}}'), true],
  [proto, { constructor: 'y' }, false],
])('%j equals %j: %s', (a, b, equal) => {
  expect(deepEqual(a, b)).toBe(equal);
});

test('a clone shares nothing and keeps keys such as __proto__ as data', () => {
  const original = { a: [{ b: 1 }], proto };
  const copy = deepClone(original);
  expect(JSON.stringify(copy)).toBe(JSON.stringify(original));
  expect(copy.a[0]).not.toBe(original.a[0]);
  expect(Object.getPrototypeOf(copy.proto)).toBe(Object.prototype);
});

test('frozen means frozen all through', () => {
  const value = deepFreeze({ a: { b: [1] } });
  expect(() => value.a.b.push(2)).toThrow(TypeError);
});

test('canonical JSON does not depend on the order of keys', () => {
  expect(canonicalJson({ b: 1, a: [{ d: 1, c: undefined }] })).toBe('{"a":[{"d":1}],"b":1}');
});
