/** What a node may report about a pod. Source: upstream `ValidatePodStatusUpdate`. */
import {
  at,
  child,
  duplicate,
  type FieldError,
  type FieldPath,
  forbiddenField,
  invalid,
} from '#pkg/apimachinery/field-error.ts';
import { dns1123SubdomainProblems, qualifiedNameProblems } from '#pkg/apimachinery/names.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { numberAt, objectAt, objectsAt, stringAt } from '../../draft.ts';
import { Collector } from '../../validation/collector.ts';
import { checkIp, isIpv6 } from '../../validation/ips.ts';
import { checkAnnotationsKept } from './pod-annotations.ts';
import { mayRestartByItself } from './restart-policy.ts';

const ownConditions = ['Initialized', 'PodScheduled', 'Ready'];

/** What is wrong with what a node reports of a pod. Source: upstream `ValidatePodStatusUpdate`. */
export function validatePodStatusUpdate(draft: JsonObject, old: KubeObject): readonly FieldError[] {
  const into = new Collector();
  checkAnnotationsKept(into, draft, old);
  const status = objectAt(draft, 'status') ?? {};
  for (const [index, condition] of objectsAt(status, 'conditions').entries()) {
    const type = stringAt(condition, 'type');
    if (ownConditions.includes(type)) continue;
    into.problems(child(at('metadata.conditions', index), 'Type'), type, qualifiedNameProblems(type));
  }
  if (status.nominatedNodeName !== stringAt(old, 'status', 'nominatedNodeName')) {
    into.mayName('status.nominatedNodeName', status.nominatedNodeName, dns1123SubdomainProblems);
  }
  const policy = stringAt(old, 'spec', 'restartPolicy');
  const containers = [...objectsAt(old, 'spec', 'initContainers'), ...objectsAt(old, 'spec', 'containers')];
  const restartable = new Set(containers.filter(mayRestartByItself).map((container) => stringAt(container, 'name')));
  const check = (field: string, restartPolicy: string): void =>
    checkTransitions(into, { draft, old, field, restartPolicy, restartable });
  check('containerStatuses', policy);
  check('initContainerStatuses', policy);
  check('ephemeralContainerStatuses', 'Never');
  checkIps(into, objectsAt(status, 'podIPs'), 'status.podIPs');
  const hostIps = objectsAt(status, 'hostIPs');
  if (hostIps.length > 0 && stringAt(status, 'hostIP') !== stringAt(hostIps[0], 'ip')) {
    into.add(invalid('status.hostIPs[0].ip', stringAt(hostIps[0], 'ip'), 'must be equal to `hostIP`'));
  }
  checkIps(into, hostIps, 'status.hostIPs');
  return into.errors;
}

interface Transitions {
  readonly draft: JsonObject;
  readonly old: KubeObject;
  readonly field: string;
  readonly restartPolicy: string;
  /** Names of containers that run again whatever the pod's policy. */
  readonly restartable: ReadonlySet<string>;
}

/** A container that has ended for good does not come back. */
function checkTransitions(into: Collector, { draft, old, field, restartPolicy, restartable }: Transitions): void {
  if (restartPolicy === 'Always') return;
  const now = objectsAt(draft, 'status', field);
  for (const [index, was] of objectsAt(old, 'status', field).entries()) {
    const ended = objectAt(was, 'state', 'terminated');
    const name = stringAt(was, 'name');
    if (ended === undefined || restartable.has(name)) continue;
    if (restartPolicy === 'OnFailure' && numberAt(ended, 'exitCode') !== 0) continue;
    const current = now.find((candidate) => candidate.name === name);
    if (current === undefined || objectAt(current, 'state', 'terminated') !== undefined) continue;
    const path = child(at(child('status', field), index), 'state');
    into.add(forbiddenField(path, 'may not be transitioned to non-terminated state'));
  }
}

/** One address of each family. */
function checkIps(into: Collector, entries: readonly JsonObject[], path: FieldPath): void {
  const ips = entries.map((entry) => stringAt(entry, 'ip'));
  for (const [index, ip] of ips.entries()) {
    checkIp(into, ip, at(path, index));
    if (ips.indexOf(ip) < index) into.add(duplicate(at(path, index), entries[index]));
  }
  if (ips.length < 2 || (ips.length === 2 && isIpv6(ips[0]!) !== isIpv6(ips[1]!))) return;
  into.add(invalid(path, entries, 'may specify no more than one IP for each IP family'));
}
