/**
 * Defaults of pods and of everything that contains a pod template. `setPodSpecDefaults` is for both; what only a pod itself gets
 * (requests from limits, enableServiceLinks, host ports) is in `setPodDefaults`, so that templates stay as they were written.
 * Source: upstream `pkg/apis/core/v1/defaults.go`.
 */

import { inKeyOrder, isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { numberAt, objectAt, objectsAt, setDefault } from '../draft.ts';

const fileMode = 0o644;
const tokenExpirationSeconds = 3600;

/** Fills in what `spec` of a pod or a pod template leaves open. */
function setPodSpecDefaults(spec: JsonObject): void {
  setDefault(spec, 'dnsPolicy', 'ClusterFirst');
  setDefault(spec, 'restartPolicy', 'Always');
  setDefault(spec, 'securityContext', {});
  setDefault(spec, 'terminationGracePeriodSeconds', 30);
  setDefault(spec, 'schedulerName', 'default-scheduler');
  mirrorServiceAccount(spec);
  for (const volume of objectsAt(spec, 'volumes')) setVolumeDefaults(volume);
  for (const container of containersOf(spec)) setContainerDefaults(container);
}

/** Fills in what only pods get, beyond `setPodSpecDefaults`. */
export function setPodDefaults(pod: JsonObject): void {
  const spec = objectAt(pod, 'spec');
  if (spec === undefined) return;
  setPodSpecDefaults(spec);
  // A pod's alone, as upstream's conversion does: a template stays as it was written.
  if ((numberAt(spec, 'terminationGracePeriodSeconds') ?? 0) < 0) spec.terminationGracePeriodSeconds = 1;
  for (const container of [...objectsAt(spec, 'containers'), ...objectsAt(spec, 'initContainers')]) {
    defaultRequestsFromLimits(container);
    if (spec.hostNetwork === true) {
      for (const port of objectsAt(container, 'ports')) if (!port.hostPort) port.hostPort = port.containerPort;
    }
  }
  const resources = objectAt(spec, 'resources');
  if (resources !== undefined) defaultRequestsFromLimits(spec);
  setDefault(spec, 'enableServiceLinks', true);
}

/** Fills in the pod template of a workload, if it has one. */
export function setTemplateDefaults(owner: JsonObject | undefined): void {
  const spec = objectAt(owner, 'template', 'spec');
  if (spec !== undefined) setPodSpecDefaults(spec);
}

/** The tag of an image reference, `latest` when it names neither tag nor digest, `''` when it names only a digest or nothing. */
export function imageTag(image: string): string {
  if (image === '') return '';
  const [named = '', digest] = image.split('@');
  const lastPart = named.slice(named.lastIndexOf('/') + 1);
  const colon = lastPart.indexOf(':');
  if (colon >= 0) return lastPart.slice(colon + 1);
  return digest === undefined ? 'latest' : '';
}

function pullPolicyOf(image: unknown): string {
  return typeof image === 'string' && imageTag(image) === 'latest' ? 'Always' : 'IfNotPresent';
}

function containersOf(spec: JsonObject): readonly JsonObject[] {
  return [
    ...objectsAt(spec, 'containers'),
    ...objectsAt(spec, 'initContainers'),
    ...objectsAt(spec, 'ephemeralContainers'),
  ];
}

/** The old name of the field is kept equal to the new one, as upstream's conversion does. */
function mirrorServiceAccount(spec: JsonObject): void {
  if (spec.serviceAccountName) spec.serviceAccount = spec.serviceAccountName;
  else if (spec.serviceAccount) spec.serviceAccountName = spec.serviceAccount;
}

function setContainerDefaults(container: JsonObject): void {
  setDefault(container, 'imagePullPolicy', pullPolicyOf(container.image));
  setDefault(container, 'terminationMessagePath', '/dev/termination-log');
  setDefault(container, 'terminationMessagePolicy', 'File');
  // Written out by upstream even when empty: the Go field is a struct.
  setDefault(container, 'resources', {});
  for (const port of objectsAt(container, 'ports')) setDefault(port, 'protocol', 'TCP');
  for (const name of ['livenessProbe', 'readinessProbe', 'startupProbe']) {
    const probe = objectAt(container, name);
    if (probe !== undefined) setProbeDefaults(probe);
  }
  for (const hook of ['postStart', 'preStop']) setHttpGetDefaults(objectAt(container, 'lifecycle', hook, 'httpGet'));
  for (const env of objectsAt(container, 'env')) {
    const fieldRef = objectAt(env, 'valueFrom', 'fieldRef');
    if (fieldRef !== undefined) setDefault(fieldRef, 'apiVersion', 'v1');
    const resourceRef = objectAt(env, 'valueFrom', 'resourceFieldRef');
    if (resourceRef !== undefined) setDefault(resourceRef, 'divisor', '0');
  }
}

function setDefaultNumber(target: JsonObject, name: string, value: number): void {
  if (!target[name]) target[name] = value;
}

function setProbeDefaults(probe: JsonObject): void {
  setDefaultNumber(probe, 'timeoutSeconds', 1);
  setDefaultNumber(probe, 'periodSeconds', 10);
  setDefaultNumber(probe, 'successThreshold', 1);
  setDefaultNumber(probe, 'failureThreshold', 3);
  setHttpGetDefaults(objectAt(probe, 'httpGet'));
  const grpc = objectAt(probe, 'grpc');
  if (grpc !== undefined) grpc.service ??= '';
}

function setHttpGetDefaults(action: JsonObject | undefined): void {
  if (action === undefined) return;
  setDefault(action, 'path', '/');
  setDefault(action, 'scheme', 'HTTP');
}

function defaultRequestsFromLimits(owner: JsonObject): void {
  const resources = objectAt(owner, 'resources');
  const limits = objectAt(resources, 'limits');
  if (resources === undefined || limits === undefined) return;
  const requests = isObject(resources.requests) ? resources.requests : {};
  for (const [name, limit] of Object.entries(limits)) if (!Object.hasOwn(requests, name)) requests[name] = limit;
  if (Object.keys(requests).length > 0) resources.requests = inKeyOrder(requests);
}

/** Fills in the source of a volume; a volume without one is an emptyDir. */
function setVolumeDefaults(volume: JsonObject): void {
  const hasSource = Object.entries(volume).some(([name, value]) => name !== 'name' && isObject(value));
  if (!hasSource) volume.emptyDir = {};
  for (const name of ['secret', 'configMap', 'downwardAPI', 'projected']) {
    const source = objectAt(volume, name);
    if (source !== undefined) setDefault(source, 'defaultMode', fileMode);
  }
  for (const item of objectsAt(volume, 'downwardAPI', 'items')) setItemDefaults(item);
  for (const source of objectsAt(volume, 'projected', 'sources')) {
    const token = objectAt(source, 'serviceAccountToken');
    if (token !== undefined) setDefault(token, 'expirationSeconds', tokenExpirationSeconds);
    for (const item of objectsAt(source, 'downwardAPI', 'items')) setItemDefaults(item);
  }
  const hostPath = objectAt(volume, 'hostPath');
  if (hostPath !== undefined) hostPath.type ??= '';
  const image = objectAt(volume, 'image');
  if (image !== undefined) setDefault(image, 'pullPolicy', pullPolicyOf(image.reference));
  const claimSpec = objectAt(volume, 'ephemeral', 'volumeClaimTemplate', 'spec');
  if (claimSpec !== undefined) setDefault(claimSpec, 'volumeMode', 'Filesystem');
}

function setItemDefaults(item: JsonObject): void {
  const fieldRef = objectAt(item, 'fieldRef');
  if (fieldRef !== undefined) setDefault(fieldRef, 'apiVersion', 'v1');
  const resourceRef = objectAt(item, 'resourceFieldRef');
  if (resourceRef !== undefined) setDefault(resourceRef, 'divisor', '0');
}
