/** What a check of the Pod Security Standards is, and what the checks share. Pure. Source: pod-security-admission `policy/{checks,helpers,visitor}.go`. */

import type { Container, PodSpec } from '#pkg/api/types/core-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';

/** What is looked at: a pod, or the template of pods. */
export interface CheckedPod {
  readonly annotations: Readonly<Record<string, string>>;
  readonly spec: Given<PodSpec>;
}

/** Why a pod does not keep to a check. */
export interface Violation {
  readonly reason: string;
  readonly detail: string;
}

/** Undefined when the pod keeps to it. */
export type CheckPod = (pod: CheckedPod) => Violation | undefined;

/** One rule of the standards. */
export interface Check {
  /** Checks of a level are told in the order of their ids. */
  readonly id: string;
  readonly level: 'baseline' | 'restricted';
  /** Since which minor version of the standards it is looked at in which way, in order. */
  readonly versions: readonly (readonly [minor: number, check: CheckPod])[];
  /** Checks of the baseline that this one contains. */
  readonly overrides?: readonly string[];
}

/** Init containers, containers and ephemeral ones, as far as checks look at them. */
export function containersOf({ spec }: CheckedPod): readonly Given<Container>[] {
  return [...(spec.initContainers ?? []), ...(spec.containers ?? []), ...(spec.ephemeralContainers ?? [])];
}

/** Names of the containers for which `isBad` holds. */
export function badContainers(pod: CheckedPod, isBad: (container: Given<Container>) => boolean): readonly string[] {
  return containersOf(pod)
    .filter(isBad)
    .map(({ name = '' }) => name);
}

/** `"a", "b"`. */
export function quoted(items: readonly string[]): string {
  return items.length === 0 ? '' : `"${items.join('", "')}"`;
}

/** Each once, in order. */
export function sorted(items: Iterable<string>): readonly string[] {
  return [...new Set(items)].sort();
}

/** The word for that many: `container`, `containers`. */
export function plural(singular: string, count: number): string {
  return count === 1 ? singular : `${singular}s`;
}

/** `container "a"`, `containers "a", "b"`. */
export function namedContainers(names: readonly string[]): string {
  return `${plural('container', names.length)} ${quoted(names)}`;
}

/** `pod and containers "a", "b"`: who sets something, in the pod's own context or in those of containers. */
export function setters(byPod: boolean, containers: readonly string[]): readonly string[] {
  return [...(byPod ? ['pod'] : []), ...(containers.length === 0 ? [] : [namedContainers(containers)])];
}

/** The users of a pod in a namespace of its own are nobody on the node. */
export function hasOwnUsers({ spec }: CheckedPod): boolean {
  return spec.hostUsers === false;
}

/** Whether the pod says that it runs on Windows. */
export function isWindows({ spec }: CheckedPod): boolean {
  return spec.os?.name === 'windows';
}
