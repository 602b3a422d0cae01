/** Gathers the errors of one object, with the checks that come up again and again. */
import { type FieldError, type FieldPath, invalid, notSupported, required } from '#pkg/apimachinery/field-error.ts';
import type { Problems } from '#pkg/apimachinery/names.ts';
import { notNegativeDetail } from './numbers.ts';

export class Collector {
  readonly errors: FieldError[] = [];

  add(...errors: readonly FieldError[]): void {
    this.errors.push(...errors);
  }

  /** One `Invalid value` for each problem. */
  problems(field: FieldPath, value: unknown, problems: Problems): void {
    for (const problem of problems) this.errors.push(invalid(field, value, problem));
  }

  /** Refuses an empty or missing string; returns whether there is one. */
  needsText(field: FieldPath, value: unknown, detail = ''): value is string {
    if (typeof value === 'string' && value !== '') return true;
    this.errors.push(required(field, detail));
    return false;
  }

  /** Refuses a number below zero. */
  notNegative(field: FieldPath, value: unknown): void {
    if (typeof value === 'number' && value < 0) this.errors.push(invalid(field, value, notNegativeDetail));
  }

  /** Refuses a string that is not one of `values`, which are to be in alphabetical order. A missing one passes. */
  oneOf(field: FieldPath, value: unknown, values: readonly string[]): void {
    if (value === undefined || value === null || values.includes(value as string)) return;
    this.errors.push(notSupported(field, value, values));
  }
}
