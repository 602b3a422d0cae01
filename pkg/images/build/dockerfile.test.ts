/** Dockerfiles as they are read, by the examples of Docker's reference. */
import { describe, expect, test } from 'vitest';
import { parseDockerfile } from './dockerfile.ts';
import { ignoreFile } from './ignore.ts';
import { expanded, jsonList, pairs, words } from './words.ts';

const variables = new Map([
  ['name', 'value'],
  ['empty', ''],
]);

test('lines become instructions and stages', () => {
  const { globalArguments, stages } = parseDockerfile(
    [
      '# escape=\\',
      '# a comment',
      'ARG VERSION=1',
      'FROM --platform=linux/amd64 busybox:$VERSION AS Build',
      'run echo one && \\',
      '  # between',
      '',
      '  echo two',
      'copy --from=other --chown=1:2 a b /c/',
      'CMD --flag',
      'FROM scratch',
    ].join('\n'),
  );
  expect(globalArguments.map(({ text }) => text)).toEqual(['VERSION=1']);
  expect(
    stages.map(({ name, instructions }) => [
      name,
      instructions.map((one) => [one.name, one.text, Object.fromEntries(one.flags), one.line]),
    ]),
  ).toEqual([
    [
      'build',
      [
        ['RUN', 'echo one &&   echo two', {}, 5],
        ['COPY', 'a b /c/', { from: 'other', chown: '1:2' }, 9],
        ['CMD', '--flag', {}, 10],
      ],
    ],
    [undefined, []],
  ]);
});

test('another sign for lines that go on', () => {
  const { stages } = parseDockerfile('# escape=`\nFROM a\nRUN dir C:\\ `\n  x');
  expect(stages[0]?.instructions[0]?.text).toBe('dir C:\\   x');
});

describe('files that are refused, with the line', () => {
  test.each<[string, string]>([
    ['', 'Dockerfile has no FROM'],
    ['RUN x', 'line 1: RUN comes before the first FROM'],
    ['FROM a b', 'line 1: FROM is to be an image'],
    ['FROM a\nONBUILD RUN x', 'line 2: ONBUILD is not built here'],
    ['FROM a\n\nRUN --mount=type=cache,target=/x y', 'line 3: --mount of RUN is not built here'],
    ['FROM a\nCOPY <<EOF /x\ny\nEOF', 'line 2: texts in the file itself'],
    ['FROM a\nENV', 'line 2: ENV says nothing'],
  ])('%j', (text, message) => {
    expect(() => parseDockerfile(text)).toThrow(message);
  });
});

test.each<[string, string]>([
  ['$name', 'value'],
  ['a$name/b', 'avalue/b'],
  ['%{name}s', 'values'],
  ['%{none:-other}', 'other'],
  ['%{empty:-other}', 'other'],
  ['%{empty-other}', ''],
  ['%{name:+other}', 'other'],
  ['%{none:+other}', ''],
  ['%{none:-$name}', 'value'],
  ["'$name'", '$name'],
  ['"$name x"', 'value x'],
  ['\\$name', '$name'],
  ['"a\\b"', 'a\\b'],
  ['$none', ''],
  ['5$', '5$'],
])('%s is %s', (word, value) => {
  expect(expanded(word.replaceAll('%', '$'), variables, 1)).toBe(value);
});

test('words, pairs and lists', () => {
  expect(words('a "b c" $name', variables, 1)).toEqual(['a', 'b c', 'value']);
  expect(pairs('a=1 b="2 3" c=\'$name\' d=e\\ f', variables, 1)).toEqual([
    ['a', '1'],
    ['b', '2 3'],
    ['c', '$name'],
    ['d', 'e f'],
  ]);
  expect(pairs('a one two', variables, 1)).toEqual([['a', 'one two']]);
  expect(jsonList('["a", "b c"]')).toEqual(['a', 'b c']);
  expect([jsonList('[a]'), jsonList('a'), jsonList('[1]')]).toEqual([undefined, undefined, undefined]);
  expect(() => words('%{none:?is wanted}'.replace('%', '$'), variables, 7)).toThrow(
    'line 7: none has no value: is wanted',
  );
});

test('what is left out of a context', () => {
  const isIgnored = ignoreFile('# comment\n*.md\n!README.md\n/build\n**/node_modules\nsrc/*/t?mp\ndocs/[ab]*\n./x/');
  const paths = [
    'a.md',
    'README.md',
    'sub/a.md',
    'build/deep/file',
    'a/b/node_modules/c',
    'node_modules',
    'src/a/temp/file',
    'src/a/b/temp',
    'docs/apple',
    'docs/cherry',
    'x',
  ];
  expect(paths.filter(isIgnored)).toEqual([
    'a.md',
    'build/deep/file',
    'a/b/node_modules/c',
    'node_modules',
    'src/a/temp/file',
    'docs/apple',
    'x',
  ]);
});
