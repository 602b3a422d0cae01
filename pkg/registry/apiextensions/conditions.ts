/** Conditions of custom resource definitions, and the finalizer that waits for their objects. Source: upstream `apiextensions/v1/helpers.go`. */
import type { CustomResourceDefinition, CustomResourceDefinitionCondition } from '#pkg/api/types/apiextensions-v1.ts';

/** Keeps a definition until no object of it is left. */
export const cleanupFinalizer = 'customresourcecleanup.apiextensions.k8s.io';

/** A condition before it is known when it has changed. */
export type Condition = Omit<CustomResourceDefinitionCondition, 'lastTransitionTime'>;

/** Whether a definition is being deleted. */
export function isTerminating({ metadata }: CustomResourceDefinition): boolean {
  return metadata?.deletionTimestamp !== undefined;
}

/** The condition of that type; undefined when there is none. */
export function conditionOf(
  { status }: CustomResourceDefinition,
  type: Condition['type'],
): CustomResourceDefinitionCondition | undefined {
  return status?.conditions?.find((condition) => condition.type === type);
}

/** The conditions with others in the place of those of their types; the same list when nothing has changed. */
export function withConditions(
  old: readonly CustomResourceDefinitionCondition[],
  wanted: readonly Condition[],
  now: string,
): readonly CustomResourceDefinitionCondition[] {
  let conditions = old;
  for (const one of wanted) {
    const before = conditions.find(({ type }) => type === one.type);
    if (before?.status === one.status && before.reason === one.reason && before.message === one.message) continue;
    const lastTransitionTime = before?.status === one.status ? (before.lastTransitionTime ?? now) : now;
    const next = { ...one, lastTransitionTime };
    conditions =
      before === undefined ? [...conditions, next] : conditions.map((each) => (each === before ? next : each));
  }
  return conditions;
}
