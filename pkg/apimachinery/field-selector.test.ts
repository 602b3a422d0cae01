import { expect, test } from 'vitest';
import { fieldSelectorMatches, formatFieldSelector, parseFieldSelector, requiredFieldValue } from './field-selector.ts';

test.each([
  ['', ''],
  ['a=b', 'a=b'],
  ['a==b', 'a=b'],
  ['a!=b,c=', 'a!=b,c='],
  ['c=1,a=2', 'a=2,c=1'],
  [',a=b,', 'a=b'],
  ['a=x\\,y', 'a=x\\,y'],
  ['a=x\\=y\\\\', 'a=x\\=y\\\\'],
])('%j parses and prints as %j', (text, printed) => {
  const result = parseFieldSelector(text);
  expect(result.ok && formatFieldSelector(result.selector)).toBe(printed);
});

test.each([
  ['a', "invalid selector: 'a'; can't understand 'a'"],
  ['a=b,c', "invalid selector: 'a=b,c'; can't understand 'c'"],
  ['b,a', "invalid selector: 'b,a'; can't understand 'a'"],
  ['a=\\', 'invalid field selector: invalid escape sequence: \\'],
  ['a=b=c', 'invalid field selector: unescaped character in value: 61'],
  ['a=\\x', 'invalid field selector: invalid escape sequence: \\x'],
])('%j is refused: %s', (text, error) => {
  expect(parseFieldSelector(text)).toEqual({ ok: false, error });
});

test('terms all have to hold; an absent field is empty', () => {
  const fields = { 'metadata.name': 'web', 'spec.nodeName': '' };
  const matches = (text: string): boolean => {
    const result = parseFieldSelector(text);
    return result.ok && fieldSelectorMatches(result.selector, fields);
  };
  expect(matches('metadata.name=web,spec.nodeName=')).toBe(true);
  expect(matches('metadata.name!=web')).toBe(false);
  expect(matches('constructor=')).toBe(true);
});

test('a demanded value is found', () => {
  const result = parseFieldSelector('metadata.name=web,metadata.namespace!=x');
  expect(result.ok && requiredFieldValue(result.selector, 'metadata.name')).toBe('web');
  expect(result.ok && requiredFieldValue(result.selector, 'metadata.namespace')).toBe(undefined);
});
