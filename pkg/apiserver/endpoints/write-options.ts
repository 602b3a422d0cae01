/**
 * Options of writes. Source: `meta/v1` `CreateOptions`, `UpdateOptions`, `PatchOptions`; apimachinery `meta/v1/validation`.
 */
import {
  type FieldError,
  invalid,
  invalidObject,
  notSupported,
  required,
  tooLong,
} from '#pkg/apimachinery/field-error.ts';
import type { HttpHeaders } from '#pkg/apimachinery/http.ts';
import { isTrue } from '../request-info.ts';

export type FieldValidation = 'Ignore' | 'Strict' | 'Warn';

export interface WriteOptions {
  readonly dryRun: boolean;
  /** As given; `managerOf` finds the one to use. */
  readonly fieldManager: string;
  readonly fieldValidation: FieldValidation;
  /** Apply only. */
  readonly force: boolean;
}

/** Longest name of a field manager. Source: `FieldManagerMaxLength`. */
const managerBytesMax = 128;

/** Reads the options of a write. `kind` is that of the options, for errors. Throws Invalid. */
export function parseWriteOptions(
  query: URLSearchParams,
  kind: 'CreateOptions' | 'PatchOptions' | 'UpdateOptions',
  isApply = false,
): WriteOptions {
  if (query.size === 0 && !isApply) return defaults;
  const errors: FieldError[] = [];
  const dryRun = query.getAll('dryRun').filter((value) => value !== '');
  if (dryRun.some((value) => value !== 'All')) errors.push(notSupported('dryRun', dryRun, ['All']));
  const fieldManager = query.get('fieldManager') ?? '';
  checkManager(fieldManager, errors);
  const fieldValidation = query.get('fieldValidation') || 'Warn';
  if (fieldValidation !== 'Warn' && fieldValidation !== 'Strict' && fieldValidation !== 'Ignore') {
    errors.push(notSupported('fieldValidation', fieldValidation, ['Ignore', 'Strict', 'Warn']));
  }
  if (isApply && fieldManager === '') errors.push(required('fieldManager', 'is required for apply patch'));
  if (!isApply && kind === 'PatchOptions' && query.has('force')) {
    errors.push({
      reason: 'FieldValueForbidden',
      field: 'force',
      message: 'Forbidden: may not be specified for non-apply patch',
    });
  }
  if (errors.length > 0) throw invalidObject({ group: 'meta.k8s.io', kind }, '', errors);
  return {
    dryRun: dryRun.length > 0,
    fieldManager,
    fieldValidation: fieldValidation as FieldValidation,
    force: isTrue(query.get('force')),
  };
}

const defaults: WriteOptions = { dryRun: false, fieldManager: '', fieldValidation: 'Warn', force: false };

function checkManager(name: string, errors: FieldError[]): void {
  if (name.length > managerBytesMax) errors.push(tooLong('fieldManager', managerBytesMax));
  for (const char of name) {
    if (!/[\p{L}\p{M}\p{N}\p{P}\p{S} ]/u.test(char)) {
      errors.push(invalid('fieldManager', name, 'should only contain printable characters'));
      return;
    }
  }
}

/** The manager of a write: the one named, or the user agent up to its first slash. Source: `managerOrUserAgent`. */
export function managerOf(options: WriteOptions, headers: HttpHeaders): string {
  if (options.fieldManager !== '') return options.fieldManager;
  const agent = headers['user-agent'] ?? '';
  const slash = agent.indexOf('/');
  const name = (slash < 0 ? agent : agent.slice(0, slash)).slice(0, managerBytesMax);
  return name === '' ? 'unknown' : name;
}
