import { expect, test } from 'vitest';
import type { Node, Pod } from '#pkg/api/types/core-v1.ts';
import { randomInt, SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { makeNode, makePod } from '#pkg/testing/builders.ts';
import { Nominator } from '../cache/nominator.ts';
import { SchedulerCache } from '../cache/scheduler-cache.ts';
import { podInfoOf } from '../model/pod-info.ts';
import { profileOver } from '../offline/profile-over.ts';
import { pluginTable } from '../plugin-table.ts';
import { CycleState } from './cycle.ts';
import { Decider, type Decision } from './decide.ts';
import { fitErrorMessage } from './fit-error.ts';

const profile = profileOver(pluginTable);

function makeWorld(nodes: readonly Node[], placed: readonly (readonly [string, Pod])[] = []) {
  const cache = new SchedulerCache({ clock: new VirtualClock() });
  for (const node of nodes) cache.setNode(node);
  for (const [nodeName, pod] of placed) cache.setPod(podInfoOf(pod), nodeName);
  const decider = new Decider({ profile, table: cache.table, nominator: new Nominator() });
  return { cache, decide: (pod: Pod) => decideWith(decider, cache, pod) };
}

function decideWith(decider: Decider, cache: SchedulerCache, pod: Pod): Decision {
  return decider.decide({ pod: podInfoOf(pod), cluster: cache.table, state: new CycleState() });
}

/** The node's name, or the sentence that says why there is none. */
function summary(decision: Decision): string {
  if (decision.kind === 'node') return decision.nodeName;
  return decision.kind === 'error' ? decision.message : fitErrorMessage(decision.diagnosis);
}

function labelled(name: string, labels: Readonly<Record<string, string>>): Node {
  const node = makeNode(name);
  return { ...node, metadata: { ...node.metadata, labels: { ...node.metadata?.labels, ...labels } } };
}

const tainted = (name: string, key: string, effect: string): Node => ({
  ...makeNode(name),
  spec: { taints: [{ key, effect }] },
});
const zoneA = labelled('a', { zone: 'z1' });
const zoneB = labelled('b', { zone: 'z2' });
const onPort = (name: string, hostPort: number, hostIP?: string) =>
  makePod(name).ports({ containerPort: 80, hostPort, ...(hostIP === undefined ? {} : { hostIP }) }).object;
const web = (name: string) => makePod(name).meta({ uid: name }).labels({ app: 'web' });
const nearWeb = { labelSelector: { matchLabels: { app: 'web' } }, topologyKey: 'zone' };
const spread = { maxSkew: 1, topologyKey: 'zone', labelSelector: { matchLabels: { app: 'web' } } };

test.each<{
  readonly rule: string;
  readonly nodes: readonly Node[];
  readonly placed?: readonly (readonly [string, Pod])[];
  readonly pod: Pod;
  readonly expected: string;
}>([
  {
    rule: 'the fuller node is taken',
    nodes: [makeNode('a'), makeNode('b')],
    placed: [['b', makePod('other').request({ cpu: '1' }).object]],
    pod: makePod('p').request({ cpu: '1' }).object,
    expected: 'b',
  },
  {
    rule: 'of equal nodes the first is taken',
    nodes: [makeNode('b'), makeNode('a')],
    pod: makePod('p').object,
    expected: 'b',
  },
  {
    rule: 'every resource that is short is named, and each reason counted',
    nodes: [makeNode('a', { cpu: '1', memory: '1Gi' }), makeNode('b', { cpu: '1' }), makeNode('c', { pods: '0' })],
    pod: makePod('p').request({ cpu: '2', memory: '2Gi', 'example.com/gpu': '1' }).object,
    expected:
      '0/3 nodes are available: 1 Insufficient memory, 1 Too many pods, 2 Insufficient cpu, 3 Insufficient example.com/gpu.',
  },
  {
    rule: 'preferred node affinity outweighs packing',
    nodes: [zoneA, zoneB],
    placed: [['a', makePod('other').request({ cpu: '3' }).object]],
    pod: makePod('p').spec({
      affinity: {
        nodeAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [
            { weight: 1, preference: { matchExpressions: [{ key: 'zone', operator: 'In', values: ['z2'] }] } },
          ],
        },
      },
    }).object,
    expected: 'b',
  },
  {
    rule: 'a pod for one named node goes there or says that the others were no choice',
    nodes: [makeNode('a'), tainted('b', 'gpu', 'NoSchedule'), makeNode('c')],
    pod: makePod('p').spec({
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['b'] }] }],
          },
        },
      },
    }).object,
    expected:
      "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 node(s) didn't satisfy plugin(s) [NodeAffinity].",
  },
  {
    rule: 'PreferNoSchedule is avoided, not forbidden',
    nodes: [tainted('a', 'x', 'PreferNoSchedule'), makeNode('b')],
    placed: [['a', makePod('other').request({ cpu: '3' }).object]],
    pod: makePod('p').object,
    expected: 'b',
  },
  {
    rule: 'preferred anti-affinity outweighs packing',
    nodes: [zoneA, zoneB],
    placed: [['a', web('w').request({ cpu: '3' }).object]],
    pod: makePod('p').spec({
      affinity: {
        podAntiAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, podAffinityTerm: nearWeb }],
        },
      },
    }).object,
    expected: 'b',
  },
  {
    rule: 'a hard spread constraint says why, and names nodes without the label apart',
    nodes: [zoneA, { ...zoneB, spec: { unschedulable: true } }, makeNode('c')],
    placed: [['a', web('w').object]],
    pod: web('p').spec({ topologySpreadConstraints: [{ ...spread, whenUnsatisfiable: 'DoNotSchedule' }] }).object,
    expected:
      "0/3 nodes are available: 1 node(s) didn't match pod topology spread constraints, 1 node(s) didn't match pod topology spread constraints (missing required label), 1 node(s) were unschedulable.",
  },
  {
    rule: 'a soft spread constraint outweighs packing',
    nodes: [zoneA, zoneB],
    placed: [['a', web('w').request({ cpu: '1' }).object]],
    pod: web('p').spec({ topologySpreadConstraints: [{ ...spread, whenUnsatisfiable: 'ScheduleAnyway' }] }).object,
    expected: 'b',
  },
  {
    rule: 'resource claims are refused, as devices are not allocated',
    nodes: [makeNode('a')],
    pod: makePod('p').spec({ resourceClaims: [{ name: 'gpu', resourceClaimName: 'gpu' }] }).object,
    expected: '0/1 nodes are available: resourceclaim.resource.k8s.io "gpu" not found.',
  },
  {
    rule: 'no node at all',
    nodes: [],
    pod: makePod('p').object,
    expected: 'no nodes available to schedule pods',
  },
])('$rule', ({ nodes, placed, pod, expected }) => {
  expect(summary(makeWorld(nodes, placed).decide(pod))).toBe(expected);
});

