/**
 * Strategic merge patch: a merge patch that knows from the schema which lists are merged by key, and carries directives.
 *
 * Directives: `$patch: delete|replace|merge` in objects and list items, `$retainKeys`, `$deleteFromPrimitiveList/<list>`,
 * `$setElementOrder/<list>`. Pure: what the patch does not touch is shared with the original.
 * Upstream counterpart: apimachinery `util/strategicpatch`; error texts are upstream's.
 */
import { goText } from '../go-text.ts';
import { getOwn, isObject, setOwn } from '../json.ts';
import type { JsonObject } from '../object.ts';
import type { FieldSchema, ObjectSchema, Schema } from '../schema.ts';
import { malformed, type PatchResult } from './patch-result.ts';
import { BadPatch, directivesOf, dropDirectives, isDirective, patchDirective } from './strategic-directives.ts';
import { identityOf, mergeOrder, orderBySetElementOrder, positions } from './strategic-order.ts';

/** What merging needs to know of a field. */
interface FieldRules {
  readonly schema: Schema | undefined;
  readonly merges: boolean;
  readonly replaces: boolean;
  readonly mergeKey: string | undefined;
}

const unknownField: FieldRules = { schema: undefined, merges: false, replaces: false, mergeKey: undefined };
const rulesOf = new WeakMap<FieldSchema, FieldRules>();

function fieldRules(schema: Schema | undefined, name: string): FieldRules {
  if (schema?.type === 'map') return { ...unknownField, schema: schema.of };
  const field = schema?.type === 'object' ? schema.fields.get(name) : undefined;
  if (field === undefined) return unknownField;
  let rules = rulesOf.get(field);
  if (rules === undefined) {
    rules = {
      schema: field.schema,
      merges: field.patchStrategies.includes('merge'),
      replaces: field.patchStrategies.includes('replace'),
      mergeKey: field.patchMergeKey,
    };
    rulesOf.set(field, rules);
  }
  return rules;
}

/** Applies `patch`, a decoded strategic merge patch, to a shared object of the kind `schema`, which is not changed. */
export function applyStrategicMergePatch(original: JsonObject, patch: unknown, schema: ObjectSchema): PatchResult {
  if (!isObject(patch)) return malformed('invalid JSON document');
  try {
    return { ok: true, value: mergeObject(original, patch, schema) };
  } catch (error) {
    if (error instanceof BadPatch) return malformed(error.message);
    throw error;
  }
}

function mergeObject(
  original: Readonly<JsonObject>,
  patch: Readonly<JsonObject>,
  schema: Schema | undefined,
): JsonObject {
  const directive = getOwn(patch, patchDirective);
  if (directive === 'delete') return {};
  if (directive === 'replace') return dropDirectives(patch) as JsonObject;
  if (directive !== undefined && directive !== 'merge') {
    throw unknownDirective(patch);
  }
  const directives = directivesOf(patch);
  const merged: JsonObject = {};
  for (const key of Object.keys(original)) {
    if (directives?.retainKeys !== undefined && !directives.retainKeys.has(key)) continue;
    const change = getOwn(patch, key);
    const order = directives?.orders.get(key);
    const deletions = directives?.deletions.get(key);
    if (change === null) continue;
    if (change === undefined && order === undefined && deletions === undefined) setOwn(merged, key, original[key]);
    else setOwn(merged, key, mergeField(original[key], change, { rules: fieldRules(schema, key), order, deletions }));
  }
  for (const key of Object.keys(patch)) {
    if (patch[key] === null || isDirective(key) || Object.hasOwn(merged, key)) continue;
    if (Object.hasOwn(original, key) && directives?.retainKeys === undefined) continue;
    setOwn(merged, key, dropDirectives(patch[key]));
  }
  return merged;
}

interface FieldChange {
  readonly rules: FieldRules;
  readonly order: readonly unknown[] | undefined;
  readonly deletions: readonly unknown[] | undefined;
}

function mergeField(original: unknown, change: unknown, { rules, order, deletions }: FieldChange): unknown {
  let merged = original;
  if (Array.isArray(change) && Array.isArray(merged)) merged = mergeList(merged, change, rules);
  else if (isObject(change) && isObject(merged) && !rules.replaces) merged = mergeObject(merged, change, rules.schema);
  else if (change !== undefined) merged = dropDirectives(change);
  if (!Array.isArray(merged)) return merged;
  if (order !== undefined) {
    const patchList = Array.isArray(change) ? change : [];
    const originalList = Array.isArray(original) ? original : [];
    merged = orderBySetElementOrder(merged, { order, patchList, originalList, mergeKey: rules.mergeKey });
  }
  if (deletions === undefined) return merged;
  const deleted = new Set(deletions);
  return (merged as unknown[]).filter((item) => !deleted.has(item));
}

function mergeList(original: readonly unknown[], patch: readonly unknown[], rules: FieldRules): unknown {
  if (!rules.merges) return dropDirectives(patch);
  if (original.length === 0 && patch.length === 0) return original;
  const items = [...original, ...patch];
  if (items.some(Array.isArray)) throw new BadPatch('lists of lists are not supported');
  const isKeyed = isObject(items[0]);
  if (items.some((item) => typeof item !== typeof items[0] || isObject(item) !== isKeyed)) {
    throw new BadPatch(`list element types are not identical: ${goText([original, patch])}`);
  }
  if (!isKeyed) {
    const merged = [...new Set(items)];
    return mergeOrder(merged, { first: patch, server: original, mergeKey: undefined });
  }
  if (rules.mergeKey === undefined) throw new BadPatch('cannot merge lists without merge key');
  return mergeKeyed(original as readonly JsonObject[], patch as readonly JsonObject[], rules);
}

function mergeKeyed(original: readonly JsonObject[], patch: readonly JsonObject[], rules: FieldRules): unknown {
  const mergeKey = rules.mergeKey;
  const itemSchema = rules.schema?.type === 'list' ? rules.schema.of : undefined;
  const plain: JsonObject[] = [];
  const deleted = new Set<string>();
  let replaces = false;
  for (const item of patch) {
    switch (getOwn(item, patchDirective)) {
      case undefined:
        plain.push(item);
        break;
      case 'delete':
        deleted.add(identityOf(item, mergeKey));
        break;
      case 'replace':
        replaces = true;
        break;
      case 'merge':
        throw new BadPatch('merging lists cannot yet be specified in the patch');
      default:
        throw unknownDirective(item);
    }
  }
  if (replaces) return dropDirectives(plain);
  const merged =
    deleted.size === 0 ? [...original] : original.filter((item) => !deleted.has(identityOf(item, mergeKey)));
  const indexes = positions(merged.map((item) => identityOf(item, mergeKey)));
  let isInOrder = deleted.size === 0 && indexes.size === merged.length;
  let last = -1;
  for (const item of plain) {
    const identity = identityOf(item, mergeKey);
    const index = indexes.get(identity);
    isInOrder &&= index !== undefined && index > last;
    if (index === undefined) indexes.set(identity, merged.push(dropDirectives(item) as JsonObject) - 1);
    else merged[index] = mergeObject(merged[index]!, item, itemSchema);
    last = index ?? last;
  }
  // Where the patch has some of the server's items in the server's order, as statuses mostly do, nothing moves.
  return isInOrder ? merged : mergeOrder(merged, { first: plain, server: original, mergeKey });
}

function unknownDirective(patch: Readonly<JsonObject>): BadPatch {
  return new BadPatch(`unknown patch type: ${goText(patch[patchDirective])} in map: ${goText(patch)}`);
}
