/**
 * What controllers may report about workloads: counts that are not negative and that agree with each other.
 * Source: upstream `ValidateDeploymentStatus`, `ValidateReplicaSetStatus`, `ValidateStatefulSetStatus`, `validateDaemonSetStatus`.
 */
import { child, type FieldError, invalid } from '#pkg/apimachinery/field-error.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import type { SubresourceStrategy } from '#pkg/apiserver/strategy.ts';
import { numberAt } from '../draft.ts';
import { Collector } from '../validation/collector.ts';

interface StatusRules {
  readonly counts: readonly string[];
  /** Counts that are parts of `replicas`. */
  readonly parts?: readonly string[];
  /** How the message calls the count of ready pods, which bounds that of available ones. */
  readonly readyName?: string;
}

function validateStatus(draft: JsonObject, old: KubeObject, rules: StatusRules): readonly FieldError[] {
  const into = new Collector();
  const count = (field: string): number => numberAt(draft, 'status', field) ?? 0;
  for (const field of rules.counts) into.notNegative(child('status', field), count(field));
  for (const field of rules.parts ?? []) {
    if (count(field) <= count('replicas')) continue;
    into.add(invalid(child('status', field), count(field), 'cannot be greater than status.replicas'));
  }
  if (rules.readyName !== undefined && count('availableReplicas') > count('readyReplicas')) {
    const detail = `cannot be greater than ${rules.readyName}`;
    into.add(invalid('status.availableReplicas', count('availableReplicas'), detail));
  }
  const collisions = numberAt(draft, 'status', 'collisionCount') ?? 0;
  if (rules.counts.includes('collisionCount') && collisions < (numberAt(old, 'status', 'collisionCount') ?? 0)) {
    into.add(invalid('status.collisionCount', collisions, 'cannot be decremented'));
  }
  return into.errors;
}

function rulesFor(rules: StatusRules): Required<Pick<SubresourceStrategy, 'validateUpdate'>> {
  return { validateUpdate: (draft, old) => validateStatus(draft, old, rules) };
}

/** Of deployments. */
export const deploymentStatus = rulesFor({
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
  parts: ['updatedReplicas', 'readyReplicas', 'availableReplicas'],
  readyName: 'readyReplicas',
});

/** Of replica sets and replication controllers. */
export const replicaSetStatus = rulesFor({
  counts: [
    'replicas',
    'fullyLabeledReplicas',
    'readyReplicas',
    'availableReplicas',
    'terminatingReplicas',
    'observedGeneration',
  ],
  parts: ['fullyLabeledReplicas', 'readyReplicas', 'availableReplicas'],
  readyName: 'readyReplicas',
});

/** Of stateful sets. */
export const statefulSetStatus = rulesFor({
  counts: [
    'replicas',
    'readyReplicas',
    'currentReplicas',
    'updatedReplicas',
    'availableReplicas',
    'observedGeneration',
    'collisionCount',
  ],
  parts: ['readyReplicas', 'currentReplicas', 'updatedReplicas', 'availableReplicas'],
  readyName: 'status.readyReplicas',
});

/** Of daemon sets. */
export const daemonSetStatus = rulesFor({
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
});
