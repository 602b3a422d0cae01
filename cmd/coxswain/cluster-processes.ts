/**
 * All processes of a cluster that are this machine's: those with a file in its folder, what they have started, programs of pods that have left their
 * parents, and containers, whose cgroups are frozen. They are stopped and let go on together.
 *
 * Invariant: what is stopped is found by who started it or whose mark it carries, never by its name; the process that looks is none of them.
 */
import { join } from 'node:path';
import { isStopped, type ProcessRecord } from '#cmd/common/process-files.ts';
import { sleep } from '#pkg/base/async.ts';
import { errorCode } from '#pkg/base/error-code.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { runtimesOf } from '#pkg/cluster/runtimes.ts';
import { nodeNames } from '#pkg/cluster/settings.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { findProcesses } from '#pkg/kubelet/runtime/inprocess/host/descendants.ts';
import type { ClusterFolder, ClusterRecord } from './folder.ts';
import { supervisorName } from './process-names.ts';
import type { World } from './world.ts';

const lookIntervalMs = 10;
/** Longest wait for the system to stop all of them: one that reads a disk stops once it has. */
const stopMsMax = 60_000;

/** Whose processes. */
export interface ClusterProcesses {
  readonly world: Pick<World, 'clock'>;
  readonly folder: ClusterFolder;
  readonly record: ClusterRecord | undefined;
  /** Those with a file. */
  readonly running: readonly ProcessRecord[];
}

/** Whether any of those with a file is stopped. */
export function isPaused(running: readonly ProcessRecord[]): boolean {
  return running.some(({ pid }) => isStopped(pid));
}

/** Stops all of them; resolves once none runs. Who starts the others again is first, so that it sees none of this. Throws `UserError` where that cannot be. */
export async function stopAll(processes: ClusterProcesses): Promise<void> {
  const { clock } = processes.world;
  const endMs = clock.monotonicMs() + stopMsMax;
  for (;;) {
    // What one of them was just starting is found by the next look.
    const moving = (await pidsOf(processes)).filter((pid) => !isStopped(pid));
    if (moving.length === 0) break;
    if (clock.monotonicMs() >= endMs)
      throw new UserError(
        `Cannot stop the process ${moving[0]} within ${stopMsMax / 1000} s: "coxswain unpause" lets the others go on`,
      );
    for (const pid of moving) send(pid, 'SIGSTOP');
    await sleep(clock, lookIntervalMs);
  }
  await forContainers(processes, async ({ freezeContainers }, folder) => {
    await freezeContainers(folder, clock).catch((error: unknown) => {
      throw new UserError(
        `Cannot stop the containers in ${folder}: ${errorText(error)}: "coxswain unpause" lets all go on`,
      );
    });
  });
}

/** Lets all of them go on: programs first, who looks after the others last. */
export async function continueAll(processes: ClusterProcesses): Promise<void> {
  await forContainers(processes, ({ thawContainers }, folder) => thawContainers(folder));
  for (const pid of (await pidsOf(processes)).toReversed()) send(pid, 'SIGCONT');
}

/** The one that starts the others again, the others with a file, and what else there is but for containers. */
async function pidsOf(processes: ClusterProcesses): Promise<readonly number[]> {
  const first = processes.running.toSorted(
    (a, b) => Number(b.name === supervisorName) - Number(a.name === supervisorName),
  );
  const recorded = first.map(({ pid }) => pid);
  const owned = (owner: string | undefined): boolean => recorded.includes(Number(owner?.split(':')[0]));
  const found = await findProcesses(({ pid, owner }) => recorded.includes(pid) || owned(owner));
  const all = new Set([...recorded, ...found.map(({ pid }) => pid)]);
  // Those of containers are seen among what has started them.
  await forContainers(processes, async ({ containerProcesses }, folder) => {
    for (const pid of containerProcesses(folder)) all.delete(pid);
  });
  all.delete(process.pid);
  return [...all];
}

/** Does something with the containers of each node that has some. */
async function forContainers(
  { folder, record }: ClusterProcesses,
  work: (calls: typeof import('#pkg/cluster/container-processes.ts'), nodeFolder: string) => Promise<void>,
): Promise<void> {
  if (record === undefined || !runtimesOf(record.settings.runtime).includes('container')) return;
  const calls = await import('#pkg/cluster/container-processes.ts');
  for (const name of nodeNames(record.settings)) await work(calls, join(folder.path, 'kubelet', name));
}

/** Nothing for one that has ended. */
function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error;
  }
}
