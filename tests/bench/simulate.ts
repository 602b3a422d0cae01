/**
 * How long `coxswain simulate` takes with a dump of a large cluster, and whether the scheduler then does as it says: `node tests/bench/simulate.ts [nodes] [pods] [of these waiting]`. The
 * pods are of every size, some select nodes, some are replicas that are spread; what has a node was placed by the scheduler's own decisions. The command is
 * timed as a whole, start and output included; the scheduler works on an API in memory, with the same objects.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import process from 'node:process';
import type { Node, Pod } from '#pkg/api/types/core-v1.ts';
import { nodes as nodesRef, pods as podsRef } from '#pkg/api/types/refs.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { randomInt, SeededRandom } from '#pkg/base/random.ts';
import { ObjectSet } from '#pkg/scheduler/offline/object-set.ts';
import { simulate } from '#pkg/scheduler/offline/simulate.ts';
import { Simulation } from '#pkg/scheduler/offline/simulation.ts';
import { pluginTable } from '#pkg/scheduler/plugin-table.ts';
import { SchedulerWorld } from '#pkg/scheduler/testing/scheduler-world.ts';
import { makeNode, makePod } from '#pkg/testing/builders.ts';

const [nodeCount = 1_000, podCount = 20_000, waitingCount = 2_000] = process.argv.slice(2).map(Number);
const coxswain = resolve(import.meta.dirname, '../../cmd/coxswain/bin.js');
const zoneLabel = 'topology.kubernetes.io/zone';
/** Runs of the command, of which the median counts. */
const runs = 5;
const clock = new SystemClock();
const random = new SeededRandom(3);

function node(index: number): Node {
  const name = `node-${String(index).padStart(5, '0')}`;
  const made = makeNode(name, { cpu: '16', memory: '64Gi' });
  const labels = { [zoneLabel]: `z${index % 3}`, 'kubernetes.io/hostname': name };
  return { apiVersion: 'v1', kind: 'Node', ...made, metadata: { ...made.metadata, labels } };
}

function pod(index: number): Pod {
  const name = `pod-${String(index).padStart(6, '0')}`;
  const app = `app-${Math.floor(index / 20)}`;
  const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: app, uid: app, controller: true };
  const made = makePod(name)
    .meta({ uid: name, ownerReferences: [owner] })
    .labels({ app })
    // As large as pods of kubectl's are.
    .annotations({ padding: 'x'.repeat(2_000) })
    .request({ cpu: `${50 + randomInt(random, 950)}m`, memory: `${64 + randomInt(random, 4_000)}Mi` });
  const labelSelector = { matchLabels: { app } };
  const spread = { maxSkew: 1, topologyKey: zoneLabel, whenUnsatisfiable: 'DoNotSchedule', labelSelector } as const;
  const kind = Math.floor(index / 20) % 10;
  const spec =
    kind === 0
      ? { topologySpreadConstraints: [spread] }
      : kind < 3
        ? { nodeSelector: { [zoneLabel]: `z${kind}` } }
        : {};
  return { apiVersion: 'v1', kind: 'Pod', ...made.spec(spec).object };
}

/** The objects of a cluster in which all but the last pods have a node. */
function makeCluster(): { readonly nodes: readonly Node[]; readonly pods: readonly Pod[] } {
  const nodes = Array.from({ length: nodeCount }, (_, index) => node(index));
  const all = Array.from({ length: podCount }, (_, index) => pod(index));
  const first = all.slice(0, podCount - waitingCount);
  const objects = new ObjectSet();
  for (const one of nodes) objects.add(nodesRef, one);
  for (const one of first) objects.add(podsRef, one);
  const { placed } = simulate(new Simulation({ objects, table: pluginTable, scheduling: 'packing' }), []);
  const nodeOf = new Map(placed.map((one) => [one.pod, one.node]));
  const pods = all.map((one) => {
    const nodeName = nodeOf.get(`${one.metadata?.namespace}/${one.metadata?.name}`);
    return nodeName === undefined
      ? one
      : { ...one, spec: { ...one.spec, containers: one.spec?.containers ?? [], nodeName } };
  });
  return { nodes, pods };
}

/** What a scheduler makes of the pods that wait. */
async function scheduled(nodes: readonly Node[], pods: readonly Pod[]): Promise<ReadonlyMap<string, string>> {
  const world = new SchedulerWorld();
  await world.nodes(...nodes);
  await world.pods(...pods);
  const stop = world.start();
  await world.clock.settle();
  const placed = await world.placed();
  await stop();
  return new Map(world.bound.map((name) => [`default/${name}`, placed[name] ?? '']));
}

const folder = mkdtempSync(join(tmpdir(), 'coxswain-simulate-'));
try {
  const { nodes, pods } = makeCluster();
  const dump = join(folder, 'dump.json');
  writeFileSync(dump, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [...nodes, ...pods] }, undefined, 4));
  const times: number[] = [];
  let out = '';
  for (let run = 0; run < runs; run++) {
    const startMs = clock.monotonicMs();
    const done = spawnSync(process.execPath, [coxswain, 'simulate', '--dump', dump, '-o', 'json'], {
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
    });
    times.push(clock.monotonicMs() - startMs);
    if (done.status !== 0 && done.status !== 1) throw new Error(done.stderr);
    out = done.stdout;
  }
  const { placed } = JSON.parse(out) as { readonly placed: readonly { readonly pod: string; readonly node: string }[] };
  const bound = await scheduled(nodes, pods);
  const differing =
    placed.filter((one) => bound.get(one.pod) !== one.node).length + Math.abs(bound.size - placed.length);
  const median = times.toSorted((a, b) => a - b)[runs >> 1] ?? 0;
  process.stdout.write(
    `${nodeCount} nodes, ${podCount} pods, ${waitingCount} of them waiting: ${placed.length} placed, in ${(median / 1_000).toFixed(2)} s (median of ${runs}); the scheduler places ${bound.size}, ${differing} otherwise\n`,
  );
  process.exitCode = differing === 0 ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
