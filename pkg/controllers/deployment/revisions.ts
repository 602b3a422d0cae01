/** Revision numbers and the other annotations that a Deployment keeps on its replica sets. Pure. */
import type { Deployment, ReplicaSet } from '#pkg/api/types/apps-v1.ts';

export const revisionAnnotation = 'deployment.kubernetes.io/revision';
const revisionHistoryAnnotation = 'deployment.kubernetes.io/revision-history';
export const desiredReplicasAnnotation = 'deployment.kubernetes.io/desired-replicas';
export const maxReplicasAnnotation = 'deployment.kubernetes.io/max-replicas';
/** Longest revision history kept in an annotation, in characters. */
const historyCharsMax = 2_000;

/** Annotations that are the Deployment's or the replica set's own and never copied from the one to the other. */
const ownAnnotations: ReadonlySet<string> = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  'deprecated.deployment.rollback.to',
  revisionAnnotation,
  revisionHistoryAnnotation,
  desiredReplicasAnnotation,
  maxReplicasAnnotation,
]);

/** The revision of a replica set; 0 when it has none. */
export function revisionOf(set: ReplicaSet): number {
  return Number(set.metadata?.annotations?.[revisionAnnotation] ?? 0) || 0;
}

export function maxRevision(sets: readonly ReplicaSet[]): number {
  return Math.max(0, ...sets.map(revisionOf));
}

/** An annotation that holds a whole number, or undefined. */
export function numberAnnotation(set: ReplicaSet, name: string): number | undefined {
  const text = set.metadata?.annotations?.[name];
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

/** The annotations of the newest replica set: the Deployment's, and the revision it is at now. */
export function newSetAnnotations(
  deployment: Deployment,
  current: Readonly<Record<string, string>> | undefined,
  revision: number,
): Record<string, string> {
  const annotations: Record<string, string> = { ...current };
  for (const [name, value] of Object.entries(deployment.metadata?.annotations ?? {}))
    if (!ownAnnotations.has(name)) annotations[name] = value;
  const old = annotations[revisionAnnotation];
  if (old !== undefined && Number(old) >= revision) return annotations;
  annotations[revisionAnnotation] = String(revision);
  if (old === undefined) return annotations;
  const history = annotations[revisionHistoryAnnotation];
  let revisions = history === undefined || history === '' ? [] : history.split(',');
  revisions.push(old);
  while (revisions.join(',').length > historyCharsMax) revisions = revisions.slice(1);
  annotations[revisionHistoryAnnotation] = revisions.join(',');
  return annotations;
}
