/** Conditions of a status. All functions are pure. */

/** What every kind of condition has. */
export interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string | null;
}

/** The condition of that type, or undefined. */
export function findCondition<T extends Condition>(list: readonly T[] | null | undefined, type: string): T | undefined {
  if (list === undefined || list === null) return undefined;
  for (const condition of list) if (condition.type === type) return condition;
  return undefined;
}

/** Whether the condition of that type is `True`. */
export function isConditionTrue(list: readonly Condition[] | null | undefined, type: string): boolean {
  return findCondition(list, type)?.status === 'True';
}

/**
 * The list with `condition` in it. The time of the last transition stays when the status does, and is `now` otherwise. Returns
 * the very list when nothing changed.
 */
export function setCondition<T extends Condition>(
  list: readonly T[] | undefined,
  condition: T,
  now: string,
): readonly T[] {
  const given = list ?? [];
  const index = given.findIndex((other) => other.type === condition.type);
  const old = given[index];
  const stays =
    old !== undefined &&
    old.status === condition.status &&
    old.lastTransitionTime !== undefined &&
    old.lastTransitionTime !== null;
  const next: T = { ...old, ...condition, lastTransitionTime: stays ? old.lastTransitionTime : now };
  if (old === undefined) return [...given, next];
  if (sameFields(old, next)) return given;
  return given.map((other, position) => (position === index ? next : other));
}

function sameFields(a: object, b: object): boolean {
  const left = new Map(Object.entries(a));
  const right = new Map(Object.entries(b));
  const names = new Set([...left.keys(), ...right.keys()]);
  return [...names].every((name) => left.get(name) === right.get(name));
}
