/** The processes of containers of a node, whoever has started them: those of its cgroup. They are stopped and let go on as a whole. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '#pkg/base/clock.ts';
import { canFreeze, freeze, thaw } from '#pkg/kubelet/runtime/container/freezer.ts';
import { type CgroupMounts, cgroupFolders, cgroupMounts } from '#pkg/kubelet/runtime/container/machine.ts';
import { processesIn } from '#pkg/kubelet/runtime/container/monitor/process-tree.ts';
import { placesOf } from '#pkg/kubelet/runtime/container/places.ts';
import { runtimeFolder } from './containers.ts';

/** Their numbers, by the folder of the node; none where it has none. */
export function containerProcesses(nodeFolder: string): readonly number[] {
  const { cgroups, path } = cgroupOf(nodeFolder);
  return cgroups === undefined ? [] : processesIn(cgroupFolders(cgroups, path)).map(({ pid }) => pid);
}

/** Stops those of a node, by its folder; nothing where it has none. Rejects where some do not stop, which go on then. */
export async function freezeContainers(nodeFolder: string, clock: Clock): Promise<void> {
  const { cgroups, path } = cgroupOf(nodeFolder);
  if (cgroups !== undefined && canFreeze(cgroups, path)) await freeze(cgroups, path, clock);
}

/** Lets them go on. */
export async function thawContainers(nodeFolder: string): Promise<void> {
  const { cgroups, path } = cgroupOf(nodeFolder);
  if (cgroups !== undefined) await thaw(cgroups, path);
}

function cgroupOf(nodeFolder: string): { readonly cgroups: CgroupMounts | undefined; readonly path: string } {
  const cgroups = cgroupMounts(readFileSync('/proc/self/mountinfo', 'utf8'));
  return { cgroups, path: placesOf(join(nodeFolder, runtimeFolder)).cgroup };
}
