/** The processors of this machine that are switched on, and where each is. Source: kernel `admin-guide/cputopology.rst`. */
import { join } from 'node:path';
import { namesIn, textOf } from '../topology/system-files.ts';
import { parseCpus } from './cpu-set.ts';
import type { Cpu } from './take-cpus.ts';

const systemFolder = '/sys/devices/system';

/** They. What a machine does not say is as if all were one. */
export function machineCpus(folder = systemFolder): readonly Cpu[] {
  const online = parseCpus(textOf(join(folder, 'cpu/online'))) ?? [];
  const memory = new Map<number, string>();
  for (const name of namesIn(join(folder, 'node'))) {
    if (!/^node\d+$/.test(name)) continue;
    for (const id of parseCpus(textOf(join(folder, 'node', name, 'cpulist'))) ?? []) memory.set(id, name);
  }
  return online.map((id) => {
    const topology = join(folder, 'cpu', `cpu${id}`, 'topology');
    const socket = textOf(join(topology, 'physical_package_id')) || '0';
    const core = textOf(join(topology, 'core_id')) || String(id);
    return { id, socket, core: `${socket}/${core}`, numa: memory.get(id) ?? 'node0' };
  });
}
