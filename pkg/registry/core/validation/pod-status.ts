/** What a node may report about a pod. Source: upstream `ValidatePodStatusUpdate`. */

import type { Pod, PodIP } from '#pkg/api/types/core-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import {
  at,
  child,
  duplicate,
  type FieldError,
  type FieldPath,
  forbiddenField,
  invalid,
  pathsOf,
  untyped,
} from '#pkg/apimachinery/field-error.ts';
import { dns1123SubdomainProblems, qualifiedNameProblems } from '#pkg/apimachinery/names.ts';
import { Collector } from '../../validation/collector.ts';
import { checkIp, isIpv6 } from '../../validation/ips.ts';
import { checkAnnotationsKept } from './pod-annotations.ts';
import { mayRestartByItself } from './restart-policy.ts';

const field = pathsOf<Pod>();

const ownConditions = ['Initialized', 'PodScheduled', 'Ready'];

/** What is wrong with what a node reports of a pod. Source: upstream `ValidatePodStatusUpdate`. */
export function validatePodStatusUpdate(draft: Given<Pod>, old: Given<Pod>): readonly FieldError[] {
  const into = new Collector();
  checkAnnotationsKept(into, draft, old);
  const status = draft.status ?? {};
  for (const [index, condition] of (status.conditions ?? []).entries()) {
    const type = condition.type ?? '';
    if (ownConditions.includes(type)) continue;
    into.problems(child(at(untyped('metadata.conditions'), index), 'Type'), type, qualifiedNameProblems(type));
  }
  if (status.nominatedNodeName !== (old.status?.nominatedNodeName ?? '')) {
    into.mayName(field('status.nominatedNodeName'), status.nominatedNodeName, dns1123SubdomainProblems);
  }
  const policy = old.spec?.restartPolicy ?? '';
  checkTransitions(into, { draft, old, list: 'containerStatuses', restartPolicy: policy });
  checkTransitions(into, { draft, old, list: 'initContainerStatuses', restartPolicy: policy });
  checkTransitions(into, { draft, old, list: 'ephemeralContainerStatuses', restartPolicy: 'Never' });
  checkIps(into, status.podIPs ?? [], field('status.podIPs'));
  const hostIps = status.hostIPs ?? [];
  if (hostIps.length > 0 && (status.hostIP ?? '') !== (hostIps[0]?.ip ?? '')) {
    into.add(invalid(child(at(field('status.hostIPs'), 0), 'ip'), hostIps[0]?.ip ?? '', 'must be equal to `hostIP`'));
  }
  checkIps(into, hostIps, field('status.hostIPs'));
  return into.errors;
}

type StatusList = 'containerStatuses' | 'ephemeralContainerStatuses' | 'initContainerStatuses';

interface Transitions {
  readonly draft: Given<Pod>;
  readonly old: Given<Pod>;
  readonly list: StatusList;
  readonly restartPolicy: string;
}

/** Names of containers that run again whatever the pod's policy. */
function restartableIn({ spec }: Given<Pod>): ReadonlySet<string> {
  const containers = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])];
  return new Set(containers.filter(mayRestartByItself).map((container) => container.name ?? ''));
}

/** A container that has ended for good does not come back. */
function checkTransitions(into: Collector, { draft, old, list, restartPolicy }: Transitions): void {
  const before = old.status?.[list] ?? [];
  if (restartPolicy === 'Always' || before.length === 0) return;
  const restartable = restartableIn(old);
  const now = draft.status?.[list] ?? [];
  for (const [index, was] of before.entries()) {
    const ended = was.state?.terminated;
    const name = was.name ?? '';
    if (ended === undefined || restartable.has(name)) continue;
    if (restartPolicy === 'OnFailure' && ended.exitCode !== 0) continue;
    const current = now.find((candidate) => candidate.name === name);
    if (current === undefined || current.state?.terminated !== undefined) continue;
    const path = child(at(child(field('status'), list), index), 'state');
    into.add(forbiddenField(path, 'may not be transitioned to non-terminated state'));
  }
}

/** One address of each family. */
function checkIps(into: Collector, entries: readonly Given<PodIP>[], path: FieldPath<readonly PodIP[]>): void {
  const ips = entries.map((entry) => entry.ip ?? '');
  for (const [index, ip] of ips.entries()) {
    checkIp(into, ip, at(path, index));
    if (ips.indexOf(ip) < index) into.add(duplicate(at(path, index), entries[index]));
  }
  if (ips.length < 2 || (ips.length === 2 && isIpv6(ips[0]!) !== isIpv6(ips[1]!))) return;
  into.add(invalid(path, entries, 'may specify no more than one IP for each IP family'));
}
