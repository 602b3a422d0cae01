/** The judge of watches, judged: it accepts what is right, and finds each way in which a watch can be wrong. */
import { expect, test } from 'vitest';
import { WatchJudge } from './watch-judge.ts';

const added = (key: string, revision: number, value: string) => ({ type: 'ADDED', key, revision, value }) as const;
const modified = (key: string, revision: number, value: string) =>
  ({ type: 'MODIFIED', key, revision, value }) as const;
const deleted = (key: string, revision: number, value: string) => ({ type: 'DELETED', key, revision, value }) as const;

/** A client that has listed at 2, and what happened then: b is made, a is changed, b is deleted, and something elsewhere. */
function judge(): WatchJudge {
  const made = new WatchJudge();
  made.committed({ revision: 2, key: 'x/a', value: '1' });
  made.listed('client', 'x/', { revision: 2, items: [{ key: 'x/a', revision: 2, value: '1' }] });
  made.watches('client');
  made.committed({ revision: 3, key: 'x/b', value: '2' });
  made.committed({ revision: 4, key: 'x/a', value: '3' });
  made.committed({ revision: 5, key: 'y/a', value: '4' });
  made.committed({ revision: 6, key: 'x/b' });
  return made;
}

const right = [added('x/b', 3, '2'), modified('x/a', 4, '3'), deleted('x/b', 6, '2')] as const;

test('a watch with every change of its place once and in order is right', () => {
  const one = judge();
  for (const event of right) one.saw('client', event);
  one.marked('client', 6);
  one.finish();
  expect(one.problems).toEqual([]);
  expect([one.commits, one.delivered, one.expired]).toEqual([5, 3, 0]);
});

test.each<[what: string, tell: (one: WatchJudge) => void, problem: RegExp]>([
  [
    'one is missing',
    (one) => [right[0], right[2]].forEach((e) => void one.saw('client', e)),
    /x\/b at 6 came where x\/a at 4/,
  ],
  [
    'the last is missing',
    (one) => [right[0], right[1]].forEach((e) => void one.saw('client', e)),
    /never saw x\/b at 6/,
  ],
  [
    'one comes twice',
    (one) => [right[0], ...right].forEach((e) => void one.saw('client', e)),
    /x\/b at 3 came where x\/a at 4/,
  ],
  [
    'two change places',
    (one) => [right[1], right[0], right[2]].forEach((e) => void one.saw('client', e)),
    /x\/a at 4 came where x\/b at 3/,
  ],
  ['one is of another place', (one) => one.saw('client', added('y/a', 5, '4')), /y\/a at 5 came where/],
  ['one was never made', (one) => one.saw('client', added('x/c', 3, '2')), /x\/c at 3 came where/],
  ['one is older than the list', (one) => one.saw('client', added('x/a', 2, '1')), /x\/a at 2 came where/],
  ['one has the value of another', (one) => one.saw('client', added('x/b', 3, '9')), /shows 9, not 2/],
  ['one has the wrong type', (one) => one.saw('client', modified('x/b', 3, '2')), /is MODIFIED, not ADDED/],
  [
    'a deletion shows another state',
    (one) => [right[0], right[1], deleted('x/b', 6, '3')].forEach((e) => void one.saw('client', e)),
    /shows 3, not 2/,
  ],
  ['a bookmark goes past what was not told', (one) => one.marked('client', 4), /bookmark 4 came before x\/b at 3/],
  [
    'a bookmark goes back',
    (one) => {
      one.saw('client', right[0]);
      one.marked('client', 2);
    },
    /bookmark 2 comes after 3/,
  ],
  [
    'an event comes after the end',
    (one) => {
      one.ended('client', 'closed');
      one.saw('client', right[0]);
    },
    /does not watch/,
  ],
  [
    'it does not watch at the end',
    (one) => {
      right.forEach((e) => void one.saw('client', e));
      one.ended('client', 'closed');
    },
    /does not watch at the end/,
  ],
  [
    'the list after 410 is no newer',
    (one) => {
      one.saw('client', right[0]);
      one.ended('client', 'expired');
      one.listed('client', 'x/', { revision: 3, items: [] });
    },
    /list after 410 is of 3, no newer than 3/,
  ],
  [
    'a list lacks one',
    (one) => one.listed('client', 'x/', { revision: 4, items: [{ key: 'x/a', revision: 4, value: '3' }] }),
    /list of 4 has x\/b of never, not of 3/,
  ],
  [
    'a list has what is gone',
    (one) =>
      one.listed('client', 'x/', {
        revision: 6,
        items: [
          { key: 'x/a', revision: 4, value: '3' },
          { key: 'x/b', revision: 3, value: '2' },
        ],
      }),
    /list of 6 has x\/b of 3, not of 6/,
  ],
  [
    'a list has what nobody made',
    (one) =>
      one.listed('client', '', {
        revision: 2,
        items: [
          { key: 'x/a', revision: 2, value: '1' },
          { key: 'z/a', revision: 1, value: '' },
        ],
      }),
    /has z\/a, which nobody made/,
  ],
  [
    'a commit is not after the one before',
    (one) => one.committed({ revision: 6, key: 'x/d', value: '7' }),
    /committed after 6/,
  ],
])('it is found when %s', (_what, tell, problem) => {
  const one = judge();
  tell(one);
  one.finish();
  expect(one.problems.join('\n')).toMatch(problem);
});