/** A world that changes at random: pods come and go, nodes come, go, and change. */
function shake(random: SeededRandom, cache: SchedulerCache, step: number): void {
  const name = `n${randomInt(random, 12)}`;
  switch (randomInt(random, 6)) {
    case 0:
      cache.removeNode(name);
      return;
    case 1:
      cache.setNode(tainted(name, 'x', randomInt(random, 2) === 0 ? 'NoSchedule' : 'PreferNoSchedule'));
      return;
    case 2:
      cache.setNode({
        ...labelled(name, { zone: `z${randomInt(random, 3)}` }),
        spec: { unschedulable: step % 5 === 0 },
      });
      return;
    case 3:
      cache.removePod(`p${randomInt(random, 60)}`);
      return;
    default:
      cache.setPod(
        podInfoOf(
          makePod(`p${step % 60}`)
            .meta({ uid: `p${step % 60}` })
            .labels(step % 7 === 0 ? { app: 'web' } : {})
            .request({ cpu: '1' }).object,
        ),
        name,
      );
  }
}

test('kept answers never differ from fresh ones, whatever happens to nodes and pods in between', () => {
  const random = new SeededRandom(42);
  const { cache, decide } = makeWorld([]);
  const kinds = [
    makePod('k').object,
    makePod('k').request({ cpu: '2' }).object,
    makePod('k').request({ cpu: '3', memory: '1Gi' }).toleration({ operator: 'Exists' }).object,
    makePod('k').spec({ nodeSelector: { zone: 'z1' } }).object,
    onPort('k', 80),
    web('k').spec({ topologySpreadConstraints: [{ ...spread, whenUnsatisfiable: 'DoNotSchedule' }] }).object,
    web('k').spec({ affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [nearWeb] } } })
      .object,
  ];
  for (let step = 0; step < 2_000; step++) {
    shake(random, cache, step);
    const kind = kinds[randomInt(random, kinds.length)]!;
    const options = { profile, table: cache.table, nominator: new Nominator(), isQuick: false };
    const fresh = decideWith(new Decider(options), cache, kind);
    expect(summary(decide(kind))).toBe(summary(fresh));
  }
});
