/**
 * Compares decisions with those of a kube-scheduler that was built elsewhere, each with upstream's default profile, on generated clusters: for every pod both must find the
 * same feasible nodes, and the node that kube-scheduler chooses must be among those that score best here (it takes one of equal ones by chance).
 *
 *     node tests/conformance/upstream/compare-scheduler.ts PATH-OF-KUBE-SCHEDULER [clusters] [pods of each]
 *
 * kube-scheduler works on an API server of this process, on the pods that name it; what it finds feasible it tells an extender, which is this program and changes nothing.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Node, Pod, PodSpec } from '#pkg/api/types/core-v1.ts';
import { nodes as nodesRef, pods as podsRef } from '#pkg/api/types/refs.ts';
import { type Random, randomInt, SeededRandom } from '#pkg/base/random.ts';
import type { Client } from '#pkg/client/client.ts';
import { podInfoOf } from '#pkg/scheduler/model/pod-info.ts';
import { ObjectSet } from '#pkg/scheduler/offline/object-set.ts';
import { Simulation } from '#pkg/scheduler/offline/simulation.ts';
import { pluginTable } from '#pkg/scheduler/plugin-table.ts';
import { makeNode, makePod } from '#pkg/testing/builders.ts';
import { startTestCluster } from '#pkg/testing/cluster.ts';

const { positionals } = parseArgs({ allowPositionals: true, strict: false });
const [binary = 'kube-scheduler', clusters = '20', podsOfEach = '25'] = positionals;
const schedulerName = 'kube';
const zone = 'topology.kubernetes.io/zone';
const hostname = 'kubernetes.io/hostname';
/** Longest wait for kube-scheduler to bind a pod or say that it fits nowhere, milliseconds. */
const answerMs = 15_000;

const pick = <T>(random: Random, values: readonly [T, ...T[]]): T =>
  values[randomInt(random, values.length)] ?? values[0];

/** Images and their sizes in bytes, which are the same on all nodes as kube-scheduler keeps one for the cluster: below the least that counts, in between, and beyond the most. */
const images = [
  { names: ['registry.example/small:1'], sizeBytes: 10_000_000 },
  { names: ['registry.example/medium:1'], sizeBytes: 400_000_000 },
  { names: ['registry.example/large:1'], sizeBytes: 2_000_000_000 },
] as const;
const device = 'example.com/device';

function someNode(random: Random, name: string): Node {
  const size = pick<Readonly<Record<string, string>>>(random, [
    { cpu: '4', memory: '8Gi', pods: '6' },
    { cpu: '8', memory: '8Gi', pods: '30', [device]: '2' },
    { cpu: '2', memory: '16Gi', pods: '8' },
  ]);
  const node = makeNode(name, size);
  const taint = { key: 'dedicated', value: 'x', effect: pick(random, ['NoSchedule', 'PreferNoSchedule']) };
  const labels = { [hostname]: name, disk: pick(random, ['ssd', 'hdd']), rank: `${randomInt(random, 5)}` };
  const there = images.filter(() => randomInt(random, 3) === 0);
  return {
    ...node,
    metadata: {
      name,
      labels: randomInt(random, 8) === 0 ? labels : { ...labels, [zone]: pick(random, ['a', 'b', 'c']) },
    },
    spec: { ...(randomInt(random, 5) === 0 ? { taints: [taint] } : {}), unschedulable: randomInt(random, 12) === 0 },
    status: { ...node.status, images: there },
  };
}

const requiring = (key: string, operator: string, values?: readonly string[]): Partial<PodSpec> => {
  const expression = { key, operator, ...(values === undefined ? {} : { values }) };
  const nodeSelectorTerms = [{ matchExpressions: [expression] }];
  return { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } } };
};

