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
  const anySet = owners.some((owner) => counted(owner, 'requests').size > 0 || counted(owner, 'limits').size > 0);
  if (!anySet) return 'BestEffort';
  return owners.every(isGuaranteed) ? 'Guaranteed' : 'Burstable';
}

function counted(
  owner: Given<Pick<Container, 'resources'>>,
  kind: 'limits' | 'requests',
): ReadonlyMap<string, unknown> {
  const list = owner.resources?.[kind] ?? {};
  const found = new Map<string, unknown>();
  for (const name of countedResources) {
    const quantity = list[name];
    if (quantity !== undefined && !isZeroQuantity(quantity)) found.set(name, quantity);
  }
  return found;
}

function isGuaranteed(owner: Given<Pick<Container, 'resources'>>): boolean {
  const limits = counted(owner, 'limits');
  const requests = counted(owner, 'requests');
  if (limits.size !== countedResources.length) return false;
  return [...requests].every(([name, request]) => compareQuantities(request, limits.get(name)) === 0);
}
