/**
 * Merging an apply configuration into an object, and taking fields out of one. Pure: what does not change is shared.
 * Upstream counterpart: structured-merge-diff `typed.Merge` and `typed.RemoveItems`.
 */
import { inKeyOrder, setOwn } from '../json.ts';
import type { JsonObject } from '../object.ts';
import type { ListSchema, ObjectSchema, ScalarSchema, Schema } from '../schema.ts';
import { type FieldSet, isEmptySet, isMember, type MutableFieldSet, withSelf } from './field-set.ts';
import { anySchema, isLeafSchema, itemElement, itemElements, repeatedIn, unlistedSchema } from './plan.ts';

/** The schema of a field that has these values (the same twice where there is one only). */
function fieldSchema(schema: Schema, name: string, values: readonly [unknown, unknown]): Schema {
  if (schema.type === 'map') return schema.of;
  const known = schema.type === 'object' ? schema.fields.get(name)?.schema : undefined;
  return known ?? unlistedSchema(values[0], values[1]);
}

/**
 * `config`, in which `typedErrors` finds nothing, laid over `live`: where both have a value that is not merged further, that of `config`.
 * Nulls of the configuration stay where they take something's place or nothing else is there.
 */
export function mergeObjects(
  live: Readonly<JsonObject>,
  config: Readonly<JsonObject>,
  schema: ObjectSchema,
): JsonObject {
  return mergeFields(live, config, schema);
}

function mergeFields(live: Readonly<JsonObject>, config: Readonly<JsonObject>, schema: Schema): JsonObject {
  const merged: JsonObject = {};
  for (const name of Object.keys(live)) {
    const wanted = Object.hasOwn(config, name) ? config[name] : undefined;
    if (wanted === undefined) setOwn(merged, name, live[name]);
    else setOwn(merged, name, mergeValues(live[name], wanted, fieldSchema(schema, name, [live[name], wanted])));
  }
  for (const name of Object.keys(config)) {
    const wanted = config[name];
    if (wanted !== undefined && !Object.hasOwn(live, name)) setOwn(merged, name, wanted);
  }
  return schema.type === 'map' ? (inKeyOrder(merged) as JsonObject) : merged;
}

/** Null in a configuration is a value of what is not merged further, and nothing to merge of what is. */
function mergeValues(live: unknown, config: unknown, schema: Schema): unknown {
  if (live === config) return live;
  if (config === null && live !== undefined && !isLeafSchema(schema)) return live;
  const bothHold = typeof live === 'object' && live !== null && typeof config === 'object' && config !== null;
  if (!bothHold || isLeafSchema(schema) || Array.isArray(live) !== Array.isArray(config)) return config;
  if (schema.type === 'list') return mergeLists(live as readonly unknown[], config as readonly unknown[], schema);
  return mergeFields(live as JsonObject, config as JsonObject, schema);
}

/**
 * Items of the configuration in its order, with those only the live list has where they stood between them. What the live list has
 * several times is not merged into: the item of the configuration takes the place of them all.
 */
function mergeLists(live: readonly unknown[], config: readonly unknown[], schema: ListSchema): readonly unknown[] {
  const wantedElements = itemElements(config, schema);
  const liveElements = itemElements(live, schema);
  if (liveElements === undefined || wantedElements === undefined) return config;
  const repeated = repeatedIn(liveElements);
  const liveItems = new Map(
    liveElements.map((element, index) => [element, repeated.has(element) ? undefined : live[index]]),
  );
  const wanted = new Set(wantedElements);
  const shared = wantedElements.filter((element) => liveItems.has(element));
  let nextShared = 0;
  const done = new Set<string>();
  const merged: unknown[] = [];
  const take = (index: number): void => {
    const element = wantedElements[index]!;
    done.add(element);
    const old = liveItems.get(element);
    merged.push(old === undefined ? config[index] : mergeValues(old, config[index], schema.of));
    if (shared[nextShared] === element) nextShared++;
  };
  let left = 0;
  let right = 0;
  while (left < live.length || right < config.length) {
    if (left < live.length) {
      const element = liveElements[left]!;
      if (!wanted.has(element)) {
        merged.push(live[left++]);
        continue;
      }
      if (done.has(element) || (right < config.length && shared[nextShared] !== element)) {
        // Merged already, or an item whose turn in the configuration's order comes later.
        left++;
        continue;
      }
      if (element === wantedElements[right]) left++;
    }
    if (right < config.length) take(right++);
  }
  return merged;
}

