/** Rules for `LabelSelector`s. Source: apimachinery `meta/v1/validation` `ValidateLabelSelector`. */
import type { LabelSelector, LabelSelectorRequirement } from '#pkg/api/types/meta-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import {
  at,
  child,
  type FieldError,
  type FieldPath,
  forbiddenField,
  invalid,
  required,
} from '#pkg/apimachinery/field-error.ts';
import { type Labels, selectorFromLabelSelector } from '#pkg/apimachinery/label-selector.ts';
import { labelValueProblems, qualifiedNameProblems } from '#pkg/apimachinery/names.ts';

/** Whether a selector selects everything: it has no requirement. */
export function isEmptySelector(selector: Given<LabelSelector>): boolean {
  return Object.keys(selector.matchLabels ?? {}).length === 0 && (selector.matchExpressions ?? []).length === 0;
}

/** What is wrong with a `LabelSelector`; a missing one passes. */
export function labelSelectorErrors(selector: Given<LabelSelector> | undefined, field: FieldPath): FieldError[] {
  if (selector === undefined) return [];
  const errors = labelsErrors(selector.matchLabels ?? {}, child(field, 'matchLabels'));
  for (const [index, requirement] of (selector.matchExpressions ?? []).entries()) {
    errors.push(...requirementErrors(requirement, at(child(field, 'matchExpressions'), index)));
  }
  return errors;
}

/** What is wrong with the names and values of labels. */
export function labelsErrors(labels: Labels, field: FieldPath): FieldError[] {
  return Object.entries(labels).flatMap(([key, value]) => [
    ...qualifiedNameProblems(key).map((problem) => invalid(field, key, problem)),
    ...labelValueProblems(String(value)).map((problem) => invalid(field, value, problem)),
  ]);
}

function requirementErrors(requirement: Given<LabelSelectorRequirement>, field: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  const operator = requirement.operator ?? '';
  const values = requirement.values ?? [];
  if (operator === 'In' || operator === 'NotIn') {
    if (values.length === 0) {
      errors.push(required(child(field, 'values'), "must be specified when `operator` is 'In' or 'NotIn'"));
    }
  } else if (operator === 'Exists' || operator === 'DoesNotExist') {
    if (values.length > 0) {
      const detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
      errors.push(forbiddenField(child(field, 'values'), detail));
    }
  } else {
    errors.push(invalid(child(field, 'operator'), operator, 'not a valid selector operator'));
  }
  const key = requirement.key ?? '';
  errors.push(...qualifiedNameProblems(key).map((problem) => invalid(child(field, 'key'), key, problem)));
  for (const [index, value] of values.entries()) {
    const path = at(child(field, 'values'), index);
    errors.push(...labelValueProblems(String(value)).map((problem) => invalid(path, value, problem)));
  }
  return errors;
}

/** Whether a `LabelSelector` without errors matches these labels. */
export function selectorMatches(selector: Given<LabelSelector>, labels: Labels): boolean {
  const result = selectorFromLabelSelector(selector);
  return result.ok && result.selector.matches(labels);
}
