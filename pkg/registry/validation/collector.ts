/** Gathers the errors of one object, with the checks that come up again and again. */

import {
  type FieldError,
  type FieldPath,
  forbiddenField,
  invalid,
  notSupported,
  required,
  tooMany,
} from '#pkg/apimachinery/field-error.ts';
import { isNumeric } from '#pkg/apimachinery/json.ts';
import type { Problems } from '#pkg/apimachinery/names.ts';
import { semanticallySame } from '../draft.ts';
import { notNegativeErrors } from './numbers.ts';

/** What upstream says of a number that is not above zero. */
const notPositiveDetail = 'must be greater than zero';

/** What upstream says of a field that may not change. */
const immutableDetail = 'field is immutable';

/** The errors of one object, in the order they were found. */
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

  /** Refuses an empty or missing string and one that breaks a rule about names. */
  needsName(field: FieldPath, value: unknown, rule: (text: string) => Problems): void {
    if (this.needsText(field, value)) this.problems(field, value, rule(value));
  }

  /** Refuses a string that breaks a rule about names; an empty or missing one passes. */
  mayName(field: FieldPath, value: unknown, rule: (text: string) => Problems): void {
    if (typeof value === 'string' && value !== '') this.problems(field, value, rule(value));
  }

  /** Refuses a number below zero. */
  notNegative(field: FieldPath, value: unknown): void {
    this.errors.push(...notNegativeErrors(value, field));
  }

  /** Refuses a number that is not above zero; a missing one passes. */
  positive(field: FieldPath, value: unknown, detail = notPositiveDetail): void {
    if (isNumeric(value) && value <= 0) this.errors.push(invalid(field, value, detail));
  }

  /** Refuses a string that is not one of `values`, which the message lists in their order. A missing one passes. */
  oneOf(field: FieldPath, value: unknown, values: readonly string[]): void {
    if (value === undefined || value === null || values.includes(value as string)) return;
    this.errors.push(notSupported(field, value, values));
  }

  /** Like `oneOf`, and refuses an empty or missing string. */
  needsOneOf(field: FieldPath, value: unknown, values: readonly string[]): void {
    if (value === undefined || value === null || value === '') this.errors.push(required(field));
    else this.oneOf(field, value, values);
  }

  /** Refuses more than `max` items. */
  atMost(field: FieldPath, items: readonly unknown[], max: number): void {
    if (items.length > max) this.errors.push(tooMany(field, items.length, max));
  }

  /** Refuses a field that is set. */
  unset(field: FieldPath, value: unknown, detail: string): void {
    if (value !== undefined && value !== null) this.errors.push(forbiddenField(field, detail));
  }

  /** Refuses a value that differs from what it was. */
  unchanged(field: FieldPath, now: unknown, was: unknown): void {
    if (!semanticallySame(now, was)) this.errors.push(invalid(field, now ?? null, immutableDetail));
  }
}
