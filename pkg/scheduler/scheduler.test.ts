/** The scheduler against an API in memory, on virtual time. */

import { expect, test } from 'vitest';
import type { Node, Pod } from '#pkg/api/types/core-v1.ts';
import { events, nodes, pods } from '#pkg/api/types/refs.ts';
import type { ApiHandler } from '#pkg/apimachinery/http.ts';
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { Metrics } from '#pkg/base/metrics.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import type { Client } from '#pkg/client/client.ts';
import { FakeApi } from '#pkg/client/fake-api.ts';
import { inProcessTransport } from '#pkg/client/in-process-transport.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import { createInformers } from '#pkg/client/shared-informers.ts';
import { makeNode, makePod } from '#pkg/testing/builders.ts';
import { defaultConfiguration } from './config/configuration.ts';
import type { AnyPlugin } from './framework/plugin.ts';
import { type Status, success, unschedulable } from './framework/status.ts';
import { pluginTable } from './plugin-table.ts';
import { createScheduler, type SchedulerOptions } from './scheduler.ts';

/** Answers of the binding subresource that a test wants instead of a binding. */
interface World {
  readonly api: FakeApi;
  readonly client: Client;
  readonly clock: VirtualClock;
  readonly bindingFailures: StatusError[];
  /** Called before the next binding is answered. */
  beforeBinding: (() => Promise<unknown>) | undefined;
  onBinding: ((body: unknown) => void) | undefined;
  /** What schedulers are started with beside their plugins. */
  options: Pick<SchedulerOptions, 'callExtender' | 'configuration' | 'scheduling'>;
  /** Starts a scheduler with further plugins; the returned function stops it and waits for its end. */
  start(...plugins: readonly AnyPlugin[]): () => Promise<void>;
  create(...objects: readonly (Node | Pod)[]): Promise<void>;
  nodeOf(name: string): Promise<string | undefined>;
  eventsOf(name: string): Promise<readonly string[]>;
}

const bindingPath = /^(.*\/pods\/[^/]+)\/binding$/;

function makeWorld(): World {
  const clock = new VirtualClock();
  const random = new SeededRandom(1);
  const api = new FakeApi();
  const bindingFailures: StatusError[] = [];
  const handler: ApiHandler = async (request) => {
    const path = bindingPath.exec(request.path)?.[1];
    if (path === undefined) return api.handle(request);
    const { beforeBinding } = world;
    world.beforeBinding = undefined;
    await beforeBinding?.();
    const failure = bindingFailures.shift();
    if (failure !== undefined) {
      const body = { kind: 'object', object: failure.status, bytes: () => new Uint8Array() } as const;
      return { status: failure.code, headers: { 'content-type': 'application/json' }, body };
    }
    world.onBinding?.(request.body);
    const { target } = (request.body as { object: { target: { name: string } } }).object;
    const bound = { spec: { nodeName: target.name } };
    return api.handle({ ...request, method: 'PATCH', path, body: { kind: 'object', object: bound } });
  };
  const transport = inProcessTransport(handler, { commonName: 'system:kube-scheduler', organizations: [] });
  const client = createClient({ transport, userAgent: 'scheduler-test' });
  const world: World = {
    api,
    client,
    clock,
    bindingFailures,
    beforeBinding: undefined,
    onBinding: undefined,
    options: {},
    start(...plugins) {
      const stop = new AbortController();
      const informers = createInformers({ client, clock, random, log: silentLogger });
      const deps = { client, informers, clock, random, log: silentLogger, metrics: new Metrics() };
      const scheduler = createScheduler({
        deps,
        plugins: [...pluginTable, ...plugins.map((plugin) => ({ plugin }))],
        ...world.options,
      });
      const running = Promise.all([informers.run(stop.signal), scheduler.run(stop.signal)]);
      return async () => {
        stop.abort();
        await running;
      };
    },
    async create(...objects) {
      for (const object of objects) {
        if (object.kind === 'Node') await client.resource(nodes).create(object as Node);
        else await client.resource(pods).create(object as Pod);
      }
      await clock.settle();
    },
    nodeOf: async (name) => (await client.resource(pods).get(name, { namespace: 'default' })).spec?.nodeName,
    async eventsOf(name) {
      const { items } = await client.resource(events).list({ namespace: 'default' });
      return items
        .filter((event) => event.involvedObject.name === name)
        .map((event) => `${event.type} ${event.reason}: ${event.message}`);
    },
  };
  return world;
}

