/**
 * Takes pods that are over off a claim. One that nobody uses any more loses its devices, and then what keeps it from being deleted; one that was made for a
 * pod that is over goes. Source: `resourceclaim/controller.go` `syncClaim`.
 */
import { isPodTerminal } from '#pkg/api/core/pod.ts';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { pods, resourceClaims } from '#pkg/api/types/refs.ts';
import type { ResourceClaim, ResourceClaimStatus } from '#pkg/api/types/resource-v1.ts';
import { controllerOf } from '#pkg/apimachinery/object.ts';
import { isConflict, isNotFound } from '#pkg/apimachinery/status-error.ts';
import type { Client } from '#pkg/client/client.ts';
import type { Lister } from '#pkg/client/informer.ts';

/** Kept on a claim by whoever allocates it, for as long as it is allocated. */
const allocatedFinalizer = 'resource.kubernetes.io/delete-protection';

/** One look at a claim. Rejects when something is to be tried again. */
export async function releaseClaim(client: Client, claim: ResourceClaim, lister: Lister<Pod>): Promise<void> {
  try {
    const reservedFor = claim.status?.reservedFor ?? [];
    const users: (typeof reservedFor)[number][] = [];
    for (const user of reservedFor) if (await isUser(client, user, { claim, lister })) users.push(user);
    const isLeft = users.length < reservedFor.length;
    if (isLeft || (claim.metadata?.deletionTimestamp !== undefined && users.length === 0))
      await letGo(client, claim, users);
    if (users.length === 0) await deleteWithPod(client, claim, lister);
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

/** Whether whoever a claim is reserved for is still there and goes on; asked of the server before a pod counts as gone. */
async function isUser(
  client: Client,
  user: { readonly apiGroup?: string; readonly resource: string; readonly name: string; readonly uid: string },
  { claim, lister }: { readonly claim: ResourceClaim; readonly lister: Lister<Pod> },
): Promise<boolean> {
  // Of what others reserve claims for nobody here knows when it is over.
  if ((user.apiGroup ?? '') !== '' || user.resource !== 'pods') return true;
  const { namespace = '' } = claim.metadata ?? {};
  const known = lister.get(`${namespace}/${user.name}`);
  if (known?.metadata?.uid === user.uid) return !isOver(known);
  try {
    const pod = await client.resource(pods).get(user.name, { namespace });
    return pod.metadata?.uid === user.uid && !isOver(pod);
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}

/** Ended, or deleted before it had a node. */
function isOver(pod: Pod): boolean {
  return isPodTerminal(pod) || (pod.metadata?.deletionTimestamp !== undefined && !pod.spec?.nodeName);
}

async function letGo(
  client: Client,
  claim: ResourceClaim,
  users: NonNullable<ResourceClaimStatus['reservedFor']>,
): Promise<void> {
  const resource = client.resource(resourceClaims);
  const isProtected = claim.metadata?.finalizers?.includes(allocatedFinalizer) === true;
  const { allocation, reservedFor: _, ...rest } = claim.status ?? {};
  const isFree = users.length === 0 && isProtected;
  const status: ResourceClaimStatus = {
    ...rest,
    ...(allocation === undefined || isFree ? {} : { allocation }),
    ...(users.length === 0 ? {} : { reservedFor: users }),
  };
  const hasChanged = (claim.status?.reservedFor ?? []).length > users.length || (isFree && allocation !== undefined);
  const written = hasChanged ? await resource.update({ ...claim, status }, { subresource: 'status' }) : claim;
  if (!isFree) return;
  const finalizers = (written.metadata?.finalizers ?? []).filter((one) => one !== allocatedFinalizer);
  await resource.update({ ...written, metadata: { ...written.metadata, finalizers } });
}

/** A claim that was made for a pod goes as soon as the pod is over, and not only with it: its devices may be wanted. */
async function deleteWithPod(client: Client, claim: ResourceClaim, lister: Lister<Pod>): Promise<void> {
  const owner = controllerOf(claim);
  const { name = '', namespace = '', uid, deletionTimestamp } = claim.metadata ?? {};
  if (owner?.kind !== 'Pod' || deletionTimestamp !== undefined) return;
  const pod = lister.get(`${namespace}/${owner.name}`);
  if (pod?.metadata?.uid !== owner.uid || !isOver(pod)) return;
  try {
    await client.resource(resourceClaims).delete(name, { namespace, ...(uid && { preconditions: { uid } }) });
  } catch (error) {
    if (!isConflict(error)) throw error;
  }
}
