/**
 * All processes of a cluster that are this machine's: those with a file in its folder, what they have started, programs of pods that have left their
 * parents, and containers. They are stopped and let go on together.
 *
 * Invariant: what is stopped is found by who started it or whose mark it carries, never by its name; the process that looks is none of them.
 */
import { join } from 'node:path';
import { isStopped, type ProcessRecord } from '#cmd/common/process-files.ts';
import { sleep } from '#pkg/base/async.ts';
import { errorCode } from '#pkg/base/error-code.ts';
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
    if (moving.length === 0) return;
    if (clock.monotonicMs() >= endMs)
      throw new UserError(
        `Cannot stop the process ${moving[0]} within ${stopMsMax / 1000} s: "coxswain unpause" lets the others go on`,
      );
    for (const pid of moving) send(pid, 'SIGSTOP');
    await sleep(clock, lookIntervalMs);
  }
}

/** Lets all of them go on: programs first, who looks after the others last. */
export async function continueAll(processes: ClusterProcesses): Promise<void> {
  for (const pid of (await pidsOf(processes)).toReversed()) send(pid, 'SIGCONT');
}

/** The one that starts the others again, the others with a file, and what else there is. */
async function pidsOf({ folder, record, running }: ClusterProcesses): Promise<readonly number[]> {
  const first = running.toSorted((a, b) => Number(b.name === supervisorName) - Number(a.name === supervisorName));
  const recorded = first.map(({ pid }) => pid);
  const owned = (owner: string | undefined): boolean => recorded.includes(Number(owner?.split(':')[0]));
  const found = await findProcesses(({ pid, owner }) => recorded.includes(pid) || owned(owner));
  const containers = await containerPids(folder, record);
  const all = new Set([...recorded, ...found.map(({ pid }) => pid), ...containers]);
  all.delete(process.pid);
  return [...all];
}

async function containerPids(folder: ClusterFolder, record: ClusterRecord | undefined): Promise<readonly number[]> {
  if (record === undefined || !runtimesOf(record.settings.runtime).includes('container')) return [];
  const { containerProcesses } = await import('#pkg/cluster/container-processes.ts');
  return nodeNames(record.settings).flatMap((name) => containerProcesses(join(folder.path, 'kubelet', name)));
}

/** Nothing for one that has ended. */
function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error;
  }
}
