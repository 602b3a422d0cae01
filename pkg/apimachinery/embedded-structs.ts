/**
 * Which objects are no pointers in Go's types: they exist in an object that was just made, whether a body names them or not. The table of
 * facts does not tell them apart, so they are listed here by type and field. Custom resources have none.
 * Source: the `types.go` of `k8s.io/api` 0.36.
 */
import type { FieldSchema, ObjectSchema } from './schema.ts';

/** Fields that may be left out and are objects of their own in every built-in type that has them. */
const embeddedNames: ReadonlySet<string> = new Set(['metadata', 'spec', 'status', 'strategy', 'updateStrategy']);

/** Further ones that may be left out, by type. */
const embeddedFields: ReadonlySet<string> = new Set([
  'apps.v1.ReplicaSetSpec.template',
  'core.v1.Container.resources',
  'core.v1.ContainerStatus.lastState',
  'core.v1.ContainerStatus.state',
  'core.v1.EphemeralContainer.resources',
  'core.v1.Event.source',
  'core.v1.NodeDaemonEndpoints.kubeletEndpoint',
  'core.v1.NodeStatus.daemonEndpoints',
  'core.v1.NodeStatus.nodeInfo',
  'core.v1.PersistentVolumeClaimSpec.resources',
  'core.v1.PodTemplate.template',
  'core.v1.ServiceStatus.loadBalancer',
  'discovery.v1.Endpoint.conditions',
  'events.v1.Event.deprecatedSource',
  'events.v1.Event.regarding',
  'flowcontrol.v1.LimitedPriorityLevelConfiguration.limitResponse',
  'networking.v1.IngressServiceBackend.port',
  'networking.v1.IngressStatus.loadBalancer',
  'resource.v1.AllocationResult.devices',
]);

/** Pointers that are always written, as `null` when there is nothing. */
const requiredPointers: ReadonlySet<string> = new Set([
  'apps.v1.DaemonSetSpec.selector',
  'apps.v1.DeploymentSpec.selector',
  'apps.v1.ReplicaSetSpec.selector',
  'apps.v1.StatefulSetSpec.selector',
  'authentication.v1.TokenRequestSpec.boundObjectRef',
  'core.v1.ScaleIOPersistentVolumeSource.secretRef',
  'core.v1.ScaleIOVolumeSource.secretRef',
]);

const typePrefix = 'io.k8s.api.';

/** Whether a field of a built-in type holds an object that is there even when nothing was said of it. */
export function isEmbedded({ name: type }: ObjectSchema, field: FieldSchema): boolean {
  if (type === undefined || field.schema.type !== 'object') return false;
  const place = `${type.slice(typePrefix.length)}.${field.name}`;
  if (!field.omitEmpty) return !requiredPointers.has(place);
  return embeddedNames.has(field.name) || embeddedFields.has(place);
}
