import { expect, test } from 'vitest';
import type { Node, Pod } from '#pkg/api/types/core-v1.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { makeNode, makePod } from '#pkg/testing/builders.ts';
import { Nominator } from '../cache/nominator.ts';
import { SchedulerCache } from '../cache/scheduler-cache.ts';
import type { ExtenderSpec } from '../config/configuration.ts';
import { CycleState } from '../framework/cycle.ts';
import type { RoomCandidate } from '../framework/plugin.ts';
import { cycleOf } from '../framework/plugin-tester.ts';
import { success } from '../framework/status.ts';
import { podInfoOf } from '../model/pod-info.ts';
import { profileOver } from '../offline/profile-over.ts';
import { pluginTable } from '../plugin-table.ts';
import { agreedRoom, decideWithExtenders } from './extended-decision.ts';
import { type CallExtender, Extender } from './extender.ts';

const urlPrefix = 'http://127.0.0.1:1/scheduler/';
const clock = new VirtualClock();
const { signal } = new AbortController();
const log = silentLogger;
const options = { profile: profileOver(pluginTable), nominator: new Nominator(), log, signal };
const asking: Pod = makePod('p').request({ cpu: '1' }).object;
const nodes: readonly Node[] = [makeNode('a'), makeNode('b'), makeNode('c', { cpu: '100m' })];

/** An extender whose answers, by verb, are given; what it is asked goes to `asked`. */
function extenderOf(spec: Omit<ExtenderSpec, 'urlPrefix'>, answers: Readonly<Record<string, unknown>>) {
  const asked: { readonly verb: string; readonly body: Record<string, unknown> }[] = [];
  const call: CallExtender = async ({ url, body }) => {
    const verb = url.replace(urlPrefix, '');
    asked.push({ verb, body: JSON.parse(body) });
    if (!(verb in answers)) return { status: 500, text: '' };
    return { status: 200, text: JSON.stringify(answers[verb]) };
  };
  return { extender: new Extender({ spec: { urlPrefix, ...spec }, call, clock }), asked };
}

const decide = (...extenders: readonly Extender[]) =>
  decideWithExtenders(cycleOf(asking, { nodes }), { ...options, extenders });

test('it is shown the nodes that all plugins take, by name or whole, and may take nodes away', async () => {
  const { extender, asked } = extenderOf(
    { filterVerb: 'filter', nodeCacheCapable: true },
    { filter: { NodeNames: ['b'] } },
  );
  expect(await decide(extender)).toEqual({ kind: 'node', nodeName: 'b' });
  expect(asked.map(({ verb, body }) => [verb, body.NodeNames])).toEqual([['filter', ['a', 'b']]]);
  const whole = extenderOf({ filterVerb: 'filter' }, { filter: { nodes: { items: [nodes[1]] } } });
  expect(await decide(whole.extender)).toEqual({ kind: 'node', nodeName: 'b' });
  expect(whole.asked[0]?.body.Nodes).toMatchObject({
    items: [{ metadata: { name: 'a' } }, { metadata: { name: 'b' } }],
  });
});

test('its scores of 0 to 10 count ten times their weight beside those of the plugins', async () => {
  const spec = { prioritizeVerb: 'rate', weight: 2, nodeCacheCapable: true };
  const { extender } = extenderOf(spec, {
    rate: [
      { Host: 'a', Score: 1 },
      { Host: 'b', Score: 10 },
    ],
  });
  expect(await decide(extender)).toEqual({ kind: 'node', nodeName: 'b' });
});

test('nodes that it refuses are refused with its words, for good where it says so', async () => {
  const answer = { NodeNames: [], FailedNodes: { a: 'no disk' }, FailedAndUnresolvableNodes: { b: 'wrong rack' } };
  const { extender } = extenderOf({ filterVerb: 'filter', nodeCacheCapable: true }, { filter: answer });
  const decision = await decide(extender);
  if (decision.kind !== 'unschedulable') throw new Error(decision.kind);
  expect(Object.fromEntries(decision.diagnosis.reasonCounts)).toEqual({
    'no disk': 1,
    'wrong rack': 1,
    'Insufficient cpu': 1,
  });
  expect([...decision.rejectors]).toEqual(['NodeResourcesFit', 'Extender']);
  expect([...decision.refusals].map(({ node, status }) => `${node.name} ${status.code}`)).toEqual([
    'c UnschedulableAndUnresolvable',
    'a Unschedulable',
    'b UnschedulableAndUnresolvable',
  ]);
});

test('one that fails or knows nodes that are none fails the attempt, unless it may be ignored', async () => {
  const broken = extenderOf({ filterVerb: 'filter' }, {});
  await expect(decide(broken.extender)).rejects.toThrow(
    'failed filter with extender at URL http://127.0.0.1:1/scheduler/filter, code 500',
  );
  const lying = extenderOf({ filterVerb: 'filter', nodeCacheCapable: true }, { filter: { nodenames: ['x'] } });
  await expect(decide(lying.extender)).rejects.toThrow('claims a filtered node "x" which is not found');
  const angry = extenderOf({ filterVerb: 'filter' }, { filter: { Error: 'no' } });
  await expect(decide(angry.extender)).rejects.toThrow('no');
  const ignorable = extenderOf({ filterVerb: 'filter', ignorable: true }, {});
  expect(await decide(ignorable.extender)).toEqual({ kind: 'node', nodeName: 'a' });
});

