/**
 * Strategic merge patches as kustomize applies them: as the API server does, but that what a patch adds to a list comes before what is there.
 * Source: kustomize `api/filters/patchstrategicmerge`, `kyaml/yaml/merge2`.
 */
import { deepEqual, isObject, setOwn } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { FieldSchema, Schema } from '#pkg/apimachinery/schema.ts';

const directive = '$patch';

/** What a patch makes of an object; undefined where it deletes it. `schema` tells how lists merge; without one they are replaced. */
export function mergePatch(live: JsonObject, patch: JsonObject, schema: Schema | undefined): JsonObject | undefined {
  if (patch[directive] === 'delete') return undefined;
  if (patch[directive] === 'replace') return bare(patch);
  const merged: JsonObject = { ...live };
  for (const [key, value] of Object.entries(patch)) {
    if (key === directive) continue;
    const field = fieldOf(schema, key);
    const next =
      value === null ? undefined : mergeValue(Object.hasOwn(live, key) ? live[key] : undefined, value, field);
    if (next === undefined) delete merged[key];
    else setOwn(merged, key, next);
  }
  return merged;
}

interface Field {
  readonly schema: Schema | undefined;
  readonly fact: FieldSchema | undefined;
}

function fieldOf(schema: Schema | undefined, key: string): Field {
  if (schema?.type === 'map') return { schema: schema.of, fact: undefined };
  const fact = schema?.type === 'object' ? schema.fields.get(key) : undefined;
  return { schema: fact?.schema, fact };
}

function mergeValue(live: unknown, value: unknown, { schema, fact }: Field): unknown {
  if (isObject(value)) return mergePatch(isObject(live) ? live : {}, value, schema);
  if (!Array.isArray(value)) return value;
  const isMerged = fact?.patchStrategies.includes('merge') === true;
  if (!isMerged || schema?.type !== 'list') return value.map(bareValue);
  const there: readonly unknown[] = Array.isArray(live) ? live : [];
  const keys =
    schema.mapKeys.length > 0 ? schema.mapKeys : fact.patchMergeKey === undefined ? [] : [fact.patchMergeKey];
  if (keys.length === 0) return [...value, ...there.filter((one) => !value.includes(one))];
  return mergeItems(there, value, { keys, of: schema.of });
}

interface Items {
  readonly keys: readonly string[];
  readonly of: Schema;
}

function mergeItems(live: readonly unknown[], patch: readonly unknown[], { keys, of }: Items): readonly unknown[] {
  if (patch.some((item) => isObject(item) && item[directive] === 'replace'))
    return patch.filter((item) => !isObject(item) || item[directive] !== 'replace').map(bareValue);
  const isSame = (one: unknown, other: unknown): boolean =>
    isObject(one) && isObject(other) && keys.every((key) => deepEqual(one[key], other[key]));
  const items: unknown[] = [];
  for (const item of patch) {
    if (!isObject(item)) continue;
    const there = live.find((one) => isSame(one, item));
    const merged = mergePatch(isObject(there) ? there : {}, item, of);
    if (merged !== undefined) items.push(merged);
  }
  return [...items, ...live.filter((one) => !patch.some((item) => isSame(one, item)))];
}

function bareValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(bareValue);
  return isObject(value) ? bare(value) : value;
}

/** Without what is said to the one who merges. */
function bare({ [directive]: _, ...rest }: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, bareValue(value)]));
}
