/**
 * The quality-of-service class of a pod, worked out from its requests and limits. Source: upstream `pkg/apis/core/helper/qos`.
 */

import type { Container, Pod } from '#pkg/api/types/core-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { compareQuantities, isZeroQuantity } from '../quantities.ts';

const countedResources = ['cpu', 'memory'] as const;

/** `Guaranteed`, `Burstable` or `BestEffort`. */
export function qosClassOf(pod: Given<Pod>): 'BestEffort' | 'Burstable' | 'Guaranteed' {
  const spec = pod.spec;
  const owners =
    spec?.resources === undefined ? [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])] : [spec];
  const anySet = owners.some((owner) => countedResources.some((name) => isSet(owner, name)));
  if (!anySet) return 'BestEffort';
  return owners.every(isGuaranteed) ? 'Guaranteed' : 'Burstable';
}

type Owner = Given<Pick<Container, 'resources'>>;
type Counted = (typeof countedResources)[number];

/** The amount, where it is more than none. */
function counted({ resources }: Owner, kind: 'limits' | 'requests', name: Counted): string | undefined {
  const quantity = resources?.[kind]?.[name];
  return quantity === undefined || isZeroQuantity(quantity) ? undefined : quantity;
}

function isSet(owner: Owner, name: Counted): boolean {
  return counted(owner, 'requests', name) !== undefined || counted(owner, 'limits', name) !== undefined;
}

function isGuaranteed(owner: Owner): boolean {
  return countedResources.every((name) => {
    const [limit, request] = [counted(owner, 'limits', name), counted(owner, 'requests', name)];
    return limit !== undefined && (request === undefined || compareQuantities(request, limit) === 0);
  });
}
