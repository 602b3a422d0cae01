/**
 * The patch that makes a live object what a file says: what the file changes, without what it never named, and without what it no longer names. With
 * a schema it is a strategic merge patch, else a JSON merge patch. Pure.
 * Upstream counterpart: apimachinery `util/strategicpatch` `CreateThreeWayMergePatch`, `util/jsonmergepatch`.
 */
import { deepEqual, isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { FieldSchema, Schema } from '#pkg/apimachinery/schema.ts';

/** The three objects: as it was when last applied, as it is to be, and as it is on the server. */
export interface ThreeObjects {
  readonly original: JsonObject;
  readonly modified: JsonObject;
  readonly current: JsonObject;
}

/** The patch; an empty object when there is nothing to change. Lists are replaced whole where `schema` is undefined. */
export function threeWayPatch({ original, modified, current }: ThreeObjects, schema: Schema | undefined): JsonObject {
  return patchOf(original, modified, current, schema);
}

function patchOf(
  original: JsonObject,
  modified: JsonObject,
  current: JsonObject,
  schema: Schema | undefined,
): JsonObject {
  const patch: JsonObject = {};
  for (const [key, wanted] of Object.entries(modified)) {
    const live = current[key];
    const field = fieldOf(schema, key);
    if (live === undefined || live === null) {
      if (wanted !== null) patchMissing(patch, key, [original[key], wanted], field);
    } else if (isObject(wanted) && isObject(live)) patchMap(patch, key, [own(original, key), wanted, live], field);
    else if (Array.isArray(wanted) && Array.isArray(live))
      patchList(patch, key, [listAt(original, key), wanted, live], field);
    else if (!deepEqual(wanted, live)) patch[key] = wanted;
  }
  for (const key of Object.keys(original)) if (!Object.hasOwn(modified, key)) patch[key] = null;
  return patch;
}

/** A field that is not there: what the file says, and what it no longer names of what was applied. */
function patchMissing(
  patch: JsonObject,
  key: string,
  [original, wanted]: readonly [unknown, unknown],
  field: Field,
): void {
  patch[key] = wanted;
  if (isObject(wanted) && isObject(original)) {
    const inner = patchOf(original, wanted, {}, field.schema);
    patch[key] = retainsKeys(field.fact) && !deepEqual(inner, wanted) ? retaining(inner, wanted, original) : inner;
  } else if (Array.isArray(wanted) && Array.isArray(original)) {
    patchList(patch, key, [original, wanted, []], field);
  }
}

/** The same of an object of which at most one of several fields may be there: what the file does not name is to go, whoever made it. */
function retaining(patch: JsonObject, wanted: JsonObject, live: JsonObject): JsonObject {
  const kept = Object.keys(wanted).filter((key) => wanted[key] !== null);
  const hasMore = Object.keys(live).some((key) => !Object.hasOwn(wanted, key));
  return kept.length > 0 && (hasMore || Object.keys(patch).length > 0) ? { ...patch, $retainKeys: kept.sort() } : patch;
}

/** A field as the patch has to know it: the shape of its value, and how lists of it are merged. */
interface Field {
  readonly schema: Schema | undefined;
  readonly fact: FieldSchema | undefined;
}

function fieldOf(schema: Schema | undefined, key: string): Field {
  if (schema?.type === 'map') return { schema: schema.of, fact: undefined };
  const fact = schema?.type === 'object' ? schema.fields.get(key) : undefined;
  return { schema: fact?.schema, fact };
}

function retainsKeys(fact: FieldSchema | undefined): boolean {
  return fact?.patchStrategies.includes('retainKeys') === true;
}

function own(object: JsonObject, key: string): JsonObject {
  const value = object[key];
  return isObject(value) ? value : {};
}

function listAt(object: JsonObject, key: string): readonly unknown[] {
  const value = object[key];
  return Array.isArray(value) ? value : [];
}

function patchMap(
  patch: JsonObject,
  key: string,
  [original, wanted, live]: readonly [JsonObject, JsonObject, JsonObject],
  { schema, fact }: Field,
): void {
  if (fact?.patchStrategies.includes('replace')) {
    if (!deepEqual(wanted, live)) patch[key] = { ...wanted, $patch: 'replace' };
    return;
  }
  const inner = patchOf(original, wanted, live, schema);
  const kept = retainsKeys(fact) ? retaining(inner, wanted, live) : inner;
  if (Object.keys(kept).length > 0) patch[key] = kept;
}

function patchList(
  patch: JsonObject,
  key: string,
  lists: readonly [readonly unknown[], readonly unknown[], readonly unknown[]],
  { schema, fact }: Field,
): void {
  const [, wanted, live] = lists;
  const merges = fact?.patchStrategies.includes('merge') === true;
  if (!merges) {
    if (!deepEqual(wanted, live)) patch[key] = wanted;
    return;
  }
  const mergeKey = fact?.patchMergeKey;
  const item = schema?.type === 'list' ? schema.of : undefined;
  if (mergeKey === undefined) patchSet(patch, key, lists);
  else {
    const keyed = [records(lists[0]), records(wanted), records(live)] as const;
    patchKeyed(patch, key, { lists: keyed, mergeKey, item, retains: retainsKeys(fact) });
  }
}

function records(list: readonly unknown[]): readonly JsonObject[] {
  return list.filter(isObject);
}

/** A list of values that is merged as a set. */
function patchSet(
  patch: JsonObject,
  key: string,
  [original, wanted, live]: readonly [readonly unknown[], readonly unknown[], readonly unknown[]],
): void {
  const added = wanted.filter((value) => !live.includes(value));
  const removed = [...new Set(original.filter((value) => !wanted.includes(value)))].sort();
  if (added.length > 0) patch[key] = added;
  if (removed.length > 0) patch[`$deleteFromPrimitiveList/${key}`] = removed;
  // Upstream puts what is there into order before it looks.
  const isOther = live.length > 0 && !deepEqual(live.toSorted(), wanted);
  if (wanted.length > 0 && (isOther || removed.length > 0)) patch[`$setElementOrder/${key}`] = wanted;
}

interface KeyedLists {
  readonly lists: readonly [readonly JsonObject[], readonly JsonObject[], readonly JsonObject[]];
  readonly mergeKey: string;
  readonly item: Schema | undefined;
  /** Of each item what the file does not name is to go. */
  readonly retains: boolean;
}

function patchKeyed(patch: JsonObject, key: string, { lists, mergeKey, item, retains }: KeyedLists): void {
  const [original, wanted, live] = lists;
  const find = (list: readonly JsonObject[], one: JsonObject): JsonObject | undefined =>
    list.find((other) => deepEqual(other[mergeKey], one[mergeKey]));
  const changes = wanted.flatMap((one): readonly JsonObject[] => {
    const [before, there] = [find(original, one), find(live, one)];
    const changed = patchOf(before ?? {}, one, there ?? {}, item);
    const isNew = there === undefined && deepEqual(changed, one);
    const inner = retains && !isNew ? retaining(changed, one, there ?? before ?? {}) : changed;
    return Object.keys(inner).length === 0 ? [] : [{ ...inner, [mergeKey]: one[mergeKey] }];
  });
  const removed = original
    .filter((one) => find(wanted, one) === undefined)
    .sort((a, b) => (String(a[mergeKey]) < String(b[mergeKey]) ? -1 : 1))
    .map((one): JsonObject => ({ $patch: 'delete', [mergeKey]: one[mergeKey] }));
  if (changes.length + removed.length > 0) patch[key] = [...changes, ...removed];
  // Said too where nothing but the order differs, or the server has more.
  const isSame =
    live.length === wanted.length && live.every((one, i) => deepEqual(one[mergeKey], wanted[i]?.[mergeKey]));
  const isOther = live.length === 0 ? !deepEqual(changes, wanted) : !isSame || changes.length > 0;
  if (wanted.length > 0 && (isOther || removed.length > 0))
    patch[`$setElementOrder/${key}`] = wanted.map((one) => ({ [mergeKey]: one[mergeKey] }));
}
