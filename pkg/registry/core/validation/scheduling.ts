/** Rules for where a pod may run: tolerations, affinity, spreading. Source: upstream `ValidateTolerations`, `validateAffinity`. */
import { at, child, type FieldPath, forbiddenField, invalid, required } from '#pkg/apimachinery/field-error.ts';
import { labelValueProblems, qualifiedNameProblems } from '#pkg/apimachinery/names.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { listAt, numberAt, objectAt, objectsAt, stringAt } from '../../draft.ts';
import type { Collector } from '../../validation/collector.ts';
import { labelSelectorErrors } from '../../validation/selector.ts';

export const taintEffects = ['NoExecute', 'NoSchedule', 'PreferNoSchedule'] as const;

export function checkTolerations(into: Collector, tolerations: readonly JsonObject[], path: FieldPath): void {
  for (const [index, toleration] of tolerations.entries()) {
    const own = at(path, index);
    const key = stringAt(toleration, 'key');
    const operator = stringAt(toleration, 'operator');
    const effect = stringAt(toleration, 'effect');
    const value = stringAt(toleration, 'value');
    if (key !== '') into.problems(child(own, 'key'), key, qualifiedNameProblems(key));
    else if (operator !== 'Exists') {
      const detail = 'operator must be Exists when `key` is empty, which means "match all values and all keys"';
      into.add(invalid(child(own, 'operator'), operator, detail));
    }
    if (toleration.tolerationSeconds !== undefined && effect !== 'NoExecute') {
      into.add(invalid(child(own, 'effect'), effect, "effect must be 'NoExecute' when `tolerationSeconds` is set"));
    }
    if (operator === '' || operator === 'Equal')
      into.problems(child(own, 'operator'), value, labelValueProblems(value));
    else if (operator !== 'Exists') into.oneOf(child(own, 'operator'), operator, ['Equal', 'Exists']);
    else if (value !== '') {
      into.add(invalid(child(own, 'operator'), toleration, "value must be empty when `operator` is 'Exists'"));
    }
    if (effect !== '') into.oneOf(child(own, 'effect'), effect, taintEffects);
  }
}

export function checkAffinity(into: Collector, affinity: JsonObject | undefined, path: FieldPath): void {
  const node = objectAt(affinity, 'nodeAffinity');
  if (node !== undefined) checkNodeAffinity(into, node, child(path, 'nodeAffinity'));
  for (const kind of ['podAffinity', 'podAntiAffinity']) {
    const rules = objectAt(affinity, kind);
    if (rules !== undefined) checkPodAffinity(into, rules, child(path, kind));
  }
}

function checkNodeAffinity(into: Collector, affinity: JsonObject, path: FieldPath): void {
  const needed = objectAt(affinity, 'requiredDuringSchedulingIgnoredDuringExecution');
  if (needed !== undefined) {
    checkNodeSelector(into, needed, child(path, 'requiredDuringSchedulingIgnoredDuringExecution'));
  }
  const preferred = objectsAt(affinity, 'preferredDuringSchedulingIgnoredDuringExecution');
  for (const [index, term] of preferred.entries()) {
    const own = at(child(path, 'preferredDuringSchedulingIgnoredDuringExecution'), index);
    checkWeight(into, term, own);
    const preference = objectAt(term, 'preference');
    if (preference !== undefined) checkNodeSelectorTerm(into, preference, child(own, 'preference'));
  }
}

function checkWeight(into: Collector, term: JsonObject, path: FieldPath): void {
  const weight = numberAt(term, 'weight') ?? 0;
  if (weight < 1 || weight > 100) into.add(invalid(child(path, 'weight'), weight, 'must be in the range 1-100'));
}

/** Checks a `NodeSelector`. */
export function checkNodeSelector(into: Collector, selector: JsonObject, path: FieldPath): void {
  const terms = objectsAt(selector, 'nodeSelectorTerms');
  const own = child(path, 'nodeSelectorTerms');
  if (terms.length === 0) into.add(required(own, 'must have at least one node selector term'));
  for (const [index, term] of terms.entries()) checkNodeSelectorTerm(into, term, at(own, index));
}