test('one that hangs is waited for as long as its time says', async () => {
  const own = new VirtualClock();
  const spec = { urlPrefix, filterVerb: 'filter', httpTimeout: '3s' };
  const extender = new Extender({ spec, call: () => new Promise(() => {}), clock: own });
  const failed = decide(extender).catch((error: unknown) => String(error));
  await own.advance(2_999);
  let isOver = false;
  void failed.then(() => (isOver = true));
  await own.settle();
  expect(isOver).toBe(false);
  await own.advance(1);
  expect(await failed).toContain('did not answer within 3000 ms');
});

test('it is asked only of pods that ask for what it manages', () => {
  const { extender } = extenderOf({ managedResources: [{ name: 'example.com/gpu' }] }, {});
  const wanting = makePod('q').request({ 'example.com/gpu': '1' }).object;
  expect([extender.isInterested(asking), extender.isInterested(wanting)]).toEqual([false, true]);
});

const victim = (name: string, priority = 0) => podInfoOf(makePod(name).meta({ uid: name }).spec({ priority }).object);

/** A way of making room on either of two nodes, where the first is chosen if nobody has another opinion. */
function roomOn() {
  const cache = new SchedulerCache({ clock });
  for (const node of nodes) cache.setNode(node);
  const [x, y, z, other] = [victim('x'), victim('y', 5), victim('z', 1), victim('other', 9)];
  cache.setPod(x, 'a');
  for (const pod of [y, z, other]) cache.setPod(pod, 'b');
  const candidates = [
    { nodeName: 'a', victims: [x], violations: 0 },
    { nodeName: 'b', victims: [y, z], violations: 1 },
  ];
  const highest = ({ victims }: RoomCandidate): number => Math.max(...victims.map(({ priority }) => priority));
  const choose = (given: readonly RoomCandidate[]) => given.toSorted((one, two) => highest(one) - highest(two))[0];
  const result = { status: success, nominatedNodeName: 'a', candidates, choose };
  const cycle = { pod: podInfoOf(asking), cluster: cache.table, state: new CycleState() };
  return (...extenders: readonly Extender[]) => agreedRoom(cycle, result, { extenders, log, signal });
}

const preempting = { preemptVerb: 'preempt', nodeCacheCapable: true };
const sacrificing = (victims: Readonly<Record<string, readonly string[]>>) => ({
  preempt: {
    NodeNameToMetaVictims: Object.fromEntries(
      Object.entries(victims).map(([node, uids]) => [node, { Pods: uids.map((UID) => ({ UID })) }]),
    ),
  },
});

test('it may choose among the ways of making room and whom they cost, and disagree with all', async () => {
  const agree = roomOn();
  const { extender, asked } = extenderOf(preempting, sacrificing({ b: ['z'] }));
  const room = await agree(extender);
  expect([room.nominatedNodeName, room.victims?.map(({ uid }) => uid)]).toEqual(['b', ['z']]);
  expect(asked[0]?.body.NodeNameToMetaVictims).toEqual({
    a: { Pods: [{ UID: 'x' }], NumPDBViolations: 0 },
    b: { Pods: [{ UID: 'y' }, { UID: 'z' }], NumPDBViolations: 1 },
  });
  const against = await agree(extenderOf({ preemptVerb: 'preempt' }, sacrificing({})).extender);
  expect([against.status.code, against.nominatedNodeName]).toEqual(['Unschedulable', '']);
});

test('what is left costs what it then costs, and may take others of the node', async () => {
  const agree = roomOn();
  const { extender } = extenderOf(preempting, sacrificing({ b: ['y', 'other'], a: ['x'] }));
  expect((await agree(extender)).nominatedNodeName).toBe('a');
  const more = await agree(extenderOf(preempting, sacrificing({ b: ['other', 'z'] })).extender);
  expect(more.victims?.map(({ uid }) => uid)).toEqual(['other', 'z']);
});

test.each<[string, Readonly<Record<string, readonly string[]>>, RegExp]>([
  ['a pod that is not there', { a: ['y'] }, /pod \(UID: y\) on node: a, but the pod is not found there/],
  ['a node that is none', { nowhere: ['x'] }, /claims to preempt on node "nowhere", which does not exist/],
  ['nobody', { a: [] }, /expected at least one victim pod on node "a"/],
])('one that would preempt %s fails the attempt, unless it may be ignored', async (_, victims, message) => {
  const agree = roomOn();
  await expect(agree(extenderOf(preempting, sacrificing(victims)).extender)).rejects.toThrow(message);
  const ignored = extenderOf({ ...preempting, ignorable: true }, sacrificing({ ...victims, b: ['z'] })).extender;
  expect((await agree(ignored)).nominatedNodeName).toBe(message.source.includes('at least') ? 'b' : 'a');
});

test('over HTTPS one of which no authority is known is believed to be itself', async () => {
  const told: unknown[] = [];
  const call: CallExtender = async ({ tls }) => {
    told.push(tls);
    return { status: 200, text: '[]' };
  };
  const rate = (spec: Partial<ExtenderSpec>) =>
    new Extender({ spec: { urlPrefix, prioritizeVerb: 'rate', ...spec }, call, clock }).prioritize(asking, [], signal);
  await rate({ enableHTTPS: true });
  await rate({ enableHTTPS: true, tlsConfig: { caFile: 'ca.crt' } });
  await rate({ tlsConfig: { serverName: 'extender' } });
  expect(told).toEqual([{ insecure: true }, { caFile: 'ca.crt' }, { serverName: 'extender' }]);
});