/** The object without the fields that are null, in all that the schema lists; shared where there is none. */
export function withoutNulls(object: JsonObject, schema: ObjectSchema): JsonObject {
  let target: JsonObject | undefined;
  for (const name of Object.keys(object)) {
    const value = object[name];
    const field = schema.fields.get(name);
    if (typeof value !== 'object' || field === undefined) continue;
    const kept = value === null ? undefined : withoutNullsBelow(value, field.schema);
    if (kept === value) continue;
    target ??= { ...object };
    if (kept === undefined) delete target[name];
    else target[name] = kept;
  }
  return target ?? object;
}

function withoutNullsBelow(value: unknown, schema: Schema): unknown {
  if (typeof value !== 'object' || value === null) return value;
  switch (schema.type) {
    case 'object':
      return withoutNulls(value as JsonObject, schema);
    case 'list': {
      const list = value as readonly unknown[];
      const kept = list.map((item) => withoutNullsBelow(item, schema.of));
      return kept.some((item, index) => item !== list[index]) ? kept : list;
    }
    case 'map': {
      const entries = Object.entries(value);
      const kept: JsonObject = {};
      for (const [key, item] of entries) setOwn(kept, key, withoutNullsBelow(item, schema.of));
      return entries.some(([key, item]) => kept[key] !== item) ? kept : value;
    }
    default:
      schema satisfies ScalarSchema;
      return value;
  }
}

/**
 * The set with every field of a struct that leads to a member made a member itself: a struct goes when all that was owned in it goes.
 * Keys of maps and items of lists are members only on their own account.
 */
export function withNamedFields(set: FieldSet, schema: Schema): FieldSet {
  const result: MutableFieldSet = {};
  for (const element in set) {
    if (element === '.') {
      result[element] = set[element]!;
      continue;
    }
    const isField = element.startsWith('f:');
    const name = element.slice(2);
    const inner = schema.type === 'list' ? schema.of : isField ? fieldSchema(schema, name, [{}, {}]) : anySchema;
    const node = withNamedFields(set[element]!, inner);
    const isNamed = isField && schema.type === 'object' && schema.fields.has(name);
    result[element] = isNamed ? withSelf(node) : node;
  }
  return result;
}

/** `value` without the members of `set`; undefined when nothing is left of it. */
export function removeFields(value: unknown, set: FieldSet, schema: Schema): unknown {
  if (isEmptySet(set) || typeof value !== 'object' || value === null || isLeafSchema(schema)) return value;
  if (schema.type === 'list') return removeItems(value as readonly unknown[], set, schema);
  const left: JsonObject = {};
  let changed = false;
  for (const name of Object.keys(value)) {
    const found = (value as JsonObject)[name];
    const node = set[`f:${name}`];
    const kept =
      node === undefined
        ? found
        : isMember(node)
          ? undefined
          : removeFields(found, node, fieldSchema(schema, name, [found, found]));
    if (kept !== found) changed = true;
    if (kept !== undefined) setOwn(left, name, kept);
  }
  if (!changed) return value;
  return Object.keys(left).length === 0 ? undefined : left;
}

function removeItems(list: readonly unknown[], set: FieldSet, schema: ListSchema): unknown {
  const left: unknown[] = [];
  for (const item of list) {
    const element = itemElement(item, schema);
    const node = element === undefined ? undefined : set[element];
    if (node === undefined) left.push(item);
    else if (!isMember(node)) {
      const kept = removeFields(item, node, schema.of);
      if (kept !== undefined) left.push(kept);
    }
  }
  return left.length === 0 ? undefined : left;
}
