/** Conditions of workloads: one entry a type, with the time of its last change of status kept. */
import { type Condition, findCondition } from '#pkg/apimachinery/conditions.ts';

/** The conditions with `condition` in place of the one of its type. Its transition time is kept when the status is the same. */
export function withCondition<C extends Condition>(conditions: readonly C[] | undefined, condition: C): readonly C[] {
  const old = findCondition(conditions, condition.type);
  if (conditions && old?.status === condition.status && old.reason === condition.reason) return conditions;
  const { lastTransitionTime } = old !== undefined && old.status === condition.status ? old : condition;
  const entry = lastTransitionTime === undefined ? condition : { ...condition, lastTransitionTime };
  return [...withoutCondition(conditions, condition.type), entry];
}

/** The conditions but the one of that type. */
export function withoutCondition<C extends Condition>(
  conditions: readonly C[] | undefined,
  type: string,
): readonly C[] {
  return (conditions ?? []).filter((condition) => condition.type !== type);
}
