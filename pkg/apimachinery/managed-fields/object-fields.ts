/**
 * The fields that an object has: as an apply configuration claims them (`fieldSetOf`), as they all are new (`addedFields`), and as
 * a create sets them on an object that was just made (`createdFields`).
 * Upstream counterpart: structured-merge-diff `typed.ToFieldSet` and `typed.Compare`.
 */
import { getOwn } from '../json.ts';
import type { JsonObject } from '../object.ts';
import type { ListSchema, ObjectSchema, ScalarSchema, Schema } from '../schema.ts';
import { inOrder, levelInOrder } from './element-order.ts';
import { type FieldSet, isEmptySet, leaf, type MutableFieldSet, withSelf } from './field-set.ts';
import {
  type FieldPlan,
  itemElements,
  objectPlan,
  repeatedIn,
  unlistedSchema,
  unownedMetadataFields,
  unownedRootFields,
} from './plan.ts';

const none: ReadonlySet<string> = new Set();

/** The fields below which a walk does not look: those no one owns. */
function skippedIn(name: string, depth: number): ReadonlySet<string> {
  return depth === 0 && name === 'metadata' ? unownedMetadataFields : none;
}

function isEmptyValue(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return value === null;
  if (Array.isArray(value)) return value.length === 0;
  for (const _ in value) return false;
  return true;
}

/** What an apply configuration claims: each leaf, each key of a map, each item of a list. */
export function fieldSetOf(object: Readonly<JsonObject>, schema: ObjectSchema): FieldSet {
  return inOrder(claimObject(object, schema, unownedRootFields, 0) ?? leaf);
}

function claimObject(
  object: Readonly<JsonObject>,
  schema: ObjectSchema,
  skipped: ReadonlySet<string>,
  depth: number,
): FieldSet | undefined {
  const { fields } = objectPlan(schema);
  const set: MutableFieldSet = {};
  for (const name in object) {
    if (skipped.has(name)) continue;
    const value = object[name];
    if (value === undefined) continue;
    const field = fields.get(name);
    if (field === undefined) {
      set[`f:${name}`] = withSelf(claim(value, unlistedSchema(value), none, depth + 1) ?? leaf);
      continue;
    }
    const isBare = value === null || (typeof value === 'object' && !Array.isArray(value) && isEmptyValue(value));
    const node = isBare ? leaf : claim(value, field.schema, skippedIn(name, depth), depth + 1);
    if (node !== undefined) set[field.element] = node;
  }
  return isEmptySet(set) ? undefined : set;
}

function claim(value: unknown, schema: Schema, skipped: ReadonlySet<string>, depth: number): FieldSet | undefined {
  if (typeof value !== 'object' || value === null) return leaf;
  switch (schema.type) {
    case 'object':
      return schema.atomic ? leaf : claimObject(value as JsonObject, schema, skipped, depth);
    case 'map': {
      if (schema.atomic) return leaf;
      const set: MutableFieldSet = {};
      for (const key in value) {
        set[`f:${key}`] = withSelf(claim((value as JsonObject)[key], schema.of, none, depth + 1) ?? leaf);
      }
      return isEmptySet(set) ? undefined : set;
    }
    case 'list':
      return claimList(value as readonly unknown[], schema, depth);
    default:
      schema satisfies ScalarSchema;
      return leaf;
  }
}

function claimList(list: readonly unknown[], schema: ListSchema, depth: number): FieldSet | undefined {
  if (schema.listType === 'atomic') return leaf;
  if (list.length === 0) return undefined;
  const elements = itemElements(list, schema);
  if (elements === undefined) return leaf;
  const repeated = repeatedIn(elements);
  const set: MutableFieldSet = {};
  for (let i = 0; i < list.length; i++) {
    const element = elements[i]!;
    const claimed = repeated.has(element) ? leaf : (claim(list[i], schema.of, none, depth + 1) ?? leaf);
    set[element] = withSelf(claimed);
  }
  return set;
}

/** The names of an object's fields, sorted, so that most sets need no sorting afterwards. */
function namesInOrder(object: object): readonly string[] {
  const names = Object.keys(object);
  for (let i = 1; i < names.length; i++) if (names[i - 1]! > names[i]!) return names.sort();
  return names;
}

