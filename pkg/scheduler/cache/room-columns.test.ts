import { expect, test } from 'vitest';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { makeNode, makePod } from '#pkg/testing/builders.ts';
import { podInfoOf } from '../model/pod-info.ts';
import { labelOf, type TopologyCounts } from '../model/topology-counts.ts';
import { RoomColumns } from './room-columns.ts';
import { SchedulerCache } from './scheduler-cache.ts';

const key = 'kubernetes.io/hostname';
const question = { signature: 'one each', ofNode: () => [[key, 1]] as const };
const info = (name: string) => podInfoOf(makePod(name).meta({ uid: name }).request({ cpu: '1' }).object);

test('domains of nodes that are gone are forgotten, and what is counted by the others stays right', () => {
  const cache = new SchedulerCache({ clock: new VirtualClock() });
  const { table } = cache;
  const room = new RoomColumns(table);
  const ofLastNode = (counts: TopologyCounts, name: string): readonly (number | undefined)[] => {
    const slot = table.slotOf(name) ?? -1;
    const node = table.slots[slot]!;
    const domain = room.refresh().domainsOf(key)[slot] ?? -1;
    return [counts.of(key, node), counts.sumsOf(key)[domain], table.domains.find(key, labelOf(node, key) ?? '')];
  };
  for (let index = 0; index < 10_000; index++) {
    cache.setNode(makeNode(`n${index}`));
    if (index >= 3) cache.removeNode(`n${index - 3}`);
    const counts = table.topologyCounts(question);
    const [one, byRoom, domain] = ofLastNode(counts, `n${index}`);
    expect([one, byRoom, counts.domainCount(key)]).toEqual([1, 1, Math.min(index + 1, 3)]);
    expect(domain).toBeLessThan(5_000);
  }
  expect(table.domains.round).toBeGreaterThan(0);
});

test('idle nodes are of one kind where they have the same left, until a pod comes', () => {
  const cache = new SchedulerCache({ clock: new VirtualClock() });
  const room = new RoomColumns(cache.table);
  const kinds = (): readonly number[] => [...room.refresh().idleKind.subarray(0, cache.table.slots.length)];
  for (const name of ['a', 'b', 'c']) cache.setNode(makeNode(name, { cpu: '4' }));
  cache.setNode(makeNode('d', { cpu: '8' }));
  expect(kinds()).toEqual([1, 1, 1, 2]);
  cache.assume(info('p'), 'b');
  expect(kinds()).toEqual([1, 0, 1, 2]);
  cache.setNode(makeNode('c', { cpu: '8' }));
  cache.removePod('p');
  expect(kinds()).toEqual([1, 1, 2, 2]);
});

test('a block of idle nodes is of their kind, as long as none of them differs', () => {
  const cache = new SchedulerCache({ clock: new VirtualClock() });
  const room = new RoomColumns(cache.table);
  const blocks = (): readonly number[] => [...room.refresh().idleKindOfBlock.subarray(0, 3)];
  for (let index = 0; index < 130; index++) cache.setNode(makeNode(`n${index}`, { cpu: index < 70 ? '4' : '8' }));
  expect(blocks()).toEqual([1, 0, 2]);
  cache.assume(info('p'), 'n3');
  cache.setNode(makeNode('n130', { cpu: '4' }));
  expect(blocks()).toEqual([0, 0, 0]);
  cache.removePod('p');
  cache.removeNode('n130');
  cache.setNode(makeNode('another', { cpu: '8' }));
  expect(blocks()).toEqual([1, 0, 2]);
});
