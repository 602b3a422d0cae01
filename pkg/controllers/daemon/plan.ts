/**
 * Which pods of a daemon set are to be made, and which are to go: first one on every node that is to have one, then the steps of a rolling
 * update. Pure. Upstream counterpart: `podsShouldBeOnNode`, `update.go` `rollingUpdate`.
 */

import { isPodReady } from '#pkg/api/core/pod.ts';
import type { DaemonSet } from '#pkg/api/types/apps-v1.ts';
import type { Node, Pod } from '#pkg/api/types/core-v1.ts';
import { availableInMs, timeMs } from '../common/pod.ts';
import { revisionLabel } from '../common/revisions.ts';
import { scaled } from '../common/rounding.ts';
import { isPodUpdated, type Placement, targetNode } from './placement.ts';

/** What a plan follows from. */
export interface PlanInput {
  readonly set: DaemonSet;
  readonly nodes: readonly Node[];
  /** What holds on a node. */
  readonly placementOn: (node: Node) => Placement;
  readonly podsByNode: ReadonlyMap<string, readonly Pod[]>;
  /** Hash of the current revision. */
  readonly hash: string;
  readonly nowMs: number;
}

/** What is to be done now. */
export interface Plan {
  /** Nodes that get a pod. */
  readonly create: readonly string[];
  readonly remove: readonly Pod[];
}

/** Pods by the node that they are on or wait for; those that have ended and are deleted are as good as gone. */
export function groupByNode(pods: readonly Pod[]): ReadonlyMap<string, readonly Pod[]> {
  const groups = new Map<string, Pod[]>();
  for (const pod of pods) {
    const phase = pod.status?.phase;
    if ((phase === 'Succeeded' || phase === 'Failed') && pod.metadata?.deletionTimestamp !== undefined) continue;
    const node = targetNode(pod);
    if (node === undefined) continue;
    const group = groups.get(node);
    if (group === undefined) groups.set(node, [pod]);
    else group.push(pod);
  }
  return groups;
}