/** What one kind of rule asks for. */
function someRule(random: Random): Partial<PodSpec> {
  const app = { matchLabels: { app: pick(random, ['web', 'db']) } };
  const topologyKey = pick(random, [zone, hostname]);
  const required = { maxSkew: 1 + randomInt(random, 2), topologyKey, labelSelector: app };
  const spread = { ...required, whenUnsatisfiable: pick(random, ['DoNotSchedule', 'ScheduleAnyway']) };
  const policies = { nodeAffinityPolicy: pick(random, ['Honor', 'Ignore']), nodeTaintsPolicy: 'Honor' };
  const term = { topologyKey, labelSelector: app };
  const weighted = [{ weight: 1 + randomInt(random, 100), podAffinityTerm: term }];
  const byDisk = { matchExpressions: [{ key: 'disk', operator: 'In', values: ['ssd'] }] };
  return pick<Partial<PodSpec>>(random, [
    {},
    {},
    { nodeSelector: { disk: 'ssd' } },
    { tolerations: [{ operator: 'Exists' }] },
    { tolerations: [{ key: 'dedicated', operator: 'Equal', value: 'x', effect: 'NoSchedule' }] },
    { topologySpreadConstraints: [spread] },
    { topologySpreadConstraints: [{ ...spread, ...policies }] },
    { topologySpreadConstraints: [{ ...required, whenUnsatisfiable: 'DoNotSchedule', minDomains: 3 }] },
    { topologySpreadConstraints: [{ ...spread, matchLabelKeys: ['tier'] }] },
    { affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } } },
    { affinity: { podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: weighted } } },
    { affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } } },
    { affinity: { podAffinity: { preferredDuringSchedulingIgnoredDuringExecution: weighted } } },
    {
      affinity: {
        nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 50, preference: byDisk }] },
      },
    },
    requiring(zone, 'NotIn', ['a']),
    requiring('rank', 'Gt', ['2']),
    requiring(zone, 'DoesNotExist'),
  ]);
}

function somePod(random: Random, name: string): Pod {
  const amounts = { cpu: pick(random, ['100m', '500m', '1']), memory: pick(random, ['64Mi', '1Gi', '3Gi']) };
  const devices: Readonly<Record<string, string>> = randomInt(random, 12) === 0 ? { [device]: '1' } : {};
  const pod = makePod(name)
    .labels({ app: pick(random, ['web', 'db', 'other']), tier: pick(random, ['front', 'back']) })
    .container({ resources: { requests: { ...amounts, ...devices }, limits: devices } })
    .container(
      randomInt(random, 4) === 0 ? { image: `registry.example/${pick(random, ['small', 'medium', 'large'])}:1` } : {},
    )
    .ports(...(randomInt(random, 8) === 0 ? [{ containerPort: 80, hostPort: 8080 + randomInt(random, 2) }] : []));
  const [one, other] = [someRule(random), someRule(random)];
  const affinity = { ...one.affinity, ...other.affinity };
  return pod.spec({ ...one, ...other, affinity, schedulerName }).object;
}

/** Names of the nodes that kube-scheduler found feasible, by the pod that it asked for. */
const feasible = new Map<string, readonly string[]>();
const extender = createServer((request, response) => {
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => parts.push(part));
  request.on('end', () => {
    const { Pod: pod, NodeNames } = JSON.parse(Buffer.concat(parts).toString());
    feasible.set(pod.metadata.name, NodeNames);
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ NodeNames }));
  });
});
await new Promise<void>((resolve) => extender.listen(0, '127.0.0.1', resolve));
const address = extender.address();
const port = typeof address === 'object' ? address?.port : 0;

const folder = mkdtempSync(join(tmpdir(), 'compare-scheduler-'));
const differences: string[] = [];
let compared = 0;
let bound = 0;
try {
  for (let seed = 1; seed <= Number(clusters); seed++) await compareCluster(seed);
} finally {
  extender.close();
  rmSync(folder, { recursive: true, force: true });
}
process.stdout.write(
  `${compared} pods compared on ${clusters} clusters, of which ${bound} were bound; ${differences.length} differences\n`,
);
for (const difference of differences) process.stdout.write(`${difference}\n`);
process.exitCode = differences.length === 0 && compared > 0 ? 0 : 1;

