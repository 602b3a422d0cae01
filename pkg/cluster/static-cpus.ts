/** The processors of a node whose containers can have some for themselves: of this machine, by what is written down in the node's folder. */
import { join } from 'node:path';
import { UserError } from '#pkg/component/user-error.ts';
import { CpuManager } from '#pkg/kubelet/cpus/cpu-manager.ts';
import { formatCpus } from '#pkg/kubelet/cpus/cpu-set.ts';
import { StaticCpus } from '#pkg/kubelet/cpus/static-cpus.ts';
import { type Cpu, numaNumber } from '#pkg/kubelet/cpus/take-cpus.ts';
import type { KubeletOptions } from '#pkg/kubelet/kubelet-options.ts';
import { keptValue } from '#pkg/kubelet/plugins/kept-value.ts';
import { numaNodesMax } from '#pkg/kubelet/topology/numa-hints.ts';
import type { TopologySettings } from '#pkg/kubelet/topology/topology-manager.ts';
import type { CpuSettings } from './cpu-flags.ts';
import { forgetRecord, takeRecord } from './kept-record.ts';

/** Source: kubelet `cpuManagerStateFileName`. */
const recordName = 'cpu_manager_state';

/** Where. */
export interface CpuPlace {
  readonly cpus: readonly Cpu[];
  /** The node's folder. */
  readonly folder: string;
  readonly settings: CpuSettings;
}

/** Makes what gives processors, anew for each kubelet of the node. Throws `UserError` for processors that the machine has not, and for a record that contradicts them. */
export function staticCpus({ cpus, folder, settings }: CpuPlace): NonNullable<KubeletOptions['cpus']> {
  const path = join(folder, recordName);
  const make = (): StaticCpus => {
    const made = new StaticCpus({ cpus, ...settings });
    const problem = takeRecord(path, (value) => made.restore(value));
    if (problem === undefined) return made;
    throw new UserError(
      `Cannot give containers processors as ${path} cannot be used: ${problem}. Take the node's pods away, delete the file and start it again`,
    );
  };
  // What is wrong with it is said before anything starts.
  make();
  return (deps) => new CpuManager(deps, { cpus: make(), save: keptValue(path).write });
}

/** Forgets what a kubelet with another policy has written down. */
export function forgetCpus(folder: string): void {
  forgetRecord(join(folder, recordName));
}

/** Why processors cannot be reserved; undefined where they can. */
export function reservedProblem(reserved: readonly number[], cpus: readonly Cpu[]): string | undefined {
  const all = new Set(cpus.map(({ id }) => id));
  const missing = reserved.filter((id) => !all.has(id));
  if (missing.length > 0) return `the machine has no processors ${formatCpus(missing)}: it has ${formatCpus(all)}`;
  return reserved.length < all.size ? undefined : 'none would be left for pods';
}

/** How things are kept near each other on a machine with these processors. Throws `UserError` for one with too many NUMA nodes. */
export function topologySettings(
  settings: NonNullable<CpuSettings['topology']>,
  cpus: readonly Cpu[],
): TopologySettings {
  const nodes = [...new Set(cpus.map(({ numa }) => numaNumber(numa)))].sort((a, b) => a - b);
  if (nodes.length > numaNodesMax || nodes.some((node) => node >= 31))
    throw new UserError(
      `--topology-manager-policy=${settings.policy}: is not for machines with more than ${numaNodesMax} NUMA nodes: this one has ${nodes.join(', ')}`,
    );
  return { ...settings, nodes };
}
