/** Rules for limit ranges. Source: upstream `ValidateLimitRange`. */

import type { LimitRange, LimitRangeItem } from '#pkg/api/types/core-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import {
  at,
  child,
  duplicate,
  type FieldError,
  type FieldPath,
  forbiddenField,
  invalid,
  misnamed,
  pathsOf,
  required,
} from '#pkg/apimachinery/field-error.ts';
import { qualifiedNameProblems } from '#pkg/apimachinery/names.ts';
import { compareQuantities, quantityAt } from '../../quantities.ts';
import { Collector } from '../../validation/collector.ts';
import { checkContainerResourceName, checkResourceName, mayOvercommit } from './resources.ts';

const field = pathsOf<LimitRange>();

const limitTypes = ['Container', 'PersistentVolumeClaim', 'Pod'];
const amountFields = ['max', 'min', 'default', 'defaultRequest', 'maxLimitRequestRatio'] as const;

/** What is wrong with a `LimitRange`. Source: upstream `ValidateLimitRange`. */
export function validateLimitRange(draft: Given<LimitRange>): readonly FieldError[] {
  const into = new Collector();
  const seen = new Set<string>();
  for (const [index, limit] of (draft.spec?.limits ?? []).entries()) {
    const path = at(field('spec.limits'), index);
    const type = limit.type ?? '';
    checkType(into, type, child(path, 'type'));
    if (seen.has(type)) into.add(duplicate(child(path, 'type'), type));
    seen.add(type);
    checkNames(into, limit, path);
    const names = new Set(amountFields.flatMap((field) => Object.keys(limit[field] ?? {})));
    for (const name of names) checkOrder(into, limit, { name, path });
  }
  return into.errors;
}

function checkType(into: Collector, type: string, path: FieldPath): void {
  const problems = qualifiedNameProblems(type);
  into.problems(path, type, problems);
  if (problems.length > 0 || type.includes('/') || limitTypes.includes(type)) return;
  into.add(invalid(path, type, 'must be a standard limit type or fully qualified'));
}

function checkNames(into: Collector, limit: Given<LimitRangeItem>, path: FieldPath<LimitRangeItem>): void {
  const { type } = limit;
  const check = type === 'Pod' || type === 'Container' ? checkContainerResourceName : checkResourceName;
  for (const each of amountFields) {
    const names = Object.keys(limit[each] ?? {});
    if (type === 'Pod' && each.startsWith('default')) {
      if (names.length > 0) into.add(forbiddenField(child(path, each), "may not be specified when `type` is 'Pod'"));
      continue;
    }
    for (const name of names) check(into, name, at(child(path, each), name));
  }
  if (type !== 'PersistentVolumeClaim') return;
  if ([limit.min, limit.max].some((amounts) => amounts?.storage !== undefined)) return;
  const detail = 'either minimum or maximum storage value is required, but neither was provided';
  into.add(required(misnamed(path, 'limits'), detail));
}

/** `[what is too small, what it is compared with, where it is reported, what is shown there, words]`. */
const orderRules = [
  ['max', 'min', 'min', 'min', (min: string, max: string) => `min value ${min} is greater than max value ${max}`],
  [
    'defaultRequest',
    'min',
    'defaultRequest',
    'defaultRequest',
    (min: string, request: string) => `min value ${min} is greater than default request value ${request}`,
  ],
  [
    'max',
    'defaultRequest',
    'defaultRequest',
    'defaultRequest',
    (request: string, max: string) => `default request value ${request} is greater than max value ${max}`,
  ],
  [
    'default',
    'defaultRequest',
    'defaultRequest',
    'defaultRequest',
    (request: string, limit: string) => `default request value ${request} is greater than default limit value ${limit}`,
  ],
  [
    'default',
    'min',
    'default',
    'min',
    (min: string, limit: string) => `min value ${min} is greater than default value ${limit}`,
  ],
  [
    'max',
    'default',
    'default',
    'max',
    (limit: string, max: string) => `default value ${limit} is greater than max value ${max}`,
  ],
] as const;

type AmountField = Exclude<keyof LimitRangeItem, 'type'>;

function checkOrder(
  into: Collector,
  limit: Given<LimitRangeItem>,
  { name, path }: { name: string; path: FieldPath<LimitRangeItem> },
): void {
  const amount = (field: AmountField): string | undefined => {
    const value = limit.type === 'Pod' && field.startsWith('default') ? undefined : limit[field]?.[name];
    return value === undefined ? undefined : String(value);
  };
  for (const [upper, lower, field, shown, words] of orderRules) {
    const [most, least] = [amount(upper), amount(lower)];
    if (most === undefined || least === undefined || compareQuantities(least, most) <= 0) continue;
    into.add(invalid(at(child(path, field), name), amount(shown), words(least, most)));
  }
  checkRatio(
    into,
    { ratio: amount('maxLimitRequestRatio'), min: amount('min'), max: amount('max') },
    at(child(path, 'maxLimitRequestRatio'), name),
  );
  const [limits, requests] = [amount('default'), amount('defaultRequest')];
  if (mayOvercommit(name) || limits === undefined || requests === undefined) return;
  if (compareQuantities(limits, requests) === 0) return;
  const detail = `default value ${limits} must equal to defaultRequest value ${requests} in ${name}`;
  into.add(invalid(at(child(path, 'defaultRequest'), name), requests, detail));
}

interface Ratio {
  readonly ratio: string | undefined;
  readonly min: string | undefined;
  readonly max: string | undefined;
}

function checkRatio(into: Collector, { ratio, min, max }: Ratio, path: FieldPath): void {
  if (ratio === undefined) return;
  if (compareQuantities(ratio, 1) < 0) into.add(invalid(path, ratio, `ratio ${ratio} is less than 1`));
  if (min === undefined || max === undefined) return;
  const widest = Number(quantityAt(max).nano) / Number(quantityAt(min).nano);
  if (quantityAt(ratio).milli / 1000 <= widest) return;
  into.add(invalid(path, ratio, `ratio ${ratio} is greater than max/min = ${widest.toFixed(6)}`));
}
