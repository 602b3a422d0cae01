/** Rules for pods and pod templates. Source: upstream `ValidatePodSpec`, `ValidatePodCreate`, `ValidatePodTemplateSpec`. */

import type { HostAlias, Pod, PodResourceClaim, PodSpec, PodTemplateSpec } from '#pkg/api/types/core-v1.ts';
import { type FieldsWith, fields, type Given } from '#pkg/apimachinery/draft.ts';
import {
  at,
  child,
  duplicate,
  type FieldError,
  type FieldPath,
  forbiddenField,
  invalid,
  misnamed,
  pathsOf,
  required,
} from '#pkg/apimachinery/field-error.ts';
import {
  dns1123LabelProblems,
  dns1123SubdomainProblems,
  type Problems,
  qualifiedNameProblems,
} from '#pkg/apimachinery/names.ts';
import { Collector } from '../../validation/collector.ts';
import { checkIp } from '../../validation/ips.ts';
import { labelsErrors } from '../../validation/selector.ts';
import { checkContainers } from './containers.ts';
import { checkAffinity, checkTopologySpread } from './pod-affinity.ts';
import { checkPodAnnotations } from './pod-annotations.ts';
import { checkDns } from './pod-dns.ts';
import { checkPodResources } from './pod-resources.ts';
import { checkResources } from './resources.ts';
import { checkPodSecurity } from './security-context.ts';
import { checkTolerations } from './taints.ts';
import { checkVolumes } from './volumes.ts';
import { checkHostProcess, checkOs } from './windows-options.ts';

const field = pathsOf<Pod>();

const int32Max = 2 ** 31 - 1;

/** What is wrong with a pod, on create and on update. */
export function validatePod(pod: Given<Pod>): readonly FieldError[] {
  const into = new Collector();
  checkPodAnnotations(into, pod, { path: field('metadata.annotations'), specPath: field('spec') });
  const spec = pod.spec ?? {};
  checkPodSpec(into, spec, { path: field('spec'), podName: pod.metadata?.name ?? '' });
  if ((spec.serviceAccountName ?? '') === '') refuseTokens(into, spec);
  return into.errors;
}

/** A token is a service account's. */
function refuseTokens(into: Collector, spec: Given<PodSpec>): void {
  for (const [index, volume] of (spec.volumes ?? []).entries()) {
    for (const [position, source] of (volume.projected?.sources ?? []).entries()) {
      if (source.serviceAccountToken === undefined) continue;
      const path = child(
        at(child(at(field('spec.volumes'), index), 'projected.sources'), position),
        'serviceAccountToken',
      );
      into.add(forbiddenField(path, 'must not be specified when serviceAccountName is not set'));
    }
  }
}

/** What is wrong with a new pod beyond `validatePod`. */
export function newPodErrors(pod: Given<Pod>): readonly FieldError[] {
  const into = new Collector();
  const spec = pod.spec;
  if ((spec?.ephemeralContainers ?? []).length > 0) {
    into.add(forbiddenField(field('spec.ephemeralContainers'), 'cannot be set on create'));
  }
  if ((spec?.nodeName ?? '') !== '' && (spec?.schedulingGates ?? []).length > 0) {
    into.add(forbiddenField(field('spec.nodeName'), 'cannot be set until all schedulingGates have been cleared'));
  }
  return into.errors;
}

/** Checks a `PodTemplateSpec`. */
export function checkPodTemplate(
  into: Collector,
  template: Given<PodTemplateSpec> | undefined,
  path: FieldPath<PodTemplateSpec>,
): void {
  if (template === undefined) return;
  into.add(...labelsErrors(template.metadata?.labels ?? {}, misnamed(path, 'labels')));
  const annotations = misnamed(path, 'annotations');
  for (const key of Object.keys(template.metadata?.annotations ?? {})) {
    into.problems(annotations, key, qualifiedNameProblems(key.toLowerCase()));
  }
  const specPath = child(path, 'spec');
  checkPodAnnotations(into, template, { path: annotations, specPath });
  const spec = template.spec ?? {};
  checkPodSpec(into, spec, { path: specPath, podName: undefined });
  if ((spec.ephemeralContainers ?? []).length > 0) {
    const detail = 'ephemeral containers not allowed in pod template';
    into.add(forbiddenField(child(specPath, 'ephemeralContainers'), detail));
  }
}

interface SpecPlace {
  readonly path: FieldPath<PodSpec>;
  /** Name of the pod, undefined in a template. */
  readonly podName: string | undefined;
}

/** Names of other objects, and the names that the pod itself goes by. */
const nameRules: readonly (readonly [FieldsWith<PodSpec, string>, (name: string) => Problems])[] = [
  ['serviceAccountName', dns1123SubdomainProblems],
  ['nodeName', dns1123SubdomainProblems],
  ['hostname', dns1123LabelProblems],
  ['subdomain', dns1123LabelProblems],
  ['priorityClassName', dns1123SubdomainProblems],
  ['runtimeClassName', dns1123SubdomainProblems],
];

