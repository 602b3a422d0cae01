/** Rules for selecting nodes. Source: upstream `ValidateNodeSelector`, `ValidatePreferredSchedulingTerms`. */
import type { NodeAffinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm } from '#pkg/api/types/core-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { at, child, type FieldPath, forbiddenField, invalid, required } from '#pkg/apimachinery/field-error.ts';
import { dns1123SubdomainProblems, labelValueProblems, qualifiedNameProblems } from '#pkg/apimachinery/names.ts';
import type { Collector } from '../../validation/collector.ts';

/** Checks a `NodeAffinity`. */
export function checkNodeAffinity(into: Collector, affinity: Given<NodeAffinity>, path: FieldPath<NodeAffinity>): void {
  const needed = affinity.requiredDuringSchedulingIgnoredDuringExecution;
  if (needed !== undefined) {
    checkNodeSelector(into, needed, child(path, 'requiredDuringSchedulingIgnoredDuringExecution'));
  }
  const own = child(path, 'preferredDuringSchedulingIgnoredDuringExecution');
  for (const [index, term] of (affinity.preferredDuringSchedulingIgnoredDuringExecution ?? []).entries()) {
    checkWeight(into, term, at(own, index));
    const preference = term.preference ?? {};
    checkTerm(into, preference, { path: child(at(own, index), 'preference'), checksValues: false });
  }
}

/** A preference of any sort. */
interface Weighted {
  readonly weight: number;
}

/** Checks the weight of a preference. */
export function checkWeight(into: Collector, term: Given<Weighted>, path: FieldPath<Weighted>): void {
  const weight = term.weight ?? 0;
  if (weight < 1 || weight > 100) into.add(invalid(child(path, 'weight'), weight, 'must be in the range 1-100'));
}

/** Checks a `NodeSelector`. */
export function checkNodeSelector(into: Collector, selector: Given<NodeSelector>, path: FieldPath<NodeSelector>): void {
  const terms = selector.nodeSelectorTerms ?? [];
  const own = child(path, 'nodeSelectorTerms');
  if (terms.length === 0) into.add(required(own, 'must have at least one node selector term'));
  for (const [index, term] of terms.entries()) checkTerm(into, term, { path: at(own, index), checksValues: true });
}

/** Preferences may name values that no label can have: they match nothing, which does no harm. */
function checkTerm(
  into: Collector,
  term: Given<NodeSelectorTerm>,
  { path, checksValues }: { readonly path: FieldPath<NodeSelectorTerm>; readonly checksValues: boolean },
): void {
  for (const [index, requirement] of (term.matchExpressions ?? []).entries()) {
    const own = at(child(path, 'matchExpressions'), index);
    checkOperator(into, requirement, own);
    const key = requirement.key ?? '';
    into.problems(child(own, 'key'), key, qualifiedNameProblems(key));
    if (!checksValues) continue;
    for (const [position, value] of (requirement.values ?? []).entries()) {
      into.problems(at(child(own, 'values'), position), value, labelValueProblems(String(value)));
    }
  }
  for (const [index, requirement] of (term.matchFields ?? []).entries()) {
    checkFieldRequirement(into, requirement, at(child(path, 'matchFields'), index));
  }
}

function checkFieldRequirement(
  into: Collector,
  requirement: Given<NodeSelectorRequirement>,
  path: FieldPath<NodeSelectorRequirement>,
): void {
  const operator = requirement.operator ?? '';
  const key = requirement.key ?? '';
  const values = requirement.values ?? [];
  const own = child(path, 'values');
  if (operator !== 'In' && operator !== 'NotIn') {
    into.add(invalid(child(path, 'operator'), operator, 'not a valid selector operator'));
  } else if (values.length !== 1) {
    const detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
    into.add(required(own, detail));
  }
  if (key !== 'metadata.name') into.add(invalid(child(path, 'key'), key, 'not a valid field selector key'));
  else {
    for (const [index, value] of values.entries()) {
      into.problems(at(own, index), value, dns1123SubdomainProblems(String(value)));
    }
  }
}

function checkOperator(
  into: Collector,
  requirement: Given<NodeSelectorRequirement>,
  path: FieldPath<NodeSelectorRequirement>,
): void {
  const values = requirement.values ?? [];
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
