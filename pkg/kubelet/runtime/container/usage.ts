/** What a container uses, as its cgroup says, of either version. Source: cgroups(7), kernel `admin-guide/cgroup-v1/memory.rst`, `cgroup-v2.rst`; cAdvisor. */
import { lstat, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContainerStats } from '../runtime.ts';
import type { CgroupMounts } from './machine.ts';

/** Usage of a cgroup, by its path from the root of each hierarchy. What is not there counts as nothing. */
export async function cgroupUsage({ version, folders }: CgroupMounts, path: string): Promise<ContainerStats> {
  const read = async (controller: string, name: string): Promise<string> => {
    const folder = folders[controller];
    return folder === undefined ? '' : readFile(join(folder, path, name), 'latin1').catch(() => '');
  };
  const isUnified = version === 'v2';
  const [memory, statistics, cpu, pids] = await Promise.all([
    read('memory', isUnified ? 'memory.current' : 'memory.usage_in_bytes'),
    read('memory', 'memory.stat'),
    read('cpuacct', isUnified ? 'cpu.stat' : 'cpuacct.usage'),
    read('pids', 'pids.current'),
  ]);
  const memoryBytes = numberOf(memory);
  const inactive = field(statistics, isUnified ? 'inactive_file' : 'total_inactive_file');
  return {
    memoryBytes,
    workingSetBytes: Math.max(0, memoryBytes - inactive),
    cpuNanoseconds: isUnified ? field(cpu, 'usage_usec') * 1000 : numberOf(cpu),
    pids: numberOf(pids),
  };
}

function numberOf(text: string): number {
  const number = Number(text.trim());
  return Number.isFinite(number) ? number : 0;
}

function field(text: string, name: string): number {
  const line = text.split('\n').find((one) => one.startsWith(`${name} `));
  return numberOf(line?.slice(name.length + 1) ?? '');
}

/** More files than this are not counted: what is told is then too little. */
const filesMax = 200_000;

/** What a folder takes on the disk, with all that is in it. */
export async function folderUsage(folder: string): Promise<{ readonly bytes: number; readonly inodes: number }> {
  let bytes = 0;
  let inodes = 0;
  const folders = [folder];
  for (let at = folders.pop(); at !== undefined && inodes < filesMax; at = folders.pop()) {
    for (const entry of await readdir(at, { withFileTypes: true }).catch(() => [])) {
      const path = join(at, entry.name);
      const found = await lstat(path).catch(() => undefined);
      if (found === undefined) continue;
      bytes += found.blocks * 512;
      inodes++;
      if (entry.isDirectory()) folders.push(path);
    }
  }
  return { bytes, inodes };
}
