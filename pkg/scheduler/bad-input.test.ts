/** What cannot be scheduled is said once, and asked for no more often than its back-off says: each case counts the requests that it costs, on virtual time. */
import { expect, test } from 'vitest';
import type { Pod, PodSpec } from '#pkg/api/types/core-v1.ts';
import { nodes as nodesRef } from '#pkg/api/types/refs.ts';
import { makeNode, makePod } from '#pkg/testing/builders.ts';
import { defaultConfiguration } from './config/configuration.ts';
import { SchedulerWorld } from './testing/scheduler-world.ts';

const zone = 'topology.kubernetes.io/zone';
const inZone = (name: string, value: string) => {
  const node = makeNode(name);
  return { ...node, metadata: { ...node.metadata, labels: { [zone]: value, 'kubernetes.io/hostname': name } } };
};
const like = [{ topologyKey: zone, labelSelector: { matchLabels: { app: 'web' } } }];
const web = (name: string, spec: Partial<PodSpec> = {}): Pod => makePod(name).labels({ app: 'web' }).spec(spec).object;

test.each<{ readonly rule: string; readonly spec: Partial<PodSpec>; readonly says: string }>([
  {
    rule: 'selects one zone and requires another',
    spec: {
      nodeSelector: { [zone]: 'a' },
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [{ matchExpressions: [{ key: zone, operator: 'In', values: ['b'] }] }],
          },
        },
      },
    },
    says: "2 node(s) didn't match Pod's node affinity/selector",
  },
  {
    rule: 'has to be with its like and apart from it',
    spec: {
      affinity: {
        podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: like },
        podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: like },
      },
    },
    says: "1 node(s) didn't match pod affinity rules, 1 node(s) didn't match pod anti-affinity rules",
  },
  {
    rule: 'is to be spread by a label that no node has',
    spec: {
      topologySpreadConstraints: [
        {
          maxSkew: 1,
          topologyKey: 'rack',
          whenUnsatisfiable: 'DoNotSchedule',
          labelSelector: { matchLabels: { app: 'web' } },
        },
      ],
    },
    says: "2 node(s) didn't match pod topology spread constraints (missing required label)",
  },
])('a pod that $rule says so once, and others come and go beside it', async ({ spec, says }) => {
  const world = new SchedulerWorld();
  await world.nodes(inZone('a', 'a'), inZone('b', 'b'));
  const stop = world.start();
  await world.pods(web('first'));
  await world.pods(web('odd', spec));
  await world.clock.advance(10_000);
  expect(await world.eventsOf('odd')).toEqual([expect.stringContaining(says)]);
  expect(await world.conditionOf('odd')).toContain(says);
  expect(await world.requestsDuring(() => world.clock.advance(4 * 60_000))).toBe(0);
  for (let index = 0; index < 20; index++) {
    await world.pods(makePod(`other-${index}`).request({ cpu: '100m' }).object);
    await world.clock.advance(5_000);
    await world.remove(`other-${index}`);
  }
  // Once in five minutes it is looked at again, and the event is counted.
  expect(await world.eventsOf('odd')).toHaveLength(1);
  expect(await world.requestsDuring(() => world.clock.advance(4 * 60_000))).toBeLessThanOrEqual(2);
  expect(Object.keys(await world.placed())).toEqual(['first']);
  await stop();
});

test('an extender that hangs is asked again after a back-off that grows, and each attempt is one event', async () => {
  const world = new SchedulerWorld();
  let calls = 0;
  world.options = {
    configuration: {
      ...defaultConfiguration,
      extenders: [{ urlPrefix: 'http://extender/', filterVerb: 'filter', nodeCacheCapable: true }],
    },
    callExtender: () => {
      calls++;
      return new Promise(() => {});
    },
  };
  await world.nodes(makeNode('a'));
  const stop = world.start();
  await world.pods(makePod('stuck').object);
  const asked = await world.requestsDuring(() => world.clock.advance(10 * 60_000));
  // An attempt takes 5 s, and the next waits 1, 2, 4, 8, and then 10 s: the first five begin within 35 s, and the others every 15 s.
  expect(calls).toBe(42);
  expect(asked).toBeLessThanOrEqual(2 * calls);
  expect(await world.eventsOf('stuck')).toEqual([
    'Warning FailedScheduling: http://extender/filter did not answer within 5000 ms',
  ]);
  await stop();
});

test('a node that is deleted while a pod is bound to it gets no other', async () => {
  const world = new SchedulerWorld();
  await world.nodes(makeNode('a'));
  const stop = world.start();
  world.beforeBinding = async () => {
    await world.client.resource(nodesRef).delete('a');
    await world.client.resource(nodesRef).create(makeNode('b'));
  };
  await world.pods(makePod('early').object);
  await world.pods(makePod('late').object);
  await world.clock.advance(60_000);
  // The binding came through: that pod is its controller's to replace, once the node is seen to be gone.
  expect(await world.placed()).toEqual({ early: 'a', late: 'b' });
  expect(await world.requestsDuring(() => world.clock.advance(4 * 60_000))).toBe(0);
  await stop();
});

test('a pod whose binding fails as its node is gone finds another', async () => {
  const world = new SchedulerWorld();
  await world.nodes(makeNode('a'));
  const stop = world.start();
  world.failing.add('web');
  world.beforeBinding = () => world.client.resource(nodesRef).delete('a');
  await world.pods(makePod('web').object);
  await world.clock.advance(30_000);
  expect(await world.conditionOf('web')).toBe('no nodes available to schedule pods');
  expect(await world.requestsDuring(() => world.clock.advance(4 * 60_000))).toBe(0);
  await world.nodes(makeNode('b'));
  await world.clock.advance(15_000);
  expect(await world.placed()).toEqual({ web: 'b' });
  await stop();
});
