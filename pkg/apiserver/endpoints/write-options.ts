/**
 * Options of writes. Source: `meta/v1` `CreateOptions`, `UpdateOptions`, `PatchOptions`; apimachinery `meta/v1/validation`.
 */
import type { PatchOptions } from '#pkg/api/types/meta-v1.ts';
import {
  type FieldError,
  forbiddenField,
  invalidObject,
  notSupported,
  pathsOf,
  required,
} from '#pkg/apimachinery/field-error.ts';
import type { HttpHeaders } from '#pkg/apimachinery/http.ts';
import { fieldManagerLengthMax, validateFieldManager } from '#pkg/apimachinery/object-meta-validation.ts';
import { isTrue } from '../request-info.ts';

const field = pathsOf<PatchOptions>();

/** What is done about fields that are not known or come twice. Source: API concepts, "Field validation". */
export type FieldValidation = 'Ignore' | 'Strict' | 'Warn';

/** What a write asks for. */
export interface WriteOptions {
  readonly dryRun: boolean;
  /** As given; `managerOf` finds the one to use. */
  readonly fieldManager: string;
  readonly fieldValidation: FieldValidation;
  /** Apply only. */
  readonly force: boolean;
}

/** Reads the options of a write. `kind` is that of the options, for errors. Throws Invalid. */
export function parseWriteOptions(
  query: URLSearchParams,
  kind: 'CreateOptions' | 'PatchOptions' | 'UpdateOptions',
  isApply = false,
): WriteOptions {
  if (query.size === 0 && !isApply) return defaults;
  const errors: FieldError[] = [];
  const dryRun = query.getAll('dryRun');
  const fieldManager = query.get('fieldManager') ?? '';
  const fieldValidation = query.get('fieldValidation') || 'Warn';
  if (isApply && fieldManager === '') errors.push(required(field('fieldManager'), 'is required for apply patch'));
  if (!isApply && kind === 'PatchOptions' && query.has('force')) {
    errors.push(forbiddenField(field('force'), 'may not be specified for non-apply patch'));
  }
  errors.push(...validateFieldManager(fieldManager, field('fieldManager')));
  if (dryRun.some((value) => value !== 'All')) errors.push(notSupported(field('dryRun'), dryRun, ['All']));
  if (!fieldValidations.includes(fieldValidation)) {
    errors.push(notSupported(field('fieldValidation'), fieldValidation, fieldValidations));
  }
  if (errors.length > 0) throw invalidObject({ group: 'meta.k8s.io', kind }, '', errors);
  return {
    dryRun: dryRun.length > 0,
    fieldManager,
    fieldValidation: fieldValidation as FieldValidation,
    force: isTrue(query.get('force')),
  };
}

const fieldValidations: readonly string[] = ['', 'Ignore', 'Strict', 'Warn'];

const defaults: WriteOptions = { dryRun: false, fieldManager: '', fieldValidation: 'Warn', force: false };

/** The manager of a write: the one named, or the user agent up to its first slash. Source: `managerOrUserAgent`. */
export function managerOf(options: WriteOptions, headers: HttpHeaders): string {
  if (options.fieldManager !== '') return options.fieldManager;
  const agent = headers['user-agent'] ?? '';
  const slash = agent.indexOf('/');
  const name = slash < 0 ? agent : agent.slice(0, slash);
  if (plainName.test(name)) return name;
  return name.replaceAll(unprintable, '').slice(0, fieldManagerLengthMax) || 'unknown';
}

/** What most agents are called: nothing to leave out. As long as the name of a manager may be. */
const plainName = /^[ -~]{1,128}$/;
const unprintable = /[\p{C}\p{Zl}\p{Zp}\t]/gu;
