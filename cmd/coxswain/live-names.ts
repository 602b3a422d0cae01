/** Names of what there is in a cluster that runs, for who completes what is typed: quick, and none where the cluster does not answer. */
import { nodes } from '#pkg/api/types/refs.ts';
import { virtualMachines } from '#pkg/api/virtual-machine.ts';
import type { KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import { withClient } from './cluster-objects.ts';
import type { World } from './world.ts';

/** Nobody waits longer for a completion. */
const answerMsMax = 2_000;

const refs = { machines: virtualMachines, nodes } as const satisfies Readonly<Record<string, ResourceRef>>;

/** What can be named. */
export type Nameable = keyof typeof refs;

/** The names, in order. */
export async function liveNames(
  world: World,
  what: Nameable,
  cluster: { readonly name: string; readonly dataDir: string },
): Promise<readonly string[]> {
  const ref: ResourceRef<KubeObject> = refs[what];
  try {
    return await withClient(world, { ...cluster, kubeconfig: '' }, async (client) => {
      const { items } = await client.until(AbortSignal.timeout(answerMsMax)).resource(ref).list();
      return items.map(({ metadata }) => metadata?.name ?? '').sort();
    });
  } catch {
    return [];
  }
}