/** Bound ones first, then the older, then by name. */
export function byPrecedence(a: Pod, b: Pod): number {
  const bound = (pod: Pod): number => (pod.spec?.nodeName ? 0 : 1);
  const age = (pod: Pod): number => timeMs(pod.metadata?.creationTimestamp);
  return bound(a) - bound(b) || age(a) - age(b) || ((a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1);
}

const isLeaving = (pod: Pod): boolean => pod.metadata?.deletionTimestamp !== undefined;

function isAvailable({ set, nowMs }: PlanInput, pod: Pod): boolean {
  return availableInMs(pod, { minReadySeconds: set.spec?.minReadySeconds ?? 0, nowMs }) === 0;
}

/** Most pods that may be there besides the wanted ones while the set is updated. */
function surgeMax({ spec }: DaemonSet, wanted: number): number {
  if (spec?.updateStrategy?.type !== 'RollingUpdate') return 0;
  return scaled(spec.updateStrategy.rollingUpdate?.maxSurge ?? 0, wanted, Math.ceil);
}

/** Told of daemons that have ended; whether a failed one may be made anew now. */
export type OnEnded = (pod: Pod, node: string) => boolean;

/** One pod on every node that is to have one, none elsewhere, and none that has ended. */
export function planNodes(input: PlanInput, onEnded: OnEnded): Plan {
  const create: string[] = [];
  const remove: Pod[] = [];
  const known = new Set<string>();
  for (const node of input.nodes) {
    const name = node.metadata?.name ?? '';
    known.add(name);
    const pods = input.podsByNode.get(name);
    const { runs, stays } = input.placementOn(node);
    if (pods === undefined) {
      if (runs) create.push(name);
    } else if (stays) {
      const running = runningOf(pods, name, { onEnded, remove });
      if (surgeMax(input.set, 1) > 0) {
        if (running.length === 0 && runs) create.push(name);
        remove.push(...surplusWithSurge(input, running));
      } else remove.push(...[...running].sort(byPrecedence).slice(1));
    } else remove.push(...pods.filter((pod) => !isLeaving(pod)));
  }
  for (const [name, pods] of input.podsByNode) {
    if (!known.has(name)) remove.push(...pods.filter((pod) => !pod.spec?.nodeName));
  }
  return { create, remove };
}

function runningOf(
  pods: readonly Pod[],
  node: string,
  { onEnded, remove }: { readonly onEnded: OnEnded; readonly remove: Pod[] },
): readonly Pod[] {
  const running: Pod[] = [];
  for (const pod of pods) {
    if (isLeaving(pod)) continue;
    const phase = pod.status?.phase;
    if (phase !== 'Failed' && phase !== 'Succeeded') running.push(pod);
    else if (onEnded(pod, node)) remove.push(pod);
  }
  return running;
}

/** With surge a node may have a pod of the old template and one of the new, until the new one is available or the old one no longer works. */
function surplusWithSurge(input: PlanInput, running: readonly Pod[]): readonly Pod[] {
  if (running.length <= 1) return [];
  const surplus: Pod[] = [];
  let newest: Pod | undefined;
  let old: Pod | undefined;
  for (const pod of [...running].sort(byPrecedence)) {
    const isNew = pod.metadata?.labels?.[revisionLabel] === input.hash;
    if (isNew && newest === undefined) newest = pod;
    else if (!isNew && old === undefined) old = pod;
    else surplus.push(pod);
  }
  if (newest === undefined || old === undefined) return surplus;
  return !isPodReady(old) || isAvailable(input, newest) ? [...surplus, old] : surplus;
}

interface OnNode {
  readonly name: string;
  /** Undefined where there are several of a kind, which `planNodes` clears away first. */
  readonly pods: { readonly updated: Pod | undefined; readonly old: Pod | undefined } | undefined;
}

/** The next step of a rolling update. */
export function planUpdate(input: PlanInput): Plan {
  const { set } = input;
  const wanted = input.nodes.filter((node) => input.placementOn(node).runs).map(({ metadata }) => metadata?.name ?? '');
  const surge = surgeMax(set, wanted.length);
  const given = set.spec?.updateStrategy?.rollingUpdate?.maxUnavailable ?? 0;
  const unavailable = scaled(given, wanted.length, Math.ceil);
  const names = new Set([...input.podsByNode.keys(), ...wanted]);
  const nodes = [...names].sort().map((name): OnNode => ({ name, pods: pairOn(input, name) }));
  // Neither would stand still.
  if (surge === 0) return planReplacement(input, nodes, unavailable || 1);
  return planSurge(input, nodes, surge);
}

function pairOn({ podsByNode, set, hash }: PlanInput, name: string): OnNode['pods'] {
  const pods = (podsByNode.get(name) ?? []).filter((pod) => !isLeaving(pod));
  const updated = pods.filter((pod) => isPodUpdated(pod, set, hash));
  const old = pods.filter((pod) => !isPodUpdated(pod, set, hash));
  return updated.length > 1 || old.length > 1 ? undefined : { updated: updated[0], old: old[0] };
}

/** Old pods go, those that do not work at once, others while few enough are missing; their nodes get new ones when they have gone. */
function planReplacement(input: PlanInput, nodes: readonly OnNode[], unavailableMax: number): Plan {
  const broken: Pod[] = [];
  const candidates: Pod[] = [];
  let unavailable = 0;
  for (const { pods } of nodes) {
    if (pods === undefined || (pods.updated === undefined) === (pods.old === undefined)) unavailable++;
    else if (pods.updated !== undefined) unavailable += isAvailable(input, pods.updated) ? 0 : 1;
    else if (pods.old === undefined) continue;
    else if (!isAvailable(input, pods.old)) broken.push(pods.old);
    else candidates.push(pods.old);
  }
  return { create: [], remove: [...broken, ...candidates.slice(0, Math.max(0, unavailableMax - unavailable))] };
}

/** New pods come beside old ones: where the old one does not work at once, elsewhere so many at a time; an old one goes when the new one works. */
function planSurge(input: PlanInput, nodes: readonly OnNode[], surgeAllowed: number): Plan {
  const remove: Pod[] = [];
  const broken: string[] = [];
  const candidates: string[] = [];
  let surging = 0;
  for (const { name, pods } of nodes) {
    if (pods === undefined) surging++;
    else if (pods.old === undefined) continue;
    else if (pods.updated === undefined) (isAvailable(input, pods.old) ? candidates : broken).push(name);
    else if (isAvailable(input, pods.updated)) remove.push(pods.old);
    else surging++;
  }
  return { create: [...broken, ...candidates.slice(0, Math.max(0, surgeAllowed - surging))], remove };
}
