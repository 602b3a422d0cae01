import { expect, test } from 'vitest';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { SharedValues } from './shared-values.ts';

const specOf = (node: string, more: JsonObject = {}): JsonObject => ({
  tolerations: [{ key: 'a', operator: 'Exists', tolerationSeconds: 300 }],
  volumes: [{ name: `token-${node}`, projected: { sources: [{ path: 'token' }], defaultMode: 420 } }],
  nodeName: node,
  hostNetwork: false,
  selector: null,
  ...more,
});

/** Values that were met twice are found from then on, those around them one time later. */
const rounds = 6;

test('what many say alike is there once, and what they say stays as it is', () => {
  const shared = new SharedValues();
  const given = Array.from({ length: rounds }, (_, index) => specOf(`node-${index}`));
  const made = given.map((spec) => shared.of(spec));
  expect(made.map((one) => JSON.stringify(one))).toEqual(given.map((one) => JSON.stringify(one)));
  const [last, before] = [made.at(-1), made.at(-2)] as [JsonObject, JsonObject];
  expect(last.tolerations).toBe(before.tolerations);
  const volumeOf = ({ volumes }: JsonObject): JsonObject => (volumes as JsonObject[])[0]!;
  expect(volumeOf(last)).not.toBe(volumeOf(before));
  expect(volumeOf(last).projected).toBe(volumeOf(before).projected);
});

test('fields that are the same as before are those of before, and the state before itself where all are', () => {
  const shared = new SharedValues();
  const before = shared.of(specOf('a'));
  expect(shared.of(specOf('a'), before)).toBe(before);
  const after = shared.of(specOf('b'), before);
  expect(after).toEqual(specOf('b'));
  expect(after.tolerations).toBe(before.tolerations);
  const { hostNetwork: _, ...fewer } = specOf('a');
  expect(shared.of(fewer, before)).toEqual(fewer);
  expect(shared.of(specOf('a', { priority: 0 }), before)).toEqual(specOf('a', { priority: 0 }));
});

test.each([
  [{ a: '1' }, { a: 1 }],
  [{ a: 'true' }, { a: true }],
  [{ a: null }, { a: 'null' }],
  [{ a: ['b', 'c'] }, { a: ['bc'] }],
  [{ a: { b: 'c' } }, { a: ['b', 'c'] }],
  [{ a: {} }, { a: [] }],
  [{ a: { b: '', c: '' } }, { a: { c: '', b: '' } }],
  [{ a: { ab: 'c' } }, { a: { a: 'bc' } }],
  [{ a: 12345678901234567890n }, { a: 12345678901234567000 }],
  [JSON.parse('{"a":{"__proto__":{"b":1}}}'), { a: { b: 1 } }],
])('%o and %o stay apart', (one: JsonObject, other: JsonObject) => {
  const shared = new SharedValues();
  for (let round = 0; round < rounds; round++) {
    for (const value of [one, other]) {
      const made = shared.of(value);
      expect(made).toEqual(value);
      expect(Object.keys(Object(made.a))).toEqual(Object.keys(Object(value.a)));
    }
  }
});

test('large values are not looked for, and their parts are', () => {
  const shared = new SharedValues();
  const make = () => shared.of({ list: [{ text: 'x'.repeat(1_000) }, { kind: 'small' }] });
  const made = Array.from({ length: rounds }, make);
  const [last, before] = made.slice(-2).map(({ list }) => list as readonly JsonObject[]);
  expect(last).not.toBe(before);
  expect(last![1]).toBe(before![1]);
  expect(last).toEqual(before);
});
