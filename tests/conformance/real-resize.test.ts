/** Resources of real containers that change while they run: what the kernel keeps them to is what their pod asks for, and is again what it was. */
import { expect } from 'vitest';
import type { Container, Pod } from '#pkg/api/types/core-v1.ts';
import { pods } from '#pkg/api/types/refs.ts';
import { findCondition } from '#pkg/apimachinery/conditions.ts';
import { busybox, onBusyboxCluster } from './busybox-stage.ts';
import { patienceMs, type RealStage } from './real-stage.ts';

const { behaviour } = onBusyboxCluster();
const area = '[sig-node] Pod InPlace Resize Container';
const since = '[MinimumKubeletVersion:1.34]';

/** Requests and limits of a container, in thousandths of a processor and in Mi; absent where it names none. */
interface Amounts {
  readonly cpu?: number;
  readonly cpuLimit?: number;
  readonly memory?: number;
  readonly memoryLimit?: number;
  /** Resources for whose change it is restarted. */
  readonly restarts?: readonly ('cpu' | 'memory')[];
}

const guaranteed = (cpu: number, memory: number): Amounts => ({ cpu, cpuLimit: cpu, memory, memoryLimit: memory });

function resourcesOf({ cpu, cpuLimit, memory, memoryLimit }: Amounts) {
  const some = (cpus: number | undefined, bytes: number | undefined) => ({
    ...(cpus === undefined ? {} : { cpu: `${cpus}m` }),
    ...(bytes === undefined ? {} : { memory: `${bytes}Mi` }),
  });
  return { requests: some(cpu, memory), limits: some(cpuLimit, memoryLimit) };
}

function containerOf(amounts: Amounts, index: number): Container {
  const resizePolicy = (['cpu', 'memory'] as const).map((resourceName) => ({
    resourceName,
    restartPolicy: amounts.restarts?.includes(resourceName) === true ? 'RestartContainer' : 'NotRequired',
  }));
  // Whoever is told to end does so.
  const command = ['sh', '-c', 'trap "exit 0" TERM; while true; do sleep 0.1; done'];
  return { name: `c${index + 1}`, image: busybox, command, resources: resourcesOf(amounts), resizePolicy };
}

/** Prints the quota, the memory limit and, where there is one, the share. */
const readLimits = `cd /sys/fs/cgroup
if [ -e cpu.max ]; then cat cpu.max memory.max
else cat cpu/cpu.cfs_quota_us memory/memory.limit_in_bytes cpu/cpu.shares; fi`;

const lines = (text: string): readonly string[] => text.trim().split('\n');

/** What it prints for a container. Source: kubelet `cm.MilliCPUToShares`, `cm.MilliCPUToQuota`. */
function limitsOf({ cpu = 0, cpuLimit, memoryLimit }: Amounts, isUnified: boolean): readonly string[] {
  const quota = cpuLimit === undefined ? undefined : Math.max(1000, cpuLimit * 100);
  const bytes = memoryLimit === undefined ? undefined : `${memoryLimit * 1024 * 1024}`;
  if (isUnified) return [`${quota ?? 'max'} 100000`, bytes ?? 'max'];
  const noLimit = '9223372036854771712';
  return [`${quota ?? -1}`, bytes ?? noLimit, `${Math.max(2, Math.floor((cpu * 1024) / 1000))}`];
}

const isSettled = ({ status, metadata }: Pod): boolean =>
  findCondition(status?.conditions, 'PodResizePending') === undefined &&
  findCondition(status?.conditions, 'PodResizeInProgress') === undefined &&
  status?.observedGeneration === metadata?.generation &&
  (status?.containerStatuses ?? []).every(({ state, ready }) => state?.running !== undefined && ready);

async function check(stage: RealStage, name: string, wanted: readonly Amounts[], restarts: readonly number[]) {
  const seen = async () => {
    const { status, ...pod } = await stage.of(pods).get(name, { namespace: stage.namespace });
    const found = status?.containerStatuses ?? [];
    return { isSettled: isSettled({ ...pod, status }), resources: found.map(({ resources }) => resources) };
  };
  const resources = wanted.map((one) => {
    const said = Object.entries(resourcesOf(one)).filter(([, amounts]) => Object.keys(amounts).length > 0);
    return Object.fromEntries(said);
  });
  await expect.poll(seen, { timeout: patienceMs, interval: 30 }).toEqual({ isSettled: true, resources });
  const { status } = await stage.of(pods).get(name, { namespace: stage.namespace });
  expect(status?.containerStatuses?.map(({ restartCount }) => restartCount)).toEqual(restarts);
  for (const [index, amounts] of wanted.entries()) {
    const container = `c${index + 1}`;
    const limits = lines(await stage.exec(name, ['sh', '-c', readLimits], container));
    expect(limits, container).toEqual(limitsOf(amounts, limits.length === 2));
  }
}

/** How often a container was restarted when it has come from one to the other. */
const restartsOf = (before: Amounts, after: Amounts): number => {
  const cpu = before.cpu !== after.cpu || before.cpuLimit !== after.cpuLimit;
  const memory = before.memoryLimit !== after.memoryLimit;
  return (before.restarts ?? []).some((one) => (one === 'cpu' ? cpu : memory)) ? 1 : 0;
};

