/** Names of the processes of a cluster whose components run apart. */

import type { ProcessRecord } from '#cmd/common/process-files.ts';
import { type ComponentTable, componentTable } from '#pkg/cluster/components.ts';
import { type ClusterSettings, nodeNames } from '#pkg/cluster/settings.ts';

/** Name of the process that starts the others again. */
export const supervisorName = 'supervisor';

/** One process of the cluster. */
export interface ProcessPlan {
  /** Its name in the table of components. */
  readonly component: string;
  /** Folder of its main, below `cmd/`. */
  readonly folder: string;
  /** Distinct for each process: kubelets carry their node's name. */
  readonly name: string;
  readonly nodeName?: string;
  /** Which of several of one component, from 0 on. */
  readonly replica: number;
}

/** Every process of a cluster, in the order of their table. */
export function processPlans(
  settings: ClusterSettings,
  components: ComponentTable = componentTable,
): readonly ProcessPlan[] {
  const { controlPlanes = 1 } = settings;
  return Object.entries(components).flatMap(([component, { folder, perNode, isReplicated }]): readonly ProcessPlan[] =>
    perNode
      ? nodeNames(settings).map((nodeName) => ({
          component,
          folder,
          name: `${component}-${nodeName}`,
          nodeName,
          replica: 0,
        }))
      : Array.from({ length: isReplicated === true ? controlPlanes : 1 }, (_, replica) => ({
          component,
          folder,
          name: replica === 0 ? component : `${component}-${replica + 1}`,
          replica,
        })),
  );
}

/** The processes that ought to run beside those that do: none when one process holds everything. */
export function expectedProcesses(settings: ClusterSettings, running: readonly ProcessRecord[]): readonly string[] {
  if (running.length === 0 || running.some((one) => one.name === 'coxswain')) return [];
  return [...processPlans(settings).map((plan) => plan.name), supervisorName];
}