test('a pod is bound to a node that has room, and the event says so', async () => {
  const world = makeWorld();
  await world.create(makeNode('small', { cpu: '100m' }), makeNode('large'));
  const stop = world.start();
  await world.create(makePod('web').request({ cpu: '1' }).object);
  expect(await world.nodeOf('web')).toBe('large');
  await stop();
  expect(await world.eventsOf('web')).toEqual(['Normal Scheduled: Successfully assigned default/web to large']);
});

function replica(name: string): Pod {
  const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web', uid: 'web', controller: true };
  return makePod(name)
    .meta({ ownerReferences: [owner] })
    .request({ cpu: '100m' }).object;
}

test.each([
  ['packing', { 'web-1': 'a', 'web-2': 'b', 'web-3': 'a', 'web-4': 'b' }],
  ['spreading', { 'web-1': 'c', 'web-2': 'c', 'web-3': 'c', 'web-4': 'c' }],
] as const)('replicas of one workload: %s (fault 31)', async (scheduling, expected) => {
  const world = makeWorld();
  world.options = { scheduling };
  await world.create(makeNode('a'), makeNode('b'), makeNode('c', { cpu: '100', memory: '200Gi' }));
  const stop = world.start();
  // Two nodes are open, each with a pod that leaves no room for the other.
  for (const [name, nodeName] of Object.entries({ one: 'a', two: 'b' }))
    await world.create(makePod(name).request({ cpu: '3' }).spec({ nodeName }).object);
  for (const name of Object.keys(expected)) await world.create(replica(name));
  const placed = await Promise.all(Object.keys(expected).map(async (name) => [name, await world.nodeOf(name)]));
  expect(Object.fromEntries(placed)).toEqual(expected);
  await stop();
});

test('each profile schedules the pods that name it, in its own way and name', async () => {
  const world = makeWorld();
  const pluginConfig = [{ name: 'NodeResourcesFit', args: { scoringStrategy: { type: 'LeastAllocated' } } }];
  const profiles = [{ schedulerName: 'default-scheduler' }, { schedulerName: 'wide', pluginConfig, check: () => [] }];
  world.options = { configuration: { ...defaultConfiguration, profiles } };
  await world.create(makeNode('a'), makeNode('b'));
  const stop = world.start();
  await world.create(makePod('first').request({ cpu: '1' }).object);
  await world.create(makePod('second').request({ cpu: '1' }).object);
  await world.create(makePod('third').request({ cpu: '1' }).spec({ schedulerName: 'wide' }).object);
  await world.create(makePod('nobodys').request({ cpu: '1' }).spec({ schedulerName: 'other' }).object);
  const names = ['first', 'second', 'third', 'nobodys'];
  expect(await Promise.all(names.map((name) => world.nodeOf(name)))).toEqual(['a', 'a', 'b', undefined]);
  await stop();
  const { items } = await world.client.resource(events).list({ namespace: 'default' });
  const reporters = items.map(
    ({ involvedObject, reportingComponent }) => `${involvedObject.name} ${reportingComponent}`,
  );
  expect(reporters.toSorted()).toEqual(['first default-scheduler', 'second default-scheduler', 'third wide']);
});

test('an extender chooses a node and binds; one that hangs holds others up no longer than its time', async () => {
  const world = makeWorld();
  const bound: unknown[] = [];
  const managedResources = [{ name: 'example.com/gpu', ignoredByScheduler: true }];
  const profiles = [{ schedulerName: 'default-scheduler', check: () => [] }];
  const spec = {
    urlPrefix: 'http://extender/',
    filterVerb: 'filter',
    bindVerb: 'bind',
    managedResources,
    nodeCacheCapable: true,
  };
  world.options = {
    configuration: { ...defaultConfiguration, profiles, extenders: [spec] },
    callExtender: ({ url, body }) => {
      if (url.endsWith('/bind')) bound.push(JSON.parse(body));
      else if (JSON.parse(body).Pod.metadata.name === 'stuck') return new Promise(() => {});
      return Promise.resolve({ status: 200, text: JSON.stringify({ NodeNames: ['b'] }) });
    },
  };
  await world.create(makeNode('a'), makeNode('b'));
  const stop = world.start();
  const asking = (name: string): Pod => makePod(name).request({ 'example.com/gpu': '1' }).object;
  await world.create(asking('web'));
  expect(bound).toMatchObject([{ PodName: 'web', PodNamespace: 'default', Node: 'b' }]);
  await world.create(asking('stuck'), makePod('plain').request({ cpu: '1' }).object);
  await world.clock.advance(5_000);
  expect(await world.nodeOf('plain')).toBe('b');
  await stop();
  expect(await world.eventsOf('stuck')).toEqual([
    'Warning FailedScheduling: http://extender/filter did not answer within 5000 ms',
  ]);
});