function checkNodeSelectorTerm(into: Collector, term: JsonObject, path: FieldPath): void {
  for (const [index, requirement] of objectsAt(term, 'matchExpressions').entries()) {
    const own = at(child(path, 'matchExpressions'), index);
    checkNodeRequirement(into, requirement, own);
    const key = stringAt(requirement, 'key');
    into.problems(child(own, 'key'), key, qualifiedNameProblems(key));
  }
  for (const [index, requirement] of objectsAt(term, 'matchFields').entries()) {
    const own = at(child(path, 'matchFields'), index);
    into.oneOf(child(own, 'operator'), requirement.operator, ['In', 'NotIn']);
    if (stringAt(requirement, 'key') !== 'metadata.name') {
      into.add(invalid(child(own, 'key'), requirement.key, 'not a valid field selector key'));
    }
    if (listAt(requirement, 'values').length !== 1) {
      into.add(
        required(
          child(own, 'values'),
          "must be only one value when `operator` is 'In' or 'NotIn' for node field selector",
        ),
      );
    }
  }
}

function checkNodeRequirement(into: Collector, requirement: JsonObject, path: FieldPath): void {
  const values = listAt(requirement, 'values');
  const own = child(path, 'values');
  switch (requirement.operator) {
    case 'In':
    case 'NotIn':
      if (values.length === 0) into.add(required(own, "must be specified when `operator` is 'In' or 'NotIn'"));
      return;
    case 'Exists':
    case 'DoesNotExist':
      if (values.length > 0) {
        into.add(forbiddenField(own, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
      }
      return;
    case 'Gt':
    case 'Lt':
      if (values.length !== 1) {
        into.add(required(own, "must be specified single value when `operator` is 'Lt' or 'Gt'"));
      }
      return;
    default:
      into.add(invalid(child(path, 'operator'), requirement.operator ?? '', 'not a valid selector operator'));
  }
}

function checkPodAffinity(into: Collector, affinity: JsonObject, path: FieldPath): void {
  const needed = objectsAt(affinity, 'requiredDuringSchedulingIgnoredDuringExecution');
  for (const [index, term] of needed.entries()) {
    checkPodAffinityTerm(into, term, at(child(path, 'requiredDuringSchedulingIgnoredDuringExecution'), index));
  }
  const preferred = objectsAt(affinity, 'preferredDuringSchedulingIgnoredDuringExecution');
  for (const [index, weighted] of preferred.entries()) {
    const own = at(child(path, 'preferredDuringSchedulingIgnoredDuringExecution'), index);
    checkWeight(into, weighted, own);
    const term = objectAt(weighted, 'podAffinityTerm');
    if (term !== undefined) checkPodAffinityTerm(into, term, child(own, 'podAffinityTerm'));
  }
}

function checkPodAffinityTerm(into: Collector, term: JsonObject, path: FieldPath): void {
  into.add(...labelSelectorErrors(term.labelSelector, child(path, 'labelSelector')));
  into.add(...labelSelectorErrors(term.namespaceSelector, child(path, 'namespaceSelector')));
  const key = term.topologyKey;
  const own = child(path, 'topologyKey');
  if (into.needsText(own, key, 'can not be empty')) into.problems(own, key, qualifiedNameProblems(key));
}

export function checkTopologySpread(into: Collector, constraints: readonly JsonObject[], path: FieldPath): void {
  for (const [index, constraint] of constraints.entries()) {
    const own = at(path, index);
    const skew = numberAt(constraint, 'maxSkew') ?? 0;
    if (skew <= 0) into.add(invalid(child(own, 'maxSkew'), skew, 'must be greater than zero'));
    into.needsText(child(own, 'topologyKey'), constraint.topologyKey, 'can not be empty');
    into.oneOf(child(own, 'whenUnsatisfiable'), constraint.whenUnsatisfiable ?? '', [
      'DoNotSchedule',
      'ScheduleAnyway',
    ]);
    into.add(...labelSelectorErrors(constraint.labelSelector, child(own, 'labelSelector')));
  }
}
