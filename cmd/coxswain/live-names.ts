/** Names of what there is in a cluster that runs, for who completes what is typed: quick, and none where the cluster does not answer. */
import { nodes, pods } from '#pkg/api/types/refs.ts';
import { virtualMachines } from '#pkg/api/virtual-machine.ts';
import type { KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import { pipelineRuns } from '#pkg/pipeline/model/types.ts';
import { withClient } from './cluster-objects.ts';
import type { World } from './world.ts';

/** Nobody waits longer for a completion. */
const answerMsMax = 2_000;

/** How each sort is found: `in`: of the namespace that the command has, or of all; `prefix`: what stands before the names. */
interface Sort {
  readonly ref: ResourceRef;
  readonly in: 'all' | 'namespace';
  readonly prefix?: string;
}

const sorts = {
  machines: { ref: virtualMachines, in: 'all' },
  nodes: { ref: nodes, in: 'all' },
  pods: { ref: pods, in: 'namespace', prefix: 'pod/' },
  runs: { ref: pipelineRuns, in: 'namespace' },
} as const satisfies Readonly<Record<string, Sort>>;

/** What can be named. */
export type Nameable = keyof typeof sorts;

/** The names, in order. */
export async function liveNames(
  world: World,
  what: Nameable,
  { namespace, ...cluster }: { readonly name: string; readonly dataDir: string; readonly namespace: string },
): Promise<readonly string[]> {
  const sort: Sort = sorts[what];
  const ref: ResourceRef<KubeObject> = sort.ref;
  const { prefix = '' } = sort;
  try {
    return await withClient(world, { ...cluster, kubeconfig: '' }, async (client) => {
      const { items } = await client
        .until(AbortSignal.timeout(answerMsMax))
        .resource(ref)
        .list(sort.in === 'all' ? {} : { namespace });
      return items.map(({ metadata }) => `${prefix}${metadata?.name ?? ''}`).sort();
    });
  } catch {
    return [];
  }
}
