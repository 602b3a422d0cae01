/** What a Deployment does to its replica sets: makes the newest, resizes, removes old ones. */
import type { Deployment, ReplicaSet } from '#pkg/api/types/apps-v1.ts';
import { deployments, replicaSets } from '#pkg/api/types/refs.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import { controllerOf } from '#pkg/apimachinery/object.ts';
import { controllerReference } from '#pkg/apimachinery/owner.ts';
import { isAlreadyExists, isNotFound } from '#pkg/apimachinery/status-error.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { Client } from '#pkg/client/client.ts';
import type { EventRecorder } from '#pkg/client/event-recorder.ts';
import { isNamespaceTerminating } from '#pkg/client/refusals.ts';
import { isAnswerLost, lookFor } from '../common/lost-answer.ts';
import { newSetReplicas, rollingLimits, specReplicas, wantedReplicas } from './math.ts';
import {
  compareRevisions,
  desiredReplicasAnnotation,
  maxReplicasAnnotation,
  maxRevision,
  newSetAnnotations,
  revisionAnnotation,
} from './revisions.ts';
import { noLimit } from './status.ts';
import { findNewSet, hashLabel, sameTemplate, templateHash } from './template.ts';

/** The client by which sets are written, and who is told of it. */
export interface SetsContext {
  readonly client: Client;
  readonly events: EventRecorder;
  /** Told of a set that was made, before anything else is done with it. */
  made(set: ReplicaSet): void;
}

/** The hash of the template is taken by a replica set with another template: count on and try again. */
export class HashCollisionError extends Error {
  override readonly name = 'HashCollisionError';
}

/** The server refuses the newest replica set, for the reason in `cause`. */
export class SetRefusedError extends Error {
  override readonly name = 'SetRefusedError';
}

/** The newest set's number of replicas as annotations, by which a later change of scale is seen and spread. */
function scaleAnnotations(deployment: Deployment): Record<string, string> {
  const wanted = wantedReplicas(deployment);
  return {
    [desiredReplicasAnnotation]: String(wanted),
    [maxReplicasAnnotation]: String(wanted + rollingLimits(deployment).surge),
  };
}

/** Brings annotations and `minReadySeconds` of the newest set up to date; the set as it is then. */
export async function updateNewSet(
  context: SetsContext,
  deployment: Deployment,
  sets: readonly ReplicaSet[],
): Promise<ReplicaSet | undefined> {
  const newSet = findNewSet(deployment, sets);
  if (newSet === undefined) return undefined;
  const revision = maxRevision(sets.filter((set) => set !== newSet)) + 1n;
  const annotations = newSetAnnotations(deployment, newSet.metadata?.annotations, revision);
  const minReadySeconds = deployment.spec?.minReadySeconds ?? 0;
  const isCurrent =
    deepEqual(annotations, newSet.metadata?.annotations ?? {}) &&
    minReadySeconds === (newSet.spec?.minReadySeconds ?? 0);
  if (isCurrent) return newSet;
  return context.client.resource(replicaSets).update({
    ...newSet,
    metadata: { ...newSet.metadata, annotations },
    spec: { selector: {}, ...newSet.spec, minReadySeconds },
  });
}

/**
 * Creates the replica set of the Deployment's template. Throws `HashCollisionError` when its name is taken by another, and `SetRefusedError`.
 */
export async function createNewSet(
  context: SetsContext,
  deployment: Deployment,
  sets: readonly ReplicaSet[],
): Promise<ReplicaSet> {
  const set = newSetObject(deployment, sets);
  const resource = context.client.resource(replicaSets);
  const { name = '', namespace = '' } = set.metadata ?? {};
  try {
    const created = await resource.create(set);
    context.made(created);
    if (specReplicas(created) > 0) recordScale(context, deployment, { name, from: 0, to: specReplicas(created) });
    return created;
  } catch (error) {
    if (isNamespaceTerminating(error)) throw error;
    const look = (): Promise<ReplicaSet> => resource.get(name, { namespace });
    const there = isAlreadyExists(error) ? await look() : isAnswerLost(error) ? await lookFor(look) : undefined;
    if (there === undefined) {
      const why = errorText(error);
      throw new SetRefusedError(`Failed to create new replica set "${name}": ${why}`, { cause: error });
    }
    const isOurs = controllerOf(there)?.uid === deployment.metadata?.uid;
    if (isOurs && sameTemplate(there.spec?.template, deployment.spec?.template)) {
      context.made(there);
      return there;
    }
    throw new HashCollisionError(`Cannot create replica set ${namespace}/${name} as another has its name`);
  }
}