function checkPodSpec(into: Collector, spec: Given<PodSpec>, { path, podName }: SpecPlace): void {
  const isTemplate = podName === undefined;
  if (spec.terminationGracePeriodSeconds === undefined)
    into.add(required(child(path, 'terminationGracePeriodSeconds')));
  const volumes = checkVolumes(into, spec.volumes ?? [], { path: child(path, 'volumes'), podName });
  const claims = checkResourceClaims(into, spec.resourceClaims ?? [], child(path, 'resourceClaims'));
  checkContainers(into, spec, { path, rules: { volumes, claims, isTemplate } });
  checkPodResources(into, spec, { path: child(path, 'resources'), claims });
  checkHostNetworkPorts(into, spec, { path, podName });
  into.needsOneOf(child(path, 'restartPolicy'), spec.restartPolicy, ['Always', 'OnFailure', 'Never']);
  checkDns(into, spec, path);
  into.add(...labelsErrors(spec.nodeSelector ?? {}, child(path, 'nodeSelector')));
  checkPodSecurity(into, spec, path);
  checkAffinity(into, spec.affinity, child(path, 'affinity'));
  checkGates(into, spec, path);
  checkTopologySpread(into, spec.topologySpreadConstraints ?? [], child(path, 'topologySpreadConstraints'));
  checkHostProcess(into, spec, path);
  for (const [name, rule] of nameRules) into.mayName(child(path, name), spec[name], rule);
  checkHostnameOverride(into, spec, path);
  const deadline = spec.activeDeadlineSeconds;
  if (deadline !== undefined && (deadline < 1 || deadline > int32Max)) {
    const detail = `must be between 1 and ${int32Max}, inclusive`;
    into.add(invalid(child(path, 'activeDeadlineSeconds'), deadline, detail));
  }
  checkTolerations(into, spec.tolerations ?? [], child(path, 'tolerations'));
  checkHostAliases(into, spec.hostAliases ?? [], child(path, 'hostAliases'));
  into.oneOf(child(path, 'preemptionPolicy'), spec.preemptionPolicy, ['PreemptLowerPriority', 'Never']);
  const overhead = spec.overhead;
  if (overhead !== undefined) {
    checkResources(into, { limits: overhead }, { path: child(path, 'overhead'), claims: new Set() });
  }
  checkOs(into, spec, path);
}

/** Returns the names of the claims. */
function checkResourceClaims(
  into: Collector,
  claims: readonly Given<PodResourceClaim>[],
  path: FieldPath<readonly PodResourceClaim[]>,
): ReadonlySet<string> {
  const names = new Set<string>();
  for (const [index, claim] of claims.entries()) {
    const own = at(path, index);
    const name = claim.name ?? '';
    if (names.has(name)) into.add(duplicate(child(own, 'name'), name));
    else into.needsName(child(own, 'name'), name, dns1123LabelProblems);
    if (name !== '') names.add(name);
    const sources = fields('resourceClaimName', 'resourceClaimTemplateName');
    const given = sources.filter((source) => claim[source] !== undefined);
    if (given.length > 1) {
      const detail = 'at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified';
      into.add(invalid(own, claim, detail));
    }
    if (given.length === 0) {
      into.add(invalid(own, claim, 'must specify one of: `resourceClaimName`, `resourceClaimTemplateName`'));
    }
    for (const source of given) {
      into.problems(child(own, source), claim[source], dns1123SubdomainProblems(claim[source] ?? ''));
    }
  }
  return names;
}

/** On the node's own network a container's port is the node's. A template may leave the latter open. */
function checkHostNetworkPorts(into: Collector, spec: Given<PodSpec>, { path, podName }: SpecPlace): void {
  if (spec.hostNetwork !== true) return;
  for (const [index, container] of (spec.containers ?? []).entries()) {
    for (const [position, port] of (container.ports ?? []).entries()) {
      const hostPort = port.hostPort ?? 0;
      if (hostPort === port.containerPort || (podName === undefined && hostPort === 0)) continue;
      const ports = child(at(child(path, 'containers'), index), 'ports');
      const own = child(at(ports, position), 'hostPort');
      into.add(invalid(own, hostPort, 'must match `containerPort` when `hostNetwork` is true'));
    }
  }
}

function checkGates(into: Collector, spec: Given<PodSpec>, path: FieldPath<PodSpec>): void {
  for (const [index, gate] of (spec.readinessGates ?? []).entries()) {
    const type = gate.conditionType ?? '';
    const own = child(at(child(path, 'readinessGates'), index), 'conditionType');
    into.problems(own, type, qualifiedNameProblems(type));
  }
  const seen = new Set<string>();
  for (const [index, gate] of (spec.schedulingGates ?? []).entries()) {
    const name = gate.name ?? '';
    const own = at(child(path, 'schedulingGates'), index);
    into.problems(own, name, qualifiedNameProblems(name));
    if (seen.has(name)) into.add(duplicate(own, name));
    seen.add(name);
  }
}

const hostnameLengthMax = 64;

function checkHostnameOverride(into: Collector, spec: Given<PodSpec>, path: FieldPath<PodSpec>): void {
  const name = spec.hostnameOverride;
  if (typeof name !== 'string') return;
  const own = child(path, 'hostnameOverride');
  into.problems(own, name, dns1123SubdomainProblems(name));
  if (name.length > hostnameLengthMax) {
    into.add(invalid(own, name, `must be no more than ${hostnameLengthMax} characters`));
  }
  for (const name of fields('hostNetwork', 'setHostnameAsFQDN')) {
    if (spec[name] === true) into.add(forbiddenField(own, `may not be specified when \`${name}\` is true`));
  }
}

function checkHostAliases(
  into: Collector,
  aliases: readonly Given<HostAlias>[],
  path: FieldPath<readonly HostAlias[]>,
): void {
  for (const [index, alias] of aliases.entries()) {
    const own = at(path, index);
    checkIp(into, alias.ip ?? '', child(own, 'ip'));
    for (const [position, name] of (alias.hostnames ?? []).entries()) {
      into.problems(at(child(own, 'hostnames'), position), name, dns1123SubdomainProblems(String(name)));
    }
  }
}