test('nobody is evicted for a pod that is gone once an extender has agreed, and it is promised nothing', async () => {
  const world = makeWorld();
  const answer = Promise.withResolvers<{ status: number; text: string }>();
  world.options = {
    configuration: {
      ...defaultConfiguration,
      extenders: [{ urlPrefix: 'http://extender/', preemptVerb: 'preempt', nodeCacheCapable: true }],
    },
    callExtender: () => answer.promise,
  };
  await world.create(makeNode('only'));
  const stop = world.start();
  await world.create(makePod('low').meta({ uid: 'low' }).request({ cpu: '3' }).object);
  await world.create(makePod('high').meta({ uid: 'high' }).request({ cpu: '4' }).spec({ priority: 10 }).object);
  await world.client.resource(pods).delete('high', { namespace: 'default' });
  await world.clock.settle();
  const agreed = { NodeNameToMetaVictims: { only: { Pods: [{ UID: 'low' }] } } };
  answer.resolve({ status: 200, text: JSON.stringify(agreed) });
  await world.create(makePod('small').meta({ uid: 'small' }).request({ cpu: '1' }).object);
  await world.clock.advance(10_000);
  expect([await world.nodeOf('low'), await world.nodeOf('small')]).toEqual(['only', 'only']);
  await stop();
});

test('a pod that asks for it is told what the scheduler says of it, with its binding or its condition', async () => {
  const world = makeWorld();
  await world.create(makeNode('small', { cpu: '1' }), makeNode('large'));
  const stop = world.start();
  const asking = (name: string, cpu: string): Pod =>
    makePod(name).annotations({ 'coxswain.dev/explain': 'true' }).request({ cpu, memory: '4Gi' }).object;
  let bound: unknown;
  world.onBinding = (body) => (bound = body);
  await world.create(asking('fits', '2'), asking('huge', '9'));
  expect(JSON.parse(JSON.stringify(bound)).object.metadata.annotations).toEqual({
    'coxswain.dev/explanation': JSON.stringify({
      node: 'large',
      nodes: 2,
      feasible: 1,
      best: [{ node: 'large', total: 5.05, scores: { NodeResourcesFit: 5.05 } }],
      refusals: { 'NodeResourcesFit: Insufficient cpu': 1 },
    }),
  });
  const { metadata } = await world.client.resource(pods).get('huge', { namespace: 'default' });
  expect(metadata?.annotations?.['coxswain.dev/explanation']).toBe(
    JSON.stringify({ nodes: 2, feasible: 0, best: [], refusals: { 'NodeResourcesFit: Insufficient cpu': 2 } }),
  );
  await stop();
});

test('a pod that fits nowhere says why for how many nodes, and is bound once a node fits', async () => {
  const world = makeWorld();
  const tainted: Node = { ...makeNode('tainted'), spec: { taints: [{ key: 'gpu', effect: 'NoSchedule' }] } };
  await world.create(makeNode('a', { cpu: '500m' }), makeNode('b', { cpu: '1' }), tainted);
  const stop = world.start();
  await world.create(makePod('big').request({ cpu: '2' }).object);
  await world.clock.advance(60_000);
  const pending = await world.client.resource(pods).get('big', { namespace: 'default' });
  const message =
    '0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu. no new claims to deallocate, preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.';
  expect(pending.status?.conditions).toEqual([
    {
      type: 'PodScheduled',
      status: 'False',
      lastTransitionTime: '2026-01-01T00:00:00Z',
      reason: 'Unschedulable',
      message,
    },
  ]);
  expect(await world.eventsOf('big')).toEqual([`Warning FailedScheduling: ${message}`]);
  await world.create(makeNode('c', { cpu: '2' }));
  expect(await world.nodeOf('big')).toBe('c');
  await stop();
});