type Resize = (stage: RealStage, name: string, wanted: readonly Amounts[]) => Promise<unknown>;

const byPatch: Resize = (stage, name, wanted) => {
  const containers = wanted.map((one, index) => ({ name: `c${index + 1}`, resources: resourcesOf(one) }));
  const options = { namespace: stage.namespace, type: 'strategic', subresource: 'resize' } as const;
  return stage.of(pods).patch(name, { spec: { containers } }, options);
};

/** From one to the other and, where that takes nothing away, back again. */
async function resizes(
  stage: RealStage,
  [before, after]: readonly [readonly Amounts[], readonly Amounts[]],
  { resize = byPatch, isWayBack = true }: { readonly resize?: Resize; readonly isWayBack?: boolean } = {},
): Promise<void> {
  const { metadata } = await stage.create({ containers: before.map(containerOf) });
  const name = metadata?.name ?? '';
  const restarts = before.map((one, index) => restartsOf(one, after[index] ?? {}));
  await check(
    stage,
    name,
    before,
    before.map(() => 0),
  );
  await resize(stage, name, after);
  await check(stage, name, after, restarts);
  if (isWayBack) {
    await resize(stage, name, before);
    await check(
      stage,
      name,
      before,
      restarts.map((count) => 2 * count),
    );
  }
  await stage.of(pods).delete(name, { namespace: stage.namespace, gracePeriodSeconds: 0 });
}

const three = [guaranteed(10, 20), guaranteed(15, 25), guaranteed(20, 30)] as const;

for (const [what, after] of [
  [
    'increase: CPU (c1,c3), memory (c2, c3) ; decrease: CPU (c2)',
    [guaranteed(15, 20), guaranteed(11, 30), guaranteed(25, 35)],
  ],
  [
    'increase cpu & mem on c1, c2, decrease cpu & mem on c3 - net increase',
    [guaranteed(15, 30), guaranteed(25, 35), guaranteed(15, 25)],
  ],
  [
    'increase cpu & mem on c1, decrease cpu & mem on c2, c3 - net decrease',
    [guaranteed(15, 25), guaranteed(11, 20), guaranteed(12, 25)],
  ],
] as const)
  behaviour(`${area} guaranteed pods with multiple containers 3 containers - ${what} ${since}`, async (stage) => {
    await resizes(stage, [three, after]);
  });

const burstable = `${area} burstable pods - extended`;

behaviour(
  `${burstable} 6 containers - various operations performed (including adding limits and requests) ${since}`,
  async (stage) => {
    const before: readonly Amounts[] = [
      {},
      { cpu: 20 },
      { memory: 20 },
      { cpu: 20, cpuLimit: 30 },
      { memory: 20, memoryLimit: 30 },
      { cpu: 20, cpuLimit: 30, memory: 20, memoryLimit: 30 },
    ];
    const after: readonly Amounts[] = [
      { cpu: 20, cpuLimit: 30, memory: 20, memoryLimit: 30 },
      { cpu: 30, cpuLimit: 40 },
      { memory: 30, memoryLimit: 40 },
      { cpu: 15, cpuLimit: 25 },
      { memory: 25, memoryLimit: 35 },
      { cpu: 30, cpuLimit: 40, memory: 15, memoryLimit: 25 },
    ];
    // What was added cannot be taken away.
    await resizes(stage, [before, after], { isWayBack: false });
  },
);

behaviour(`${burstable} resize with equivalents ${since}`, async (stage) => {
  // Below what the kernel takes: other numbers, the same shares and quota.
  const before: readonly Amounts[] = [
    { cpu: 2, cpuLimit: 10 },
    { cpu: 4, cpuLimit: 10 },
    { cpu: 3, cpuLimit: 5 },
  ];
  const after: readonly Amounts[] = [
    { cpu: 1, cpuLimit: 5 },
    { cpu: 4, cpuLimit: 5 },
    { cpu: 2, cpuLimit: 5 },
  ];
  await resizes(stage, [before, after]);
});

behaviour(`${area} resize pod via the replace endpoint ${since}`, async (stage) => {
  const replace: Resize = async (_, name, wanted) => {
    const options = { namespace: stage.namespace };
    const { spec, ...pod } = await stage.of(pods).get(name, options);
    const containers = (spec?.containers ?? []).map((container, index) => ({
      ...container,
      resources: resourcesOf(wanted[index] ?? {}),
    }));
    await stage.of(pods).update({ ...pod, spec: { ...spec, containers } }, { ...options, subresource: 'resize' });
  };
  await resizes(stage, [[guaranteed(10, 20)], [guaranteed(20, 30)]], { resize: replace });
  // One that asks to be started anew for it; the second time it would have to wait.
  const restarts = ['memory'] as const;
  const way = [[{ ...guaranteed(10, 20), restarts }], [guaranteed(10, 30)]] as const;
  await resizes(stage, way, { resize: replace, isWayBack: false });
});
