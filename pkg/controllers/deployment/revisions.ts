/** Revision numbers and the other annotations that a Deployment keeps on its replica sets. Pure. */
import type { Deployment, ReplicaSet } from '#pkg/api/types/apps-v1.ts';

/** The number of a replica set's template among those that the Deployment has had. */
export const revisionAnnotation = 'deployment.kubernetes.io/revision';
const revisionHistoryAnnotation = 'deployment.kubernetes.io/revision-history';
/** How many pods the Deployment wanted when the set was last resized, for sharing out a change. */
export const desiredReplicasAnnotation = 'deployment.kubernetes.io/desired-replicas';
/** How many pods there might be then, with those that a rollout may add. */
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

/** The revision of a replica set, a whole number of 64 bits; 0 when it has none. */
export function revisionOf(set: ReplicaSet): bigint {
  return parseRevision(set.metadata?.annotations?.[revisionAnnotation]);
}

function parseRevision(text = ''): bigint {
  if (!/^[+-]?\d{1,19}$/.test(text)) return 0n;
  const value = BigInt(text.replace('+', ''));
  return BigInt.asIntN(64, value) === value ? value : 0n;
}

/** The highest revision of the sets; 0 for none. */
export function maxRevision(sets: readonly ReplicaSet[]): bigint {
  return sets.map(revisionOf).reduce((max, revision) => (revision > max ? revision : max), 0n);
}

/** For sorting, oldest first. */
export function compareRevisions(a: ReplicaSet, b: ReplicaSet): number {
  const [first, second] = [revisionOf(a), revisionOf(b)];
  return first === second ? 0 : first < second ? -1 : 1;
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
  revision: bigint,
): Record<string, string> {
  const annotations: Record<string, string> = { ...current };
  for (const [name, value] of Object.entries(deployment.metadata?.annotations ?? {}))
    if (!ownAnnotations.has(name)) annotations[name] = value;
  const old = annotations[revisionAnnotation];
  if (old !== undefined && parseRevision(old) >= revision) return annotations;
  annotations[revisionAnnotation] = String(revision);
  if (old === undefined) return annotations;
  const history = annotations[revisionHistoryAnnotation];
  let revisions = history === undefined || history === '' ? [] : history.split(',');
  revisions.push(old);
  while (revisions.join(',').length > historyCharsMax) revisions = revisions.slice(1);
  annotations[revisionHistoryAnnotation] = revisions.join(',');
  return annotations;
}
