/**
 * How well pods are packed, by cell compaction: machines are taken from a cell, in an order by chance, until the workload fits no longer, and what is left is compared with
 * the fewest machines whose sums hold it. The workload is placed anew each time, in an order by chance, by the scheduler's own decisions. Each figure is the 90th
 * percentile of 11 such trials; beside them stands what one reaches who knows all pods beforehand (`offline-packing.ts`), as no scheduler does. `node tests/bench/compaction.ts [machines] [part of a name]`. Source: Borg (EuroSys 2015), section 5.1.
 */
import type { Node, Pod } from '#pkg/api/types/core-v1.ts';
import { type Random, randomInt, SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { Nominator } from '#pkg/scheduler/cache/nominator.ts';
import { SchedulerCache } from '#pkg/scheduler/cache/scheduler-cache.ts';
import type { ProfileSpec } from '#pkg/scheduler/config/configuration.ts';
import { CycleState } from '#pkg/scheduler/framework/cycle.ts';
import { Decider } from '#pkg/scheduler/framework/decide.ts';
import { type PodInfo, podInfoOf } from '#pkg/scheduler/model/pod-info.ts';
import { ObjectSet } from '#pkg/scheduler/offline/object-set.ts';
import { offlineProfile } from '#pkg/scheduler/offline/offline-profile.ts';
import { pluginTable } from '#pkg/scheduler/plugin-table.ts';
import { type Mix, mixes, type Size } from './compaction-mixes.ts';
import { fitsOffline } from './offline-packing.ts';

/** Share of the cell's CPU or memory that is asked for, whichever is reached first. */
const fullness = 0.75;
const trials = 11;
const percentile = 0.9;
/** Share of the pods that may be left over, as a few odd ones always are. Source: as there. */
const leftOver = 0.002;

const strategy = (type: string): ProfileSpec => ({
  schedulerName: 'test',
  pluginConfig: [{ name: 'NodeResourcesFit', args: { scoringStrategy: { type } } }],
  check: () => [],
});
const profiles: readonly (readonly [name: string, spec: ProfileSpec])[] = [
  ['packing', { schedulerName: 'test' }],
  ['MostAllocated', strategy('MostAllocated')],
];

interface Cell {
  readonly machines: readonly Node[];
  readonly pods: readonly PodInfo[];
}

function makeCell(mix: Mix, count: number): Cell {
  const random = new SeededRandom(5);
  const left = { milliCpu: 0, mebibytes: 0 };
  const machines = Array.from({ length: count }, (_, index): Node => {
    const { milliCpu, mebibytes } = mix.machine(random);
    left.milliCpu += fullness * milliCpu;
    left.mebibytes += fullness * mebibytes;
    const allocatable = { cpu: `${milliCpu}m`, memory: `${mebibytes}Mi`, pods: '500' };
    return { metadata: { name: `machine-${index}` }, status: { allocatable } };
  });
  const pods: PodInfo[] = [];
  let workload = 0;
  for (const { replicas, ...size } of mix.workloads(random)) {
    if (left.milliCpu <= 0 || left.mebibytes <= 0) break;
    for (let replica = 0; replica < replicas; replica++) {
      pods.push(podInfoOf(makePod(`w${workload}-${replica}`, `w${workload}`, size)));
      left.milliCpu -= size.milliCpu;
      left.mebibytes -= size.mebibytes;
    }
    workload++;
  }
  return { machines, pods };
}

function makePod(name: string, owner: string, { milliCpu, mebibytes }: Size): Pod {
  const requests = { cpu: `${milliCpu}m`, memory: `${mebibytes}Mi` };
  const ownerReferences = [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: owner, uid: owner, controller: true }];
  return {
    metadata: { name, namespace: 'bench', uid: name, ownerReferences },
    spec: { containers: [{ name: 'main', image: 'pause', resources: { requests } }] },
  };
}

