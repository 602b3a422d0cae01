import { expect, test } from 'vitest';
import type { Node, Pod } from '#pkg/api/types/core-v1.ts';
import { type Random, randomInt, SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { makeNode, makePod } from '#pkg/testing/builders.ts';
import { Nominator } from '../cache/nominator.ts';
import { SchedulerCache } from '../cache/scheduler-cache.ts';
import { podInfoOf } from '../model/pod-info.ts';
import { profileOver } from '../offline/profile-over.ts';
import { pluginTable } from '../plugin-table.ts';
import { CycleState } from './cycle.ts';
import { Decider } from './decide.ts';
import { fitErrorMessage } from './fit-error.ts';

const profiles = {
  packing: profileOver(pluginTable),
  spreading: profileOver(pluginTable, { scheduling: 'spreading' }),
} as const;

function pick<T>(random: Random, values: readonly T[]): T {
  return values[randomInt(random, values.length)]!;
}

function someNode(random: Random, index: number): Node {
  const size = pick(random, [
    { cpu: '4', memory: '8Gi', pods: '12' },
    { cpu: '8', memory: '8Gi', pods: '30' },
    { cpu: '2', memory: '16Gi', pods: '8' },
  ]);
  const node = makeNode(`n${index}`, size);
  const zone = pick(random, ['z1', 'z2', 'z3', undefined]);
  const labels = { ...node.metadata?.labels, ...(zone === undefined ? {} : { zone }) };
  const taints = [{ key: 'x', effect: pick(random, ['NoSchedule', 'NoExecute']) }];
  return {
    ...node,
    metadata: { ...node.metadata, labels },
    spec: randomInt(random, 6) === 0 ? { taints } : { unschedulable: randomInt(random, 12) === 0 },
  };
}

/** Many nodes of few shapes, each shape in a row, of which hardly any says more of itself. */
function alikeNode(random: Random, index: number): Node {
  const cpu = ['4', '8', '2'][Math.floor(index / 130) % 3] ?? '4';
  return { ...makeNode(`n${index}`, { cpu }), spec: { unschedulable: randomInt(random, 40) === 0 } };
}

const fleets = {
  mixed: { count: 50, make: someNode },
  alike: { count: 390, make: alikeNode },
} as const;

const away = { labelSelector: { matchLabels: { app: 'web' } }, topologyKey: 'zone' };
const byNode = { ...away, topologyKey: 'kubernetes.io/hostname' };
const spread = { maxSkew: 2, topologyKey: 'zone', labelSelector: { matchLabels: { app: 'web' } } };

/** Mostly pods like others, some that are like none, and some about which more is looked at than the node. */
function somePod(random: Random, index: number, priority = 0): Pod {
  const cpu = randomInt(random, 3) === 0 ? `${100 + randomInt(random, 900)}m` : pick(random, ['100m', '500m', '1']);
  const pod = makePod(`p${index}`)
    .meta({ uid: `p${index}` })
    .spec({ priority })
    .request({ cpu, memory: pick(random, ['64Mi', '1Gi']) });
  switch (randomInt(random, 18)) {
    case 0:
      return pod.spec({ nodeSelector: { zone: 'z1' } }).object;
    case 1:
      return pod.toleration({ operator: 'Exists' }).object;
    case 2:
      return pod.ports({ containerPort: 80, hostPort: 80 }).object;
    case 3:
      return pod
        .labels({ app: 'web' })
        .spec({ topologySpreadConstraints: [{ ...spread, whenUnsatisfiable: 'ScheduleAnyway' }] }).object;
    case 4:
      return pod
        .labels({ app: 'web' })
        .spec({ topologySpreadConstraints: [{ ...spread, whenUnsatisfiable: 'DoNotSchedule' }] }).object;
    case 5: {
      const term = { weight: 10, podAffinityTerm: away };
      const podAntiAffinity = { preferredDuringSchedulingIgnoredDuringExecution: [term] };
      return randomInt(random, 4) === 0 ? pod.spec({ affinity: { podAntiAffinity } }).object : pod.object;
    }
    case 6:
    case 7: {
      const podAntiAffinity = { requiredDuringSchedulingIgnoredDuringExecution: [pick(random, [away, byNode])] };
      return index % 4 === 0 ? pod.labels({ app: 'web' }).spec({ affinity: { podAntiAffinity } }).object : pod.object;
    }
    case 8: {
      const podAffinity = { requiredDuringSchedulingIgnoredDuringExecution: [away] };
      return pod.labels({ app: 'web' }).spec({ affinity: { podAffinity } }).object;
    }
    case 9: {
      const term = { weight: 10, podAffinityTerm: pick(random, [away, byNode]) };
      return pod.spec({ affinity: { podAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [term] } } })
        .object;
    }
    case 10: {
      const soft = { ...spread, topologyKey: 'kubernetes.io/hostname', whenUnsatisfiable: 'ScheduleAnyway' } as const;
      const hard = { ...spread, whenUnsatisfiable: 'DoNotSchedule' } as const;
      return pod.labels({ app: 'web' }).spec({ topologySpreadConstraints: [soft, hard] }).object;
    }
    case 11:
    case 12: {
      const kind = pick(random, ['ReplicaSet', 'DaemonSet']);
      const owner = { apiVersion: 'apps/v1', kind, name: 'some', uid: kind, controller: true };
      return pod.meta({ ownerReferences: [owner] }).object;
    }
    default:
      return pod.object;
  }
}

