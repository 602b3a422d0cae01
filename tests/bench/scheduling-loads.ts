/** What the rows of the scheduler place: nodes, and pods that are alike, that all differ, or that look at other pods. */
import { randomInt, SeededRandom } from '#pkg/base/random.ts';
import type { Amounts } from './objects.ts';
import type { RowFacts } from './rows.ts';

/** Nodes and what each of them has room for. */
export interface Fleet {
  readonly nodes: number;
  readonly milliCpu: number;
  readonly mebibytes: number;
  readonly pods: number;
}

/** What one pod asks for. */
export interface Wish {
  readonly requests: Amounts;
  /** Beside the containers. */
  readonly spec?: Readonly<Record<string, unknown>>;
}

/** Pods for a fleet. */
export interface Load {
  readonly fleet: Fleet;
  readonly pods: number;
  wish(index: number): Wish;
  /** What each node has a pod with beforehand, which is less important than those that come. Absent: the nodes are empty. */
  readonly filling?: Amounts;
}

/** One row. */
export interface LoadRow {
  readonly facts: RowFacts;
  readonly load: Load;
}

/** The priority class of pods that are more important than others. */
export const importantClass = 'coxswain-bench-important';

/** The label that all pods of these rows have. */
const bench = { matchLabels: { app: 'bench' } };
const hostname = 'kubernetes.io/hostname';
const zone = 'topology.kubernetes.io/zone';

const plain: Wish = { requests: { milliCpu: 100, mebibytes: 128 } };
const fleetRoom = { milliCpu: 32_000, mebibytes: 65_536, pods: 250 };
/** Of a node, what is taken beforehand where pods have to make room, and what each that comes needs: one has to go for each. */
const filling: Amounts = { milliCpu: 20_000, mebibytes: 40_960 };
const important: Amounts = { milliCpu: 18_000, mebibytes: 36_864 };
/** Pods that make room, as a share of the others: each of them costs a deletion and two attempts. */
const importantShare = 0.2;

/** Rows of how fast pods are bound. The first is what the others are a share of. */
export function speedRows({ nodes, pods }: { readonly nodes: number; readonly pods: number }): readonly LoadRow[] {
  const fleet = { ...fleetRoom, nodes };
  const named = (of: string, count: number): string =>
    `schedule ${count.toLocaleString('en')} ${of} on ${nodes.toLocaleString('en')} nodes, bound`;
  const first = named('pods', pods);
  const row = (of: string, least: number, load: Pick<Load, 'wish'> & Partial<Load>): LoadRow => {
    const whole = { fleet, pods, ...load };
    return { facts: { name: named(of, whole.pods), share: { of: first, least } }, load: whole };
  };
  const like = (spec: Wish['spec']) => ({ wish: () => ({ ...plain, ...(spec !== undefined && { spec }) }) });
  const random = new SeededRandom(2);
  const differing = Array.from({ length: pods }, () => ({
    requests: { milliCpu: 50 + randomInt(random, 1_950), mebibytes: 64 + randomInt(random, 3_000) },
  }));
  return [
    { facts: { name: first, target: 2_000 }, load: { fleet, pods, wish: () => plain } },
    row('pods that all differ', 0.5, { wish: (index) => differing[index] ?? plain }),
    row('pods spread over zones', 0.5, like(spreading)),
    row('pods that want nodes apart', 0.25, { ...like(apart), pods: Math.min(pods, nodes) }),
    row('pods that prefer a zone', 0.25, like(together)),
    row('pods that make room', 0.25, {
      wish: () => ({ requests: important, spec: { priorityClassName: importantClass } }),
      pods: Math.min(nodes, Math.ceil(pods * importantShare)),
      filling,
    }),
  ];
}

const spreading = {
  topologySpreadConstraints: [
    { maxSkew: 1, topologyKey: zone, whenUnsatisfiable: 'DoNotSchedule', labelSelector: bench },
  ],
};
const apart = {
  affinity: {
    podAntiAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: hostname, labelSelector: bench }],
    },
  },
};
const together = {
  affinity: {
    podAffinity: {
      preferredDuringSchedulingIgnoredDuringExecution: [
        { weight: 10, podAffinityTerm: { topologyKey: zone, labelSelector: bench } },
      ],
    },
  },
};

/** Requests of the packed pods: CPU and memory are drawn apart, so that no pod is like a slice of a node. */
const milliCpus = [50, 100, 200, 250, 500, 750, 1000, 1500, 2000];
const mebibytes = [64, 128, 200, 256, 512, 1024, 1500, 2048, 3072];
const packedFleet: Fleet = { nodes: 1_000, milliCpu: 4_000, mebibytes: 8_192, pods: 110 };
/** Fills about a quarter of the nodes, as the measurement of Kubernetes did that the target stands beside. */
const packedPods = 1_350;

/** The row of how few nodes pods end on, and the fewest that the sums of the requests allow. */
export function packingRow(): LoadRow & { readonly fewestNodes: number } {
  const random = new SeededRandom(1);
  const pick = (values: readonly number[]): number => values[randomInt(random, values.length)] ?? 0;
  const sizes = Array.from({ length: packedPods }, () => ({ milliCpu: pick(milliCpus), mebibytes: pick(mebibytes) }));
  return {
    facts: {
      name: `bin packing, ${packedFleet.nodes.toLocaleString('en')} nodes: nodes used / lower bound`,
      qualityMost: 1.05,
      by: 'quality',
    },
    load: {
      fleet: packedFleet,
      pods: packedPods,
      wish: (index) => ({ requests: sizes[index] ?? { milliCpu: 0, mebibytes: 0 } }),
    },
    fewestNodes: lowerBound(sizes, packedFleet),
  };
}

function lowerBound(sizes: readonly Amounts[], { milliCpu, mebibytes: memory, pods }: Fleet): number {
  const sum = (of: (size: Amounts) => number): number => sizes.reduce((total, size) => total + of(size), 0);
  return Math.ceil(
    Math.max(sum((size) => size.milliCpu) / milliCpu, sum((size) => size.mebibytes) / memory, sizes.length / pods),
  );
}
