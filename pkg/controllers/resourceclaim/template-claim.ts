/** The claim that a template makes for a part of a pod, which owns it. Source: `resourceclaim/controller.go` `handleClaim`. */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { pods, resourceClaims } from '#pkg/api/types/refs.ts';
import type { ResourceClaim, ResourceClaimTemplate } from '#pkg/api/types/resource-v1.ts';
import { controllerOf } from '#pkg/apimachinery/object.ts';
import { controllerReference } from '#pkg/apimachinery/owner.ts';
import { isAlreadyExists } from '#pkg/apimachinery/status-error.ts';
import { nameSuffix, type Random } from '#pkg/base/random.ts';
import type { Client } from '#pkg/client/client.ts';
import { isAnswerLost, lookFor } from '../common/lost-answer.ts';

/** Which part of its pod a claim is for. */
const partAnnotation = 'resource.kubernetes.io/pod-claim-name';
/** Leaves room for a hyphen and five characters in a name of 63. */
const baseMax = 57;
/** Names that are tried when others have them. */
const namesMax = 8;

/** Whether the claim was made for that part of the pod. */
export function isClaimOf(claim: ResourceClaim, pod: Pod, part: string): boolean {
  return controllerOf(claim)?.uid === pod.metadata?.uid && claim.metadata?.annotations?.[partAnnotation] === part;
}

/** The claim, of which `generateName` is what its name begins with: where both names are too long each gives in proportion. */
export function claimFor(pod: Pod, part: string, { spec }: ResourceClaimTemplate): ResourceClaim {
  const { name = '', namespace = '' } = pod.metadata ?? {};
  const whole = `${name}-${part}`;
  const cut = (text: string): string => text.slice(0, Math.floor((text.length * baseMax) / whole.length));
  const base = whole.length > baseMax ? `${cut(name)}-${cut(part)}` : whole;
  const { labels, annotations } = spec.metadata ?? {};
  return {
    apiVersion: 'resource.k8s.io/v1',
    kind: 'ResourceClaim',
    metadata: {
      generateName: `${base}-`,
      namespace,
      ...(labels === undefined ? {} : { labels }),
      annotations: { ...annotations, [partAnnotation]: part },
      ownerReferences: [controllerReference(pod, pods)],
    },
    spec: spec.spec,
  };
}

/** Makes it, under a name chosen here, so that one whose answer was lost is found. */
export async function makeClaim(
  { client, random }: { readonly client: Client; readonly random: Random },
  claim: ResourceClaim,
): Promise<ResourceClaim> {
  const { namespace = '', generateName = '' } = claim.metadata ?? {};
  const resource = client.resource(resourceClaims);
  for (let tries = 1; ; tries++) {
    const name = generateName + nameSuffix(random);
    try {
      return await resource.create({ ...claim, metadata: { ...claim.metadata, name } });
    } catch (error) {
      if (isAlreadyExists(error) && tries < namesMax) continue;
      const made = isAnswerLost(error) ? await lookFor(() => resource.get(name, { namespace })) : undefined;
      if (made === undefined) throw error;
      return made;
    }
  }
}