function newSetObject(deployment: Deployment, sets: readonly ReplicaSet[]): ReplicaSet {
  const { spec } = deployment;
  if (spec === undefined) throw new SetRefusedError('Cannot make a replica set of a Deployment without a spec');
  const hash = templateHash(spec.template, deployment.status?.collisionCount);
  const { name = '', namespace = '' } = deployment.metadata ?? {};
  const template = {
    ...spec.template,
    metadata: {
      ...spec.template.metadata,
      labels: { ...spec.template.metadata?.labels, [hashLabel]: hash },
    },
  };
  const matchLabels = { ...spec.selector.matchLabels, [hashLabel]: hash };
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: {
      name: `${name}-${hash}`,
      namespace,
      labels: template.metadata.labels,
      annotations: {
        ...newSetAnnotations(deployment, undefined, maxRevision(sets) + 1n),
        ...scaleAnnotations(deployment),
      },
      ownerReferences: [controllerReference(deployment, deployments)],
    },
    spec: {
      replicas: newSetReplicas(deployment, sets, 0),
      ...(spec.minReadySeconds === undefined ? {} : { minReadySeconds: spec.minReadySeconds }),
      selector: { ...spec.selector, matchLabels },
      template,
    },
  };
}

/** Sets the number of replicas and the annotations that go with it; the set as it is then. */
export async function resizeSet(
  context: SetsContext,
  deployment: Deployment,
  resize: { readonly set: ReplicaSet; readonly replicas: number },
): Promise<ReplicaSet> {
  const { set, replicas } = resize;
  const annotations = { ...set.metadata?.annotations, ...scaleAnnotations(deployment) };
  const from = specReplicas(set);
  if (from === replicas && deepEqual(annotations, set.metadata?.annotations)) return set;
  const updated = await context.client.resource(replicaSets).update({
    ...set,
    metadata: { ...set.metadata, annotations },
    spec: { selector: {}, ...set.spec, replicas },
  });
  if (from !== replicas) recordScale(context, deployment, { name: set.metadata?.name ?? '', from, to: replicas });
  return updated;
}

function recordScale(
  context: SetsContext,
  deployment: Deployment,
  scale: { readonly name: string; readonly from: number; readonly to: number },
): void {
  const direction = scale.to > scale.from ? 'up' : 'down';
  const message = `Scaled ${direction} replica set ${scale.name} from ${scale.from} to ${scale.to}`;
  context.events.record(deployment, { type: 'Normal', reason: 'ScalingReplicaSet', message });
}

/** The Deployment with the revision that its newest set has. */
export function withRevision(deployment: Deployment, newSet: ReplicaSet | undefined): Deployment {
  const revision = newSet?.metadata?.annotations?.[revisionAnnotation];
  const { annotations } = deployment.metadata ?? {};
  if (revision === undefined || annotations?.[revisionAnnotation] === revision) return deployment;
  return {
    ...deployment,
    metadata: { ...deployment.metadata, annotations: { ...annotations, [revisionAnnotation]: revision } },
  };
}

/** Removes the oldest of the sets that are no longer used, beyond the history limit. */
export async function removeOldSets(
  context: SetsContext,
  deployment: Deployment,
  oldSets: readonly ReplicaSet[],
): Promise<void> {
  const limit = deployment.spec?.revisionHistoryLimit ?? noLimit;
  if (limit === noLimit) return;
  const removable = oldSets.filter((set) => set.metadata?.deletionTimestamp === undefined);
  const surplus = removable.length - limit;
  if (surplus <= 0) return;
  removable.sort(compareRevisions);
  for (const set of removable.slice(0, surplus)) {
    const { name = '', namespace = '', generation = 0 } = set.metadata ?? {};
    const isUsed = (set.status?.replicas ?? 0) !== 0 || specReplicas(set) !== 0;
    if (isUsed || generation > (set.status?.observedGeneration ?? 0)) continue;
    try {
      await context.client.resource(replicaSets).delete(name, { namespace, propagationPolicy: 'Background' });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}
