import { expect, test } from 'vitest';
import { yamlText } from './yaml-text.ts';

// What kubectl 1.35 prints of the same values.
test.each<[string, string]>([
  ['plain text', 'plain text'],
  ['', '""'],
  ['true', '"true"'],
  ['Off', '"Off"'],
  ['null', '"null"'],
  ['~', '"~"'],
  ['123', '"123"'],
  ['1_000', '"1_000"'],
  ['012', '"012"'],
  ['0x1F', '"0x1F"'],
  ['1e3', '"1e3"'],
  ['.5', '".5"'],
  ['1:30', '"1:30"'],
  ['2020-01-01', '"2020-01-01"'],
  ['1.2.3', '1.2.3'],
  ['127.0.0.1:80', '127.0.0.1:80'],
  ['- dash', "'- dash'"],
  ['-dash', '-dash'],
  ['a: b', "'a: b'"],
  ['a:b', 'a:b'],
  ['a #b', "'a #b'"],
  ["it's", "it's"],
  ["*it's", "'*it''s'"],
  [' edge', "' edge'"],
  ['<<', '<<'],
  ['tab\there', '"tab\\there"'],
  ['\r\n', '"\\r\\n"'],
  ['ünï 漢', 'ünï 漢'],
  ['🚀', '"\\U0001F680"'],
  ['two\nlines', '|-\n  two\n  lines'],
  ['two\nlines\n', '|\n  two\n  lines'],
  ['lines\n\n', '|+\n  lines\n'],
  ['  indented\nlines', '|2-\n    indented\n  lines'],
  ['edge \nlines', '"edge \\nlines"'],
])('the string %j', (text, expected) => {
  expect(yamlText({ key: text })).toBe(`key: ${expected}\n`);
});

test('long text is folded after 80 columns', () => {
  const words = Array.from({ length: 20 }, () => 'word5').join(' ');
  expect(yamlText({ a: words })).toBe(`a: ${'word5 '.repeat(13)}word5\n  ${'word5 '.repeat(5)}word5\n`);
});

test('lists are at the level of their key, empty ones in brackets, keys in natural order', () => {
  const value = {
    b: [{ z: 1, x: [true, null] }, [], [['deep']]],
    a10: {},
    a2: { inner: {} },
    a: 1.5,
    _: 'first',
  };
  expect(yamlText(value)).toBe(
    `_: first
a: 1.5
a2:
  inner: {}
a10: {}
b:
- x:
  - true
  - null
  z: 1
- []
- - - deep
`,
  );
});

test('a key that is too long for one line has a line of its own', () => {
  const key = 'k'.repeat(129);
  expect(yamlText({ [key]: 'value' })).toBe(`? ${key}\n: value\n`);
});
