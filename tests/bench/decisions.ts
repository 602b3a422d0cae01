/**
 * The rows `decisions`: how fast the scheduler decides in memory alone, and how well it packs. Each is one kind of load on a cluster of its own, its rate of a second of processor time, as others may
 * use the machine too, and the median of some rounds; `nodes used / bound` compares with the fewest nodes that the sums of requests allow.
 */
import type { Node, Pod } from '#pkg/api/types/core-v1.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { randomInt, SeededRandom } from '#pkg/base/random.ts';
import { Nominator } from '#pkg/scheduler/cache/nominator.ts';
import { SchedulerCache } from '#pkg/scheduler/cache/scheduler-cache.ts';
import { CycleState } from '#pkg/scheduler/framework/cycle.ts';
import { Decider } from '#pkg/scheduler/framework/decide.ts';
import { podInfoOf } from '#pkg/scheduler/model/pod-info.ts';
import { profileOver } from '#pkg/scheduler/offline/profile-over.ts';
import { pluginTable } from '#pkg/scheduler/plugin-table.ts';
import { print } from './bench.ts';
import { median } from './statistics.ts';

interface Load {
  readonly name: string;
  /** Pods of a second to reach. */
  readonly target?: number;
  pod(index: number): Pod;
}

const random = new SeededRandom(1);
const milliCpus = [50, 100, 200, 250, 500, 750, 1000, 1500, 2000];
const mebibytes = [64, 128, 200, 256, 512, 1024, 1500, 2048, 3072];

function pod(index: number, milliCpu: number, mebibyte: number, spec: Partial<Pod['spec']> = {}): Pod {
  const requests = { cpu: `${milliCpu}m`, memory: `${mebibyte}Mi` };
  return {
    metadata: { name: `pod-${index}`, namespace: 'bench', uid: `uid-${index}` },
    spec: { containers: [{ name: 'main', image: 'pause', resources: { requests } }], ...spec },
  };
}

const pick = (values: readonly number[]): number => values[randomInt(random, values.length)]!;

const loads: readonly Load[] = [
  { name: 'all alike (100m, 200Mi)', target: 50_000, pod: (index) => pod(index, 100, 200) },
  {
    name: 'nine sizes, CPU and memory alike',
    pod: (index) => {
      const size = randomInt(random, milliCpus.length);
      return pod(index, milliCpus[size]!, mebibytes[size]!);
    },
  },
  { name: '81 sizes, CPU and memory apart', pod: (index) => pod(index, pick(milliCpus), pick(mebibytes)) },
  {
    name: 'every pod another size',
    target: 10_000,
    pod: (index) => pod(index, 50 + randomInt(random, 1950), 64 + randomInt(random, 3000)),
  },
  {
    name: 'node selector for a zone in three',
    pod: (index) => pod(index, 100, 200, { nodeSelector: { zone: `z${index % 3}` } }),
  },
  {
    name: 'one node each by name (daemon pods)',
    pod: (index) =>
      pod(index, 100, 200, {
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [
                { matchFields: [{ key: 'metadata.name', operator: 'In', values: [`node-${index % nodeCount}`] }] },
              ],
            },
          },
        },
      }),
  },
];

const web = { matchLabels: { app: 'web' } };
const spread = (topologyKey: string) => ({
  topologySpreadConstraints: [
    { maxSkew: 1, topologyKey, whenUnsatisfiable: 'DoNotSchedule', labelSelector: web } as const,
  ],
});
const term = (topologyKey: string) => ({ topologyKey, labelSelector: web });

/** Pods of one workload, about which more is looked at than the node. */
function webPod(index: number, spec: Partial<Pod['spec']>): Pod {
  const { metadata, ...rest } = pod(index, 100, 200, spec);
  return { ...rest, metadata: { ...metadata, labels: { app: 'web' } } };
}

const relatedLoads: readonly Load[] = [
  { name: 'topology spread over zones', pod: (index) => webPod(index, spread('zone')) },
  { name: 'topology spread over nodes', pod: (index) => webPod(index, spread('kubernetes.io/hostname')) },
  {
    name: 'required anti-affinity by node',
    pod: (index) =>
      webPod(index, {
        affinity: {
          podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term('kubernetes.io/hostname')] },
        },
      }),
  },
  {
    name: 'preferred affinity by zone',
    pod: (index) =>
      webPod(index, {
        affinity: {
          podAffinity: {
            preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 10, podAffinityTerm: term('zone') }],
          },
        },
      }),
  },
];

const nodeCount = 5_000;
const podCount = 10_000;
const rounds = 3;
const nodeCpu = 4_000;
const nodeMebibyte = 8 * 1024;

function node(index: number): Node {
  const allocatable = { cpu: `${nodeCpu}m`, memory: `${nodeMebibyte}Mi`, pods: '110' };
  return {
    metadata: { name: `node-${index}`, labels: { zone: `z${index % 3}`, 'kubernetes.io/hostname': `node-${index}` } },
    status: { allocatable },
  };
}

/** What one round came to. */
interface Round {
  readonly perSecond: number;
  readonly bound: number;
  readonly used: number;
  /** The fewest nodes that the sums allow. */
  readonly fewest: number;
}

function decideAll(load: Load): Round {
  const cache = new SchedulerCache({ clock: new SystemClock() });
  for (let index = 0; index < nodeCount; index++) cache.setNode(node(index));
  const profile = profileOver(pluginTable);
  const decider = new Decider({ profile, table: cache.table, nominator: new Nominator() });
  const pods = Array.from({ length: podCount }, (_, index) => load.pod(index));
  let milliCpu = 0;
  let memory = 0;
  let bound = 0;
  const before = process.threadCpuUsage();
  for (const object of pods) {
    const info = podInfoOf(object);
    const decision = decider.decide({ pod: info, cluster: cache.table, state: new CycleState() });
    if (decision.kind !== 'node') continue;
    cache.assume(info, decision.nodeName);
    milliCpu += info.requests.milliCpu;
    memory += info.requests.memory;
    bound++;
  }
  const { user, system } = process.threadCpuUsage(before);
  return {
    perSecond: (bound * 1e6) / (user + system),
    bound,
    used: [...cache.table.nodes()].filter((info) => info.pods.size > 0).length,
    fewest: Math.ceil(Math.max(milliCpu / nodeCpu, memory / (nodeMebibyte * 2 ** 20), bound / 110)),
  };
}

/** Prints the rows; false when a target was missed. */
export function measureDecisions(): boolean {
  let isReached = true;
  for (const load of [...loads, ...relatedLoads]) {
    const all = Array.from({ length: rounds }, () => decideAll(load));
    const rate = Math.round(median(all.map(({ perSecond }) => perSecond)));
    const { bound, used, fewest } = all[0]!;
    const target = load.target === undefined ? '' : ` (at least ${load.target})`;
    const packed = `${used} / ${fewest} nodes = ${(used / fewest).toFixed(3)}`;
    print(
      `decisions: ${load.name.padEnd(36)} ${String(rate).padStart(7)} pods/s${target}, ${bound} bound, ${packed}\n`,
    );
    isReached &&= load.target === undefined || rate >= load.target;
  }
  return isReached;
}
