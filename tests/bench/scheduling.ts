/**
 * The rows of the scheduler: how fast pods get a node, and on how few nodes they end. Nodes are objects that no kubelet stands behind, so
 * nothing runs; each has its block of pod addresses already, so that nobody else has work with it.
 */
import type { Connection, Request } from './connection.ts';
import { clock, drainMs, drive, openAll, percentiles, sendAll, settled } from './load.ts';
import { benchNamespace, nodeBody, nodeStatusBody, podBody, podsPath } from './objects.ts';
import type { BenchRow, Row } from './rows.ts';
import { type Fleet, importantClass, type Load, type LoadRow, packingRow, speedRows } from './scheduling-loads.ts';
import { deletion, podPath, type Session } from './session.ts';
import { watchPods } from './watchers.ts';

/** A bench's zones, over which nodes are dealt. */
const zones = 3;
const classPath = '/apis/scheduling.k8s.io/v1/priorityclasses';

/** All of them, each on nodes of its own, which `restore` takes away. */
export function schedulingRows(session: Session): readonly BenchRow[] {
  const packing = packingRow();
  return [
    ...speedRows(session.sizes).map((row) => schedulingRow(session, row)),
    schedulingRow(session, packing, async () => (await nodesUsed(session.connections[0]!)) / packing.fewestNodes),
  ];
}

function schedulingRow(session: Session, { facts, load }: LoadRow, quality?: () => Promise<number>): BenchRow {
  let paths: readonly string[] = [];
  return {
    ...facts,
    isLong: true,
    prepare: async () => {
      const nodePaths = await makeNodes(session.connections, load.fleet);
      paths = [...nodePaths, ...(await fillNodes(session.connections, load))];
      // Last, as nobody says of these nodes that they are well: after a while they count as lost, and take no pods.
      await readyNodes(session.connections, { paths: nodePaths, fleet: load.fleet });
    },
    measure: async () => {
      const row = await schedule(session, load);
      return quality === undefined ? row : { ...row, quality: await quality() };
    },
    restore: async () => {
      const podPaths = Array.from({ length: load.pods }, (_, index) => podPath(`scheduled-${index}`));
      const forever = { connections: session.connections, durationMs: Number.POSITIVE_INFINITY };
      await drive({ ...forever, request: deletionOf(podPaths) });
      await drive({ ...forever, request: deletionOf(paths) });
    },
  };
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
async function schedule({ connections, target }: Session, { pods, wish }: Load): Promise<Row> {
  const [watching] = await openAll(target, 1);
  const tally = await watchPods([watching!], { namespace: benchNamespace, asking: connections[0]!, what: 'bound' });
  const creation = (index: number): Request => ({
    method: 'POST',
    path: podsPath(benchNamespace),
    body: podBody(`scheduled-${index}`, {
      paddingBytes: 0,
      annotations: { 'coxswain.dev/at': clock.monotonicMs().toFixed(3) },
      scheduled: true,
      ...wish(index),
    }),
  });
  const startMs = clock.monotonicMs();
  const written = await drive({
    connections,
    durationMs: drainMs,
    request: (index) => (index < pods ? creation(index) : undefined),
  });
  // As long as it goes on: on a busy machine the slowest rows take longer than any one time.
  for (let before = -1; before < tally.found.size && tally.found.size < written.operations; ) {
    before = tally.found.size;
    await settled(() => tally.found.size >= written.operations);
  }
  watching!.close();
  const missing = written.operations - tally.found.size;
  const failure = missing > 0 ? `${missing} pods were not bound` : written.failure;
  return {
    operations: tally.found.size,
    tookMs: tally.lastFoundMs - startMs,
    failures: written.failures + missing,
    ...(failure !== undefined && { failure }),
    ...percentiles(tally.latenciesMs),
  };
}

const nodeName = (index: number): string => `coxswain-bench-${index}`;

/** Returns the paths of the nodes. */
async function makeNodes(connections: readonly Connection[], fleet: Fleet): Promise<readonly string[]> {
  const names = Array.from({ length: fleet.nodes }, (_, index) => nodeName(index));
  const paths = names.map((name) => `/api/v1/nodes/${name}`);
  await sendAll(
    connections,
    names.map((name, index) => ({
      method: 'POST',
      path: '/api/v1/nodes',
      body: nodeBody(name, { index, zone: `zone-${index % zones}` }),
    })),
  );
  return paths;
}

async function readyNodes(
  connections: readonly Connection[],
  { paths, fleet }: { readonly paths: readonly string[]; readonly fleet: Fleet },
): Promise<void> {
  const body = nodeStatusBody(fleet);
  const contentType = 'application/merge-patch+json';
  await sendAll(
    connections,
    paths.map((path) => ({ method: 'PATCH', path: `${path}/status`, body, contentType })),
  );
}

/** Puts a pod on each node, where the load says so; it ends at once when it is told to, as no kubelet sees to it. Returns the paths of what was made. */
async function fillNodes(connections: readonly Connection[], { fleet, filling }: Load): Promise<readonly string[]> {
  if (filling === undefined) return [];
  const priorityClass = { apiVersion: 'scheduling.k8s.io/v1', kind: 'PriorityClass', value: 1_000 };
  const body = JSON.stringify({ ...priorityClass, metadata: { name: importantClass } });
  const names = Array.from({ length: fleet.nodes }, (_, index) => `filling-${index}`);
  const creations = names.map((name, index) => {
    const spec = { nodeName: nodeName(index), terminationGracePeriodSeconds: 0 };
    return { method: 'POST', path: podsPath(benchNamespace), body: podBody(name, { requests: filling, spec }) };
  });
  await sendAll(connections, [{ method: 'POST', path: classPath, body }]);
  await sendAll(connections, creations);
  return [...names.map(podPath), `${classPath}/${importantClass}`];
}

function deletionOf(paths: readonly string[]): (index: number) => Request | undefined {
  return (index) => (index < paths.length ? deletion(paths[index]!) : undefined);
}
