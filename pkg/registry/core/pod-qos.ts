/**
 * The quality-of-service class of a pod, worked out from its requests and limits. Source: upstream `pkg/apis/core/helper/qos`.
 */

import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { objectAt, objectsAt } from '../draft.ts';
import { compareQuantities, isZeroQuantity } from '../quantities.ts';

const countedResources = ['cpu', 'memory'] as const;

/** `Guaranteed`, `Burstable` or `BestEffort`. */
export function qosClassOf(pod: JsonObject): 'BestEffort' | 'Burstable' | 'Guaranteed' {
  const spec = objectAt(pod, 'spec');
  const owners =
    objectAt(spec, 'resources') === undefined
      ? [...objectsAt(spec, 'containers'), ...objectsAt(spec, 'initContainers')]
      : [spec!];
  const anySet = owners.some((owner) => counted(owner, 'requests').size > 0 || counted(owner, 'limits').size > 0);
  if (!anySet) return 'BestEffort';
  return owners.every(isGuaranteed) ? 'Guaranteed' : 'Burstable';
}

function counted(owner: JsonObject, kind: 'limits' | 'requests'): ReadonlyMap<string, unknown> {
  const list = objectAt(owner, 'resources', kind);
  const found = new Map<string, unknown>();
  if (!isObject(list)) return found;
  for (const name of countedResources) {
    const quantity = list[name];
    if (quantity !== undefined && !isZeroQuantity(quantity)) found.set(name, quantity);
  }
  return found;
}

function isGuaranteed(owner: JsonObject): boolean {
  const limits = counted(owner, 'limits');
  const requests = counted(owner, 'requests');
  if (limits.size !== countedResources.length) return false;
  return [...requests].every(([name, request]) => compareQuantities(request, limits.get(name)) === 0);
}
