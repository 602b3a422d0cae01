/**
 * In which fields two states of one object differ, with the paths of these fields. Pure.
 *
 * Laws: two values without a difference are deeply equal, and those that are equal have none. A field that only one of them has is one difference, with all that is in it. Items of
 * lists are compared by what identifies them (`containers[name=web].image`), as the schema says, so that an item that came or went does not make all behind it others; that the same
 * items come in another order is a difference of the list, whose values are then what identifies them. Without a schema, as for custom resources, it is the first of `usualKeys` that tells all items
 * apart, else their place.
 */
import { child, type FieldPath, at as itemAt, rootOf } from './field-error.ts';
import { deepEqual, isObject } from './json.ts';
import type { FieldSchema, Schema } from './schema.ts';

/** One field. */
export interface FieldDifference {
  /** Such as `spec.containers[name=web].image`; of entries of maps `metadata.labels[app]`. */
  readonly path: string;
  /** Absent where the field was not there. */
  readonly before?: unknown;
  /** Absent where the field is gone. */
  readonly after?: unknown;
}

/** By which items of lists are mostly told apart. Source: Kubernetes' API conventions. */
const usualKeys = ['name', 'type', 'key'] as const;

/** The differences, in the order of the fields of the state before, and then of those that came. */
export function fieldDifferences(before: unknown, after: unknown, schema?: Schema): readonly FieldDifference[] {
  return between({ before, after, path: rootOf(), schema });
}

/** A place in both. */
interface Compared {
  readonly before: unknown;
  readonly after: unknown;
  readonly path: FieldPath;
  readonly schema: Schema | undefined;
  /** The field that it is the value of. */
  readonly fact?: FieldSchema | undefined;
}

function between(compared: Compared): readonly FieldDifference[] {
  const { before, after, path } = compared;
  if (isObject(before) && isObject(after)) return betweenObjects(compared, before, after);
  if (Array.isArray(before) && Array.isArray(after)) return betweenLists(compared, before, after);
  return deepEqual(before, after) ? [] : [{ path, before, after }];
}

function betweenObjects(
  { path, schema }: Compared,
  before: Readonly<Record<string, unknown>>,
  after: Readonly<Record<string, unknown>>,
): readonly FieldDifference[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].flatMap((name): readonly FieldDifference[] => {
    const field = schema?.type === 'object' ? schema.fields.get(name) : undefined;
    const inner = schema?.type === 'map' ? schema.of : field?.schema;
    // What is no name of a field, such as `app.kubernetes.io/name`, would not be told from a path.
    const isEntry = schema?.type === 'map' || /[^\w-]/.test(name);
    const below = isEntry ? itemAt(path, name) : child(path, name);
    if (!Object.hasOwn(before, name)) return [{ path: below, after: after[name] }];
    if (!Object.hasOwn(after, name)) return [{ path: below, before: before[name] }];
    return between({ before: before[name], after: after[name], path: below, schema: inner, fact: field });
  });
}

function betweenLists(
  compared: Compared,
  before: readonly unknown[],
  after: readonly unknown[],
): readonly FieldDifference[] {
  const { path, schema } = compared;
  const of = schema?.type === 'list' ? schema.of : undefined;
  const keyed = keyedItems(compared, before, after);
  if (keyed !== undefined) return betweenKeyed({ path, of }, keyed[0], keyed[1]);
  // Of values such as arguments of a command only all of them tell what changed.
  const isPlain = [...before, ...after].every((item) => !isObject(item) && !Array.isArray(item));
  if (isPlain) return deepEqual(before, after) ? [] : [{ path, before, after }];
  return Array.from({ length: Math.max(before.length, after.length) }).flatMap((_, index) => {
    const below = itemAt(path, index);
    if (index >= before.length) return [{ path: below, after: after[index] }];
    if (index >= after.length) return [{ path: below, before: before[index] }];
    return between({ before: before[index], after: after[index], path: below, schema: of });
  });
}

type Keyed = ReadonlyMap<string, unknown>;

/** The items of both by what identifies them; undefined where nothing does. */
function keyedItems(
  { schema, fact }: Compared,
  before: readonly unknown[],
  after: readonly unknown[],
): readonly [Keyed, Keyed] | undefined {
  const known = schema?.type === 'list' && schema.listType === 'map' ? schema.mapKeys : [];
  const merged = fact?.patchMergeKey === undefined ? [] : [[fact.patchMergeKey]];
  const candidates = [...(known.length === 0 ? [] : [known]), ...merged];
  const usual = schema === undefined || schema.type === 'any' ? usualKeys.map((key) => [key]) : [];
  for (const keys of [...candidates, ...usual]) {
    const [ofBefore, ofAfter] = [byKeys(before, keys), byKeys(after, keys)];
    if (ofBefore !== undefined && ofAfter !== undefined) return [ofBefore, ofAfter];
  }
  return undefined;
}

/** The items by the text of their keys; undefined where one is no object, has none of the keys, or has those of another. */
function byKeys(items: readonly unknown[], keys: readonly string[]): Keyed | undefined {
  const found = new Map<string, unknown>();
  for (const item of items) {
    if (!isObject(item)) return undefined;
    const said = keys.filter((key) => ['bigint', 'number', 'string'].includes(typeof item[key]));
    const text = said.map((key) => `${key}=${String(item[key])}`).join(',');
    if (said.length === 0 || found.has(text)) return undefined;
    found.set(text, item);
  }
  return found;
}

function betweenKeyed(
  { path, of }: { readonly path: FieldPath; readonly of: Schema | undefined },
  before: Keyed,
  after: Keyed,
): readonly FieldDifference[] {
  const kept = [...before.keys()].filter((key) => after.has(key));
  const keptAfter = [...after.keys()].filter((key) => before.has(key));
  const inner = [...new Set([...before.keys(), ...after.keys()])].flatMap((key): readonly FieldDifference[] => {
    const below = itemAt(path, key);
    if (!before.has(key)) return [{ path: below, after: after.get(key) }];
    if (!after.has(key)) return [{ path: below, before: before.get(key) }];
    return between({ before: before.get(key), after: after.get(key), path: below, schema: of });
  });
  return deepEqual(kept, keptAfter)
    ? inner
    : [{ path, before: [...before.keys()], after: [...after.keys()] }, ...inner];
}
