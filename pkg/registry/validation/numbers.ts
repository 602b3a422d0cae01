/** Rules about numbers that many kinds share. Source: upstream `pkg/apis/core/validation`, `pkg/apis/apps/validation`. */

import { type FieldError, type FieldPath, invalid } from '#pkg/apimachinery/field-error.ts';
import { isNumeric } from '#pkg/apimachinery/json.ts';
import { percentProblems } from '#pkg/apimachinery/names.ts';

/** What upstream says of a number below zero. */
export const notNegativeDetail = 'must be greater than or equal to 0';

/** Refuses a number below zero; a missing one passes. */
export function notNegativeErrors(value: unknown, field: FieldPath): FieldError[] {
  return isNumeric(value) && value < 0 ? [invalid(field, value, notNegativeDetail)] : [];
}

/** Refuses what is neither a count of zero or more nor a percentage. */
export function countOrPercentErrors(value: unknown, field: FieldPath): FieldError[] {
  if (typeof value === 'number') return notNegativeErrors(value, field);
  if (typeof value !== 'string') return [];
  return percentProblems(value).map((problem) => invalid(field, value, problem));
}

/** Whether a count or a percentage is zero; a missing one is. */
export function isZeroCount(value: unknown): boolean {
  return value === 0 || value === undefined || percentOf(value) === 0;
}

/** The number before a per cent sign, undefined for what is not a percentage. */
function percentOf(value: unknown): number | undefined {
  if (typeof value !== 'string' || percentProblems(value).length > 0) return undefined;
  return Number(value.slice(0, -1));
}

/** Refuses a percentage above 100. */
export function percentAbove100Errors(value: unknown, field: FieldPath): FieldError[] {
  const percent = percentOf(value);
  return percent !== undefined && percent > 100 ? [invalid(field, value, 'must not be greater than 100%')] : [];
}
