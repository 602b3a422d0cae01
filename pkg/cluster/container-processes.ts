/** The processes of containers of a node, whoever has started them: those of its cgroup. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cgroupFolders, cgroupMounts } from '#pkg/kubelet/runtime/container/machine.ts';
import { processesIn } from '#pkg/kubelet/runtime/container/monitor/process-tree.ts';
import { placesOf } from '#pkg/kubelet/runtime/container/places.ts';
import { runtimeFolder } from './containers.ts';

/** Their numbers, by the folder of the node; none where the machine has no cgroups. */
export function containerProcesses(nodeFolder: string): readonly number[] {
  const cgroups = cgroupMounts(readFileSync('/proc/self/mountinfo', 'utf8'));
  if (cgroups === undefined) return [];
  const { cgroup } = placesOf(join(nodeFolder, runtimeFolder));
  return processesIn(cgroupFolders(cgroups, cgroup)).map(({ pid }) => pid);
}
