import { expect, test } from 'vitest';
import { invalid, invalidObject, untyped } from './field-error.ts';

test('of more errors than an answer can carry the first are told, and how many there are besides', () => {
  const errors = Array.from({ length: 1_000 }, (_, i) => invalid(untyped(`spec.f${i}`), 'x'.repeat(10_000), 'bad'));
  const { message, details } = invalidObject({ group: '', kind: 'Pod' }, 'a', errors).status;
  expect(details?.causes).toHaveLength(209);
  expect(message?.slice(-27)).toBe(': bad, and 791 more errors]');
  const one = invalidObject({ group: '', kind: 'Pod' }, 'a', [invalid(untyped('spec'), 'x'.repeat(3_000_000), 'bad')]);
  expect(one.status.details?.causes).toHaveLength(1);
});
