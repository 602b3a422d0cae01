/**
 * Errors about single fields, gathered by validation and answered together as one `Invalid` status.
 * Source: apimachinery `util/validation/field`; wording as upstream's.
 */
import { jsonText } from './json.ts';
import { type CauseReason, StatusError } from './status-error.ts';

/** Carries the type of what a path leads to, for the compiler; never present. */
declare const target: unique symbol;

/**
 * A path such as `spec.containers[0].image`, built from the root down. `''` is the object itself. `T` is the type of what is at the path: names
 * of fields below it are checked against it, and a plain string is no path. A path to something without a type, such as a part of a custom
 * resource, takes every name.
 */
export type FieldPath<T = unknown> = string & { readonly [target]: T };

/** What is below a `T` at a path of field names such as `spec.replicas`; never where there is no such field. */
type FieldAt<T, Path extends string> = unknown extends T
  ? unknown
  : Path extends keyof T
    ? NonNullable<T[Path]>
    : Path extends `${infer Head}.${infer Rest}`
      ? Head extends keyof T
        ? FieldAt<NonNullable<T[Head]>, Rest>
        : never
      : never;

/** `Path` where it leads somewhere in a `T`; of a union, those that do. */
type Known<T, Path extends string> = Path extends unknown ? ([FieldAt<T, Path>] extends [never] ? never : Path) : never;

type ItemOf<T> = unknown extends T
  ? unknown
  : T extends readonly (infer Item)[]
    ? Item
    : T extends { readonly [key: string]: infer Value }
      ? Value
      : never;

/** The path that validation names when it is about the whole object: `field.NewPath("")`. A path that is none at all is `''`, shown as `<nil>`. */
/** Writes down paths from the root of a `T`: `const field = pathsOf<Pod>()`, then `field('spec.nodeName')`. */
export function pathsOf<T>(): <Path extends string>(path: Path & Known<T, Path>) => FieldPath<FieldAt<T, Path>>;
export function pathsOf(): (path: string) => string {
  return (path) => path;
}

/** The path of a `T` itself, for the paths of what is in it. */
export function rootOf<T>(): FieldPath<T>;
export function rootOf(): string {
  return '';
}

/** A path in something without a type. */
export const untyped = pathsOf<unknown>();

/** The path that validation names when it is about the whole object: `field.NewPath("")`. A path that is none at all is `''`, shown as `<nil>`. */
export const wholeObject: FieldPath = untyped('[]');

/** `base.name`, where `name` may be a path itself; `base['name']` is `at(base, key)`. */
export function child<T, Path extends string>(
  base: FieldPath<T>,
  name: Path & Known<T, Path>,
): FieldPath<FieldAt<T, Path>>;
export function child(base: string, name: string): string {
  return base === '' ? name : `${base}.${name}`;
}

/** `base.name` for a name that upstream's message has, although no field is called so: a slip of upstream's that clients can read. */
export function misnamed<T = unknown>(base: FieldPath, name: string): FieldPath<T>;
export function misnamed(base: FieldPath, name: string): FieldPath {
  return child(base, name);
}

/** The path where upstream's messages about a `T` say that it is, although it is below that: another such slip. */
export function shownAt<T>(path: FieldPath): FieldPath<T>;
export function shownAt(path: string): string {
  return path;
}

/** `base[index]` for a list item, `base[key]` for a map entry. */
export function at<T>(base: FieldPath<T>, indexOrKey: number | string): FieldPath<ItemOf<T>>;
export function at(base: string, indexOrKey: number | string): string {
  return `${base}[${indexOrKey}]`;
}

/** Stands for an item of the list at `base`, where messages name no index: the path of the list. */
export function anyItem<T>(base: FieldPath<T>): FieldPath<ItemOf<T>>;
export function anyItem(base: string): string {
  return base;
}

/** One thing that is wrong with one field; a cause of an `Invalid` status. */
export interface FieldError {
  readonly reason: CauseReason;
  readonly field: FieldPath;
  /** The whole text of the cause, without the field: `Required value`, `Invalid value: "x": must be …`. */
  readonly message: string;
}

/** A refused value as messages show it: strings quoted, objects and lists as JSON. */
function showValue(value: unknown): string {
  if (value === undefined || value === null) return 'null';
  return typeof value === 'string' || typeof value === 'object' ? jsonText(value) : String(value);
}

