/**
 * What field ownership needs to know of a schema, worked out once per type: the path element of each field, and how items of a list
 * are told apart.
 */
import { getOwn, isObject, jsonText } from '../json.ts';
import type { ListSchema, ObjectSchema, ScalarSchema, Schema } from '../schema.ts';

/** What is known of one field of an object. */
export interface FieldPlan {
  readonly name: string;
  /** Path element: `f:` and the name. */
  readonly element: string;
  readonly schema: Schema;
  /** The field is there in an object that was just made: Go writes it although nobody has set it. */
  readonly inZeroObject: boolean;
}

/** What ownership needs to know of an object's type. */
export interface ObjectPlan {
  readonly fields: ReadonlyMap<string, FieldPlan>;
  /** All of them in the order in which sets list them: a walk along it needs no sorting. */
  readonly ordered: readonly FieldPlan[];
}

const objectPlans = new WeakMap<ObjectSchema, ObjectPlan>();

/** Worked out once per type. */
export function objectPlan(schema: ObjectSchema): ObjectPlan {
  let plan = objectPlans.get(schema);
  if (plan === undefined) {
    const fields = [...schema.fields.values()].map(
      (field): FieldPlan => ({
        name: field.name,
        element: `f:${field.name}`,
        schema: field.schema,
        inZeroObject: field.unset !== undefined,
      }),
    );
    plan = {
      fields: new Map(fields.map((field) => [field.name, field])),
      ordered: [...fields].sort((a, b) => (a.name < b.name ? -1 : 1)),
    };
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
  /** JSON text of the name and the colon after it. */
  readonly text: string;
  readonly default: unknown;
}

const listPlans = new WeakMap<ListSchema, readonly KeyPlan[]>();

function listPlan(schema: ListSchema): readonly KeyPlan[] {
  let plan = listPlans.get(schema);
  if (plan === undefined) {
    const fields = schema.of.type === 'object' ? schema.of.fields : undefined;
    plan = [...schema.mapKeys].sort().map((name) => ({
      name,
      text: `${JSON.stringify(name)}:`,
      default: fields?.get(name)?.default,
    }));
    listPlans.set(schema, plan);
  }
  return plan;
}

/**
 * The path element of an item of a set or keyed list; undefined when the item has none of its keys and none has a default. A key that
 * is missing is left out: that is another item than one that has it. Source: structured-merge-diff `typed/helpers.go`.
 */
export function itemElement(item: unknown, schema: ListSchema): string | undefined {
  if (schema.listType === 'set') return `v:${jsonText(item)}`;
  if (typeof item !== 'object' || item === null) return undefined;
  let element = '';
  for (const key of listPlan(schema)) {
    const own = getOwn(item as Record<string, unknown>, key.name);
    const value = own === undefined ? key.default : own;
    if (value === undefined) continue;
    element += `${element === '' ? 'k:{' : ','}${key.text}${jsonText(value)}`;
  }
  return element === '' ? undefined : `${element}}`;
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

/** Lists of more items are not looked through for each item. */
const fewItems = 16;

/**
 * Whether two short lists are seen at once to have the same items at the same places, none of them twice: those that one field of the type of text
 * tells apart, such as conditions. False says nothing.
 */
export function areSameItems(before: readonly unknown[], after: readonly unknown[], schema: ListSchema): boolean {
  if (schema.listType === 'set' || before.length !== after.length || after.length > fewItems) return false;
  const [key, other] = listPlan(schema);
  if (key === undefined || other !== undefined) return false;
  for (let i = 0; i < after.length; i++) {
    const name = keyOf(after[i], key.name);
    if (name === undefined || keyOf(before[i], key.name) !== name) return false;
    for (let j = 0; j < i; j++) if (keyOf(after[j], key.name) === name) return false;
  }
  return true;
}

function keyOf(item: unknown, name: string): string | undefined {
  const value = isObject(item) ? getOwn(item, name) : undefined;
  return typeof value === 'string' ? value : undefined;
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
      schema satisfies ScalarSchema;
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