test('without any node the message says that', async () => {
  const world = makeWorld();
  const stop = world.start();
  await world.create(makePod('early').object);
  expect(await world.eventsOf('early')).toEqual(['Warning FailedScheduling: no nodes available to schedule pods']);
  await world.create(makeNode('first'));
  await world.clock.advance(1_000);
  expect(await world.nodeOf('early')).toBe('first');
  await stop();
});

test('room is given once: pods that together exceed a node do not share it', async () => {
  const world = makeWorld();
  await world.create(makeNode('one', { cpu: '1' }), makeNode('two', { cpu: '1' }));
  const stop = world.start();
  const names = ['a', 'b', 'c'];
  await world.create(...names.map((name) => makePod(name).request({ cpu: '600m' }).object));
  const placed = await Promise.all(names.map((name) => world.nodeOf(name)));
  expect(placed).toEqual(['one', 'two', undefined]);
  await world.client.resource(pods).delete('a', { namespace: 'default' });
  await world.clock.advance(1_000);
  expect(await world.nodeOf('c')).toBe('one');
  await stop();
});

test('a binding that fails is tried again after the back-off, with the room given back meanwhile', async () => {
  const world = makeWorld();
  await world.create(makeNode('only', { cpu: '1' }));
  world.bindingFailures.push(new StatusError({ code: 500, reason: 'InternalError', message: 'disk is full' }));
  const stop = world.start();
  await world.create(makePod('web').request({ cpu: '1' }).object);
  expect(await world.nodeOf('web')).toBe(undefined);
  expect(await world.eventsOf('web')).toEqual([
    'Warning FailedScheduling: running Bind plugin "DefaultBinder": disk is full',
  ]);
  await world.clock.advance(999);
  expect(await world.nodeOf('web')).toBe(undefined);
  await world.clock.advance(1);
  expect(await world.nodeOf('web')).toBe('only');
  await stop();
});

test('pods of other schedulers, with gates, or being deleted are left alone', async () => {
  const world = makeWorld();
  await world.create(makeNode('only'));
  const stop = world.start();
  await world.create(
    makePod('foreign').spec({ schedulerName: 'other' }).object,
    makePod('gated').spec({ schedulingGates: [{ name: 'quota' }] }).object,
    makePod('going').meta({ deletionTimestamp: '2026-01-01T00:00:00Z' }).object,
  );
  await world.clock.advance(60_000);
  expect(await Promise.all(['foreign', 'gated', 'going'].map((name) => world.nodeOf(name)))).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  const gated = await world.client.resource(pods).get('gated', { namespace: 'default' });
  await world.client.resource(pods).update({ ...gated, spec: { ...gated.spec!, schedulingGates: [] } });
  await world.clock.settle();
  expect(await world.nodeOf('gated')).toBe('only');
  await stop();
});

test('a scheduler that starts again counts the pods that are on nodes and schedules those that wait', async () => {
  const world = makeWorld();
  await world.create(makeNode('only', { cpu: '1' }));
  const stopFirst = world.start();
  await world.create(makePod('a').request({ cpu: '600m' }).object);
  await stopFirst();
  await world.create(makePod('b').request({ cpu: '600m' }).object, makePod('c').request({ cpu: '400m' }).object);
  const stopSecond = world.start();
  await world.clock.settle();
  expect(await Promise.all(['a', 'b', 'c'].map((name) => world.nodeOf(name)))).toEqual(['only', undefined, 'only']);
  await stopSecond();
});

test('a pod that ends gives its room back', async () => {
  const world = makeWorld();
  await world.create(makeNode('only', { cpu: '1' }));
  const stop = world.start();
  await world.create(makePod('job').request({ cpu: '1' }).object, makePod('next').request({ cpu: '1' }).object);
  expect(await world.nodeOf('next')).toBe(undefined);
  const job = await world.client.resource(pods).get('job', { namespace: 'default' });
  await world.client.resource(pods).update({ ...job, status: { phase: 'Succeeded' } });
  await world.clock.advance(1_000);
  expect(await world.nodeOf('next')).toBe('only');
  await stop();
});

test('a pod that is deleted while it is bound is forgotten without a word, and its room is free', async () => {
  const world = makeWorld();
  await world.create(makeNode('only', { cpu: '1' }));
  const stop = world.start();
  world.beforeBinding = () => world.client.resource(pods).delete('gone', { namespace: 'default' });
  world.bindingFailures.push(new StatusError({ code: 404, reason: 'NotFound', message: 'pods "gone" not found' }));
  await world.create(makePod('gone').request({ cpu: '1' }).object);
  await world.create(makePod('next').request({ cpu: '1' }).object);
  expect([await world.nodeOf('next'), await world.eventsOf('gone')]).toEqual(['only', []]);
  await stop();
});

