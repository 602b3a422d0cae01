/** The arithmetic of a rollout. Pure. Upstream counterpart: `pkg/controller/deployment/util`. */
import type { Deployment, ReplicaSet } from '#pkg/api/types/apps-v1.ts';
import { scaled } from '../common/rounding.ts';
import { maxReplicasAnnotation, numberAnnotation } from './revisions.ts';
import { byAge } from './template.ts';

/** How many pods the Deployment is to have; 1 where it does not say. */
export function wantedReplicas(deployment: Deployment): number {
  return deployment.spec?.replicas ?? 1;
}

/** Whether new pods come while old ones are there; else old ones go first (`Recreate`). */
export function isRolling(deployment: Deployment): boolean {
  return deployment.spec?.strategy?.type !== 'Recreate';
}

/** How many pods a replica set is to have; 1 where it does not say. */
export const specReplicas = (set: ReplicaSet): number => set.spec?.replicas ?? 1;
/** How many pods the replica sets are to have together. */
export const totalSpecReplicas = (sets: readonly ReplicaSet[]): number =>
  sets.reduce((sum, set) => sum + specReplicas(set), 0);
/** How many available pods the replica sets have together. */
export const totalAvailable = (sets: readonly ReplicaSet[]): number =>
  sets.reduce((sum, set) => sum + (set.status?.availableReplicas ?? 0), 0);

/** How far a rollout may go over and under the wanted number. Both 0 would stand still, so that one may then be missing. */
export function rollingLimits(deployment: Deployment): { readonly surge: number; readonly unavailable: number } {
  if (!isRolling(deployment)) return { surge: 0, unavailable: 0 };
  const replicas = wantedReplicas(deployment);
  const { maxSurge = '25%', maxUnavailable = '25%' } = deployment.spec?.strategy?.rollingUpdate ?? {};
  const surge = scaled(maxSurge, replicas, Math.ceil);
  const unavailable = scaled(maxUnavailable, replicas, Math.floor);
  if (surge === 0 && unavailable === 0) return { surge, unavailable: 1 };
  return { surge, unavailable };
}

/** The most that may be missing from the wanted number. */
export function maxUnavailable(deployment: Deployment): number {
  return Math.min(rollingLimits(deployment).unavailable, wantedReplicas(deployment));
}

/** How many replicas the newest set should have now. */
export function newSetReplicas(deployment: Deployment, all: readonly ReplicaSet[], current: number): number {
  const wanted = wantedReplicas(deployment);
  if (!isRolling(deployment)) return wanted;
  const total = totalSpecReplicas(all);
  const most = wanted + rollingLimits(deployment).surge;
  if (total >= most) return current;
  return current + Math.min(most - total, wanted - current);
}

/** A replica set and the size it should get. */
export interface Resize {
  readonly set: ReplicaSet;
  readonly replicas: number;
}

/** Which old sets to shrink now and to what: first pods that do not work, then as many as availability allows. */
export function shrinkOldSets(
  deployment: Deployment,
  newSet: ReplicaSet,
  oldSets: readonly ReplicaSet[],
): readonly Resize[] {
  const all = [...oldSets, newSet];
  const minAvailable = wantedReplicas(deployment) - maxUnavailable(deployment);
  const newUnavailable = specReplicas(newSet) - (newSet.status?.availableReplicas ?? 0);
  const cleanupMax = totalSpecReplicas(all) - minAvailable - newUnavailable;
  if (totalSpecReplicas(oldSets) === 0 || cleanupMax <= 0) return [];
  const sizes = new Map(oldSets.map((set) => [set, specReplicas(set)]));
  const ordered = [...oldSets].sort(byAge);
  let cleaned = 0;
  for (const set of ordered) {
    const unhealthy = specReplicas(set) - (set.status?.availableReplicas ?? 0);
    const count = Math.max(0, Math.min(cleanupMax - cleaned, unhealthy));
    sizes.set(set, specReplicas(set) - count);
    cleaned += count;
  }
  let spare = Math.max(0, totalAvailable(all) - minAvailable);
  for (const set of ordered) {
    const size = sizes.get(set) ?? 0;
    const count = Math.min(size, spare);
    sizes.set(set, size - count);
    spare -= count;
  }
  return ordered.flatMap((set) => {
    const replicas = sizes.get(set) ?? 0;
    return replicas === specReplicas(set) ? [] : [{ set, replicas }];
  });
}

/** Spreads a change of the wanted number over the active sets in proportion to their sizes, in the middle of a rollout. */
export function proportionalSizes(deployment: Deployment, active: readonly ReplicaSet[]): readonly Resize[] {
  const wanted = wantedReplicas(deployment);
  const allowed = wanted > 0 ? wanted + rollingLimits(deployment).surge : 0;
  const toAdd = allowed - totalSpecReplicas(active);
  const newerFirst = toAdd > 0 ? -1 : 1;
  const ordered = [...active].sort((a, b) => specReplicas(b) - specReplicas(a) || newerFirst * byAge(a, b));
  let added = 0;
  const resizes = ordered.map((set) => {
    if (toAdd === 0) return { set, replicas: specReplicas(set) };
    const share = specReplicas(set) === 0 || toAdd === added ? 0 : fraction(deployment, set, allowed);
    const change = toAdd > 0 ? Math.min(share, toAdd - added) : Math.max(share, toAdd - added);
    added += change;
    return { set, replicas: Math.max(0, specReplicas(set) + change) };
  });
  const first = resizes[0];
  if (first !== undefined && toAdd !== 0)
    resizes[0] = { set: first.set, replicas: Math.max(0, first.replicas + toAdd - added) };
  return resizes;
}

function fraction(deployment: Deployment, set: ReplicaSet, allowed: number): number {
  if (wantedReplicas(deployment) === 0) return -specReplicas(set);
  const before = numberAnnotation(set, maxReplicasAnnotation) || (deployment.status?.replicas ?? 0);
  if (before === 0) return 0;
  return Math.round((specReplicas(set) * allowed) / before) - specReplicas(set);
}
