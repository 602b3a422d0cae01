/**
 * Defaults of pods and of everything that contains a pod template. `setPodSpecDefaults` is for both; what only a pod itself gets
 * (requests from limits, enableServiceLinks, host ports) is in `setPodDefaults`, so that templates stay as they were written.
 * Source: upstream `pkg/apis/core/v1/defaults.go`.
 */

import type {
  Container,
  DownwardAPIVolumeFile,
  HTTPGetAction,
  Pod,
  PodSpec,
  PodTemplateSpec,
  Probe,
  Volume,
} from '#pkg/api/types/core-v1.ts';
import { type Draft, fields } from '#pkg/apimachinery/draft.ts';
import { inKeyOrder, isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { setDefault } from '../draft.ts';

const fileMode = 0o644;
const tokenExpirationSeconds = 3600;

/** Fills in what `spec` of a pod or a pod template leaves open. */
function setPodSpecDefaults(spec: Draft<PodSpec>): void {
  setDefault(spec, 'dnsPolicy', 'ClusterFirst');
  setDefault(spec, 'restartPolicy', 'Always');
  setDefault(spec, 'securityContext', {});
  setDefault(spec, 'terminationGracePeriodSeconds', 30);
  setDefault(spec, 'schedulerName', 'default-scheduler');
  mirrorServiceAccount(spec);
  for (const volume of spec.volumes ?? []) setVolumeDefaults(volume);
  for (const container of containersOf(spec)) setContainerDefaults(container);
}

/** Fills in what only pods get, beyond `setPodSpecDefaults`. */
export function setPodDefaults(pod: Draft<Pod>): void {
  const spec = pod.spec;
  if (spec === undefined) return;
  setPodSpecDefaults(spec);
  // A pod's alone, as upstream's conversion does: a template stays as it was written.
  if ((spec.terminationGracePeriodSeconds ?? 0) < 0) spec.terminationGracePeriodSeconds = 1;
  for (const container of [...(spec.containers ?? []), ...(spec.initContainers ?? [])]) {
    defaultRequestsFromLimits(container);
    if (spec.hostNetwork === true) {
      for (const port of container.ports ?? []) if (!port.hostPort) port.hostPort = port.containerPort;
    }
  }
  const resources = spec.resources;
  if (resources !== undefined) defaultRequestsFromLimits(spec);
  setDefault(spec, 'enableServiceLinks', true);
}

/** Fills in the pod template of a workload, if it has one. */
export function setTemplateDefaults(owner: { template?: Draft<PodTemplateSpec> } | undefined): void {
  const spec = owner?.template?.spec;
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

function containersOf(spec: Draft<PodSpec>): readonly Draft<Container>[] {
  return [...(spec.containers ?? []), ...(spec.initContainers ?? []), ...(spec.ephemeralContainers ?? [])];
}

/** The old name of the field is kept equal to the new one, as upstream's conversion does. */
function mirrorServiceAccount(spec: Draft<PodSpec>): void {
  if (spec.serviceAccountName) spec.serviceAccount = spec.serviceAccountName;
  else if (spec.serviceAccount) spec.serviceAccountName = spec.serviceAccount;
}

function setContainerDefaults(container: Draft<Container>): void {
  setDefault(container, 'imagePullPolicy', pullPolicyOf(container.image));
  setDefault(container, 'terminationMessagePath', '/dev/termination-log');
  setDefault(container, 'terminationMessagePolicy', 'File');
  // Written out by upstream even when empty: the Go field is a struct.
  setDefault(container, 'resources', {});
  for (const port of container.ports ?? []) setDefault(port, 'protocol', 'TCP');
  for (const name of fields('livenessProbe', 'readinessProbe', 'startupProbe')) {
    const probe = container[name];
    if (probe !== undefined) setProbeDefaults(probe);
  }
  for (const hook of fields('postStart', 'preStop')) setHttpGetDefaults(container.lifecycle?.[hook]?.httpGet);
  for (const env of container.env ?? []) {
    const fieldRef = env.valueFrom?.fieldRef;
    if (fieldRef !== undefined) setDefault(fieldRef, 'apiVersion', 'v1');
    const resourceRef = env.valueFrom?.resourceFieldRef;
    if (resourceRef !== undefined) setDefault(resourceRef, 'divisor', '0');
  }
}

function setDefaultNumber(target: JsonObject, name: string, value: number): void {
  if (!target[name]) target[name] = value;
}

function setProbeDefaults(probe: Draft<Probe>): void {
  setDefaultNumber(probe, 'timeoutSeconds', 1);
  setDefaultNumber(probe, 'periodSeconds', 10);
  setDefaultNumber(probe, 'successThreshold', 1);
  setDefaultNumber(probe, 'failureThreshold', 3);
  setHttpGetDefaults(probe.httpGet);
  const grpc = probe.grpc;
  if (grpc !== undefined) grpc.service ??= '';
}

function setHttpGetDefaults(action: Draft<HTTPGetAction> | undefined): void {
  if (action === undefined) return;
  setDefault(action, 'path', '/');
  setDefault(action, 'scheme', 'HTTP');
}

function defaultRequestsFromLimits(owner: Draft<Container>): void {
  const resources = owner.resources;
  const limits = resources?.limits;
  if (resources === undefined || limits === undefined) return;
  const requests = isObject(resources.requests) ? resources.requests : {};
  for (const [name, limit] of Object.entries(limits)) if (!Object.hasOwn(requests, name)) requests[name] = limit;
  if (Object.keys(requests).length > 0) resources.requests = inKeyOrder(requests);
}

/** Fills in the source of a volume; a volume without one is an emptyDir. */
function setVolumeDefaults(volume: Draft<Volume>): void {
  const hasSource = Object.entries(volume).some(([name, value]) => name !== 'name' && isObject(value));
  if (!hasSource) volume.emptyDir = {};
  for (const name of fields('secret', 'configMap', 'downwardAPI', 'projected')) {
    const source = volume[name];
    if (source !== undefined) setDefault(source, 'defaultMode', fileMode);
  }
  for (const item of volume.downwardAPI?.items ?? []) setItemDefaults(item);
  for (const source of volume.projected?.sources ?? []) {
    const token = source.serviceAccountToken;
    if (token !== undefined) setDefault(token, 'expirationSeconds', tokenExpirationSeconds);
    for (const item of source.downwardAPI?.items ?? []) setItemDefaults(item);
  }
  const hostPath = volume.hostPath;
  if (hostPath !== undefined) hostPath.type ??= '';
  const image = volume.image;
  if (image !== undefined) setDefault(image, 'pullPolicy', pullPolicyOf(image.reference));
  const claimSpec = volume.ephemeral?.volumeClaimTemplate?.spec;
  if (claimSpec !== undefined) setDefault(claimSpec, 'volumeMode', 'Filesystem');
}

function setItemDefaults(item: Draft<DownwardAPIVolumeFile>): void {
  const fieldRef = item.fieldRef;
  if (fieldRef !== undefined) setDefault(fieldRef, 'apiVersion', 'v1');
  const resourceRef = item.resourceFieldRef;
  if (resourceRef !== undefined) setDefault(resourceRef, 'divisor', '0');
}