test('a pod that another scheduler bound meanwhile stays where it is', async () => {
  const world = makeWorld();
  await world.create(makeNode('a'), makeNode('b'));
  const stop = world.start();
  world.beforeBinding = async () => {
    const pod = await world.client.resource(pods).get('web', { namespace: 'default' });
    await world.client.resource(pods).update({ ...pod, spec: { ...pod.spec!, nodeName: 'b' } });
  };
  world.bindingFailures.push(new StatusError({ code: 409, reason: 'Conflict', message: 'already assigned' }));
  await world.create(makePod('web').request({ cpu: '4' }).object);
  await world.clock.advance(60_000);
  expect(await world.nodeOf('web')).toBe('b');
  await world.create(makePod('next').request({ cpu: '4' }).object);
  expect(await world.nodeOf('next')).toBe('a');
  await stop();
});

test('a pod that a permit refuses gives its room back, says why, and waits for an event that the plugin asked for', async () => {
  const world = makeWorld();
  await world.create(makeNode('only'));
  let answer: Status = unschedulable('the gang is not complete');
  let attempts = 0;
  const stop = world.start({
    name: 'Gang',
    events: [{ resource: 'AssignedPod', actions: ['Add', 'Delete'] }],
    permit: async ({ pod }) => {
      if (pod.pod.metadata?.name !== 'member') return success;
      attempts++;
      return answer;
    },
  });
  await world.create(makePod('member').request({ cpu: '4' }).object);
  await world.clock.advance(60_000);
  expect([attempts, await world.eventsOf('member')]).toEqual([
    1,
    ['Warning FailedScheduling: 0/1 nodes are available: 1 the gang is not complete.'],
  ]);
  answer = success;
  await world.create(makePod('other').request({ cpu: '1' }).object);
  expect(await Promise.all([world.nodeOf('other'), world.nodeOf('member')])).toEqual(['only', undefined]);
  await world.client.resource(pods).delete('other', { namespace: 'default' });
  await world.clock.advance(1_000);
  expect(await world.nodeOf('member')).toBe('only');
  await stop();
});

test('an error after the permit is an error whatever the plugin calls it, and the pod is tried again after its back-off', async () => {
  const world = makeWorld();
  await world.create(makeNode('only'));
  const answers = [unschedulable('volume is elsewhere'), success];
  const stop = world.start({ name: 'Volumes', events: [], preBind: async () => answers.shift()! });
  await world.create(makePod('web').object);
  expect(await world.eventsOf('web')).toEqual([
    'Warning FailedScheduling: running PreBind plugin "Volumes": volume is elsewhere',
  ]);
  await world.clock.advance(1_000);
  expect(await world.nodeOf('web')).toBe('only');
  await stop();
});

const throwing = (): never => {
  throw new Error('out of order');
};

test.each<[string, AnyPlugin, string]>([
  ['filters', { name: 'Broken', filter: () => throwing }, 'SchedulerError: out of order'],
  ['scores', { name: 'Broken', score: () => throwing }, 'SchedulerError: out of order'],
  [
    'reserves',
    { name: 'Broken', reserve: throwing, unreserve: () => {} },
    'SchedulerError: running Reserve plugin "Broken": out of order',
  ],
  ['permits', { name: 'Broken', permit: throwing }, 'SchedulerError: out of order'],
  ['binds', { name: 'Broken', preBind: throwing }, 'SchedulerError: out of order'],
])(
  'a plugin that %s and throws fails the attempt of its pod, which says so, and the scheduler goes on',
  async (_, plugin, said) => {
    const world = makeWorld();
    // Two nodes, as what is scored is chosen among several.
    await world.create(makeNode('a'), makeNode('b'));
    const stop = world.start(plugin);
    await world.create(makePod('web').object);
    await world.clock.advance(5_000);
    const { status } = await world.client.resource(pods).get('web', { namespace: 'default' });
    expect(status?.conditions?.map(({ reason, message }) => `${reason}: ${message}`)).toEqual([said]);
    await world.create(makePod('next').object);
    expect(await world.eventsOf('next')).toHaveLength(1);
    await stop();
  },
);

