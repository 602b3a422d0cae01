/**
 * Scopes of quotas: which objects a quota is about. A requirement that a kind knows nothing of is one that its objects do not meet.
 * Source: API reference `ResourceQuotaSpec`; upstream `podMatchesScopeFunc`, `pvcMatchesScopeFunc`.
 */
import type {
  PersistentVolumeClaim,
  Pod,
  PodAffinityTerm,
  ResourceQuota,
  ScopedResourceSelectorRequirement,
} from '../types/core-v1.ts';

/** What a quota demands of objects; all of it has to hold. */
export function scopesOf({ spec }: ResourceQuota): readonly ScopedResourceSelectorRequirement[] {
  const plain = (spec?.scopes ?? []).map((scopeName) => ({ scopeName, operator: 'Exists' }));
  return [...plain, ...(spec?.scopeSelector?.matchExpressions ?? [])];
}

/** Whether a pod is in a scope. */
export function isPodInScope(pod: Pod, requirement: ScopedResourceSelectorRequirement): boolean {
  switch (requirement.scopeName) {
    case 'Terminating':
      return isTerminating(pod);
    case 'NotTerminating':
      return !isTerminating(pod);
    case 'BestEffort':
      return pod.status?.qosClass === 'BestEffort';
    case 'NotBestEffort':
      return pod.status?.qosClass !== 'BestEffort';
    case 'PriorityClass':
      return meets(requirement, [pod.spec?.priorityClassName ?? '']);
    case 'CrossNamespacePodAffinity':
      return looksIntoOtherNamespaces(pod);
    default:
      return false;
  }
}

/** Whether a claim is in a scope. */
export function isClaimInScope(claim: PersistentVolumeClaim, requirement: ScopedResourceSelectorRequirement): boolean {
  if (requirement.scopeName !== 'VolumeAttributesClass') return false;
  const { spec, status } = claim;
  return meets(requirement, [
    spec?.volumeAttributesClassName ?? '',
    status?.currentVolumeAttributesClassName ?? '',
    status?.modifyVolumeStatus?.targetVolumeAttributesClassName ?? '',
  ]);
}

function isTerminating({ spec }: Pod): boolean {
  return (spec?.activeDeadlineSeconds ?? -1) >= 0;
}

/** Whether one of the values meets the requirement; empty ones count as none. */
function meets({ operator, values = [] }: ScopedResourceSelectorRequirement, given: readonly string[]): boolean {
  const named = given.filter((value) => value !== '');
  switch (operator) {
    case 'Exists':
      return named.length > 0;
    case 'DoesNotExist':
      return named.length === 0;
    case 'In':
      return named.some((value) => values.includes(value));
    case 'NotIn':
      return named.length === 0 || named.some((value) => !values.includes(value));
    default:
      return false;
  }
}

function looksIntoOtherNamespaces({ spec }: Pod): boolean {
  return [spec?.affinity?.podAffinity, spec?.affinity?.podAntiAffinity].some((affinity) => {
    const terms: readonly PodAffinityTerm[] = [
      ...(affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
      ...(affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map((term) => term.podAffinityTerm),
    ];
    return terms.some((term) => (term.namespaces ?? []).length > 0 || term.namespaceSelector !== undefined);
  });
}