/** All fields of a value that was not there before, it included. */
export function addedFields(value: unknown, schema: Schema): FieldSet {
  if (typeof value !== 'object' || value === null) return leaf;
  switch (schema.type) {
    case 'object': {
      if (schema.atomic) return leaf;
      const set: MutableFieldSet = { '.': leaf };
      const isBare = !addKnown(set, value as JsonObject, schema) && !schema.preserveUnknown;
      if (schema.preserveUnknown) return withUnlisted(set, value as JsonObject, schema);
      return isBare ? leaf : set;
    }
    case 'map': {
      if (schema.atomic || isEmptyValue(value)) return leaf;
      const set: MutableFieldSet = { '.': leaf };
      for (const key of namesInOrder(value)) set[`f:${key}`] = addedFields((value as JsonObject)[key], schema.of);
      return set;
    }
    case 'list': {
      const list = value as readonly unknown[];
      if (schema.listType === 'atomic' || list.length === 0) return leaf;
      const elements = itemElements(list, schema);
      if (elements === undefined) return leaf;
      const repeated = repeatedIn(elements);
      const set: MutableFieldSet = { '.': leaf };
      for (let i = 0; i < list.length; i++) {
        const element = elements[i]!;
        set[element] = repeated.has(element) ? leaf : addedFields(list[i], schema.of);
      }
      return levelInOrder(set);
    }
    default:
      schema satisfies ScalarSchema;
      return leaf;
  }
}

/** Adds the fields that the schema lists, and what Go writes although nothing was said of it; returns whether there are any. */
function addKnown(set: MutableFieldSet, value: Readonly<JsonObject>, schema: ObjectSchema): boolean {
  const isBuiltIn = schema.name !== undefined;
  let found = false;
  for (const field of objectPlan(schema).ordered) {
    const inner = isBuiltIn ? value[field.name] : getOwn(value, field.name);
    if (inner === undefined && !field.inZeroObject) continue;
    found = true;
    set[field.element] = inner === undefined ? zeroFieldsOf(field.schema) : addedFields(inner, field.schema);
  }
  return found;
}

/** All fields of a value that Go writes although nothing was said of it, it included. */
function zeroFieldsOf(schema: Schema): FieldSet {
  return schema.type === 'object' ? addedFields({}, schema) : leaf;
}

/** The set with the fields of an object that its schema does not list but keeps. */
function withUnlisted(set: MutableFieldSet, value: Readonly<JsonObject>, schema: ObjectSchema): FieldSet {
  const { fields } = objectPlan(schema);
  for (const name of Object.keys(value)) {
    if (!fields.has(name) && value[name] !== undefined) {
      set[`f:${name}`] = addedFields(value[name], unlistedSchema(value[name]));
    }
  }
  const ordered = levelInOrder(set);
  return Object.keys(ordered).length === 1 && ordered['.'] !== undefined ? leaf : ordered;
}

/**
 * The fields that a create sets. What every new object has anyway (`spec` itself, say) is not among them. `known` are the sets that some of the
 * object's fields come to, by their names.
 */
export function createdFields(
  object: Readonly<JsonObject>,
  schema: ObjectSchema,
  known?: Readonly<Record<string, FieldSet>>,
): FieldSet {
  return createdObject(object, schema, { skipped: unownedRootFields, depth: 0, known });
}

interface CreatedOptions {
  readonly skipped: ReadonlySet<string>;
  readonly depth: number;
  readonly known?: Readonly<Record<string, FieldSet>> | undefined;
}

function createdObject(
  object: Readonly<JsonObject>,
  schema: ObjectSchema,
  { skipped, depth, known }: CreatedOptions,
): FieldSet {
  const isBuiltIn = schema.name !== undefined;
  const set: MutableFieldSet = {};
  for (const field of objectPlan(schema).ordered) {
    const { name } = field;
    const value = isBuiltIn ? object[name] : getOwn(object, name);
    if (value === undefined || skipped.has(name)) continue;
    const node = known?.[name] ?? newField(value, field, skippedIn(name, depth), depth + 1);
    if (node !== undefined) set[field.element] = node;
  }
  if (!schema.preserveUnknown) return set;
  const others = withUnlisted({}, withoutNames(object, skipped), schema);
  return levelInOrder({ ...set, ...others });
}

function withoutNames(object: Readonly<JsonObject>, names: ReadonlySet<string>): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([name]) => !names.has(name)));
}

/** What setting one field of an object that exists adds; undefined when its value is what Go has there anyway. */
export function newField(
  value: unknown,
  field: FieldPlan,
  skipped: ReadonlySet<string> = none,
  depth = 1,
): FieldSet | undefined {
  const { schema } = field;
  if (!field.inZeroObject) return addedFields(value, schema);
  if (schema.type === 'object' && !schema.atomic && typeof value === 'object' && value !== null) {
    const node = createdObject(value as JsonObject, schema, { skipped, depth });
    return isEmptySet(node) ? undefined : node;
  }
  if (isZero(value)) return undefined;
  const { '.': _, ...children } = addedFields(value, schema);
  return isEmptySet(children) ? leaf : children;
}

/** Whether a value is what Go has there before anything is set. */
export function isZero(value: unknown): boolean {
  return value === '' || value === 0 || value === false || isEmptyValue(value);
}
