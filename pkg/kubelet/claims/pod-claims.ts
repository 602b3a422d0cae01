/** Which claims a pod has, and which of their requests each container uses. Pure. Source: `k8s.io/dynamic-resource-allocation` `resourceclaim`, kubelet `cm/dra` `GetResources`. */
import type { Container, Pod } from '#pkg/api/types/core-v1.ts';
import type { ResourceClaim } from '#pkg/api/types/resource-v1.ts';
import { quantityValue } from '../model/amounts.ts';

/** A claim of a pod. */
export interface PodClaim {
  /** Of the claim's object. */
  readonly name: string;
  /** It was made for this pod, which owns it. */
  readonly isOwn: boolean;
}

/** The claims of a pod, by the names that the pod has for them; `''` for the one of its extended resources. Throws where one has not been made yet. */
export function claimsOf({ spec, status }: Pod): ReadonlyMap<string, PodClaim> {
  const claims = new Map<string, PodClaim>();
  for (const { name, resourceClaimName, resourceClaimTemplateName } of spec?.resourceClaims ?? []) {
    if (resourceClaimName !== undefined) claims.set(name, { name: resourceClaimName, isOwn: false });
    else if (resourceClaimTemplateName !== undefined) {
      const made = status?.resourceClaimStatuses?.find((one) => one.name === name);
      if (made === undefined) throw new Error(`pod claim ${name}: ResourceClaim not created yet`);
      // None was needed.
      if (made.resourceClaimName !== undefined) claims.set(name, { name: made.resourceClaimName, isOwn: true });
    }
  }
  const extended = status?.extendedResourceClaimStatus?.resourceClaimName;
  if (extended !== undefined) claims.set('', { name: extended, isOwn: false });
  return claims;
}

/** A request of a claim that a container uses; without a name all of them. */
export interface UsedRequest {
  readonly claimName: string;
  readonly request: string | undefined;
}

/** The requests that a container uses, by claims. */
export function requestsOf(pod: Pod, { name, resources }: Container): readonly UsedRequest[] {
  const claims = claimsOf(pod);
  const asked = (resources?.claims ?? []).flatMap(({ name: part, request }) => {
    const claim = claims.get(part);
    return claim === undefined ? [] : [{ claimName: claim.name, request }];
  });
  const { resourceClaimName = '', requestMappings } = pod.status?.extendedResourceClaimStatus ?? {};
  const extended = (requestMappings ?? [])
    .filter(
      ({ containerName, resourceName }) =>
        containerName === name && quantityValue(resources?.requests?.[resourceName]) > 0,
    )
    .map(({ requestName }) => ({ claimName: resourceClaimName, request: requestName }));
  return [...asked, ...extended];
}

/** Why a pod may not use a claim as it is; undefined where it may. In upstream's words. */
export function claimProblem(pod: Pod, claim: ResourceClaim, { isOwn }: PodClaim): string | undefined {
  const { name, namespace, uid } = pod.metadata ?? {};
  const claimName = claim.metadata?.name;
  const owner = claim.metadata?.ownerReferences?.find(({ controller }) => controller === true);
  if (isOwn && owner?.uid !== uid)
    return `ResourceClaim ${namespace}/${claimName} was not created for pod ${namespace}/${name} (pod is not owner)`;
  const isReserved = claim.status?.reservedFor?.some((user) => user.resource === 'pods' && user.uid === uid) === true;
  if (!isReserved)
    return `pod ${name} (${uid}) is not allowed to use ResourceClaim ${claimName} (${claim.metadata?.uid})`;
  return claim.status?.allocation === undefined ? `ResourceClaim ${claimName}: claim is not allocated` : undefined;
}

/** Drivers of the devices that a claim was given. */
export function driversOf({ status }: ResourceClaim): readonly string[] {
  return [...new Set((status?.allocation?.devices?.results ?? []).map(({ driver }) => driver))];
}
