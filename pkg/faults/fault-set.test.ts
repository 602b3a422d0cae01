import { expect, test } from 'vitest';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { FaultSet } from './fault-set.ts';

const rule = (name: string, more: object = {}): object => ({
  name,
  fault: 'error',
  verbs: ['get'],
  resources: ['pods'],
  ...more,
});

function setOf(...rules: readonly object[]): { readonly clock: VirtualClock; readonly set: FaultSet } {
  const clock = new VirtualClock();
  const set = new FaultSet({ clock, seed: 7, places: ['server'] });
  set.add(rules);
  return { clock, set };
}

const pickOne = (set: FaultSet): string => set.pick(() => true)?.rule.name ?? '-';

test('the first rule that has its turn decides, as often as it may', () => {
  const { set } = setOf(rule('a', { times: 2 }), rule('b'));
  expect([1, 2, 3].map(() => pickOne(set))).toEqual(['a', 'a', 'b']);
  expect(set.list().map(({ hits }) => hits)).toEqual([2, 1]);
});

test('a rule holds from after it was added until its time is over', async () => {
  const { clock, set } = setOf(rule('a', { after: '10s', for: '5s' }));
  const seen: string[] = [];
  for (let second = 0; second < 20; second += 5) {
    seen.push(pickOne(set));
    await clock.advance(5_000);
  }
  expect(seen).toEqual(['-', '-', 'a', '-']);
});

test('a share follows from the seed, whatever other rules there are', () => {
  const picks = (set: FaultSet): string => Array.from({ length: 400 }, () => pickOne(set)).join('');
  const alone = picks(setOf(rule('a', { share: 0.25 })).set);
  const beside = picks(setOf(rule('b', { share: 0 }), rule('a', { share: 0.25 })).set);
  expect(beside).toBe(alone);
  const hits = alone.replaceAll('-', '').length;
  expect(hits).toBeGreaterThan(60);
  expect(hits).toBeLessThan(140);
});

test('rules are added together or not at all, and a removed one is gone', () => {
  const { set } = setOf(rule('a'));
  expect(() => set.add([rule('c'), rule('a')])).toThrow('there is a rule named "a" already');
  expect(() => set.add([rule('c'), rule('d', { verbs: undefined })])).toThrow('faults[1].verbs: required');
  expect(set.list().map((state) => state.rule.name)).toEqual(['a']);
  expect([set.remove('a'), set.remove('a')]).toEqual([true, false]);
  expect(pickOne(set)).toBe('-');
});
