/**
 * What changed between two objects of one kind, as sets of fields. Costs little where they share parts: the same reference is
 * not looked into. Upstream counterpart: structured-merge-diff `typed.Compare`.
 */
import { deepEqual } from '../json.ts';
import type { JsonObject } from '../object.ts';
import type { ListSchema, ObjectSchema, ScalarSchema, Schema } from '../schema.ts';
import { levelInOrder } from './element-order.ts';
import { emptySet, type FieldSet, isEmptySet, leaf, type MutableFieldSet, union } from './field-set.ts';
import { addedFields, isZero, newField } from './object-fields.ts';
import {
  anySchema,
  areSameItems,
  type FieldPlan,
  isLeafSchema,
  itemElement,
  itemElements,
  objectPlan,
  repeatedIn,
  unlistedSchema,
  unownedMetadataFields,
  unownedRootFields,
} from './plan.ts';

/** Fields that came, changed their value, or went. Undefined stands for the empty set. */
export interface Comparison {
  added?: FieldSet;
  modified?: FieldSet;
  removed?: FieldSet;
}

/** The fields that whoever made a change comes to own. */
export function touchedBy(comparison: Comparison | undefined): FieldSet {
  return union(comparison?.modified ?? emptySet, comparison?.added ?? emptySet);
}

const none: ReadonlySet<string> = new Set();

/** Compares two objects, without the fields no one owns; undefined when they are the same. */
export function compareObjects(
  before: Readonly<JsonObject>,
  after: Readonly<JsonObject>,
  schema: ObjectSchema,
): Comparison | undefined {
  return compareFields(before, after, { schema, skipped: unownedRootFields, isRoot: true });
}

/**
 * Whether two objects in which `compareObjects` finds no change are the same: items in the same order, nothing more or less but what Go
 * has in an object anyway.
 */
export function sameWithOrder(a: unknown, b: unknown, schema: Schema): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (schema.type === 'list' && Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, index) => sameWithOrder(item, b[index], schema.of));
  }
  if (schema.type !== 'object') return deepEqual(a, b);
  const { fields } = objectPlan(schema);
  const [ours, theirs] = [a as Readonly<JsonObject>, b as Readonly<JsonObject>];
  for (const name of new Set([...Object.keys(ours), ...Object.keys(theirs)])) {
    const field = fields.get(name);
    const fallback = field?.inZeroObject && field.schema.type === 'object' ? {} : undefined;
    const [left, right] = [ours[name] ?? fallback, theirs[name] ?? fallback];
    if (!sameWithOrder(left, right, field?.schema ?? anySchema) && !deepEqual(left, right)) return false;
  }
  return true;
}

/** A comparison with each set in order on its own level; the levels below are in order already. */
function inLevelOrder(comparison: Comparison | undefined): Comparison | undefined {
  if (comparison === undefined) return undefined;
  const { added, modified, removed } = comparison;
  if (added !== undefined) comparison.added = levelInOrder(added);
  if (modified !== undefined) comparison.modified = levelInOrder(modified);
  if (removed !== undefined) comparison.removed = levelInOrder(removed);
  return comparison;
}

/** Puts what changed at one path element into what changed around it. */
function collect(into: Comparison | undefined, element: string, found: Comparison): Comparison {
  const result = into ?? {};
  if (found.added !== undefined) result.added = setIn(result.added, element, found.added);
  if (found.modified !== undefined) result.modified = setIn(result.modified, element, found.modified);
  if (found.removed !== undefined) result.removed = setIn(result.removed, element, found.removed);
  return result;
}

/** Only called with sets that this module has made for the comparison at hand. */
function setIn(set: FieldSet | undefined, element: string, node: FieldSet): FieldSet {
  const target = (set ?? {}) as MutableFieldSet;
  target[element] = node;
  return target;
}

interface FieldsOptions {
  readonly schema: ObjectSchema;
  readonly skipped: ReadonlySet<string>;
  readonly isRoot: boolean;
}

function compareFields(
  before: Readonly<JsonObject>,
  after: Readonly<JsonObject>,
  { schema, skipped, isRoot }: FieldsOptions,
): Comparison | undefined {
  const { fields } = objectPlan(schema);
  let result: Comparison | undefined;
  for (const name in after) {
    const next = after[name];
    const last = before[name];
    if (next === last || next === undefined || skipped.has(name)) continue;
    const field = fields.get(name);
    const found = compareField(Object.hasOwn(before, name) ? last : undefined, next, {
      field,
      skipped: isRoot && name === 'metadata' ? unownedMetadataFields : none,
    });
    if (found !== undefined) result = collect(result, field?.element ?? `f:${name}`, found);
  }
  for (const name in before) {
    const last = before[name];
    // Most fields are as they were: these are known without asking whose they are.
    if (last === undefined || after[name] === last) continue;
    if ((after[name] !== undefined && Object.hasOwn(after, name)) || skipped.has(name)) continue;
    const field = fields.get(name);
    const found =
      field === undefined
        ? { removed: addedFields(last, unlistedSchema(last)) }
        : goneField(last, field, isRoot && name === 'metadata' ? unownedMetadataFields : none);
    if (found !== undefined) result = collect(result, field?.element ?? `f:${name}`, found);
  }
  return inLevelOrder(result);
}

