import { expect, test } from 'vitest';
import { invalid, invalidObject, notSupported, untyped } from './field-error.ts';

test('of more errors than an answer can carry the first are told, and how many there are besides', () => {
  const errors = Array.from({ length: 1_000 }, (_, i) => invalid(untyped(`spec.f${i}`), 'x'.repeat(10_000), 'bad'));
  const { message, details } = invalidObject({ group: '', kind: 'Pod' }, 'a', errors).status;
  expect(details?.causes).toHaveLength(209);
  expect(message?.slice(-27)).toBe(': bad, and 791 more errors]');
  const one = invalidObject({ group: '', kind: 'Pod' }, 'a', [invalid(untyped('spec'), 'x'.repeat(3_000_000), 'bad')]);
  expect(one.status.details?.causes).toHaveLength(1);
});

test('the values of a set are written down once for all errors of it', () => {
  let times = 0;
  const values = new Proxy(['a', 'b'], {
    get(target, name, receiver) {
      if (name === 'map') times++;
      return Reflect.get(target, name, receiver);
    },
  });
  const texts = [1, 2, 3].map((i) => notSupported(untyped('spec'), `x${i}`, values).message);
  expect(texts[2]).toBe('Unsupported value: "x3": supported values: "a", "b"');
  expect(times).toBe(1);
});
