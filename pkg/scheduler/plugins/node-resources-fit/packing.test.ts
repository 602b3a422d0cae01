import { expect, test } from 'vitest';
import { type Random, randomInt, SeededRandom } from '#pkg/base/random.ts';
import { makeNode, makePod } from '#pkg/testing/builders.ts';
import { NodeInfo } from '../../model/node-info.ts';
import { podInfoOf } from '../../model/pod-info.ts';
import { packingScore } from './packing.ts';

type Amounts = Readonly<Record<string, string>>;

/** A node with a pod of these amounts on it, or with none. */
function nodeOf(has: Amounts, used?: Amounts): NodeInfo {
  const info = new NodeInfo('n');
  info.setNode(makeNode('n', has));
  if (used !== undefined) info.addPod(podOf(used));
  return info;
}

function podOf(amounts: Amounts, workload?: string) {
  const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web', uid: workload ?? '', controller: true };
  return podInfoOf(
    makePod('p')
      .meta(workload === undefined ? {} : { ownerReferences: [owner] })
      .request(amounts).object,
  );
}

const square = { cpu: '4', memory: '8Gi' };

test('a closed node of another shape comes before an open one that the pod would leave lopsided', () => {
  const pod = podOf({ cpu: '500m', memory: '3Gi' });
  const open = packingScore(pod, nodeOf(square, { cpu: '1', memory: '4Gi' }));
  expect(packingScore(pod, nodeOf({ cpu: '4', memory: '32Gi' }))).toBeGreaterThan(open);
  expect(packingScore(pod, nodeOf(square))).toBeLessThan(open);
});

test.each([
  { rule: 'takes both in the shape of the node', pod: { cpu: '1', memory: '2Gi' } },
  { rule: 'takes what is left of the node', pod: { cpu: '2', memory: '64Mi' } },
  { rule: 'is small beside the node', pod: { cpu: '10m', memory: '100Mi' }, used: { cpu: '1', memory: '2Gi' } },
])('an open node suits a pod that $rule, whatever is closed', ({ pod, used = { cpu: '1', memory: '4Gi' } }) => {
  const open = packingScore(podOf(pod), nodeOf(square, used));
  for (const has of [square, { cpu: '4', memory: '32Gi' }, { cpu: '8', memory: '1Gi' }])
    expect(packingScore(podOf(pod), nodeOf(has))).toBeLessThan(open);
});

test('of nodes that suit it equally little a pod takes the one with the fewest replicas of its workload', () => {
  const pod = podOf({ cpu: '1', memory: '64Mi' }, 'web');
  const node = (replicas: number): NodeInfo => {
    const info = nodeOf({ cpu: '64', memory: '128Gi' }, { cpu: '10', memory: '1Gi' });
    info.replicas.set('web', replicas);
    return info;
  };
  const scores = [0, 1, 2, 3].map((replicas) => packingScore(pod, node(replicas)));
  expect(scores).toEqual(scores.toSorted((a, b) => b - a));
  expect(new Set(scores).size).toBe(4);
});

const amountsUpTo = (random: Random, milliCpu: number, mebibytes: number): Amounts => ({
  cpu: `${1 + randomInt(random, milliCpu)}m`,
  memory: `${1 + randomInt(random, mebibytes)}Mi`,
});

test('of nodes of one shape an open one comes before a closed one, whatever is on it and whatever comes', () => {
  const random = new SeededRandom(4);
  const closedFirst: unknown[] = [];
  for (let round = 0; round < 2_000; round++) {
    const has = amountsUpTo(random, 64_000, 262_144);
    const used = amountsUpTo(random, 64_000, 262_144);
    const wanted = amountsUpTo(random, 16_000, 65_536);
    const pod = podOf(wanted, 'web');
    const open = nodeOf(has, used);
    open.replicas.set('web', randomInt(random, 40));
    const scores = [packingScore(pod, open), packingScore(pod, nodeOf(has))] as const;
    if (scores[0] <= scores[1] || scores[0] > 100 || scores[1] < 0) closedFirst.push({ has, used, wanted, scores });
  }
  expect(closedFirst).toEqual([]);
});
