/**
 * What a converter between two versions of a kind is, and the tools that converters are made of. Everything here is pure: objects are
 * shared, so a change makes new containers on the way to it and shares the rest.
 */
import { isObject, setOwn } from '#pkg/apimachinery/json.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';

/**
 * The way from one served version to the stored one and back. Neither changes its argument, of which the result may share parts. What one
 * of the forms cannot say is lost, as it is upstream.
 */
export interface Converter {
  toStored(draft: JsonObject): JsonObject;
  fromStored(object: KubeObject): KubeObject;
}

/** A change of one object somewhere inside of another. Never changes its argument. */
export type Edit = (object: JsonObject) => JsonObject;

/** Every item of a list, on a path. */
export const each = '*';

/** A converter for versions that differ in the objects at one place. */
export function converterAt(
  path: readonly string[],
  { apiVersion, stored, toStored, fromStored }: VersionPair & { readonly toStored: Edit; readonly fromStored: Edit },
): Converter {
  return {
    toStored: (draft) => ({ ...editAt(draft, path, toStored), apiVersion: stored }),
    fromStored: (object) => ({ ...editAt(object as JsonObject, path, fromStored), apiVersion }) as KubeObject,
  };
}

/** The `apiVersion` of the served and of the stored form. */
export interface VersionPair {
  readonly apiVersion: string;
  readonly stored: string;
}

/** `object` with the edit made in every object that the path leads to; where it leads nowhere there is nothing to do. */
export function editAt(object: JsonObject, path: readonly string[], edit: Edit): JsonObject {
  return editValue(object, path, edit) as JsonObject;
}

function editValue(value: unknown, path: readonly string[], edit: Edit): unknown {
  const [step, ...rest] = path;
  if (step === each) return Array.isArray(value) ? value.map((item) => editValue(item, rest, edit)) : value;
  if (!isObject(value)) return value;
  if (step === undefined) return edit(value);
  if (value[step] === undefined) return value;
  return { ...value, [step]: editValue(value[step], rest, edit) };
}

/** The object with fields under other names, in the same order. */
export function renameFields(object: object, names: ReadonlyMap<string, string>): JsonObject {
  const renamed: JsonObject = {};
  for (const [name, value] of Object.entries(object)) setOwn(renamed, names.get(name) ?? name, value);
  return renamed;
}

/** Splits an object: the fields that `names` has, and the others. */
export function partition(object: JsonObject, names: ReadonlySet<string>): readonly [JsonObject, JsonObject] {
  const chosen: JsonObject = {};
  const others: JsonObject = {};
  for (const [name, value] of Object.entries(object)) setOwn(names.has(name) ? chosen : others, name, value);
  return [chosen, others];
}