function shuffled<T>(items: readonly T[], random: Random): readonly T[] {
  const result = [...items];
  for (let index = result.length - 1; index > 0; index--) {
    const other = randomInt(random, index + 1);
    const [one, two] = [result[index], result[other]];
    if (one !== undefined && two !== undefined) [result[index], result[other]] = [two, one];
  }
  return result;
}

/** How many pods may be left over. */
function spareOf(pods: readonly PodInfo[]): number {
  return Math.floor(pods.length * leftOver);
}

/** Whether a scheduler finds a place for the pods, one after the other, on these machines. */
function fits(machines: readonly Node[], pods: readonly PodInfo[], spec: ProfileSpec): boolean {
  const cache = new SchedulerCache({ clock: new VirtualClock() });
  for (const machine of machines) cache.setNode(machine);
  const objects = new ObjectSet();
  const lister: ObjectSet['lister'] = (ref) => objects.lister(ref);
  const profile = offlineProfile({ table: pluginTable, scheduling: 'packing', spec, lister });
  const decider = new Decider({ profile, table: cache.table, nominator: new Nominator() });
  let spare = spareOf(pods);
  for (const pod of pods) {
    const decision = decider.decide({ pod, cluster: cache.table, state: new CycleState() });
    if (decision.kind === 'node') cache.assume(pod, decision.nodeName);
    else if (--spare < 0) return false;
  }
  return true;
}

/** The fewest machines, of the first ones, whose sums hold all pods. */
function bound(machines: readonly Node[], pods: readonly PodInfo[]): number {
  let milliCpu = pods.reduce((sum, { requests }) => sum + requests.milliCpu, 0);
  let memory = pods.reduce((sum, { requests }) => sum + requests.memory, 0);
  for (const [index, { status }] of machines.entries()) {
    if (milliCpu <= 0 && memory <= 0) return index;
    milliCpu -= Number.parseInt(status?.allocatable?.cpu ?? '0', 10);
    memory -= Number.parseInt(status?.allocatable?.memory ?? '0', 10) * 2 ** 20;
  }
  return machines.length;
}

/** Whether the pods, in their order, find a place on these machines. */
type Packer = (machines: readonly Node[], pods: readonly PodInfo[]) => boolean;

/** Machines that are left, over the bound. */
function trial({ machines, pods }: Cell, packs: Packer, seed: number): number {
  const random = new SeededRandom(seed);
  const order = shuffled(machines, random);
  const arriving = shuffled(pods, random);
  const least = bound(order, pods);
  let [tooFew, enough] = [least - 1, order.length];
  while (enough - tooFew > 1) {
    const middle = Math.min(enough - 1, tooFew + Math.max(1, Math.floor((enough - tooFew) / 4)));
    if (packs(order.slice(0, middle), arriving)) enough = middle;
    else tooFew = middle;
  }
  return enough / least;
}

const count = Number(process.argv[2] ?? 300);
const wanted = process.argv[3] ?? '';
for (const mix of mixes.filter(({ name }) => name.includes(wanted))) {
  const cell = makeCell(mix, count);
  const packers: readonly (readonly [name: string, packs: Packer])[] = [
    ...profiles.map(([name, spec]): readonly [string, Packer] => [
      name,
      (machines, pods) => fits(machines, pods, spec),
    ]),
    ['all pods known beforehand', (machines, pods) => fitsOffline(machines, pods, spareOf(pods))],
  ];
  for (const [name, packs] of packers) {
    const ratios = Array.from({ length: trials }, (_, seed) => trial(cell, packs, seed + 1)).toSorted((a, b) => a - b);
    const worst = ratios[Math.ceil(percentile * trials) - 1] ?? 0;
    const line = `${mix.name}: ${name} ${worst.toFixed(4)} of the bound (median ${ratios[trials >> 1]?.toFixed(4)}), ${cell.pods.length} pods`;
    process.stdout.write(`${line}\n`);
  }
}
