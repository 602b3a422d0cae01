/** The judge of histories, judged: it accepts what a store that is right shows, and finds each way in which one can be wrong. */
import { expect, test } from 'vitest';
import { randomInt, SeededRandom } from '#pkg/base/random.ts';
import { problemsOf } from './check.ts';
import type { Call, History, Seen } from './history.ts';

/** A little history: an object is made, read, changed, deleted and made again, and another is there all the time. */
const good: History = {
  calls: [
    { client: 1, kind: 'create', name: 'a', value: 'v1', began: 1, ended: 2, revision: 10 },
    { client: 2, kind: 'create', name: 'b', value: 'w1', began: 3, ended: 4, revision: 11 },
    { client: 1, kind: 'get', name: 'a', began: 5, ended: 6, found: { name: 'a', value: 'v1', revision: 10 } },
    { client: 1, kind: 'update', name: 'a', value: 'v2', precondition: 10, began: 7, ended: 10, revision: 12 },
    { client: 2, kind: 'get', name: 'a', began: 8, ended: 9, found: { name: 'a', value: 'v1', revision: 10 } },
    { client: 2, kind: 'delete', name: 'a', precondition: 12, began: 11, ended: 12 },
    { client: 3, kind: 'get', name: 'a', began: 13, ended: 14 },
    { client: 3, kind: 'create', name: 'a', value: 'v3', began: 15 },
    {
      client: 3,
      kind: 'list',
      name: '',
      began: 16,
      ended: 17,
      revision: 15,
      items: [
        { name: 'a', value: 'v3', revision: 14 },
        { name: 'b', value: 'w1', revision: 11 },
      ],
    },
  ],
  watches: [
    {
      watcher: 1,
      from: 9,
      to: 15,
      events: [
        { type: 'ADDED', name: 'a', value: 'v1', revision: 10 },
        { type: 'ADDED', name: 'b', value: 'w1', revision: 11 },
        { type: 'MODIFIED', name: 'a', value: 'v2', revision: 12 },
        { type: 'DELETED', name: 'a', value: 'v2', revision: 13 },
        { type: 'ADDED', name: 'a', value: 'v3', revision: 14 },
      ],
    },
  ],
};

const withCall = (index: number, change: Partial<Call>): History => ({
  ...good,
  calls: good.calls.map((call, i) => (i === index ? { ...call, ...change } : call)),
});

const withEvents = (change: (events: Seen[]) => readonly Seen[]): History => ({
  ...good,
  watches: good.watches.map((watch) => ({ ...watch, events: change([...watch.events]) })),
});

test('a right history has no problems', () => {
  expect(problemsOf(good)).toEqual([]);
});

test('a delete that came too late and whose answer was lost is none', () => {
  const late: Call = { client: 9, kind: 'delete', name: 'a', precondition: 12, began: 13 };
  expect(problemsOf({ ...good, calls: [...good.calls, late] })).toEqual([]);
});

test('a deletion that no watch has seen is where the reads have it', () => {
  const [watch] = good.watches;
  const began = { ...watch!, from: 9, to: 12, events: watch!.events.slice(0, 3) };
  const later = { ...watch!, from: 14, to: 15, events: [] };
  expect(problemsOf({ ...good, watches: [began, later] })).toEqual([]);
  // One that was there all the time would have seen it.
  const blind = { ...watch!, events: watch!.events.filter(({ type }) => type !== 'DELETED') };
  expect(problemsOf({ ...good, watches: [began, later, blind] }).join('\n')).toMatch(
    /watch 1: the deletion of a behind revision 12 is missing/,
  );
  // An object that is found afterwards was not deleted.
  const found = { found: { name: 'a', value: 'v2', revision: 12 } };
  expect(problemsOf({ ...withCall(6, found), watches: [began, later] })).not.toEqual([]);
  // Nobody asked for this one.
  const unasked = good.calls.filter(({ kind }) => kind !== 'delete');
  expect(problemsOf({ calls: unasked, watches: [began, later] })).not.toEqual([]);
});

