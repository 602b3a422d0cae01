/** Rules for taints of nodes and tolerations of pods. Source: upstream `validateNodeTaints`, `ValidateTolerations`. */
import type { Taint, Toleration } from '#pkg/api/types/core-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { at, child, duplicate, type FieldPath, invalid } from '#pkg/apimachinery/field-error.ts';
import { labelValueProblems, qualifiedNameProblems } from '#pkg/apimachinery/names.ts';
import type { Collector } from '../../validation/collector.ts';

const effects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

/** Upstream says all that is wrong with a value in one error. */
function checkLabelValue(into: Collector, value: string, path: FieldPath): void {
  const problems = labelValueProblems(value);
  if (problems.length > 0) into.add(invalid(path, value, problems.join(';')));
}

/** Checks the tolerations of a pod. */
export function checkTolerations(
  into: Collector,
  tolerations: readonly Given<Toleration>[],
  path: FieldPath<readonly Toleration[]>,
): void {
  for (const [index, toleration] of tolerations.entries()) {
    const own = at(path, index);
    const key = toleration.key ?? '';
    const operator = toleration.operator ?? '';
    const effect = toleration.effect ?? '';
    const value = toleration.value ?? '';
    into.mayName(child(own, 'key'), key, qualifiedNameProblems);
    if (key === '' && operator !== 'Exists') {
      const detail = 'operator must be Exists when `key` is empty, which means "match all values and all keys"';
      into.add(invalid(child(own, 'operator'), operator, detail));
    }
    if (toleration.tolerationSeconds !== undefined && effect !== 'NoExecute') {
      into.add(invalid(child(own, 'effect'), effect, "effect must be 'NoExecute' when `tolerationSeconds` is set"));
    }
    if (operator === '' || operator === 'Equal') checkLabelValue(into, value, child(own, 'operator'));
    else if (operator === 'Exists' && value !== '') {
      into.add(invalid(child(own, 'operator'), value, "value must be empty when `operator` is 'Exists'"));
    } else into.oneOf(child(own, 'operator'), operator, ['Equal', 'Exists']);
    if (effect !== '') into.oneOf(child(own, 'effect'), effect, effects);
  }
}

/** Checks the taints of a node. */
export function checkTaints(into: Collector, taints: readonly Given<Taint>[], path: FieldPath): void {
  const seen = new Set<string>();
  for (const [index, taint] of taints.entries()) {
    const own = at(path, index);
    const key = taint.key ?? '';
    into.problems(child(own, 'key'), key, qualifiedNameProblems(key));
    checkLabelValue(into, taint.value ?? '', child(own, 'value'));
    into.needsOneOf(child(own, 'effect'), taint.effect, effects);
    const id = `${key}:${taint.effect ?? ''}`;
    if (seen.has(id)) {
      const error = duplicate(own, taint);
      into.add({ ...error, message: `${error.message}: taints must be unique by key and effect pair` });
    }
    seen.add(id);
  }
}
