/**
 * What an eviction is to the pod of a virtual machine: the machine is to move to another node, and until it has, the pod is not evicted. The mark for that,
 * `status.evacuationNodeName`, is all that is written here. Counterpart: KubeVirt `pod-eviction-admitter`.
 */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { type VirtualMachine, virtualMachines } from '#pkg/api/virtual-machine.ts';
import { waitsForMachine } from '#pkg/api/virtual-machine-migration.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import { controllerOf, type JsonObject } from '#pkg/apimachinery/object.ts';
import { StatusError, staleVersion } from '#pkg/apimachinery/status-error.ts';
import { attemptsMax } from '#pkg/apiserver/endpoints/change.ts';
import type { Scope } from '#pkg/apiserver/endpoints/scope.ts';

/**
 * Has the machine of a pod leave its node, and refuses the eviction with TooManyRequests as long as it has not. Does nothing for other pods: those of no
 * machine, of one that is not to move (`evictionStrategy: None`), and those that wait for a machine or relay for one that has left.
 */
export async function evacuateMachine(
  { core }: Scope,
  pod: Pick<Pod, 'metadata' | 'spec'>,
  { dryRun }: { readonly dryRun: boolean },
): Promise<void> {
  const { name: podName, namespace = '', annotations } = pod.metadata ?? {};
  const owner = controllerOf(pod);
  if (owner?.kind !== virtualMachines.kind || annotations?.[waitsForMachine] !== undefined) return;
  const served = core.catalog.findAny(virtualMachines);
  if (served === undefined) return;
  const { store, view } = served;
  const node = pod.spec?.nodeName ?? '';
  for (let attempt = 1; ; attempt++) {
    const entry = await store.get(store.key(namespace, owner.name));
    if (entry === undefined) return;
    const machine: VirtualMachine = view.object(entry);
    const isOfMachine = machine.metadata?.uid === owner.uid && machine.metadata.deletionTimestamp === undefined;
    if (!isOfMachine || machine.status?.podName !== podName || machine.spec?.evictionStrategy === 'None') return;
    if (dryRun || machine.status?.evacuationNodeName === node) throw isLeaving(owner.name, node);
    const stored: JsonObject = view.object(entry);
    const status = isObject(stored.status) ? stored.status : {};
    const draft = { ...stored, status: { ...status, evacuationNodeName: node } };
    const result = await store.put(entry.key, view.toStored(draft), entry.modRevision);
    if (result.ok) throw isLeaving(owner.name, node);
    if (attempt >= attemptsMax) throw staleVersion(virtualMachines, owner.name);
  }
}

function isLeaving(machine: string, node: string): StatusError {
  return new StatusError({
    code: 429,
    reason: 'TooManyRequests',
    message: `Cannot evict pod as its virtual machine ${machine} has to leave the node ${node} first: it is being moved.`,
  });
}