async function compareCluster(seed: number): Promise<void> {
  const random = new SeededRandom(seed);
  const cluster = await startTestCluster({
    listen: true,
    nodes: 0,
    controllers: ['namespace-controller', 'serviceaccount-controller'],
  });
  const config = join(folder, 'config.json');
  writeFileSync(
    config,
    JSON.stringify({
      apiVersion: 'kubescheduler.config.k8s.io/v1',
      kind: 'KubeSchedulerConfiguration',
      clientConnection: { kubeconfig: cluster.kubeconfigFile, qps: 1_000, burst: 1_000 },
      leaderElection: { leaderElect: false },
      percentageOfNodesToScore: 100,
      profiles: [{ schedulerName }],
      extenders: [
        { urlPrefix: `http://127.0.0.1:${port}`, filterVerb: 'filter', nodeCacheCapable: true, enableHTTPS: false },
      ],
    }),
  );
  const resource = cluster.client.resource(podsRef);
  const count = 5 + randomInt(random, 12);
  for (let index = 0; index < count; index++) {
    const node = someNode(random, `n${index}`);
    await cluster.client.resource(nodesRef).create(node);
    // Admission takes a new node for one that is not ready yet, and nobody here says otherwise.
    const spec = { taints: node.spec?.taints ?? null };
    await cluster.client.resource(nodesRef).patch(`n${index}`, { spec }, { type: 'merge' });
  }
  const kube = spawn(binary, ['--config', config, '--secure-port=0'], { stdio: 'ignore' });
  const ended = new Promise((resolve) => kube.once('exit', resolve));
  try {
    await countImages(cluster.client, count);
    for (let index = 0; index < Number(podsOfEach); index++) {
      const pod = somePod(random, `p${seed}-${index}`);
      const { items: there } = await resource.list({ namespace: 'default' });
      const { items: nodes } = await cluster.client.resource(nodesRef).list();
      const here = decideHere(nodes, there, pod);
      await resource.create(pod);
      const chosen = await answerOf(resource, pod.metadata?.name ?? '');
      const theirs = [...(feasible.get(pod.metadata?.name ?? '') ?? [])].sort();
      compared++;
      if (chosen !== undefined) bound++;
      if (JSON.stringify(theirs) !== JSON.stringify(here.feasible))
        differences.push(`seed ${seed}, ${JSON.stringify(pod)}: feasible there ${theirs}, here ${here.feasible}`);
      else if (chosen !== undefined && !here.best.includes(chosen))
        differences.push(
          `seed ${seed}, ${JSON.stringify(pod)}: ${chosen} there, here one of ${here.best}: ${here.scores}`,
        );
    }
  } finally {
    kube.kill();
    await ended;
    await cluster.stop();
  }
}

/** 1.28 counts the nodes that have an image when it learns of a node and not when it learns of others, so it is told of every node once more when it knows all. */
async function countImages(client: Client, count: number): Promise<void> {
  const probe = makePod('probe').spec({ nodeSelector: { never: 'there' }, schedulerName }).object;
  await client.resource(podsRef).create(probe);
  await answerOf(client.resource(podsRef), 'probe');
  await client.resource(podsRef).delete('probe', { namespace: 'default', gracePeriodSeconds: 0 });
  const metadata = { annotations: { again: 'true' } };
  for (let index = 0; index < count; index++)
    await client.resource(nodesRef).patch(`n${index}`, { metadata }, { type: 'merge' });
  await new Promise((resolve) => setTimeout(resolve, 500));
}

function decideHere(nodes: readonly Node[], there: readonly Pod[], pod: Pod) {
  const objects = new ObjectSet();
  for (const node of nodes) objects.add(nodesRef, node);
  for (const one of there) objects.add(podsRef, one);
  const configuration = {
    profiles: [{ schedulerName }],
    podInitialBackoffSeconds: 1,
    podMaxBackoffSeconds: 10,
    extenders: [],
  };
  const simulation = new Simulation({ objects, table: pluginTable, scheduling: 'spreading', configuration });
  simulation.load();
  const explained = simulation.explain(podInfoOf(pod)).nodes.flatMap((one) => ('scores' in one ? [one] : []));
  const most = explained[0]?.total;
  return {
    feasible: explained.map(({ node }) => node).sort(),
    best: explained.filter(({ total }) => total === most).map(({ node }) => node),
    scores: JSON.stringify(
      explained.map(({ node, total, scores }) => [
        node,
        total,
        ...scores.map(({ plugin, score }) => `${plugin} ${score}`),
      ]),
    ),
  };
}

/** The node; undefined where the pod fits nowhere. */
async function answerOf(
  resource: { get(name: string, options: object): Promise<Pod> },
  name: string,
): Promise<string | undefined> {
  const untilMs = performance.now() + answerMs;
  while (performance.now() < untilMs) {
    const { spec, status } = await resource.get(name, { namespace: 'default' });
    if (spec?.nodeName) return spec.nodeName;
    if (status?.conditions?.some(({ reason }) => reason === 'Unschedulable')) return undefined;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`kube-scheduler said nothing of ${name}`);
}
