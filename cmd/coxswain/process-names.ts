/** Names of the processes of a cluster whose components run apart. */

import type { ProcessRecord } from '#cmd/common/process-files.ts';
import { type ClusterSettings, nodeNames } from '#pkg/cluster/settings.ts';

/** Folder of `cmd/` and name of the process, in the order they are started. */
const processKinds = [
  { folder: 'apiserver', name: 'kube-apiserver', perNode: false },
  { folder: 'controller-manager', name: 'kube-controller-manager', perNode: false },
  { folder: 'scheduler', name: 'kube-scheduler', perNode: false },
  { folder: 'kubelet', name: 'kubelet', perNode: true },
  { folder: 'kube-proxy', name: 'kube-proxy', perNode: false },
] as const;

export interface ProcessPlan {
  readonly folder: string;
  /** Distinct for each process: kubelets carry their node's name. */
  readonly name: string;
  readonly nodeName?: string;
}

/** Every process of a cluster, in the order they are started. */
export function processPlans(settings: ClusterSettings): readonly ProcessPlan[] {
  return processKinds.flatMap(({ folder, name, perNode }): readonly ProcessPlan[] =>
    perNode
      ? nodeNames(settings).map((nodeName) => ({ folder, name: `${name}-${nodeName}`, nodeName }))
      : [{ folder, name }],
  );
}

/** The processes that ought to run beside those that do: none when one process holds everything. */
export function expectedProcesses(settings: ClusterSettings, running: readonly ProcessRecord[]): readonly string[] {
  if (running.length === 0 || running.some((one) => one.name === 'coxswain')) return [];
  return processPlans(settings).map((plan) => plan.name);
}
