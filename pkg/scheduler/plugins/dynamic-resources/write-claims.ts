/**
 * Writes what was allocated into claims, and for which pod they are reserved. A claim that changed meanwhile is a conflict, which fails the binding: the pod is tried
 * again with what is so then. Source: `dynamicresources` `bindClaim`.
 */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { resourceClaims } from '#pkg/api/types/refs.ts';
import type { AllocationResult, ResourceClaim } from '#pkg/api/types/resource-v1.ts';
import type { Client } from '#pkg/client/client.ts';

/** Kept on a claim as long as it is allocated, so that it is not deleted before its devices are free. */
export const allocatedFinalizer = 'resource.kubernetes.io/delete-protection';

/** A claim, and what was chosen for it; undefined for one that is allocated already. */
export interface ClaimWrite {
  readonly claim: ResourceClaim;
  readonly allocation: AllocationResult | undefined;
}

/** Writes claims for a pod; rejects where one of them cannot be. */
export type WriteClaims = (
  claims: readonly ClaimWrite[],
  options: { readonly pod: Pod; readonly signal: AbortSignal },
) => Promise<void>;

/** Over the API. */
export function writeClaimsBy(client: Client): WriteClaims {
  return async (claims, { pod, signal }) => {
    for (const write of claims) await writeClaim(client, write, { pod, signal });
  };
}

async function writeClaim(
  client: Client,
  { claim, allocation }: ClaimWrite,
  { pod, signal }: { readonly pod: Pod; readonly signal: AbortSignal },
): Promise<void> {
  const { name = '', namespace = '', finalizers = [] } = claim.metadata ?? {};
  const { name: podName = '', uid = '' } = pod.metadata ?? {};
  const users = claim.status?.reservedFor ?? [];
  if (allocation === undefined && users.some((user) => user.uid === uid)) return;
  const resource = client.resource(resourceClaims);
  let { resourceVersion } = claim.metadata ?? {};
  if (allocation !== undefined && !finalizers.includes(allocatedFinalizer)) {
    const metadata = { ...claim.metadata, finalizers: [...finalizers, allocatedFinalizer] };
    ({ resourceVersion } = (await resource.update({ ...claim, metadata }, { signal })).metadata ?? {});
  }
  const reservedFor = [...users, { resource: 'pods', name: podName, uid }];
  const patch = {
    metadata: { resourceVersion },
    status: { ...(allocation === undefined ? {} : { allocation }), reservedFor },
  };
  await resource.patch(name, patch, { namespace, type: 'merge', subresource: 'status', signal });
}
