/**
 * Values that Go writes where nobody has set any: `status: {}`, `rules: null`, `restartCount: 0`. Objects are stored with them, because what
 * is stored is what is answered, and because two objects that differ only in them are the same to upstream.
 *
 * What there is to do for a type is worked out once: a type that has nothing of the kind anywhere below costs nothing, and an object that is
 * complete is walked and not copied. Upstream counterpart: Go `encoding/json` of the types, after the way through protobuf in the store, which
 * makes an empty list that is always written a null.
 */
import { setOwn } from './json.ts';
import type { JsonObject } from './object.ts';
import { isEmptyCollection } from './omit-empty.ts';
import { emptyCollection, type ObjectSchema, type Schema } from './schema.ts';

interface Leaf {
  readonly name: string;
  readonly unset: unknown;
  readonly isCollection: boolean;
}

interface Child {
  readonly name: string;
  readonly schema: Schema;
  /** Written even when nobody has set it. */
  readonly isWritten: boolean;
}

interface Plan {
  /** Fields to look at because they may have to be written. */
  readonly leaves: readonly Leaf[];
  /** Fields below which there may be something to write. */
  readonly children: readonly Child[];
}

const plans = new WeakMap<ObjectSchema, Plan>();
const nothing: Plan = { leaves: [], children: [] };

function planOf(schema: ObjectSchema): Plan {
  let plan = plans.get(schema);
  if (plan === undefined) {
    plan = makePlan(schema);
    plans.set(schema, plan);
  }
  return plan;
}

function makePlan(schema: ObjectSchema): Plan {
  // A type that is met again on the way down counts as one with something to do: at worst it is walked for nothing.
  plans.set(schema, { leaves: [], children: [{ name: '', schema, isWritten: false }] });
  const leaves: Leaf[] = [];
  const children: Child[] = [];
  for (const { name, schema: below, unset, zero } of schema.fields.values()) {
    const isWritten = unset !== undefined;
    if (below.type === 'object') {
      if (unset === null) leaves.push({ name, unset, isCollection: false });
      if ((isWritten && unset !== null) || hasUnset(below)) {
        children.push({ name, schema: below, isWritten: isWritten && unset !== null });
      }
      continue;
    }
    if (isWritten) leaves.push({ name, unset, isCollection: zero === emptyCollection });
    if (hasUnset(below)) children.push({ name, schema: below, isWritten: false });
  }
  return leaves.length + children.length === 0 ? nothing : { leaves, children };
}

/** Whether there may be something to write in values of the schema. */
function hasUnset(schema: Schema): boolean {
  switch (schema.type) {
    case 'object': {
      const { leaves, children } = planOf(schema);
      return leaves.length + children.length > 0;
    }
    case 'list':
    case 'map':
      return hasUnset(schema.of);
    default:
      return false;
  }
}

/**
 * Writes into a draft, in place, what Go writes of fields without a value. Only the draft itself is changed: below it, what has to be
 * changed is copied, as parts of a draft may be shared. Its `metadata` is left alone: validation lets nothing pass that would need it.
 */
export function writeUnset(draft: JsonObject, schema: ObjectSchema): void {
  const { leaves, children } = planOf(schema);
  for (const leaf of leaves) {
    if (isMissing(draft[leaf.name], leaf)) draft[leaf.name] = leaf.unset;
  }
  for (const child of children) {
    if (child.name === 'metadata') continue;
    const value = draft[child.name];
    const complete = completeChild(value, child);
    if (complete !== value) draft[child.name] = complete;
  }
}

/** The object with what Go writes of fields without a value; the very object where nothing is missing. */
export function withUnset(object: JsonObject, schema: ObjectSchema): JsonObject {
  const { leaves, children } = planOf(schema);
  let target: JsonObject | undefined;
  for (const leaf of leaves) {
    if (!isMissing(object[leaf.name], leaf)) continue;
    target ??= { ...object };
    target[leaf.name] = leaf.unset;
  }
  for (const child of children) {
    const value = object[child.name];
    const complete = completeChild(value, child);
    if (complete === value) continue;
    target ??= { ...object };
    target[child.name] = complete;
  }
  return target ?? object;
}

function isMissing(value: unknown, { unset, isCollection }: Leaf): boolean {
  if (value === undefined || value === null) return value !== unset;
  return isCollection && typeof value === 'object' && isEmptyCollection(value);
}

function completeChild(value: unknown, { schema, isWritten }: Child): unknown {
  if (value !== undefined && value !== null) return complete(value, schema);
  return isWritten ? withUnset({}, schema as ObjectSchema) : value;
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
