import { expect, test } from 'vitest';
import { parseScript } from './shell.ts';

const parse = (script: string) => parseScript(script, (name) => ({ HOME: '/root' })[name] ?? '');

test('simple commands, their order, quotes, variables and redirects are understood', () => {
  expect(parse(`echo "at $HOME" '$HOME' > /tmp/a && cat /tmp/a || false; exit 3`)).toEqual([
    { words: ['echo', 'at /root', '$HOME'], when: 'always', redirect: { path: '/tmp/a', append: false } },
    { words: ['cat', '/tmp/a'], when: 'success' },
    { words: ['false'], when: 'failure' },
    { words: ['exit', '3'], when: 'always' },
  ]);
});

test.each([
  ['ls | wc', '"|" is not supported in this runtime'],
  ['while true; do date; done', '"while" is not supported in this runtime'],
  ['echo "a', 'unterminated quoted string'],
  ['echo $(date)', '"(" is not supported in this runtime'],
  ['echo >', 'a path is expected after ">"'],
])('%s is refused', (script, message) => {
  expect(parse(script)).toBe(message);
});