const isTimeOfPromises = (index: number): boolean => index > 150 && index < 300;

interface Way {
  readonly scheduling: keyof typeof profiles;
  readonly isQuick: boolean;
  readonly fleet: keyof typeof fleets;
}

/** What becomes of pods that come, nodes that come and go, promises, and pods that end, as text. */
function history(seed: number, { scheduling, isQuick, fleet }: Way): readonly string[] {
  const random = new SeededRandom(seed);
  const cache = new SchedulerCache({ clock: new VirtualClock() });
  const nominator = new Nominator();
  const profile = profiles[scheduling];
  const { count, make } = fleets[fleet];
  const anyNode = (): number => randomInt(random, Math.ceil(count * 1.2));
  const decider = new Decider({ profile, table: cache.table, nominator, isQuick });
  for (let index = 0; index < count; index++) cache.setNode(make(random, index));
  const told: string[] = [];
  for (let index = 0; index < 400; index++) {
    const what = randomInt(random, 20);
    if (what === 0) cache.setNode(make(random, anyNode()));
    else if (what === 1) cache.removeNode(`n${anyNode()}`);
    else if (what < 5) cache.removePod(`p${randomInt(random, index + 1)}`);
    else if (what < 8 && isTimeOfPromises(index)) {
      const promised = podInfoOf(somePod(random, 1_000 + (index % 100), pick(random, [-5, 0, 10])));
      nominator.set(promised, `n${anyNode()}`);
    }
    // Some are those that a node was promised to.
    const isPromised = randomInt(random, 5) === 0 && isTimeOfPromises(index);
    const pod = podInfoOf(somePod(random, isPromised ? 1_000 + randomInt(random, 100) : index));
    const decision = decider.decide({ pod, cluster: cache.table, state: new CycleState() });
    if (decision.kind === 'node') {
      cache.assume(pod, decision.nodeName);
      nominator.delete(pod.uid);
    }
    if (index === 300) for (let promised = 0; promised < 100; promised++) nominator.delete(`p${1_000 + promised}`);
    if (decision.kind === 'unschedulable') told.push(fitErrorMessage(decision.diagnosis));
    else told.push(decision.kind === 'node' ? decision.nodeName : decision.message);
  }
  return told;
}

const ways = [1, 2, 3, 4, 5, 6].flatMap((seed) =>
  (['packing', 'spreading'] as const).flatMap((scheduling) =>
    (['mixed', 'alike'] as const).map((fleet) => ({ seed, scheduling, fleet })),
  ),
);

test.each(ways)(
  'pods get the nodes that every plugin asked about every node would give: $scheduling, $fleet, seed $seed',
  (way) => {
    const { seed, ...rest } = way;
    const quick = history(seed, { ...rest, isQuick: true });
    expect(quick).toEqual(history(seed, { ...rest, isQuick: false }));
    expect(quick.filter((text) => text.startsWith('n')).length).toBeGreaterThan(100);
  },
);
