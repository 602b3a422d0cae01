/**
 * What controllers may report about workloads: counts that are not negative and that agree with each other.
 * Source: upstream `ValidateDeploymentStatus`, `ValidateReplicaSetStatus`, `ValidateStatefulSetStatus`, `validateDaemonSetStatus`.
 */
import type { DaemonSetStatus, DeploymentStatus, ReplicaSetStatus, StatefulSetStatus } from '#pkg/api/types/apps-v1.ts';
import type { FieldsWith } from '#pkg/apimachinery/draft.ts';
import { child, type FieldError, type FieldPath, invalid, pathsOf } from '#pkg/apimachinery/field-error.ts';
import { Collector } from '../validation/collector.ts';

/** Rules for the counts that a status has, by their names. */
interface StatusRules<Name> {
  readonly counts: readonly Name[];
  /** Counts that are parts of another one. */
  readonly parts?: { readonly of: Name; readonly names: readonly Name[] };
  /** A count that is a part of another one, which the message calls by a name of its own. */
  readonly available?: { readonly name: Name; readonly most: Name; readonly mostName: string };
  /** A count that only grows. */
  readonly growing?: Name;
}

/** An object whose status has the counts. */
interface Counted<Name extends string> {
  readonly status?: { readonly [N in Name]?: number | undefined } | undefined;
}

interface StatusUpdate<Name extends string> {
  validateUpdate(draft: Counted<Name>, old: Counted<Name>): readonly FieldError[];
}

/** Names below it are checked where the rules are written down. */
const own: FieldPath = pathsOf<{ readonly status?: unknown }>()('status');

function validateStatus<Name extends string>(
  draft: Counted<Name>,
  old: Counted<Name>,
  { counts, parts, available, growing }: StatusRules<Name>,
): readonly FieldError[] {
  const into = new Collector();
  const count = (name: Name): number => draft.status?.[name] ?? 0;
  for (const name of counts) into.notNegative(child(own, name), count(name));
  for (const name of parts?.names ?? []) {
    if (parts === undefined || count(name) <= count(parts.of)) continue;
    into.add(invalid(child(own, name), count(name), `cannot be greater than ${child(own, parts.of)}`));
  }
  if (available !== undefined && count(available.name) > count(available.most)) {
    const detail = `cannot be greater than ${available.mostName}`;
    into.add(invalid(child(own, available.name), count(available.name), detail));
  }
  if (growing !== undefined && count(growing) < (old.status?.[growing] ?? 0)) {
    into.add(invalid(child(own, growing), count(growing), 'cannot be decremented'));
  }
  return into.errors;
}

function rulesFor<Status>(rules: StatusRules<FieldsWith<Status, number>>): StatusUpdate<FieldsWith<Status, number>> {
  return { validateUpdate: (draft, old) => validateStatus(draft, old, rules) };
}

/** Of deployments. */
export const deploymentStatus = rulesFor<DeploymentStatus>({
  counts: [
    'observedGeneration',
    'replicas',
    'updatedReplicas',
    'readyReplicas',
    'availableReplicas',
    'unavailableReplicas',
    'terminatingReplicas',
    'collisionCount',
  ],
  parts: { of: 'replicas', names: ['updatedReplicas', 'readyReplicas', 'availableReplicas'] },
  available: { name: 'availableReplicas', most: 'readyReplicas', mostName: 'readyReplicas' },
  growing: 'collisionCount',
});

/** Of replica sets and replication controllers. */
export const replicaSetStatus = rulesFor<ReplicaSetStatus>({
  counts: [
    'replicas',
    'fullyLabeledReplicas',
    'readyReplicas',
    'availableReplicas',
    'terminatingReplicas',
    'observedGeneration',
  ],
  parts: { of: 'replicas', names: ['fullyLabeledReplicas', 'readyReplicas', 'availableReplicas'] },
  available: { name: 'availableReplicas', most: 'readyReplicas', mostName: 'readyReplicas' },
});

/** Of stateful sets. */
export const statefulSetStatus = rulesFor<StatefulSetStatus>({
  counts: [
    'replicas',
    'readyReplicas',
    'currentReplicas',
    'updatedReplicas',
    'availableReplicas',
    'observedGeneration',
    'collisionCount',
  ],
  parts: { of: 'replicas', names: ['readyReplicas', 'currentReplicas', 'updatedReplicas', 'availableReplicas'] },
  available: { name: 'availableReplicas', most: 'readyReplicas', mostName: 'status.readyReplicas' },
  growing: 'collisionCount',
});

/** Of daemon sets. */
export const daemonSetStatus = rulesFor<DaemonSetStatus>({
  counts: [
    'currentNumberScheduled',
    'numberMisscheduled',
    'desiredNumberScheduled',
    'numberReady',
    'observedGeneration',
    'updatedNumberScheduled',
    'numberAvailable',
    'numberUnavailable',
    'collisionCount',
  ],
  growing: 'collisionCount',
});
