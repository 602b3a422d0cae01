/**
 * Which named strings the documents show with all their values, and which types are unions: what upstream's generator reads from marks in the Go
 * sources. Invariant: a type is here only if upstream marks it; others have known values too, but take more than those.
 * Source: `+enum` and `+union` in `k8s.io/api`; kube-openapi `generators/enum.go`, `union.go`.
 */
import { valueFacts } from '#pkg/api/facts.ts';
import type { FieldSchema, Schema } from '#pkg/apimachinery/schema.ts';

/** By group and version. */
const marked: Readonly<Record<string, string>> = {
  'admissionregistration.v1':
    'FailurePolicyType MatchPolicyType OperationType PatchType ReinvocationPolicyType ScopeType SideEffectClass ValidationAction',
  'apps.v1': 'DaemonSetUpdateStrategyType DeploymentStrategyType PodManagementPolicyType StatefulSetUpdateStrategyType',
  'batch.v1':
    'CompletionMode ConcurrencyPolicy PodFailurePolicyAction PodFailurePolicyOnExitCodesOperator PodReplacementPolicy',
  'certificates.v1': 'KeyUsage',
  'core.v1':
    'AppArmorProfileType AzureDataDiskCachingMode AzureDataDiskKind ClaimResourceStatus DNSPolicy HostPathType IPFamily IPFamilyPolicy MountPropagationMode NamespacePhase NodeInclusionPolicy NodePhase NodeSelectorOperator PersistentVolumeAccessMode PersistentVolumeClaimModifyVolumeStatus PersistentVolumeClaimPhase PersistentVolumeMode PersistentVolumePhase PersistentVolumeReclaimPolicy PodFSGroupChangePolicy PodPhase PodQOSClass PreemptionPolicy ProcMountType Protocol PullPolicy ResourceQuotaScope RestartPolicy ScopeSelectorOperator SeccompProfileType ServiceAffinity ServiceExternalTrafficPolicy ServiceInternalTrafficPolicy ServiceType Signal SupplementalGroupsPolicy TaintEffect TerminationMessagePolicy TolerationOperator URIScheme UnsatisfiableConstraintAction',
  'networking.v1': 'PolicyType',
  'policy.v1': 'UnhealthyPodEvictionPolicyType',
  'resource.v1': 'AllocationConfigSource DeviceTaintEffect DeviceTolerationOperator',
  'storage.v1': 'VolumeBindingMode',
};

const enumTypes: ReadonlySet<string> = new Set(
  Object.entries(marked).flatMap(([where, names]) => names.split(' ').map((name) => `io.k8s.api.${where}.${name}`)),
);

/** Fields whose type's values the table of facts does not have. */
const enumFields: Readonly<Record<string, readonly string[]>> = {
  'io.k8s.api.discovery.v1.EndpointSlice.addressType': ['FQDN', 'IPv4', 'IPv6'],
  'io.k8s.api.networking.v1.HTTPIngressPath.pathType': ['Exact', 'ImplementationSpecific', 'Prefix'],
  'io.k8s.api.resource.v1.ExactDeviceRequest.allocationMode': ['All', 'ExactCount'],
  'io.k8s.api.resource.v1.DeviceSubRequest.allocationMode': ['All', 'ExactCount'],
};

/** All values of a string that takes no others, sorted; undefined for one that is open. */
export function enumOf(schema: Schema): readonly string[] | undefined {
  if (schema.type !== 'string' || schema.name === undefined || !enumTypes.has(schema.name)) return undefined;
  return (valueFacts[schema.name] ?? []).toSorted();
}

/** The same for a field of a type. */
export function enumOfField(typeName: string, field: FieldSchema): readonly string[] | undefined {
  return enumOf(field.schema) ?? enumFields[`${typeName}.${field.name}`];
}

/** What a description says of the values, which is a part of it. Source: kube-openapi `enumType.DescriptionSuffix`. */
export function enumText(values: readonly string[]): string {
  return `Possible enum values:\n${values.map((value) => ` - \`${JSON.stringify(value)}\``).join('\n')}`;
}

interface Union {
  readonly discriminator?: string;
  readonly fields: readonly string[];
}

const unions: Readonly<Record<string, Union>> = {
  'io.k8s.api.core.v1.AppArmorProfile': { discriminator: 'type', fields: ['localhostProfile'] },
  'io.k8s.api.core.v1.PodSchedulingGroup': { fields: ['podGroupName'] },
  'io.k8s.api.core.v1.SeccompProfile': { discriminator: 'type', fields: ['localhostProfile'] },
  'io.k8s.api.flowcontrol.v1.LimitResponse': { discriminator: 'type', fields: ['queuing'] },
  'io.k8s.api.flowcontrol.v1.PriorityLevelConfigurationSpec': { discriminator: 'type', fields: ['exempt', 'limited'] },
  'io.k8s.api.flowcontrol.v1.Subject': { discriminator: 'kind', fields: ['group', 'serviceAccount', 'user'] },
};

/** The extension of a type of which one field at most is set; empty for others. */
export function unionExtension(typeName: string): Readonly<Record<string, unknown>> {
  const union = unions[typeName];
  if (union === undefined) return {};
  const { discriminator, fields } = union;
  const names = fields.map((name) => [name, name.charAt(0).toUpperCase() + name.slice(1)]);
  return {
    'x-kubernetes-unions': [
      {
        ...(discriminator === undefined ? {} : { discriminator }),
        'fields-to-discriminateBy': Object.fromEntries(names),
      },
    ],
  };
}
