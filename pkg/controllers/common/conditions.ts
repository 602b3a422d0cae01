/** Conditions of workloads: one entry a type, with the time of its last change of status kept. */

interface ConditionLike {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string;
}

/** The conditions with `condition` in place of the one of its type. Its transition time is kept when the status is the same. */
export function withCondition<C extends ConditionLike>(
  conditions: readonly C[] | undefined,
  condition: C,
): readonly C[] {
  const old = conditions?.find((entry) => entry.type === condition.type);
  if (old !== undefined && old.status === condition.status && old.reason === condition.reason) return conditions!;
  const { lastTransitionTime } = old !== undefined && old.status === condition.status ? old : condition;
  const entry = lastTransitionTime === undefined ? condition : { ...condition, lastTransitionTime };
  return [...withoutCondition(conditions, condition.type), entry];
}

export function withoutCondition<C extends ConditionLike>(
  conditions: readonly C[] | undefined,
  type: string,
): readonly C[] {
  return (conditions ?? []).filter((condition) => condition.type !== type);
}