function withDetail(text: string, detail: string): string {
  return detail === '' ? text : `${text}: ${detail}`;
}

/** A field that has to be there and is not. */
export function required(field: FieldPath, detail = ''): FieldError {
  return { reason: 'FieldValueRequired', field, message: withDetail('Required value', detail) };
}

/** A value that breaks a rule, which `detail` states. */
export function invalid(field: FieldPath, value: unknown, detail: string): FieldError {
  return { reason: 'FieldValueInvalid', field, message: withDetail(`Invalid value: ${showValue(value)}`, detail) };
}

/** What is said of sets that were asked for before: of one rule's many errors each has the same text, which they share. */
const supportedTexts = new WeakMap<readonly string[], string>();

function supportedText(supported: readonly string[]): string {
  let text = supportedTexts.get(supported);
  if (text === undefined) {
    const values = supported.map((value) => JSON.stringify(value)).join(', ');
    text = supported.length === 0 ? '' : `supported values: ${values}`;
    supportedTexts.set(supported, text);
  }
  return text;
}

/** A value that is none of a closed set, which is not changed afterwards. */
export function notSupported(field: FieldPath, value: unknown, supported: readonly string[]): FieldError {
  const detail = supportedText(supported);
  const message = withDetail(`Unsupported value: ${showValue(value)}`, detail);
  return { reason: 'FieldValueNotSupported', field, message };
}

/** A value that may be there once and was there before. */
export function duplicate(field: FieldPath, value: unknown): FieldError {
  return { reason: 'FieldValueDuplicate', field, message: `Duplicate value: ${showValue(value)}` };
}

/** A field that must not be set here, which `detail` explains. */
export function forbiddenField(field: FieldPath, detail: string): FieldError {
  return { reason: 'FieldValueForbidden', field, message: withDetail('Forbidden', detail) };
}

/** A value that names what is not there. */
export function notFoundField(field: FieldPath, value: unknown): FieldError {
  return { reason: 'FieldValueNotFound', field, message: `Not found: ${showValue(value)}` };
}

/** A text of more than `max` bytes. */
export function tooLong(field: FieldPath, max: number): FieldError {
  return {
    reason: 'FieldValueTooLong',
    field,
    message: `Too long: may not be more than ${max} ${max === 1 ? 'byte' : 'bytes'}`,
  };
}

/** A list of `actual` items where there may be `max`. */
export function tooMany(field: FieldPath, actual: number, max: number): FieldError {
  const message = `Too many: ${actual}: must have at most ${max} ${max === 1 ? 'item' : 'items'}`;
  return { reason: 'FieldValueTooMany', field, message };
}

/** Characters of all errors that one answer tells: it is built and sent whole, twice over. Of the rest it tells how many there are. */
const toldCharactersMax = 2 * 1024 * 1024;

function toldOf(errors: readonly FieldError[]): readonly FieldError[] {
  let length = 0;
  const end = errors.findIndex(({ field, message }) => {
    length += field.length + message.length;
    return length > toldCharactersMax;
  });
  // The first is always told.
  return end < 0 ? errors : errors.slice(0, Math.max(1, end));
}

/**
 * One `422 Invalid` status for all `errors` of an object, up to some megabytes of them. `kind` is the object's, such as `Pod`.
 */
export function invalidObject(
  kind: { readonly group: string; readonly kind: string },
  name: string,
  errors: readonly FieldError[],
): StatusError {
  const qualified = kind.group === '' ? kind.kind : `${kind.kind}.${kind.group}`;
  const told = toldOf(errors);
  const lines = told.map((error) => `${error.field === '' ? '<nil>' : error.field}: ${error.message}`);
  if (told.length < errors.length) lines.push(`and ${errors.length - told.length} more errors`);
  const text = lines.length === 1 ? lines.join() : `[${[...new Set(lines)].join(', ')}]`;
  return new StatusError({
    code: 422,
    reason: 'Invalid',
    message: `${qualified} "${name}" is invalid: ${text}`,
    details: {
      ...(name === '' ? {} : { name }),
      ...(kind.group === '' ? {} : { group: kind.group }),
      ...(kind.kind === '' ? {} : { kind: kind.kind }),
      causes: told.map((error) => ({ reason: error.reason, message: error.message, field: error.field || '<nil>' })),
    },
  });
}
