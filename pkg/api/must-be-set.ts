/**
 * Which fields no accepted object is without. Their lack is refused (`validation/required.ts`), so nothing is ever written in their place, and
 * neither the generated types nor the rules have a null of them.
 */

/**
 * Fields that the published schema calls required (clients always write them) while upstream's validation accepts them empty; of statuses too,
 * which only some strategies check. Sources: `pkg/apis/...validation/validation.go`.
 */
const mayBeEmpty: ReadonlySet<string> = new Set([
  'io.k8s.api.batch.v1.PodFailurePolicy.rules',
  'io.k8s.api.batch.v1.PodFailurePolicyOnExitCodesRequirement.values',
  'io.k8s.api.core.v1.Binding.target',
  'io.k8s.api.core.v1.Event.involvedObject',
  'io.k8s.api.core.v1.HTTPHeader.value',
  'io.k8s.api.core.v1.LimitRangeSpec.limits',
  'io.k8s.api.core.v1.NodeAllocatableResourceClaimStatus.resources',
  'io.k8s.api.core.v1.PodExtendedResourceClaimStatus.requestMappings',
  'io.k8s.api.core.v1.PreferredSchedulingTerm.preference',
  'io.k8s.api.core.v1.ScaleIOPersistentVolumeSource.secretRef',
  'io.k8s.api.core.v1.ScaleIOVolumeSource.secretRef',
  'io.k8s.api.core.v1.Sysctl.value',
  'io.k8s.api.events.v1.Event.eventTime',
  'io.k8s.api.events.v1.EventSeries.lastObservedTime',
  'io.k8s.api.storage.v1.CSINodeSpec.drivers',
  'io.k8s.api.storage.v1.TokenRequest.audience',
  'io.k8s.apimachinery.pkg.apis.meta.v1.Condition.lastTransitionTime',
  'io.k8s.apimachinery.pkg.apis.meta.v1.GroupResource.group',
]);

/** Types whose zero value is what Go's decoder gives an absent field, so that it is a value like any other. As facts and as schemas name them. */
const neverMissing: ReadonlySet<string> = new Set([
  'int32',
  'int64',
  'double',
  'boolean',
  'any',
  'json',
  'intOrString',
]);

/** Whether a value of the type can be told from no value. */
export function canBeMissing(type: string): boolean {
  return !neverMissing.has(type);
}

/** The name that a type has, or will have, in its first stable version. */
function stableName(type: string): string {
  return type.replace(/\.v1(?:alpha|beta)\d+\./, '.v1.');
}

/** Whether an object of the type `owner`, a full name, is refused without the field. */
export function mustBeSet(
  owner: string,
  { name = '', required, type }: { readonly name?: string; readonly required?: boolean; readonly type: string },
): boolean {
  return required === true && canBeMissing(type) && !mayBeEmpty.has(`${stableName(owner)}.${name}`);
}
