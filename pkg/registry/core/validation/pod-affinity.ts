/** Rules for placing pods relative to other pods. Source: upstream `validatePodAffinityTerm`, `validateTopologySpreadConstraints`. */
import { at, child, duplicate, type FieldPath, forbiddenField, invalid } from '#pkg/apimachinery/field-error.ts';
import { dns1123LabelProblems, qualifiedNameProblems } from '#pkg/apimachinery/names.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { listAt, numberAt, objectAt, objectsAt, stringAt, stringMapAt } from '../../draft.ts';
import type { Collector } from '../../validation/collector.ts';
import { labelSelectorErrors } from '../../validation/selector.ts';
import { checkNodeAffinity, checkWeight } from './node-affinity.ts';

/** Checks an `Affinity` with all of its parts; a missing one passes. */
export function checkAffinity(into: Collector, affinity: JsonObject | undefined, path: FieldPath): void {
  if (affinity === undefined) return;
  const node = objectAt(affinity, 'nodeAffinity');
  if (node !== undefined) checkNodeAffinity(into, node, child(path, 'nodeAffinity'));
  for (const kind of ['podAffinity', 'podAntiAffinity']) {
    const rules = objectAt(affinity, kind);
    if (rules !== undefined) checkPodAffinity(into, rules, child(path, kind));
  }
}

function checkPodAffinity(into: Collector, affinity: JsonObject, path: FieldPath): void {
  const needed = child(path, 'requiredDuringSchedulingIgnoredDuringExecution');
  for (const [index, term] of objectsAt(affinity, 'requiredDuringSchedulingIgnoredDuringExecution').entries()) {
    checkTerm(into, term, at(needed, index));
  }
  const preferred = child(path, 'preferredDuringSchedulingIgnoredDuringExecution');
  for (const [index, weighted] of objectsAt(affinity, 'preferredDuringSchedulingIgnoredDuringExecution').entries()) {
    checkWeight(into, weighted, at(preferred, index));
    checkTerm(into, objectAt(weighted, 'podAffinityTerm') ?? {}, child(at(preferred, index), 'podAffinityTerm'));
  }
}

function checkTerm(into: Collector, term: JsonObject, path: FieldPath): void {
  into.add(...labelSelectorErrors(term.labelSelector, child(path, 'labelSelector')));
  into.add(...labelSelectorErrors(term.namespaceSelector, child(path, 'namespaceSelector')));
  for (const name of listAt(term, 'namespaces').map(String)) {
    into.problems(child(path, 'namespace'), name, dns1123LabelProblems(name));
  }
  checkLabelKeys(into, term, path);
  const key = stringAt(term, 'topologyKey');
  into.needsText(child(path, 'topologyKey'), key, 'can not be empty');
  into.problems(child(path, 'topologyKey'), key, qualifiedNameProblems(key));
}

/** Keys whose values come from the pod itself. */
function checkLabelKeys(into: Collector, term: JsonObject, path: FieldPath): void {
  for (const field of ['matchLabelKeys', 'mismatchLabelKeys']) {
    const keys = listAt(term, field).map(String);
    if (keys.length === 0) continue;
    if (objectAt(term, 'labelSelector') === undefined) {
      into.add(forbiddenField(child(path, field), 'must not be specified when labelSelector is not set'));
      continue;
    }
    for (const [index, key] of keys.entries()) {
      into.problems(at(child(path, field), index), key, qualifiedNameProblems(key));
    }
  }
  const unlike = new Set(listAt(term, 'mismatchLabelKeys'));
  for (const [index, key] of listAt(term, 'matchLabelKeys').entries()) {
    if (!unlike.has(key)) continue;
    const detail = 'exists in both matchLabelKeys and mismatchLabelKeys';
    into.add(invalid(at(child(path, 'matchLabelKeys'), index), key, detail));
  }
}

/** Checks the topology spread constraints of a pod. */
export function checkTopologySpread(into: Collector, constraints: readonly JsonObject[], path: FieldPath): void {
  for (const [index, constraint] of constraints.entries()) {
    const own = at(path, index);
    into.positive(child(own, 'maxSkew'), numberAt(constraint, 'maxSkew') ?? 0);
    into.needsText(child(own, 'topologyKey'), constraint.topologyKey, 'can not be empty');
    into.oneOf(child(own, 'whenUnsatisfiable'), constraint.whenUnsatisfiable ?? '', [
      'DoNotSchedule',
      'ScheduleAnyway',
    ]);
    checkNotRepeated(into, constraint, { path: own, others: constraints.slice(index + 1) });
    checkMinDomains(into, constraint, child(own, 'minDomains'));
    for (const field of ['nodeAffinityPolicy', 'nodeTaintsPolicy']) {
      into.oneOf(child(own, field), constraint[field], ['Honor', 'Ignore']);
    }
    checkSpreadKeys(into, constraint, child(own, 'matchLabelKeys'));
    into.add(...labelSelectorErrors(constraint.labelSelector, child(own, 'labelSelector')));
  }
}

function checkNotRepeated(
  into: Collector,
  constraint: JsonObject,
  { path, others }: { readonly path: FieldPath; readonly others: readonly JsonObject[] },
): void {
  const isSame = (other: JsonObject): boolean =>
    other.topologyKey === constraint.topologyKey && other.whenUnsatisfiable === constraint.whenUnsatisfiable;
  if (!others.some(isSame)) return;
  const shown = `{${stringAt(constraint, 'topologyKey')}, ${stringAt(constraint, 'whenUnsatisfiable')}}`;
  into.add(duplicate(child(path, '{topologyKey, whenUnsatisfiable}'), shown));
}

function checkMinDomains(into: Collector, constraint: JsonObject, path: FieldPath): void {
  const { minDomains, whenUnsatisfiable } = constraint;
  if (minDomains === undefined) return;
  into.positive(path, minDomains);
  if (whenUnsatisfiable === 'DoNotSchedule') return;
  const detail = `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${String(whenUnsatisfiable)}`;
  into.add(invalid(path, minDomains, detail));
}

function checkSpreadKeys(into: Collector, constraint: JsonObject, path: FieldPath): void {
  const keys = listAt(constraint, 'matchLabelKeys').map(String);
  if (keys.length === 0) return;
  const selector = objectAt(constraint, 'labelSelector');
  if (selector === undefined) into.add(forbiddenField(path, 'must not be specified when labelSelector is not set'));
  const selected = new Set([
    ...Object.keys(stringMapAt(selector, 'matchLabels')),
    ...objectsAt(selector, 'matchExpressions').map((requirement) => stringAt(requirement, 'key')),
  ]);
  for (const [index, key] of keys.entries()) {
    into.problems(at(path, index), key, qualifiedNameProblems(key));
    if (selected.has(key)) into.add(invalid(at(path, index), key, 'exists in both matchLabelKeys and labelSelector'));
  }
}
