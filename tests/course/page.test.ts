import { expect, test } from 'vitest';
import { readPage, withOutputs } from './page.ts';
import { comparable } from './variable.ts';

const page = `---
title: A page
needs: root
---
Text.

\`\`\`console
$ echo one
one
$ cat <<end
> two
> end
two

\`\`\`

\`\`\`yaml
$ no command
\`\`\`
`;

test('commands are read with their lines and outputs, other blocks are left alone', () => {
  expect(readPage(page)).toEqual({
    facts: { title: 'A page', needs: 'root' },
    steps: [
      { line: 8, command: 'echo one', output: ['one'] },
      { line: 10, command: 'cat <<end\ntwo\nend', output: ['two', ''] },
    ],
  });
});

test('outputs are put in place, more or fewer lines than there were', () => {
  const changed = withOutputs(page, [['eins', 'zwei'], []]);
  expect(readPage(changed).steps.map(({ output }) => output)).toEqual([['eins', 'zwei'], []]);
  expect(withOutputs(changed, [['one'], ['two', '']])).toBe(page);
});

test('what is no page is refused with its line', () => {
  expect(() => readPage('# No front matter')).toThrow('line 1: there is no front matter');
  expect(() => readPage('---\nneeds: root\n---\n')).toThrow('line 1: the page has no title');
  expect(() => readPage('---\ntitle: a\n---\n```console\n$ a')).toThrow('line 4: the block does not end');
  expect(() => readPage('---\ntitle: a\n---\n```console\na\n```')).toThrow('line 5: output without a command');
});

test('what differs from run to run is the same', () => {
  const one = ['web-859444c769-64crx   1/1   Running   0   9s    127.144.0.3   course-node-1', 'took 12 ms, 3.4 s'];
  const other = ['web-5b7d9c8c9f-qkh98   1/1   Running   0   2m3s  127.160.0.17   course-node-1', 'took 1.2 s, 9 ms'];
  expect(comparable(one)).toEqual(comparable(other));
  const port = ['https://127.0.0.1:6443 2026-11-29T01:02:03Z 1a2b3c4d-0000-4000-8000-000000000000'];
  expect(comparable(port)).toEqual(
    comparable(['https://127.0.0.4:46443 2027-01-01T00:00:00.123456Z ffffffff-0000-4000-8000-00000000000a']),
  );
});

test('what a page is about is not', () => {
  for (const [one, other] of [
    ['web-1 1/1 Running', 'web-1 0/1 Running'],
    ['replicas: 3', 'replicas: 4'],
    ['course-node-1', 'course-node-2'],
    ['image v1', 'image v2'],
  ])
    expect(comparable([one!])).not.toEqual(comparable([other!]));
});
