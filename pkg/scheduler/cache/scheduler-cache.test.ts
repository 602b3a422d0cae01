import { expect, test } from 'vitest';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { makeNode, makePod } from '#pkg/testing/builders.ts';
import { podInfoOf } from '../model/pod-info.ts';
import { assumedPodExpiryMs, SchedulerCache } from './scheduler-cache.ts';

const info = (name: string) => podInfoOf(makePod(name).meta({ uid: name }).request({ cpu: '1' }).object);

function makeCache() {
  const clock = new VirtualClock();
  const cache = new SchedulerCache({ clock });
  cache.setNode(makeNode('a'));
  cache.setNode(makeNode('b'));
  const used = (): readonly (number | undefined)[] =>
    ['a', 'b'].map((name) => cache.table.node(name)?.requested.milliCpu);
  return { clock, cache, used };
}

test('an assumed pod counts at once, and is confirmed where the API says it is', () => {
  const { cache, used } = makeCache();
  cache.assume(info('p'), 'a');
  expect([used(), cache.isAssumed('p')]).toEqual([[1000, 0], true]);
  cache.setPod(info('p'), 'b');
  expect([used(), cache.isAssumed('p')]).toEqual([[0, 1000], false]);
  expect(cache.forget('p')).toBe(false);
  expect(used()).toEqual([0, 1000]);
});

test('a pod that is seen where it was assumed to be is no change of its node, unless it is another one', () => {
  const { cache, used } = makeCache();
  const labelled = (labels: Readonly<Record<string, string>>) =>
    podInfoOf(makePod('p').meta({ uid: 'p' }).labels(labels).request({ cpu: '1' }).object);
  const changes = (step: () => void): number => {
    const before = cache.table.podChanges.head;
    step();
    return cache.table.podChanges.head - before;
  };
  cache.assume(labelled({ app: 'a' }), 'a');
  const seen = labelled({ app: 'a' });
  expect(changes(() => cache.setPod(seen, 'a'))).toBe(0);
  expect([used(), cache.table.node('a')?.pods.get('p'), cache.isAssumed('p')]).toEqual([[1000, 0], seen, false]);
  expect(changes(() => cache.setPod(labelled({ app: 'b' }), 'a'))).toBe(1);
  cache.removePod('p');
  cache.assume(labelled({ app: 'a' }), 'a');
  expect(changes(() => cache.setPod(labelled({ app: 'b' }), 'a'))).toBe(1);
});

test('an assumed pod that is forgotten gives its room back', () => {
  const { cache, used } = makeCache();
  cache.assume(info('p'), 'a');
  expect([cache.forget('p'), used()]).toEqual([true, [0, 0]]);
});

test('a bound pod that is never seen expires; one whose binding is under way does not', async () => {
  const { clock, cache, used } = makeCache();
  cache.assume(info('bound'), 'a');
  cache.assume(info('binding'), 'b');
  cache.finishBinding('bound');
  await clock.advance(assumedPodExpiryMs - 1);
  expect(cache.expire()).toEqual([]);
  await clock.advance(1);
  expect([cache.expire(), used()]).toEqual([['bound'], [0, 1000]]);
});

test('pods are kept while their node is away, whichever came first', () => {
  const { cache, used } = makeCache();
  cache.setPod(info('early'), 'c');
  cache.setPod(info('p'), 'a');
  cache.removeNode('a');
  expect([used(), cache.table.nodeCount]).toEqual([[undefined, 0], 1]);
  cache.setNode(makeNode('a'));
  cache.setNode(makeNode('c'));
  expect([used(), cache.table.node('c')?.pods.size]).toEqual([[1000, 0], 1]);
});

test('the slot of a node that went is used again', () => {
  const { cache } = makeCache();
  cache.removeNode('a');
  cache.setNode(makeNode('c'));
  expect([...cache.table.nodes()].map(({ name }) => name)).toEqual(['c', 'b']);
});
