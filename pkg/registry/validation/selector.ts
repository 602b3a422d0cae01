/** Rules for `LabelSelector`s. Source: apimachinery `meta/v1/validation` `ValidateLabelSelector`. */
import {
  at,
  child,
  type FieldError,
  type FieldPath,
  forbiddenField,
  invalid,
  required,
} from '#pkg/apimachinery/field-error.ts';
import { labelValueProblems, qualifiedNameProblems } from '#pkg/apimachinery/names.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { isObject, listAt, objectsAt, stringAt, stringMapAt } from '../draft.ts';

/** Whether a selector selects everything: it has no requirement. */
export function isEmptySelector(selector: unknown): boolean {
  return (
    Object.keys(stringMapAt(selector, 'matchLabels')).length === 0 && listAt(selector, 'matchExpressions').length === 0
  );
}

/** What is wrong with a `LabelSelector`; a missing one passes. */
export function labelSelectorErrors(selector: unknown, field: FieldPath): FieldError[] {
  if (!isObject(selector)) return [];
  const errors = labelsErrors(stringMapAt(selector, 'matchLabels'), child(field, 'matchLabels'));
  for (const [index, requirement] of objectsAt(selector, 'matchExpressions').entries()) {
    errors.push(...requirementErrors(requirement, at(child(field, 'matchExpressions'), index)));
  }
  return errors;
}

/** What is wrong with the names and values of labels. */
export function labelsErrors(labels: Readonly<Record<string, string>>, field: FieldPath): FieldError[] {
  return Object.entries(labels).flatMap(([key, value]) => [
    ...qualifiedNameProblems(key).map((problem) => invalid(field, key, problem)),
    ...labelValueProblems(String(value)).map((problem) => invalid(field, value, problem)),
  ]);
}

function requirementErrors(requirement: JsonObject, field: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  const operator = stringAt(requirement, 'operator');
  const values = listAt(requirement, 'values');
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
  const key = stringAt(requirement, 'key');
  errors.push(...qualifiedNameProblems(key).map((problem) => invalid(child(field, 'key'), key, problem)));
  for (const [index, value] of values.entries()) {
    const path = at(child(field, 'values'), index);
    errors.push(...labelValueProblems(String(value)).map((problem) => invalid(path, value, problem)));
  }
  return errors;
}

/** Whether a valid `LabelSelector` matches these labels. */
export function selectorMatches(selector: unknown, labels: Readonly<Record<string, string>>): boolean {
  const wanted = Object.entries(stringMapAt(selector, 'matchLabels'));
  if (!wanted.every(([key, value]) => Object.hasOwn(labels, key) && labels[key] === value)) return false;
  return objectsAt(selector, 'matchExpressions').every((requirement) => {
    const key = stringAt(requirement, 'key');
    const has = Object.hasOwn(labels, key);
    const isListed = has && listAt(requirement, 'values').includes(labels[key]);
    switch (requirement.operator) {
      case 'In':
        return isListed;
      case 'NotIn':
        return !isListed;
      case 'Exists':
        return has;
      case 'DoesNotExist':
        return !has;
      default:
        return false;
    }
  });
}
