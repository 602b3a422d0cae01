/** One step of a Deployment towards its template and scale, for each of its strategies. */
import { isPodTerminal } from '#pkg/api/core/pod.ts';
import type { Deployment, ReplicaSet } from '#pkg/api/types/apps-v1.ts';
import type { Pod } from '#pkg/api/types/core-v1.ts';

import { isRolling, newSetReplicas, proportionalSizes, shrinkOldSets, specReplicas, wantedReplicas } from './math.ts';
import { createNewSet, removeOldSets, resizeSet, type SetsContext, updateNewSet } from './replica-sets.ts';
import { desiredReplicasAnnotation, numberAnnotation } from './revisions.ts';
import { isComplete, type Sets } from './status.ts';
import { byAge } from './template.ts';

/** What one step looks at. */
export interface StepInput {
  readonly context: SetsContext;
  readonly deployment: Deployment;
  readonly sets: readonly ReplicaSet[];
  readonly podsOf: (set: ReplicaSet) => readonly Pod[];
}

/** Replica sets after a step; `created` when the step made the newest. */
export interface StepResult extends Sets {
  readonly created: boolean;
}

/** Whether the wanted number changed since the active sets were last sized. */
export function isScalingEvent(deployment: Deployment, sets: readonly ReplicaSet[]): boolean {
  return sets.some((set) => {
    const desired = numberAnnotation(set, desiredReplicasAnnotation);
    return specReplicas(set) > 0 && desired !== undefined && desired !== wantedReplicas(deployment);
  });
}

/** Grows the newest set, or else shrinks the old ones, within the limits of the strategy. */
export async function rollingStep(input: StepInput): Promise<StepResult> {
  const { context, deployment } = input;
  const prepared = await withNewSet(input);
  const { newSet, oldSets } = prepared;
  const wanted = wantedReplicas(deployment);
  const current = specReplicas(newSet);
  const next = current > wanted ? wanted : newSetReplicas(deployment, [...oldSets, newSet], current);
  if (next !== current)
    return replaced(prepared, [await resizeSet(context, deployment, { set: newSet, replicas: next })]);
  const resized: ReplicaSet[] = [];
  for (const resize of shrinkOldSets(deployment, newSet, oldSets))
    resized.push(await resizeSet(context, deployment, resize));
  if (resized.length === 0 && isComplete(deployment, deployment.status))
    await removeOldSets(context, deployment, oldSets);
  return replaced(prepared, resized);
}

/** Removes all old pods, waits until the last has ended, then makes the new ones. */
export async function recreateStep(input: StepInput): Promise<StepResult> {
  const { context, deployment } = input;
  const newSet = await updateNewSet(context, deployment, input.sets);
  const oldSets = input.sets.filter((set) => set.metadata?.uid !== newSet?.metadata?.uid);
  const standing: StepResult = { newSet, all: newSet === undefined ? oldSets : [...oldSets, newSet], created: false };
  const shrunk: ReplicaSet[] = [];
  for (const set of oldSets)
    if (specReplicas(set) > 0) shrunk.push(await resizeSet(context, deployment, { set, replicas: 0 }));
  if (shrunk.length > 0) return replaced(standing, shrunk);
  const oldPodsRun = oldSets.some(
    (set) => (set.status?.replicas ?? 0) > 0 || input.podsOf(set).some((pod) => !isPodTerminal(pod)),
  );
  if (oldPodsRun) return standing;
  const prepared = await withNewSet(input);
  const resize = { set: prepared.newSet, replicas: wantedReplicas(deployment) };
  const grown = replaced(prepared, [await resizeSet(context, deployment, resize)]);
  if (isComplete(deployment, deployment.status)) await removeOldSets(context, deployment, oldSets);
  return grown;
}

/** Follows a change of the wanted number without rolling out; all that is done while paused. */
export async function scaleStep(input: StepInput): Promise<StepResult> {
  const { context, deployment } = input;
  const newSet = await updateNewSet(context, deployment, input.sets);
  const oldSets = input.sets.filter((set) => set.metadata?.uid !== newSet?.metadata?.uid);
  const standing: StepResult = { newSet, all: newSet === undefined ? oldSets : [...oldSets, newSet], created: false };
  const resized: ReplicaSet[] = [];
  for (const resize of sizesForScale(deployment, { newSet, oldSets }))
    resized.push(await resizeSet(context, deployment, resize));
  if (deployment.spec?.paused) await removeOldSets(context, deployment, oldSets);
  return replaced(standing, resized);
}

function sizesForScale(
  deployment: Deployment,
  sets: { readonly newSet: ReplicaSet | undefined; readonly oldSets: readonly ReplicaSet[] },
): readonly { readonly set: ReplicaSet; readonly replicas: number }[] {
  const { newSet, oldSets } = sets;
  const wanted = wantedReplicas(deployment);
  const all = newSet === undefined ? oldSets : [...oldSets, newSet];
  const active = all.filter((set) => specReplicas(set) > 0);
  if (active.length <= 1) {
    const only = active[0] ?? newSet ?? [...oldSets].sort(byAge).at(-1);
    return only === undefined ? [] : [{ set: only, replicas: wanted }];
  }
  const isSaturated =
    newSet !== undefined &&
    specReplicas(newSet) === wanted &&
    numberAnnotation(newSet, desiredReplicasAnnotation) === wanted &&
    (newSet.status?.availableReplicas ?? 0) === wanted;
  if (isSaturated) return oldSets.filter((set) => specReplicas(set) > 0).map((set) => ({ set, replicas: 0 }));
  return isRolling(deployment) ? proportionalSizes(deployment, active) : [];
}

async function withNewSet(
  input: StepInput,
): Promise<StepResult & { readonly newSet: ReplicaSet; readonly oldSets: readonly ReplicaSet[] }> {
  const found = await updateNewSet(input.context, input.deployment, input.sets);
  const newSet = found ?? (await createNewSet(input.context, input.deployment, input.sets));
  const oldSets = input.sets.filter((set) => set.metadata?.uid !== newSet.metadata?.uid);
  return { newSet, oldSets, all: [...oldSets, newSet], created: found === undefined };
}

/** The sets with the changed ones in place of what they were. */
function replaced(before: StepResult, changed: readonly ReplicaSet[]): StepResult {
  const byUid = new Map(changed.map((set) => [set.metadata?.uid, set]));
  const now = (set: ReplicaSet): ReplicaSet => byUid.get(set.metadata?.uid) ?? set;
  return {
    newSet: before.newSet === undefined ? undefined : now(before.newSet),
    all: before.all.map(now),
    created: before.created,
  };
}
