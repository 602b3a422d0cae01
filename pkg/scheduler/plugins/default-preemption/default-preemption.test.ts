import { expect, test } from 'vitest';
import type { Node, Pod } from '#pkg/api/types/core-v1.ts';
import type { PodDisruptionBudget } from '#pkg/api/types/policy-v1.ts';
import { podDisruptionBudgets } from '#pkg/api/types/refs.ts';
import { randomInt, SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { makeNode, makePod } from '#pkg/testing/builders.ts';
import { Nominator } from '../../cache/nominator.ts';
import { SchedulerCache } from '../../cache/scheduler-cache.ts';
import { CycleState } from '../../framework/cycle.ts';
import { Decider } from '../../framework/decide.ts';
import type { PostFilterContext, PostFilterResult } from '../../framework/plugin.ts';
import { podInfoOf } from '../../model/pod-info.ts';
import { ObjectSet } from '../../offline/object-set.ts';
import { profileOver } from '../../offline/profile-over.ts';
import { pluginTable } from '../../plugin-table.ts';
import { createDefaultPreemption, preemptionDefaults } from './default-preemption.ts';

type Placed = readonly (readonly [node: string, name: string, cpu: string, priority: number, extra?: Partial<Pod>])[];

function pod(name: string, cpu: string, priority: number, extra: Partial<Pod> = {}): Pod {
  const { object } = makePod(name).meta({ uid: name }).labels({ app: name }).request({ cpu }).spec({ priority });
  return { ...object, ...extra };
}

function budget(app: string, disruptionsAllowed: number): PodDisruptionBudget {
  return {
    metadata: { name: app, namespace: 'default' },
    spec: { selector: { matchLabels: { app } } },
    status: { disruptionsAllowed, currentHealthy: 1, desiredHealthy: 1, expectedPods: 1 },
  };
}

interface World {
  readonly nodes: readonly Node[];
  readonly placed: Placed;
  readonly budgets?: readonly PodDisruptionBudget[];
  readonly nominated?: readonly (readonly [pod: Pod, node: string])[];
}

function preempt(wanted: Pod, { nodes, placed, budgets = [], nominated = [] }: World): PostFilterResult {
  const cache = new SchedulerCache({ clock: new VirtualClock() });
  const nominator = new Nominator();
  for (const node of nodes) cache.setNode(node);
  for (const [node, name, cpu, priority, extra] of placed)
    cache.setPod(podInfoOf(pod(name, cpu, priority, extra)), node);
  for (const [waiting, node] of nominated) nominator.set(podInfoOf(waiting), node);
  const options = { budgets: () => budgets, random: new SeededRandom(1), args: preemptionDefaults };
  const objects = new ObjectSet();
  for (const budget of budgets) objects.add(podDisruptionBudgets, budget);
  const profile = profileOver(pluginTable, { objects });
  const decider = new Decider({ profile, table: cache.table, nominator });
  const cycle = { pod: podInfoOf(wanted), cluster: cache.table, state: new CycleState() };
  const decision = decider.decide(cycle);
  if (decision.kind !== 'unschedulable') throw new Error(`It fits: ${JSON.stringify(decision)}`);
  return createDefaultPreemption(options).postFilter({
    cycle,
    refusals: decision.refusals,
    fits: (node) => decider.check(cycle, node),
    promisedOn: ({ name }) => nominator.ahead(cycle.pod, name),
    changedSince: (position) => decider.changedSince(position),
    nominatedNodeName: nominator.nodeOf(cycle.pod.uid),
  });
}

/** `node: victims`, or what was said. */
function summary({ status, nominatedNodeName, victims }: PostFilterResult): string {
  if (status.code !== 'Success') return status.reasons.join(', ');
  return `${nominatedNodeName}: ${victims?.map(({ uid }) => uid).join(' ')}`;
}

const one = [makeNode('a', { cpu: '4' })];
const two = [makeNode('a', { cpu: '4' }), makeNode('b', { cpu: '4' })];
const started = (startTime: string): Partial<Pod> => ({ status: { startTime } });

test.each<{ readonly rule: string; readonly pod: Pod; readonly world: World; readonly expected: string }>([
  {
    rule: 'only as many go as must, the least important first',
    pod: pod('p', '2', 10),
    world: {
      nodes: one,
      placed: [
        ['a', 'x', '1', 1],
        ['a', 'y', '1', 2],
        ['a', 'z', '2', 3],
      ],
    },
    expected: 'a: y x',
  },
  {
    rule: 'pods of the same or a higher priority stay',
    pod: pod('p', '2', 10),
    world: {
      nodes: one,
      placed: [
        ['a', 'x', '2', 10],
        ['a', 'y', '2', 11],
      ],
    },
    expected: 'preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.',
  },
  {
    rule: 'where it does not fit without them either nobody goes',
    pod: pod('p', '3', 10),
    world: {
      nodes: one,
      placed: [
        ['a', 'x', '1', 1],
        ['a', 'y', '2', 10],
      ],
    },
    expected: 'preemption: 0/1 nodes are available: 1 Insufficient cpu.',
  },
  {
    rule: 'a node that could never take the pod is not tried',
    pod: pod('p', '8', 10),
    world: { nodes: two, placed: [['a', 'x', '4', 1]] },
    expected: 'preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.',
  },
  {
    rule: 'a policy of Never preempts nobody',
    pod: { ...pod('p', '4', 10), spec: { ...pod('p', '4', 10).spec!, preemptionPolicy: 'Never' } },
    world: { nodes: one, placed: [['a', 'x', '1', 1]] },
    expected: 'preemption: not eligible due to preemptionPolicy=Never.',
  },
  {
    rule: 'the node whose most important victim matters least is taken',
    pod: pod('p', '4', 10),
    world: {
      nodes: two,
      placed: [
        ['a', 'x', '4', 5],
        ['b', 'y', '2', 4],
        ['b', 'z', '2', 4],
      ],
    },
    expected: 'b: y z',
  },
  {
    rule: 'of equals the node with fewer victims is taken',
    pod: pod('p', '4', 10),
    world: {
      nodes: two,
      placed: [
        ['a', 'x', '2', 4],
        ['a', 'y', '2', 4],
        ['b', 'z', '4', 4],
      ],
    },
    expected: 'b: z',
  },
  {
    rule: 'of equals the victims that started last go',
    pod: pod('p', '4', 10),
    world: {
      nodes: two,
      placed: [
        ['a', 'x', '4', 4, started('2026-01-01T00:00:00Z')],
        ['b', 'y', '4', 4, started('2026-01-01T01:00:00Z')],
      ],
    },
    expected: 'b: y',
  },
  {
    rule: 'a node where no budget is violated is taken before others',
    pod: pod('p', '4', 10),
    world: {
      nodes: two,
      placed: [
        ['a', 'x', '4', 1],
        ['b', 'y', '4', 5],
      ],
      budgets: [budget('x', 0), budget('y', 1)],
    },
    expected: 'b: y',
  },
  {
    rule: 'on one node pods that a budget protects are spared first',
    pod: pod('p', '2', 10),
    world: {
      nodes: one,
      placed: [
        ['a', 'x', '2', 1],
        ['a', 'y', '2', 5],
      ],
      budgets: [budget('x', 0)],
    },
    expected: 'a: y',
  },
  {
    rule: 'room promised to another of at least its priority is not taken',
    pod: pod('p', '2', 10),
    world: { nodes: one, placed: [['a', 'x', '2', 1]], nominated: [[pod('q', '3', 10), 'a']] },
    expected: 'preemption: 0/1 nodes are available: 1 Insufficient cpu.',
  },
  {
    rule: 'a pod that made room already waits for it',
    pod: pod('p', '4', 10),
    world: {
      nodes: two,
      placed: [
        [
          'a',
          'x',
          '4',
          1,
          {
            metadata: { name: 'x', namespace: 'default', uid: 'x', deletionTimestamp: '2026-01-01T00:00:30Z' },
            status: { conditions: [{ type: 'DisruptionTarget', status: 'True', reason: 'PreemptionByScheduler' }] },
          },
        ],
        ['b', 'y', '4', 1],
      ],
      nominated: [[pod('p', '4', 10), 'a']],
    },
    expected: 'preemption: not eligible due to a terminating pod on the nominated node.',
  },
])('$rule', ({ pod: wanted, world, expected }) => {
  expect(summary(preempt(wanted, world))).toBe(expected);
});

/** More of them, each of 300 rounds, by `PREEMPTION_SEEDS=100`. */
const seeds = Number(process.env.PREEMPTION_SEEDS ?? 4);

test.each(Array.from({ length: seeds }, (_, seed) => seed + 1))(
  'what is kept of nodes makes no difference, whatever happens to pods, promises and budgets in between, seed %i',
  (seed) => {
    const random = new SeededRandom(seed);
    const cache = new SchedulerCache({ clock: new VirtualClock() });
    const nominator = new Nominator();
    const names = ['a', 'b', 'c', 'd', 'e'];
    for (const name of names) cache.setNode(makeNode(name, { cpu: '4' }));
    let budgets: readonly PodDisruptionBudget[] = [];
    const decider = new Decider({ profile: profileOver(pluginTable), table: cache.table, nominator });
    const options = { budgets: () => budgets, random, args: preemptionDefaults };
    const keeping = createDefaultPreemption(options);
    const anyName = (): string => names[randomInt(random, names.length)]!;
    const anyPod = (name: string): Pod => pod(name, String(1 + randomInt(random, 4)), randomInt(random, 4));
    const placeAny = (): void => cache.setPod(podInfoOf(anyPod(`p${randomInt(random, 20)}`)), anyName());
    const changes: readonly (() => void)[] = [
      placeAny,
      placeAny,
      placeAny,
      () => cache.removePod(`p${randomInt(random, 20)}`),
      () => nominator.set(podInfoOf(anyPod(`w${randomInt(random, 4)}`)), anyName()),
      () => nominator.delete(`w${randomInt(random, 4)}`),
      () => {
        budgets = randomInt(random, 2) === 0 ? [] : [budget(`p${randomInt(random, 20)}`, randomInt(random, 2))];
      },
      () => cache.setNode(makeNode(anyName(), { cpu: String(3 + randomInt(random, 2)) })),
    ];
    let compared = 0;
    for (let round = 0; round < 300; round++) {
      changes[randomInt(random, changes.length)]?.();
      const cycle = { pod: podInfoOf(anyPod('wanted')), cluster: cache.table, state: new CycleState() };
      const decision = decider.decide(cycle);
      if (decision.kind !== 'unschedulable') continue;
      const context: PostFilterContext = {
        cycle,
        refusals: decision.refusals,
        fits: (node) => decider.check(cycle, node),
        signature: decider.signatureOf(cycle),
        promisedOn: ({ name }) => nominator.ahead(cycle.pod, name),
        changedSince: (position) => decider.changedSince(position),
        nominatedNodeName: undefined,
      };
      const anew = createDefaultPreemption(options).postFilter({ ...context, signature: undefined });
      expect(summary(keeping.postFilter(context))).toBe(summary(anew));
      compared++;
    }
    expect(compared).toBeGreaterThan(50);
  },
);

test('a node that many look at for room is looked into once', () => {
  const cache = new SchedulerCache({ clock: new VirtualClock() });
  for (const name of ['a', 'b', 'c']) {
    cache.setNode(makeNode(name, { cpu: '4' }));
    cache.setPod(podInfoOf(pod(`low-${name}`, '4', 0)), name);
  }
  const nominator = new Nominator();
  const decider = new Decider({ profile: profileOver(pluginTable), table: cache.table, nominator });
  const options = { budgets: () => [], random: new SeededRandom(1), args: preemptionDefaults };
  const plugin = createDefaultPreemption(options);
  const looks: number[] = [];
  for (const name of ['x', 'y', 'z']) {
    const cycle = { pod: podInfoOf(pod(name, '4', 10)), cluster: cache.table, state: new CycleState() };
    const decision = decider.decide(cycle);
    if (decision.kind !== 'unschedulable') throw new Error('It fits');
    let count = 0;
    const { nominatedNodeName = '' } = plugin.postFilter({
      cycle,
      refusals: decision.refusals,
      fits: (node) => {
        count++;
        return decider.check(cycle, node);
      },
      signature: decider.signatureOf(cycle),
      promisedOn: (node) => nominator.ahead(cycle.pod, node.name),
      changedSince: (position) => decider.changedSince(position),
      nominatedNodeName: undefined,
    });
    nominator.set(cycle.pod, nominatedNodeName);
    looks.push(count);
  }
  // Twice for each of three nodes, and then once for the one that was promised to the pod before.
  expect(looks).toEqual([6, 1, 1]);
});
