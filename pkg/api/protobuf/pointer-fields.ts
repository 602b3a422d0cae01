/**
 * Scalar fields that are pointers in Go: there, and only there, a zero value that a protobuf message carries was set by someone. Go
 * writes all other scalars even when they are zero, and its JSON leaves those out. The table of facts does not tell the two apart.
 * Source: the Go declarations in `k8s.io/api`.
 */

/** By name, where all fields of that name are pointers. */
const pointers: ReadonlySet<string> = new Set([
  'activeDeadlineSeconds',
  'allocateLoadBalancerNodePorts',
  'allowPrivilegeEscalation',
  'allowVolumeExpansion',
  'attachRequired',
  'automountServiceAccountToken',
  'averageUtilization',
  'backoffLimit',
  'backoffLimitPerIndex',
  'blockOwnerDeletion',
  'completions',
  'controller',
  'defaultMode',
  'deletionGracePeriodSeconds',
  'enableServiceLinks',
  'expirationSeconds',
  'failedJobsHistoryLimit',
  'fsGroup',
  'gracePeriodSeconds',
  'hostProcess',
  'hostUsers',
  'immutable',
  'ingressClassName',
  'leaseDurationSeconds',
  'leaseTransitions',
  'limitBytes',
  'manualSelector',
  'maxFailedIndexes',
  'minDomains',
  'minReplicas',
  'mode',
  'optional',
  'orphanDependents',
  'parallelism',
  'partition',
  'podInfoOnMount',
  'priority',
  'privileged',
  'progressDeadlineSeconds',
  'readOnlyRootFilesystem',
  'replicas',
  'requiresRepublish',
  'revisionHistoryLimit',
  'runAsGroup',
  'runAsNonRoot',
  'runAsUser',
  'seLinuxMount',
  'serving',
  'setHostnameAsFQDN',
  'shareProcessNamespace',
  'sinceSeconds',
  'stabilizationWindowSeconds',
  'started',
  'startingDeadlineSeconds',
  'storageCapacity',
  'storageClassName',
  'successfulJobsHistoryLimit',
  'suspend',
  'tailLines',
  'terminating',
  'terminationGracePeriodSeconds',
  'tolerationSeconds',
  'ttlSecondsAfterFinished',
]);

/** By type and name, where the name is a pointer in this type and not in others, or the other way round. */
const exceptions: Readonly<Record<string, boolean>> = {
  'io.k8s.api.core.v1.AzureDiskVolumeSource.readOnly': true,
  'io.k8s.api.core.v1.ClientIPConfig.timeoutSeconds': true,
  'io.k8s.api.core.v1.GRPCAction.service': true,
  'io.k8s.api.core.v1.PersistentVolumeSpec.storageClassName': false,
  'io.k8s.api.discovery.v1.EndpointConditions.ready': true,
  'io.k8s.api.discovery.v1.EndpointPort.name': true,
  'io.k8s.api.discovery.v1.EndpointPort.port': true,
  'io.k8s.api.storage.v1.CSIStorageCapacity.storageClassName': false,
};

/** Whether a zero value of the field is kept: a pointer, or a field that Go's JSON always writes (and then only numbers and booleans). */
export function keepsZero(type: string, name: string, isRequired: boolean): boolean {
  const exception = exceptions[`${type}.${name}`];
  if (exception !== undefined) return exception;
  return isRequired || pointers.has(name) || (name === 'timeoutSeconds' && type.startsWith('io.k8s.api.admission'));
}