test('where a plugin throws that is to make room, the pod waits for what may help it', async () => {
  const world = makeWorld();
  await world.create(makeNode('small', { cpu: '1' }));
  const stop = world.start({ name: 'Broken', events: [], postFilter: throwing });
  await world.create(makePod('web').request({ cpu: '2' }).object);
  expect(await world.eventsOf('web')).toEqual([expect.stringContaining('1 Insufficient cpu. out of order')]);
  await world.create(makeNode('large'));
  await world.clock.advance(10_000);
  expect(await world.nodeOf('web')).toBe('large');
  await stop();
});

test('what an event cannot hold is cut off there, and stands in full in the condition', async () => {
  const world = makeWorld();
  await world.create(makeNode('only'));
  const reason = 'long '.repeat(300).trim();
  const stop = world.start({ name: 'Wordy', filter: () => () => unschedulable(reason) });
  await world.create(makePod('web').object);
  const [event = ''] = await world.eventsOf('web');
  const message = event.replace('Warning FailedScheduling: ', '');
  expect([message.length, message.slice(-4)]).toEqual([1_024, ' ...']);
  const pod = await world.client.resource(pods).get('web', { namespace: 'default' });
  expect(pod.status?.conditions?.[0]?.message).toContain(reason);
  await stop();
});

test('no more pods are evicted than must go, though the first of them is gone before the last is told', async () => {
  const world = makeWorld();
  await world.create(makeNode('a'), makeNode('b'));
  const stop = world.start();
  const low = ['w', 'x', 'y', 'z'];
  await world.create(...low.map((name) => makePod(name).meta({ uid: name }).request({ cpu: '2' }).object));
  await world.create(makePod('high').request({ cpu: '4' }).spec({ priority: 10 }).object);
  await world.clock.advance(1_000);
  const { items } = await world.client.resource(pods).list({ namespace: 'default' });
  expect(items.map(({ metadata }) => metadata?.name).filter((name) => low.includes(name!))).toHaveLength(2);
  expect(await world.nodeOf('high')).toMatch(/^[ab]$/);
  await stop();
});

test('who made room has it as soon as it is there, without a back-off', async () => {
  const world = makeWorld();
  await world.create(makeNode('a'), makeNode('b'));
  const stop = world.start();
  await world.create(...['w', 'x'].map((name) => makePod(name).meta({ uid: name }).request({ cpu: '4' }).object));
  const high = (name: string) => makePod(name).meta({ uid: name }).request({ cpu: '4' }).spec({ priority: 10 }).object;
  await world.create(high('first'), high('second'));
  expect([await world.nodeOf('first'), await world.nodeOf('second')].sort()).toEqual(['a', 'b']);
  await stop();
});

test('who preempts on a node takes back what was promised there to less important pods', async () => {
  const world = makeWorld();
  await world.create(makeNode('only'));
  const stop = world.start();
  await world.create(makePod('low').request({ cpu: '2' }).object);
  const middle = makePod('middle')
    .meta({ uid: 'middle' })
    .request({ cpu: '4' })
    .spec({ priority: 5, preemptionPolicy: 'Never' });
  await world.create({ ...middle.object, status: { nominatedNodeName: 'only' } });
  await world.create(makePod('high').request({ cpu: '4' }).spec({ priority: 10 }).object);
  await world.clock.advance(1_000);
  const waiting = await world.client.resource(pods).get('middle', { namespace: 'default' });
  expect([await world.nodeOf('high'), waiting.status?.nominatedNodeName]).toEqual(['only', undefined]);
  await stop();
});

test('a promise that is withdrawn lets others have the room', async () => {
  const world = makeWorld();
  await world.create(makeNode('only'));
  const stop = world.start();
  await world.create(makePod('low').request({ cpu: '2' }).spec({ priority: 10 }).object);
  const promised = makePod('promised').request({ cpu: '4' }).spec({ priority: 5, preemptionPolicy: 'Never' });
  await world.create({ ...promised.object, status: { nominatedNodeName: 'only' } });
  await world.create(makePod('next').request({ cpu: '2' }).object);
  expect(await world.nodeOf('next')).toBe(undefined);
  const current = await world.client.resource(pods).get('promised', { namespace: 'default' });
  await world.client.resource(pods).update({ ...current, status: {} });
  await world.clock.advance(1_000);
  expect(await world.nodeOf('next')).toBe('only');
  await stop();
});
