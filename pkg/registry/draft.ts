/**
 * Reading and filling objects whose shape the schema has already checked, or is about to: every reader answers with an empty
 * value instead of failing when something is missing or has another type, so that defaults and rules can run on any input.
 */
import type { Draft, Given } from '#pkg/apimachinery/draft.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';

/** The object at a path of field names, or undefined. */
export function objectAt(from: unknown, ...path: readonly string[]): JsonObject | undefined {
  let current: unknown = from;
  for (const name of path) {
    if (!isObject(current)) return undefined;
    current = current[name];
  }
  return isObject(current) ? current : undefined;
}

/** The value at a path of field names, or undefined. */
export function valueAt(from: unknown, ...path: readonly string[]): unknown {
  const parent = objectAt(from, ...path.slice(0, -1));
  return parent?.[path[path.length - 1]!];
}

/** The string at a path, `''` when it is missing. */
export function stringAt(from: unknown, ...path: readonly string[]): string {
  const value = valueAt(from, ...path);
  return typeof value === 'string' ? value : '';
}

/** Whether the value at a path is `true`. */
export function isTrueAt(from: unknown, ...path: readonly string[]): boolean {
  return valueAt(from, ...path) === true;
}

/** The list at a path, empty when it is missing. */
export function listAt(from: unknown, ...path: readonly string[]): readonly unknown[] {
  const value = valueAt(from, ...path);
  return Array.isArray(value) ? value : [];
}

/** The objects of the list at a path; other items are left out. */
export function objectsAt(from: unknown, ...path: readonly string[]): readonly JsonObject[] {
  return listAt(from, ...path).filter(isObject);
}

/** Sets a field that is missing, null or an empty string. */
export function setDefault<T extends object, Name extends keyof T>(target: T, name: Name, value: T[Name]): void {
  const present: unknown = target[name];
  if (present === undefined || present === null || present === '') target[name] = value;
}

/** The object in a field, made empty when the field is missing; undefined when the field holds something else. */
export function ensureObject(target: JsonObject, name: string): JsonObject | undefined {
  const present = target[name];
  if (present === undefined || present === null) {
    const made: JsonObject = {};
    target[name] = made;
    return made;
  }
  return isObject(present) ? present : undefined;
}

/** Puts the value of a field back to what it is in `old`, or takes the field away. The value is shared: it must not be changed after. */
export function restoreField<Name extends string>(
  draft: { [N in Name]?: unknown },
  old: { readonly [N in Name]?: unknown },
  name: Name,
): void {
  const value = old[name];
  if (value === undefined) delete draft[name];
  else draft[name] = value;
}

/** A part of an old object that becomes a part of a draft as it is. It is shared: it must not be changed after. */
export function shared<T>(given: Given<T>): Draft<T>;
export function shared(given: unknown): unknown {
  return given;
}

/** A copy of an object without some of its fields; empty for no object. */
export function without<T extends object>(object: T | undefined, names: readonly (keyof T)[]): Partial<T> {
  const copy: Partial<T> = { ...object };
  for (const name of names) delete copy[name];
  return copy;
}

function isEmptyValue(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  if (Array.isArray(value)) return value.length === 0;
  if (!isObject(value)) return false;
  for (const name of Object.keys(value)) if (value[name] !== undefined) return false;
  return true;
}

/**
 * Whether two JSON values mean the same: a missing or undefined field equals an empty list or map, and the order of fields does not count.
 * Source: apimachinery `equality.Semantic`.
 */
export function semanticallySame(a: unknown, b: unknown): boolean {
  if (isEmptyValue(a) && isEmptyValue(b)) return true;
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, index) => semanticallySame(item, b[index]));
  }
  if (!isObject(a) || !isObject(b)) return false;
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...names].every((name) => semanticallySame(a[name], b[name]));
}
