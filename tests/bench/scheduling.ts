/**
 * The rows of the scheduler: how fast pods get a node, and on how few nodes they end. Nodes are objects that no kubelet stands behind, so
 * nothing runs; each has its block of pod addresses already, so that nobody else has work with it.
 */
import { randomInt, SeededRandom } from '#pkg/base/random.ts';
import type { Connection, Request } from './connection.ts';
import { clock, drainMs, drive, openAll, percentiles, sendAll, settled } from './load.ts';
import { type Amounts, benchNamespace, nodeBody, nodeStatusBody, podBody, podsPath } from './objects.ts';
import type { BenchRow, Row, RowFacts } from './rows.ts';
import { deletion, podPath, type Session } from './session.ts';
import { watchPods } from './watchers.ts';

/** Nodes and what each of them has room for. */
interface Fleet {
  readonly nodes: number;
  readonly milliCpu: number;
  readonly mebibytes: number;
  readonly pods: number;
}

interface Load {
  readonly fleet: Fleet;
  readonly pods: number;
  requests(index: number): Amounts;
}

/** Requests of the packed pods: CPU and memory are drawn apart, so that no pod is like a slice of a node. */
const milliCpus = [50, 100, 200, 250, 500, 750, 1000, 1500, 2000];
const mebibytes = [64, 128, 200, 256, 512, 1024, 1500, 2048, 3072];
const packedFleet: Fleet = { nodes: 1_000, milliCpu: 4_000, mebibytes: 8_192, pods: 110 };
/** Fills about a quarter of the nodes, as the measurement of Kubernetes did that the target stands beside. */
const packedPods = 1_350;

/** Both rows, each on nodes of its own, which `restore` takes away. */
export function schedulingRows(session: Session): readonly BenchRow[] {
  const { nodes, pods } = session.sizes;
  const fleet = { nodes, milliCpu: 32_000, mebibytes: 65_536, pods: 250 };
  const random = new SeededRandom(1);
  const sizes = Array.from({ length: packedPods }, () => ({
    milliCpu: pick(milliCpus, random),
    mebibytes: pick(mebibytes, random),
  }));
  const speed = {
    name: `schedule ${pods.toLocaleString('en')} pods on ${nodes.toLocaleString('en')} nodes, bound`,
    target: 2_000,
  };
  const packing = {
    name: `bin packing, ${packedFleet.nodes.toLocaleString('en')} nodes: nodes used / lower bound`,
    qualityMost: 1.05,
    by: 'quality',
  } as const;
  return [
    schedulingRow(session, speed, { fleet, pods, requests: () => ({ milliCpu: 100, mebibytes: 128 }) }),
    schedulingRow(
      session,
      packing,
      { fleet: packedFleet, pods: packedPods, requests: (index) => sizes[index]! },
      async () => (await nodesUsed(session.connections[0]!)) / lowerBound(sizes, packedFleet),
    ),
  ];
}

function schedulingRow(session: Session, facts: RowFacts, load: Load, quality?: () => Promise<number>): BenchRow {
  let nodePaths: readonly string[] = [];
  return {
    ...facts,
    isLong: true,
    prepare: async () => {
      nodePaths = await makeNodes(session.connections, load.fleet);
    },
    measure: async () => {
      const row = await schedule(session, load);
      return quality === undefined ? row : { ...row, quality: await quality() };
    },
    restore: async () => {
      const podPaths = Array.from({ length: load.pods }, (_, index) => podPath(`scheduled-${index}`));
      const forever = { connections: session.connections, durationMs: Number.POSITIVE_INFINITY };
      await drive({ ...forever, request: deletionOf(podPaths) });
      await drive({ ...forever, request: deletionOf(nodePaths) });
    },
  };
}

function pick(values: readonly number[], random: SeededRandom): number {
  return values[randomInt(random, values.length)]!;
}

/** The fewest nodes that the sums of the requests allow. */
function lowerBound(sizes: readonly Amounts[], { milliCpu, mebibytes: memory, pods }: Fleet): number {
  const sum = (of: (size: Amounts) => number): number => sizes.reduce((total, size) => total + of(size), 0);
  return Math.ceil(
    Math.max(sum((size) => size.milliCpu) / milliCpu, sum((size) => size.mebibytes) / memory, sizes.length / pods),
  );
}

async function nodesUsed(connection: Connection): Promise<number> {
  const { body } = await connection.request({ method: 'GET', path: podsPath(benchNamespace), keepBody: true });
  const { items } = JSON.parse(body) as {
    items: readonly { metadata: { name: string }; spec: { nodeName?: string } }[];
  };
  const scheduled = items.filter(({ metadata }) => metadata.name.startsWith('scheduled-'));
  return new Set(scheduled.map(({ spec }) => spec.nodeName)).size;
}

/** Makes the pods, and measures how fast they are bound. */
async function schedule({ connections, target }: Session, { pods, requests }: Load): Promise<Row> {
  const [watching] = await openAll(target, 1);
  const tally = await watchPods([watching!], { namespace: benchNamespace, asking: connections[0]!, what: 'bound' });
  const creation = (index: number): Request => ({
    method: 'POST',
    path: podsPath(benchNamespace),
    body: podBody(`scheduled-${index}`, {
      paddingBytes: 0,
      annotations: { 'coxswain.dev/at': clock.monotonicMs().toFixed(3) },
      scheduled: true,
      requests: requests(index),
    }),
  });
  const startMs = clock.monotonicMs();
  const written = await drive({
    connections,
    durationMs: drainMs,
    request: (index) => (index < pods ? creation(index) : undefined),
  });
  await settled(() => tally.bound.size >= written.operations);
  watching!.close();
  const missing = written.operations - tally.bound.size;
  const failure = missing > 0 ? `${missing} pods were not bound` : written.failure;
  return {
    operations: tally.bound.size,
    tookMs: tally.lastMs - startMs,
    failures: written.failures + missing,
    ...(failure !== undefined && { failure }),
    ...percentiles(tally.latenciesMs),
  };
}

/** Returns the paths of the nodes. */
async function makeNodes(connections: readonly Connection[], fleet: Fleet): Promise<readonly string[]> {
  const names = Array.from({ length: fleet.nodes }, (_, index) => `coxswain-bench-${index}`);
  const paths = names.map((name) => `/api/v1/nodes/${name}`);
  await sendAll(
    connections,
    names.map((name, index) => ({ method: 'POST', path: '/api/v1/nodes', body: nodeBody(name, index) })),
  );
  await sendAll(
    connections,
    paths.map((path) => ({
      method: 'PATCH',
      path: `${path}/status`,
      body: nodeStatusBody(fleet),
      contentType: 'application/merge-patch+json',
    })),
  );
  return paths;
}

function deletionOf(paths: readonly string[]): (index: number) => Request | undefined {
  return (index) => (index < paths.length ? deletion(paths[index]!) : undefined);
}
