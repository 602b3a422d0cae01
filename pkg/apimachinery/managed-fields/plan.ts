/**
 * What field ownership needs to know of a schema, worked out once per type: the path element of each field, and how items of a list
 * are told apart.
 */
import { getOwn, isObject } from '../json.ts';
import type { ListSchema, ObjectSchema, Schema } from '../schema.ts';

export interface FieldPlan {
  /** Path element: `f:` and the name. */
  readonly element: string;
  readonly schema: Schema;
  /** The field is there in an object that was just made: Go writes it although nobody has set it. */
  readonly inZeroObject: boolean;
}

const objectPlans = new WeakMap<ObjectSchema, ReadonlyMap<string, FieldPlan>>();

/** The fields of an object's type. */
export function objectPlan(schema: ObjectSchema): ReadonlyMap<string, FieldPlan> {
  let plan = objectPlans.get(schema);
  if (plan === undefined) {
    const entries = [...schema.fields.values()].map((field): [string, FieldPlan] => [
      field.name,
      { element: `f:${field.name}`, schema: field.schema, inZeroObject: field.unset !== undefined },
    ]);
    plan = new Map(entries);
    objectPlans.set(schema, plan);
  }
  return plan;
}

/** Values of any shape that a schema says nothing of: owned as a whole. */
export const anySchema: Schema = { type: 'any' };

/** Objects whose fields a schema does not list but keeps: each field is owned by itself. */
const unlistedObject: ObjectSchema = {
  type: 'object',
  fields: new Map(),
  preserveUnknown: true,
  atomic: false,
};

/** The schema of values that a schema does not list: objects by their fields, everything else as a whole. */
export function unlistedSchema(value: unknown, other: unknown = value): Schema {
  return isObject(value) && isObject(other) ? unlistedObject : anySchema;
}

interface KeyPlan {
  readonly name: string;
  /** JSON text from the last key's value up to this one's. */
  readonly before: string;
  readonly default: unknown;
}

const listPlans = new WeakMap<ListSchema, readonly KeyPlan[]>();

function listPlan(schema: ListSchema): readonly KeyPlan[] {
  let plan = listPlans.get(schema);
  if (plan === undefined) {
    const fields = schema.of.type === 'object' ? schema.of.fields : undefined;
    plan = [...schema.mapKeys].sort().map((name, index) => ({
      name,
      before: `${index === 0 ? 'k:{' : ','}${JSON.stringify(name)}:`,
      default: fields?.get(name)?.default,
    }));
    listPlans.set(schema, plan);
  }
  return plan;
}

/** The path element of an item of a set or keyed list; undefined when the item lacks a key that has no default. */
export function itemElement(item: unknown, schema: ListSchema): string | undefined {
  if (schema.listType === 'set') return `v:${JSON.stringify(item)}`;
  if (typeof item !== 'object' || item === null) return undefined;
  let element = '';
  for (const key of listPlan(schema)) {
    const value = getOwn(item as Record<string, unknown>, key.name) ?? key.default;
    if (value === undefined || value === null) return undefined;
    element += key.before + JSON.stringify(value);
  }
  return `${element}}`;
}

/** The key that an item of a keyed list lacks, for messages. */
export function missingKey(item: unknown, schema: ListSchema): string {
  const missing = listPlan(schema).find(
    (key) => key.default === undefined && (!isObject(item) || getOwn(item, key.name) == null),
  );
  return missing?.name ?? '';
}

/** Path elements of all items in order; undefined when one lacks its keys: the list is then one value. */
export function itemElements(list: readonly unknown[], schema: ListSchema): readonly string[] | undefined {
  const elements = new Array<string>(list.length);
  for (let i = 0; i < list.length; i++) {
    const element = itemElement(list[i], schema);
    if (element === undefined) return undefined;
    elements[i] = element;
  }
  return elements;
}

const noRepeats: ReadonlySet<string> = new Set();

/** The elements that several items of one of the lists have: such items are owned together, as one value. */
export function repeatedIn(...lists: readonly (readonly string[])[]): ReadonlySet<string> {
  let repeated: Set<string> | undefined;
  for (const elements of lists) {
    if (elements.length < 2) continue;
    const seen = new Set<string>();
    for (const element of elements) {
      if (seen.size === seen.add(element).size) repeated = (repeated ?? new Set()).add(element);
    }
  }
  return repeated ?? noRepeats;
}

/** Whether nothing is known or wanted below a value of this schema. */
export function isLeafSchema(schema: Schema): boolean {
  switch (schema.type) {
    case 'object':
    case 'map':
      return schema.atomic;
    case 'list':
      return schema.listType === 'atomic';
    default:
      return true;
  }
}

/** Fields of the root that no one owns. Source: `stripMeta` of apimachinery `managedfields`. */
export const unownedRootFields: ReadonlySet<string> = new Set(['apiVersion', 'kind']);

/** Fields of `metadata` that no one owns. */
export const unownedMetadataFields: ReadonlySet<string> = new Set([
  'clusterName',
  'creationTimestamp',
  'generation',
  'managedFields',
  'name',
  'namespace',
  'resourceVersion',
  'selfLink',
  'uid',
]);
