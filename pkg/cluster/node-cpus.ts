/** What settings of processors come to for one node: what it offers to pods, who gives some to containers, and how things are kept near each other. */
import { UserError } from '#pkg/component/user-error.ts';
import type { KubeletOptions } from '#pkg/kubelet/kubelet-options.ts';
import { quantityValue } from '#pkg/kubelet/model/amounts.ts';
import type { CpuSettings } from './cpu-flags.ts';

/** Which node, and where. */
export interface NodePlace {
  readonly nodeName: string;
  /** The node's folder. */
  readonly folder: string;
  readonly nodesOnMachine: number;
}

/** What is left for pods where processors are reserved, and who gives them to containers; all where settings say nothing. Throws `UserError` for what this machine cannot. */
export async function nodeCpus(
  settings: CpuSettings | undefined,
  amounts: Readonly<Record<string, string>>,
  { nodeName, folder, nodesOnMachine }: NodePlace,
): Promise<Pick<KubeletOptions, 'cpus' | 'topology'> & { readonly allocatable: Readonly<Record<string, string>> }> {
  if (settings === undefined) return { allocatable: amounts };
  const [{ machineCpus }, { forgetCpus, reservedProblem, staticCpus, topologySettings }] = await Promise.all([
    import('#pkg/kubelet/cpus/machine-cpus.ts'),
    import('./static-cpus.ts'),
  ]);
  const cpus = machineCpus();
  const problem =
    settings.isStatic && nodesOnMachine > 1
      ? 'several nodes of one machine would give the same ones'
      : reservedProblem(settings.reserved, cpus);
  if (problem !== undefined) throw new UserError(`Cannot reserve processors for the node ${nodeName} as ${problem}`);
  const milli = Math.round(quantityValue(amounts['cpu']) * 1000) - settings.reserved.length * 1000;
  const allocatable = settings.reserved.length === 0 ? amounts : { ...amounts, cpu: `${Math.max(0, milli)}m` };
  const topology = settings.topology === undefined ? {} : { topology: topologySettings(settings.topology, cpus) };
  if (settings.isStatic) return { allocatable, cpus: staticCpus({ cpus, folder, settings }), ...topology };
  forgetCpus(folder);
  return { allocatable, ...topology };
}
