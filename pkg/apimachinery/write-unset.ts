/**
 * Values that Go writes where nobody has set any: `status: {}`, `rules: null`, `restartCount: 0`. Objects are stored with them, because what
 * is stored is what is answered, and because two objects that differ only in them are the same to upstream.
 *
 * No null stands for a field without which an object is refused (`FieldSchema.mustBeSet`): rules find it absent.
 *
 * What there is to do for a type is worked out once: a type that has nothing of the kind anywhere below costs nothing, and an object that is
 * complete is walked and not copied. Upstream counterpart: Go `encoding/json` of the types, after the way through protobuf in the store, which
 * makes an empty list that is always written a null.
 */
import { setOwn } from './json.ts';
import type { JsonObject } from './object.ts';
import { isEmptyCollection } from './omit-empty.ts';
import { emptyCollection, type ObjectSchema, type ScalarSchema, type Schema } from './schema.ts';

interface Leaf {
  readonly name: string;
  readonly unset: unknown;
  readonly isCollection: boolean;
}

interface Plan {
  /** Fields to look at because they may have to be written. */
  readonly leaves: readonly Leaf[];
  /** Objects that are written even when nobody has set them. */
  readonly objects: readonly (readonly [name: string, schema: ObjectSchema])[];
  /** Fields below which there may be something to write. */
  readonly below: ReadonlyMap<string, Schema>;
}

/** No fields of a draft. */
export const noFields: ReadonlySet<string> = new Set();

const plans = new WeakMap<ObjectSchema, Plan>();
const nothing: Plan = { leaves: [], objects: [], below: new Map() };

function planOf(schema: ObjectSchema): Plan {
  let plan = plans.get(schema);
  if (plan === undefined) {
    // A type that is met again on the way down counts as one with something to do: at worst it is walked for nothing.
    plans.set(schema, { ...nothing, below: new Map([['', schema]]) });
    plan = makePlan(schema);
    plans.set(schema, plan);
  }
  return plan;
}

function makePlan(schema: ObjectSchema): Plan {
  const leaves: Leaf[] = [];
  const objects: [string, ObjectSchema][] = [];
  const below = new Map<string, Schema>();
  for (const { name, schema: inner, unset, zero, mustBeSet } of schema.fields.values()) {
    if (inner.type === 'object' && unset !== undefined && unset !== null) objects.push([name, inner]);
    else if (unset !== undefined && !(unset === null && mustBeSet))
      leaves.push({ name, unset, isCollection: zero === emptyCollection });
    if (hasUnset(inner)) below.set(name, inner);
  }
  return leaves.length + objects.length + below.size === 0 ? nothing : { leaves, objects, below };
}

/** Whether there may be something to write in values of the schema. */
function hasUnset(schema: Schema): boolean {
  switch (schema.type) {
    case 'object':
      return planOf(schema) !== nothing;
    case 'list':
    case 'map':
      return hasUnset(schema.of);
    default:
      schema satisfies ScalarSchema;
      return false;
  }
}

/**
 * Makes the objects of a draft that are no pointers in Go, such as its `spec` and the template in it, so that they get their defaults
 * although nobody has sent them. In place, all the way down to the first list or pointer: the draft shares nothing but the fields in `kept`.
 */
export function writeObjects(draft: JsonObject, schema: ObjectSchema, kept: ReadonlySet<string> = noFields): void {
  for (const [name, inner] of planOf(schema).objects) {
    if (kept.has(name)) continue;
    draft[name] ??= {};
    writeObjects(draft[name] as JsonObject, inner);
  }
}

/**
 * Writes into a draft, in place, what Go writes of fields without a value. Only the draft itself is changed: below it, what has to be
 * changed is copied, as parts of a draft may be shared. Its `metadata` is left alone: validation lets nothing pass that would need it. The fields
 * in `kept` are known to be complete.
 */
export function writeUnset(draft: JsonObject, schema: ObjectSchema, kept: ReadonlySet<string> = noFields): void {
  const plan = planOf(schema);
  writeOwn(draft, plan);
  for (const [name, inner] of plan.below) if (name !== 'metadata' && !kept.has(name)) writeBelow(draft, name, inner);
}

/**
 * As `writeUnset`, for a draft that was complete and has been through admission and a strategy. Those take whole fields of the draft away,
 * and put a status in their place; what they add further down is complete by itself, so there nothing is looked at.
 */
export function writeUnsetAgain(draft: JsonObject, schema: ObjectSchema): void {
  const plan = planOf(schema);
  writeOwn(draft, plan);
  const status = plan.below.get('status');
  if (status !== undefined) writeBelow(draft, 'status', status);
}

function writeOwn(draft: JsonObject, { leaves, objects }: Plan): void {
  for (const leaf of leaves) {
    if (isMissing(draft[leaf.name], leaf)) draft[leaf.name] = leaf.unset;
  }
  for (const [name, inner] of objects) {
    if (draft[name] === undefined || draft[name] === null) draft[name] = withUnset({}, inner);
  }
}

function writeBelow(draft: JsonObject, name: string, schema: Schema): void {
  const value = draft[name];
  const whole = complete(value, schema);
  if (whole !== value) draft[name] = whole;
}

/** The object with what Go writes of fields without a value; the very object where nothing is missing. */
export function withUnset(object: JsonObject, schema: ObjectSchema): JsonObject {
  const { leaves, objects, below } = planOf(schema);
  let target: JsonObject | undefined;
  for (const leaf of leaves) {
    if (!isMissing(object[leaf.name], leaf)) continue;
    target ??= { ...object };
    target[leaf.name] = leaf.unset;
  }
  for (const [name, inner] of objects) {
    if (object[name] !== undefined && object[name] !== null) continue;
    target ??= { ...object };
    target[name] = withUnset({}, inner);
  }
  if (below.size === 0) return target ?? object;
  // An object has few of the fields that its type has.
  for (const name in object) {
    const inner = below.get(name);
    if (inner === undefined) continue;
    const value = object[name];
    const whole = complete(value, inner);
    if (whole === value) continue;
    target ??= { ...object };
    target[name] = whole;
  }
  return target ?? object;
}

function isMissing(value: unknown, { unset, isCollection }: Leaf): boolean {
  if (value === undefined || value === null) return value !== unset;
  return isCollection && typeof value === 'object' && isEmptyCollection(value);
}

function complete(value: unknown, schema: Schema): unknown {
  if (typeof value !== 'object' || value === null) return value;
  switch (schema.type) {
    case 'object':
      return withUnset(value as JsonObject, schema);
    case 'list':
      return completeItems(value as readonly unknown[], schema.of);
    case 'map':
      return completeValues(value as JsonObject, schema.of);
    default:
      schema satisfies ScalarSchema;
      return value;
  }
}

function completeItems(list: readonly unknown[], of: Schema): readonly unknown[] {
  let target: unknown[] | undefined;
  for (let i = 0; i < list.length; i++) {
    const item = complete(list[i], of);
    if (item === list[i]) continue;
    target ??= list.slice();
    target[i] = item;
  }
  return target ?? list;
}

function completeValues(map: JsonObject, of: Schema): JsonObject {
  let target: JsonObject | undefined;
  for (const key in map) {
    const value = complete(map[key], of);
    if (value === map[key]) continue;
    target ??= { ...map };
    setOwn(target, key, value);
  }
  return target ?? map;
}
