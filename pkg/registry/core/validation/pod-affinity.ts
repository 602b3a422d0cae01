/** Rules for placing pods relative to other pods. Source: upstream `validatePodAffinityTerm`, `validateTopologySpreadConstraints`. */
import type { Affinity, PodAffinity, PodAffinityTerm, TopologySpreadConstraint } from '#pkg/api/types/core-v1.ts';
import { fields, type Given } from '#pkg/apimachinery/draft.ts';
import {
  at,
  child,
  duplicate,
  type FieldPath,
  forbiddenField,
  invalid,
  misnamed,
} from '#pkg/apimachinery/field-error.ts';
import { dns1123LabelProblems, qualifiedNameProblems } from '#pkg/apimachinery/names.ts';
import type { Collector } from '../../validation/collector.ts';
import { labelSelectorErrors } from '../../validation/selector.ts';
import { checkNodeAffinity, checkWeight } from './node-affinity.ts';

/** Checks an `Affinity` with all of its parts; a missing one passes. */
export function checkAffinity(into: Collector, affinity: Given<Affinity> | undefined, path: FieldPath<Affinity>): void {
  if (affinity === undefined) return;
  const node = affinity.nodeAffinity;
  if (node !== undefined) checkNodeAffinity(into, node, child(path, 'nodeAffinity'));
  for (const kind of fields('podAffinity', 'podAntiAffinity')) {
    const rules = affinity[kind];
    if (rules !== undefined) checkPodAffinity(into, rules, child(path, kind));
  }
}

function checkPodAffinity(into: Collector, affinity: Given<PodAffinity>, path: FieldPath<PodAffinity>): void {
  const needed = child(path, 'requiredDuringSchedulingIgnoredDuringExecution');
  for (const [index, term] of (affinity.requiredDuringSchedulingIgnoredDuringExecution ?? []).entries()) {
    checkTerm(into, term, at(needed, index));
  }
  const preferred = child(path, 'preferredDuringSchedulingIgnoredDuringExecution');
  for (const [index, weighted] of (affinity.preferredDuringSchedulingIgnoredDuringExecution ?? []).entries()) {
    checkWeight(into, weighted, at(preferred, index));
    checkTerm(into, weighted.podAffinityTerm ?? {}, child(at(preferred, index), 'podAffinityTerm'));
  }
}

function checkTerm(into: Collector, term: Given<PodAffinityTerm>, path: FieldPath<PodAffinityTerm>): void {
  into.add(...labelSelectorErrors(term.labelSelector, child(path, 'labelSelector')));
  into.add(...labelSelectorErrors(term.namespaceSelector, child(path, 'namespaceSelector')));
  for (const name of term.namespaces ?? []) {
    into.problems(misnamed(path, 'namespace'), name, dns1123LabelProblems(name));
  }
  checkLabelKeys(into, term, path);
  const key = term.topologyKey ?? '';
  into.needsText(child(path, 'topologyKey'), key, 'can not be empty');
  into.problems(child(path, 'topologyKey'), key, qualifiedNameProblems(key));
}

/** Keys whose values come from the pod itself. */
function checkLabelKeys(into: Collector, term: Given<PodAffinityTerm>, path: FieldPath<PodAffinityTerm>): void {
  for (const field of fields('matchLabelKeys', 'mismatchLabelKeys')) {
    const keys = (term[field] ?? []).map(String);
    if (keys.length === 0) continue;
    if (term.labelSelector === undefined) {
      into.add(forbiddenField(child(path, field), 'must not be specified when labelSelector is not set'));
      continue;
    }
    for (const [index, key] of keys.entries()) {
      into.problems(at(child(path, field), index), key, qualifiedNameProblems(key));
    }
  }
  const unlike = new Set(term.mismatchLabelKeys ?? []);
  for (const [index, key] of (term.matchLabelKeys ?? []).entries()) {
    if (!unlike.has(key)) continue;
    const detail = 'exists in both matchLabelKeys and mismatchLabelKeys';
    into.add(invalid(at(child(path, 'matchLabelKeys'), index), key, detail));
  }
}

/** Checks the topology spread constraints of a pod. */
export function checkTopologySpread(
  into: Collector,
  constraints: readonly Given<TopologySpreadConstraint>[],
  path: FieldPath<readonly TopologySpreadConstraint[]>,
): void {
  for (const [index, constraint] of constraints.entries()) {
    const own = at(path, index);
    into.positive(child(own, 'maxSkew'), constraint.maxSkew ?? 0);
    into.needsText(child(own, 'topologyKey'), constraint.topologyKey, 'can not be empty');
    into.oneOf(child(own, 'whenUnsatisfiable'), constraint.whenUnsatisfiable ?? '', [
      'DoNotSchedule',
      'ScheduleAnyway',
    ]);
    checkNotRepeated(into, constraint, { path: own, others: constraints.slice(index + 1) });
    checkMinDomains(into, constraint, child(own, 'minDomains'));
    for (const field of fields('nodeAffinityPolicy', 'nodeTaintsPolicy')) {
      into.oneOf(child(own, field), constraint[field], ['Honor', 'Ignore']);
    }
    checkSpreadKeys(into, constraint, child(own, 'matchLabelKeys'));
    into.add(...labelSelectorErrors(constraint.labelSelector, child(own, 'labelSelector')));
  }
}

function checkNotRepeated(
  into: Collector,
  constraint: Given<TopologySpreadConstraint>,
  {
    path,
    others,
  }: {
    readonly path: FieldPath<TopologySpreadConstraint>;
    readonly others: readonly Given<TopologySpreadConstraint>[];
  },
): void {
  const isSame = (other: Given<TopologySpreadConstraint>): boolean =>
    other.topologyKey === constraint.topologyKey && other.whenUnsatisfiable === constraint.whenUnsatisfiable;
  if (!others.some(isSame)) return;
  const shown = `{${constraint.topologyKey ?? ''}, ${constraint.whenUnsatisfiable ?? ''}}`;
  into.add(duplicate(misnamed(path, '{topologyKey, whenUnsatisfiable}'), shown));
}

function checkMinDomains(into: Collector, constraint: Given<TopologySpreadConstraint>, path: FieldPath): void {
  const { minDomains, whenUnsatisfiable } = constraint;
  if (minDomains === undefined) return;
  into.positive(path, minDomains);
  if (whenUnsatisfiable === 'DoNotSchedule') return;
  const detail = `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${String(whenUnsatisfiable)}`;
  into.add(invalid(path, minDomains, detail));
}

function checkSpreadKeys(into: Collector, constraint: Given<TopologySpreadConstraint>, path: FieldPath): void {
  const keys = constraint.matchLabelKeys ?? [];
  if (keys.length === 0) return;
  const selector = constraint.labelSelector;
  if (selector === undefined) into.add(forbiddenField(path, 'must not be specified when labelSelector is not set'));
  const selected = new Set([
    ...Object.keys(selector?.matchLabels ?? {}),
    ...(selector?.matchExpressions ?? []).map((requirement) => requirement.key ?? ''),
  ]);
  for (const [index, key] of keys.entries()) {
    into.problems(at(path, index), key, qualifiedNameProblems(key));
    if (selected.has(key)) into.add(invalid(at(path, index), key, 'exists in both matchLabelKeys and labelSelector'));
  }
}
