import { expect, test } from 'vitest';
import { outlineOf } from './json-outline.ts';

test.each([
  ['{}', { keys: 0, depth: 1, hasUnusualNumber: false }],
  ['true', { keys: 0, depth: 0, hasUnusualNumber: false }],
  ['{"a":{"b":[1,2,{"c":false}]},"a":null}', { keys: 4, depth: 4, hasUnusualNumber: false }],
  ['[[],[[]],{"x:{[":"]}:\\"1.5"}]', { keys: 1, depth: 3, hasUnusualNumber: false }],
  ['{"a\\\\":"\\\\","b":"\\\\\\""}', { keys: 2, depth: 1, hasUnusualNumber: false }],
  ['{"a":999999999999999}', { keys: 1, depth: 1, hasUnusualNumber: false }],
])('outside of its strings %s has %j', (text, outline) => {
  expect(outlineOf(text)).toEqual(outline);
});

test.each(['1.0', '-0.5', '1e2', '1E+2', '9007199254740993', '-1234567890123456', '[1, 2.5]', '{"a" : 1e9 }'])(
  '%s has a number that is no plain integer',
  (text) => {
    expect(outlineOf(text).hasUnusualNumber).toBe(true);
  },
);

test.each(['"1.0"', '"9007199254740993"', '[true,false]', '12345', '{"1e2":1}'])('%s has none', (text) => {
  expect(outlineOf(text).hasUnusualNumber).toBe(false);
});