const b = { name: 'b', value: 'w1', revision: 11 };
test.each<[string, History, RegExp]>([
  [
    'an acknowledged write that is lost',
    withEvents((events) => events.filter(({ revision }) => revision !== 12)),
    /watch 1: a at revision 12 is missing/,
  ],
  [
    'an acknowledged delete that is lost',
    withEvents((events) => events.filter(({ type }) => type !== 'DELETED')),
    /the deletion of a behind revision 12 is missing/,
  ],
  [
    'a stale read',
    withCall(2, { began: 13, ended: 14 }),
    /get a \(13 to 14\) does not show a as it was at 13 or later/,
  ],
  [
    'a read of the future',
    withCall(2, { found: { name: 'a', value: 'v2', revision: 12 } }),
    /update a =v2 of 10 at 12 .* took effect at 12, before what was known when it began: 12/,
  ],
  [
    'an object that is not found though it is there',
    withCall(4, { found: undefined, began: 5, ended: 6 }),
    /does not show a|took effect/,
  ],
  [
    'an object that is found though it is deleted',
    withCall(6, { found: { name: 'a', value: 'v2', revision: 12 } }),
    /get a \(13 to 14\) does not show a/,
  ],
  ['a lost update', withCall(3, { precondition: 9 }), /update a =v2 of 9 at 12 .* replaced revision 10/],
  ['a create of what is there', withCall(7, { name: 'b', value: 'v3' }), /never written|made what was there/],
  [
    'a write that took effect twice',
    withEvents((events) => [...events, { type: 'MODIFIED', name: 'a', value: 'v3', revision: 15 }]),
    /v3 was written twice: at revisions 14 and 15/,
  ],
  [
    'a value that nobody wrote',
    withEvents((events) => [...events, { type: 'MODIFIED', name: 'a', value: 'v9', revision: 15 }]),
    /a=v9 at revision 15 was never written/,
  ],
  ['a list of a moment that never was', withCall(8, { items: [b] }), /list .* does not show a/],
  [
    'a list that is behind',
    withCall(8, { revision: 12, items: [{ name: 'a', value: 'v2', revision: 12 }, b] }),
    /list .* does not show a as it was at 13 or later/,
  ],
  [
    'an event that comes twice',
    withEvents((events) => [...events.slice(0, 2), ...events.slice(1)]),
    /b at revision 11 comes after 11/,
  ],
  [
    'events out of order',
    withEvents(([first, second, ...rest]) => [second!, first!, ...rest]),
    /a at revision 10 comes after 11/,
  ],
  [
    'an event of a wrong kind',
    withEvents(([first, ...rest]) => [{ ...first!, type: 'MODIFIED' }, ...rest]),
    /a at revision 10 is MODIFIED, not ADDED/,
  ],
  [
    'an event with a wrong object',
    withEvents(([first, ...rest]) => [{ ...first!, value: 'v2' }, ...rest]),
    /revision 10 is a=v2 and a=v1/,
  ],
  [
    'a deletion that nobody asked for',
    withCall(5, { kind: 'get', precondition: undefined }),
    /deletion of a at revision 13 was never/,
  ],
  [
    'a deletion that two have made',
    {
      ...good,
      calls: [...good.calls, { client: 9, kind: 'delete', name: 'a', precondition: 12, began: 11, ended: 12 }],
    },
    /the deletion of a at revision 13 was acknowledged to 2/,
  ],
  ['one revision of two objects', withCall(1, { revision: 10 }), /revision 10 is a=v1 and b=w1/],
])('finds %s', (_, history, problem) => {
  expect(problemsOf(history).join('\n')).toMatch(problem);
});

/** Many clients on a store that is right: each call takes effect at a moment between its begin and its end. */
function simulated(seed: number): History {
  const random = new SeededRandom(seed);
  const state = new Map<string, { readonly value: string; readonly revision: number }>();
  const calls: Call[] = [];
  const events: Seen[] = [];
  const open: (() => void)[] = [];
  let [time, revision] = [0, 1];
  const begin = (): void => {
    const client = randomInt(random, 16);
    const name = `o${randomInt(random, 3)}`;
    const began = ++time;
    const base = { client, name, began };
    const known = state.get(name);
    const value = `c${began}`;
    const kinds = ['get', 'list', 'update', 'delete', 'create'] as const;
    const kind = kinds[randomInt(random, kinds.length)] ?? 'get';
    open.push(() => {
      const now = state.get(name);
      const answer = random.next() < 0.1 ? {} : { ended: ++time };
      if (kind === 'get') calls.push({ ...base, kind, ...answer, ...(now && { found: { name, ...now } }) });
      else if (kind === 'list')
        calls.push({
          ...base,
          kind,
          name: '',
          ...answer,
          revision,
          items: [...state].map(([one, it]) => ({ name: one, ...it })),
        });
      else if (kind === 'create' && now === undefined) {
        state.set(name, { value, revision: ++revision });
        events.push({ type: 'ADDED', name, value, revision });
        calls.push({ ...base, kind, value, ...answer, ...(answer.ended && { revision }) });
      } else if (kind !== 'create' && known !== undefined && now?.revision === known.revision) {
        const precondition = known.revision;
        revision++;
        if (kind === 'update') state.set(name, { value, revision });
        else state.delete(name);
        const what =
          kind === 'update' ? { type: 'MODIFIED' as const, value } : { type: 'DELETED' as const, value: known.value };
        events.push({ ...what, name, revision });
        calls.push({
          ...base,
          kind,
          precondition,
          ...answer,
          ...(kind === 'update' && { value, ...(answer.ended && { revision }) }),
        });
      }
    });
  };
  for (let step = 0; step < 2_000; step++) {
    if (open.length < 12 && random.next() < 0.5) begin();
    else open.splice(randomInt(random, Math.max(1, open.length)), 1)[0]?.();
  }
  return { calls, watches: [{ watcher: 1, from: 1, to: revision, events }] };
}

test('whatever a right store shows to many clients is accepted, and one event less is not', () => {
  for (let seed = 1; seed <= 10; seed++) {
    const history = simulated(seed);
    expect(problemsOf(history)).toEqual([]);
    const [watch] = history.watches;
    const events = watch!.events.toSpliced(watch!.events.length >> 1, 1);
    expect(problemsOf({ ...history, watches: [{ ...watch!, events }] })).not.toEqual([]);
  }
});
