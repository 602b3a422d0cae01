/** Hundreds of nodes in one `up` (fault 60): all come, speak, are told of in one line, take pods, and leave nothing. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Lease } from '#pkg/api/types/coordination-v1.ts';
import type { Node, Pod } from '#pkg/api/types/core-v1.ts';
import { isConditionTrue } from '#pkg/apimachinery/conditions.ts';
import { processesWith } from './machine.ts';
import { eventually, hookMs, RunningCluster } from './running-cluster.ts';

const kubectl = '35';
/** More than a cluster has loopback addresses for. */
const count = 600;
let cluster: RunningCluster;

beforeAll(async () => {
  cluster = await RunningCluster.start({ flags: ['--nodes', String(count), '--runtime', 'fake'] });
}, hookMs);
afterAll(() => cluster?.remove(), hookMs);

async function list<T>(resource: string, ...args: readonly string[]): Promise<readonly T[]> {
  const text = await cluster.kubectl(kubectl, ['get', resource, ...args, '-o', 'json']);
  return (JSON.parse(text) as { items: readonly T[] }).items;
}

test('every node is Ready and has a range of pod addresses of its own', async () => {
  const nodes = await eventually(
    () => list<Node>('nodes'),
    (found) => found.filter((node) => isConditionTrue(node.status?.conditions, 'Ready')).length === count,
  );
  expect(new Set(nodes.map((node) => node.spec?.podCIDR)).size).toBe(count);
  expect(nodes[0]?.status?.allocatable).toMatchObject({ cpu: '4', memory: '8Gi', pods: '110' });
});

test('every node renews its lease', async () => {
  const renewals = async () => {
    const leases = await list<Lease>('leases', '--namespace', 'kube-node-lease');
    return new Map(leases.map(({ metadata, spec }) => [metadata?.name, spec?.renewTime]));
  };
  const before = await eventually(renewals, (found) => found.size === count);
  await eventually(renewals, (found) => [...before].every(([name, time]) => found.get(name) !== time));
});

test('status tells of the nodes in one line', async () => {
  const { code, stdout } = await cluster.coxswain(['status', '-o', 'json']);
  const parts = [
    'kube-apiserver',
    'kubelets',
    'kube-controller-manager',
    'kube-scheduler',
    'kube-proxy',
    'cluster-dns',
  ];
  expect(JSON.parse(stdout)).toMatchObject({ healthy: true, processes: parts.map((name) => ({ name })) });
  expect(code).toBe(0);
});

test('pods run on all of them', async () => {
  const anti = { key: 'app', operator: 'Exists' };
  const podAntiAffinity = {
    requiredDuringSchedulingIgnoredDuringExecution: [
      { labelSelector: { matchExpressions: [anti] }, topologyKey: 'kubernetes.io/hostname' },
    ],
  };
  const spec = { containers: [{ name: 'main', image: 'x' }], affinity: { podAntiAffinity } };
  const template = { metadata: { labels: { app: 'one-each' } }, spec };
  const deployment = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'one-each' },
    spec: { replicas: count, selector: { matchLabels: { app: 'one-each' } }, template },
  };
  await cluster.kubectl(kubectl, ['apply', '-f', '-'], { input: JSON.stringify(deployment) });
  const pods = await eventually(
    () => list<Pod>('pods'),
    (found) => found.filter((pod) => isConditionTrue(pod.status?.conditions, 'Ready')).length === count,
  );
  expect(new Set(pods.map((pod) => pod.spec?.nodeName)).size).toBe(count);
  expect(new Set(pods.map((pod) => pod.status?.podIP)).size).toBe(count);
});

test('a start as processes is refused for so many, and says why', async () => {
  await cluster.down();
  const { code, stderr } = await cluster.coxswain(['up', '--processes', '--api-port', String(cluster.apiPort)]);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^coxswain: Cannot run 600 nodes as processes, one for each kubelet: at most 100; .*\n$/);
  expect(processesWith(cluster.dataDir)).toEqual([]);
});
