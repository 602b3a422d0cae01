import { expect, test } from 'vitest';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { makeNode, makePod } from '#pkg/testing/builders.ts';
import { podInfoOf } from '../model/pod-info.ts';
import { Nominator } from './nominator.ts';
import { SchedulerCache } from './scheduler-cache.ts';

const info = (name: string) => podInfoOf(makePod(name).meta({ uid: name }).object);

test('room is made for a pod once all who were to go have left its node, until it is refused there', () => {
  const cache = new SchedulerCache({ clock: new VirtualClock() });
  for (const name of ['a', 'b']) cache.setNode(makeNode(name));
  const [pod, ...victims] = [info('p'), info('v'), info('w')];
  for (const victim of victims) cache.setPod(victim, 'a');
  const nominator = new Nominator();
  const said: boolean[] = [];
  const look = (): void => void said.push(nominator.isRoomMade('p', cache.table));
  look();
  nominator.set(pod, 'a');
  look();
  nominator.set(pod, 'a', victims);
  cache.removePod('v');
  look();
  cache.removePod('w');
  look();
  // What its status says of the node says nothing of who makes room.
  nominator.set(info('p'), 'a');
  look();
  nominator.refused(pod, {}, cache.table);
  look();
  expect(said).toEqual([false, false, false, true, true, false]);
  nominator.set(pod, 'a', victims);
  look();
  nominator.set(pod, 'b');
  look();
  nominator.set(pod, 'a', victims);
  cache.removeNode('a');
  look();
  nominator.refused(pod, { nominatedNodeName: 'b', victims }, cache.table);
  look();
  nominator.refused(pod, { nominatedNodeName: '' }, cache.table);
  look();
  expect(said.slice(6)).toEqual([true, false, false, true, false]);
});

test('who waits for a node is known by its importance', () => {
  const nominator = new Nominator();
  const of = (name: string, priority: number) => podInfoOf(makePod(name).meta({ uid: name }).spec({ priority }).object);
  const [low, high] = [of('low', 1), of('high', 5)];
  nominator.set(low, 'a');
  nominator.set(high, 'a');
  const middle = of('middle', 3);
  const names = (pods: readonly { readonly uid: string }[]): readonly string[] => pods.map(({ uid }) => uid);
  expect([names(nominator.ahead(middle, 'a')), names(nominator.behind(middle, 'a'))]).toEqual([['high'], ['low']]);
  expect([names(nominator.on('a')), names(nominator.on('b'))]).toEqual([['low', 'high'], []]);
  expect(nominator.ahead(of('least', 0), 'a')).toBe(nominator.on('a'));
});