/** What leaving out a field that was there comes to; what Go has there anyway only goes back to its zero value. */
function goneField(before: unknown, field: FieldPlan, skipped: ReadonlySet<string>): Comparison | undefined {
  const { schema } = field;
  if (!field.inZeroObject || before === null) return { removed: addedFields(before, schema) };
  if (schema.type === 'object' && !schema.atomic) {
    return compareFields(before as JsonObject, {}, { schema, skipped, isRoot: false });
  }
  if (isZero(before)) return undefined;
  if (isLeafSchema(schema)) return { modified: leaf };
  const { '.': _, ...children } = addedFields(before, schema);
  return { removed: children };
}

interface FieldOptions {
  readonly field: FieldPlan | undefined;
  readonly skipped: ReadonlySet<string>;
}

function compareField(before: unknown, after: unknown, { field, skipped }: FieldOptions): Comparison | undefined {
  if (field === undefined) return compareValues(before, after, unlistedSchema(before ?? after, after));
  if (before === undefined || before === null) {
    const added = newField(after, field, skipped);
    return added === undefined ? undefined : { added };
  }
  const { schema } = field;
  if (skipped === none || schema.type !== 'object') return compareValues(before, after, schema);
  return compareFields(before as JsonObject, after as JsonObject, { schema, skipped, isRoot: false });
}

function compareValues(before: unknown, after: unknown, schema: Schema): Comparison | undefined {
  if (before === after) return undefined;
  if (before === undefined) return { added: addedFields(after, schema) };
  if ((before === null || after === null) && isLeafSchema(schema)) return { modified: leaf };
  if (before === null) return after === undefined ? undefined : { added: below(addedFields(after, schema)) };
  if (after === undefined || after === null) return { removed: addedFields(before, schema) };
  if (typeof before !== 'object' || typeof after !== 'object' || isLeafSchema(schema)) {
    return deepEqual(before, after) ? undefined : { modified: leaf };
  }
  switch (schema.type) {
    case 'object':
      return compareFields(before as JsonObject, after as JsonObject, { schema, skipped: none, isRoot: false });
    case 'map':
      return compareMaps(before as JsonObject, after as JsonObject, schema.of);
    case 'list':
      return compareLists(before as readonly unknown[], after as readonly unknown[], schema);
    default:
      schema satisfies ScalarSchema;
      return undefined;
  }
}

/** The set of a value without the value itself, which was there before; of an empty one the value itself. */
function below(set: FieldSet): FieldSet {
  const { '.': _, ...children } = set;
  return isEmptySet(children) ? leaf : children;
}

function compareMaps(before: Readonly<JsonObject>, after: Readonly<JsonObject>, of: Schema): Comparison | undefined {
  let result: Comparison | undefined;
  for (const key in after) {
    const last = Object.hasOwn(before, key) ? before[key] : undefined;
    const found = compareValues(last, after[key], of);
    if (found !== undefined) result = collect(result, `f:${key}`, found);
  }
  for (const key in before) {
    if (!Object.hasOwn(after, key)) result = collect(result, `f:${key}`, { removed: addedFields(before[key], of) });
  }
  return inLevelOrder(result);
}

function compareLists(
  before: readonly unknown[],
  after: readonly unknown[],
  schema: ListSchema,
): Comparison | undefined {
  if (areSameItems(before, after, schema)) return compareInPlace(before, after, schema);
  const lastElements = itemElements(before, schema);
  const nextElements = itemElements(after, schema);
  if (lastElements === undefined || nextElements === undefined) {
    return deepEqual(before, after) ? undefined : { modified: leaf };
  }
  const repeated = repeatedIn(lastElements, nextElements);
  const lastIndex = new Map<string, number>();
  for (let i = 0; i < lastElements.length; i++) lastIndex.set(lastElements[i]!, i);
  let result: Comparison | undefined;
  for (let i = 0; i < after.length; i++) {
    const element = nextElements[i]!;
    const position = lastIndex.get(element);
    if (repeated.has(element)) continue;
    lastIndex.delete(element);
    const found = compareValues(position === undefined ? undefined : before[position], after[i], schema.of);
    if (found !== undefined) result = collect(result, element, found);
  }
  for (const [element, position] of lastIndex) {
    if (repeated.has(element)) continue;
    result = collect(result, element, { removed: addedFields(before[position], schema.of) });
  }
  for (const element of repeated) {
    const found = compareRepeated(
      before.filter((_, i) => lastElements[i] === element),
      after.filter((_, i) => nextElements[i] === element),
      schema.of,
    );
    if (found !== undefined) result = collect(result, element, found);
  }
  return inLevelOrder(result);
}

/** Lists with the same items at the same places, none of them twice. */
function compareInPlace(
  before: readonly unknown[],
  after: readonly unknown[],
  schema: ListSchema,
): Comparison | undefined {
  let result: Comparison | undefined;
  for (let i = 0; i < after.length; i++) {
    const found = compareValues(before[i], after[i], schema.of);
    const element = found === undefined ? undefined : itemElement(after[i], schema);
    if (found !== undefined && element !== undefined) result = collect(result, element, found);
  }
  return inLevelOrder(result);
}

/** The items with one element, of which there are several before or after: several are one value, a single one is its fields. */
function compareRepeated(
  before: readonly unknown[],
  after: readonly unknown[],
  schema: Schema,
): Comparison | undefined {
  if (before.length > 1 && after.length > 1) return deepEqual(before, after) ? undefined : { modified: leaf };
  if (before.length > 1) {
    return { removed: leaf, ...(after.length === 0 ? {} : { added: addedFields(after[0], schema) }) };
  }
  return { added: leaf, ...(before.length === 0 ? {} : { removed: addedFields(before[0], schema) }) };
}
