/** Rules for pods and pod templates. Source: upstream `ValidatePodSpec`, `ValidatePodCreate`, `ValidatePodTemplateSpec`. */
import {
  at,
  child,
  type FieldError,
  type FieldPath,
  forbiddenField,
  invalid,
  required,
} from '#pkg/apimachinery/field-error.ts';
import {
  dns1123LabelProblems,
  dns1123SubdomainProblems,
  ipProblems,
  qualifiedNameProblems,
  userIdProblems,
} from '#pkg/apimachinery/names.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { listAt, numberAt, objectAt, objectsAt, stringAt, stringMapAt } from '../../draft.ts';
import { Collector } from '../../validation/collector.ts';
import { labelsErrors } from '../../validation/selector.ts';
import { checkContainers } from './container.ts';
import { checkAffinity, checkTolerations, checkTopologySpread } from './scheduling.ts';
import { checkVolumes } from './volumes.ts';

const int32Max = 2 ** 31 - 1;

/** What is wrong with a pod, on create and on update. */
export function validatePod(pod: JsonObject): readonly FieldError[] {
  const into = new Collector();
  const spec = objectAt(pod, 'spec');
  if (spec !== undefined) checkPodSpec(into, spec, { path: 'spec', isTemplate: false });
  return into.errors;
}

/** Checks a `PodTemplateSpec`. */
export function checkPodTemplate(into: Collector, template: JsonObject | undefined, path: FieldPath): void {
  if (template === undefined) return;
  into.add(...labelsErrors(stringMapAt(template, 'metadata', 'labels'), child(path, 'labels')));
  const spec = objectAt(template, 'spec');
  if (spec === undefined) return;
  checkPodSpec(into, spec, { path: child(path, 'spec'), isTemplate: true });
  if (listAt(spec, 'ephemeralContainers').length > 0) {
    const detail = 'ephemeral containers not allowed in pod template';
    into.add(forbiddenField(child(child(path, 'spec'), 'ephemeralContainers'), detail));
  }
}

/** Checks the spec of a pod or a template. */
function checkPodSpec(
  into: Collector,
  spec: JsonObject,
  { path, isTemplate }: { path: FieldPath; isTemplate: boolean },
): void {
  const volumes = checkVolumes(into, objectsAt(spec, 'volumes'), child(path, 'volumes'));
  checkContainers(into, spec, { path, rules: { volumes, hostNetwork: spec.hostNetwork === true, isTemplate } });
  into.oneOf(child(path, 'restartPolicy'), spec.restartPolicy, ['Always', 'Never', 'OnFailure']);
  checkDns(into, spec, path);
  into.add(...labelsErrors(stringMapAt(spec, 'nodeSelector'), child(path, 'nodeSelector')));
  checkNames(into, spec, path);
  const deadline = numberAt(spec, 'activeDeadlineSeconds');
  if (deadline !== undefined && (deadline < 1 || deadline > int32Max)) {
    const detail = `must be between 1 and ${int32Max}, inclusive`;
    into.add(invalid(child(path, 'activeDeadlineSeconds'), deadline, detail));
  }
  checkTolerations(into, objectsAt(spec, 'tolerations'), child(path, 'tolerations'));
  checkAffinity(into, objectAt(spec, 'affinity'), child(path, 'affinity'));
  checkTopologySpread(into, objectsAt(spec, 'topologySpreadConstraints'), child(path, 'topologySpreadConstraints'));
  checkSecurity(into, objectAt(spec, 'securityContext'), child(path, 'securityContext'));
  for (const [index, alias] of objectsAt(spec, 'hostAliases').entries()) {
    const ip = stringAt(alias, 'ip');
    into.problems(child(at(child(path, 'hostAliases'), index), 'ip'), ip, ipProblems(ip));
  }
  for (const [index, gate] of objectsAt(spec, 'readinessGates').entries()) {
    const type = stringAt(gate, 'conditionType');
    into.problems(child(at(child(path, 'readinessGates'), index), 'conditionType'), type, qualifiedNameProblems(type));
  }
}

function checkDns(into: Collector, spec: JsonObject, path: FieldPath): void {
  const policies = ['ClusterFirst', 'ClusterFirstWithHostNet', 'Default', 'None'];
  into.oneOf(child(path, 'dnsPolicy'), spec.dnsPolicy, policies);
  const own = child(path, 'dnsConfig');
  const servers = listAt(spec, 'dnsConfig', 'nameservers').map(String);
  if (spec.dnsPolicy === 'None') {
    if (objectAt(spec, 'dnsConfig') === undefined) {
      into.add(required(own, 'must provide `dnsConfig` when `dnsPolicy` is None'));
    } else if (servers.length === 0) {
      into.add(
        required(child(own, 'nameservers'), 'must provide at least one DNS nameserver when `dnsPolicy` is None'),
      );
    }
  }
  for (const [index, ip] of servers.entries()) into.problems(at(child(own, 'nameservers'), index), ip, ipProblems(ip));
}

const nameRules: readonly (readonly [string, (name: string) => readonly string[]])[] = [
  ['serviceAccountName', dns1123SubdomainProblems],
  ['nodeName', dns1123SubdomainProblems],
  ['hostname', dns1123LabelProblems],
  ['subdomain', dns1123LabelProblems],
  ['priorityClassName', dns1123SubdomainProblems],
  ['runtimeClassName', dns1123SubdomainProblems],
];

function checkNames(into: Collector, spec: JsonObject, path: FieldPath): void {
  for (const [field, problemsOf] of nameRules) {
    const name = stringAt(spec, field);
    if (name !== '') into.problems(child(path, field), name, problemsOf(name));
  }
}

function checkSecurity(into: Collector, context: JsonObject | undefined, path: FieldPath): void {
  if (context === undefined) return;
  for (const field of ['runAsUser', 'runAsGroup', 'fsGroup']) {
    const id = context[field];
    if (typeof id === 'number') into.problems(child(path, field), id, userIdProblems(id));
  }
}
