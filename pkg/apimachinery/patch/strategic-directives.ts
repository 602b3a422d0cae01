/** The directives of strategic merge patches: `$patch`, `$retainKeys`, `$deleteFromPrimitiveList/…`, `$setElementOrder/…`. */
import { isObject, setOwn } from '../json.ts';
import type { JsonObject } from '../object.ts';

/** The patch makes no sense. Caught where patches are applied; its text is the answer's. */
export class BadPatch extends Error {}

/** The field by which a patch says `replace`, `delete` or `merge` of the object around it. */
export const patchDirective = '$patch';
const retainKeysDirective = '$retainKeys';
const deletePrefix = '$deleteFromPrimitiveList/';
const setOrderPrefix = '$setElementOrder/';

/** What an object of a patch says about lists and fields beside it. */
export interface Directives {
  /** The only fields that stay. */
  readonly retainKeys: ReadonlySet<unknown> | undefined;
  /** By list: the scalars to remove. */
  readonly deletions: ReadonlyMap<string, readonly unknown[]>;
  /** By list: the order of its items. */
  readonly orders: ReadonlyMap<string, readonly unknown[]>;
}

/** Whether a key of a patch is a directive rather than a field. */
export function isDirective(key: string): boolean {
  if (key.charCodeAt(0) !== 36) return false;
  return (
    key === patchDirective ||
    key === retainKeysDirective ||
    key.startsWith(deletePrefix) ||
    key.startsWith(setOrderPrefix)
  );
}

/** The directives in one object of a patch, checked; undefined when there are none. */
export function directivesOf(patch: Readonly<JsonObject>): Directives | undefined {
  let found = false;
  for (const key in patch) if (isDirective(key)) found = true;
  if (!found) return undefined;
  const deletions = new Map<string, readonly unknown[]>();
  const orders = new Map<string, readonly unknown[]>();
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith(deletePrefix)) {
      if (!Array.isArray(value)) throw new BadPatch('invalid patch format of primitive list');
      deletions.set(key.slice(deletePrefix.length), value);
    } else if (key.startsWith(setOrderPrefix)) {
      if (!Array.isArray(value)) throw new BadPatch('invalid patch format of setElementOrder list');
      orders.set(key.slice(setOrderPrefix.length), value);
    }
  }
  return { retainKeys: retainKeysOf(patch), deletions, orders };
}

function retainKeysOf(patch: Readonly<JsonObject>): ReadonlySet<unknown> | undefined {
  if (!Object.hasOwn(patch, retainKeysDirective)) return undefined;
  const list = patch[retainKeysDirective];
  if (!Array.isArray(list)) throw new BadPatch('invalid patch format of retainKeys');
  const keys = new Set<unknown>(list);
  for (const key of Object.keys(patch)) {
    if (patch[key] !== null && !isDirective(key) && !keys.has(key)) {
      throw new BadPatch('invalid patch format of retainKeys');
    }
  }
  return keys;
}

/** A value of a patch that has nothing to be merged with: without directives, nulls and items that only delete. */
export function dropDirectives(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value
      .filter((item) => !isObject(item) || (item[patchDirective] !== 'delete' && !isBareReplace(item)))
      .map(dropDirectives);
  }
  if (!isObject(value)) return value;
  const clean: JsonObject = {};
  for (const key of Object.keys(value)) {
    if (value[key] !== null && !isDirective(key)) setOwn(clean, key, dropDirectives(value[key]));
  }
  return clean;
}

function isBareReplace(item: Readonly<JsonObject>): boolean {
  return item[patchDirective] === 'replace' && Object.keys(item).length === 1;
}
