import { expect, test } from 'vitest';
import { inTextOrder } from './decode-errors.ts';

test('strict errors are told in the order of the text, without those inside of unknown fields', () => {
  const text = '{"x":{"a":1,"a":2},"spec":{"b":1,"b":2,"x":1,"x":2,"l":[{"u":1,"n":1,"n":2}]}}';
  const unknown = ['unknown field "x"', 'unknown field "spec.x"', 'unknown field "spec.l[0].u"'];
  const duplicates = ['x.a', 'spec.b', 'spec.x', 'spec.l[0].n'].map((path) => `duplicate field "${path}"`);
  expect(inTextOrder(text, [...duplicates, ...unknown])).toEqual([
    'unknown field "x"',
    'duplicate field "spec.b"',
    'unknown field "spec.x"',
    'unknown field "spec.l[0].u"',
    'duplicate field "spec.l[0].n"',
  ]);
});
