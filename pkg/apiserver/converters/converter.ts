/**
 * What a converter between two versions of a kind is, and the tools that converters are made of. Everything here is pure: objects are
 * shared, so a change makes new containers on the way to it and shares the rest.
 */
import type { Given } from '#pkg/apimachinery/draft.ts';
import { apiVersionOf, type JsonObject, type KubeObject, type ResourceRef } from '#pkg/apimachinery/object.ts';

/**
 * The way from one served version to the stored one and back. Neither changes its argument, of which the result may share parts. What one
 * of the forms cannot say is lost, as it is upstream.
 */
export interface Converter {
  toStored(draft: JsonObject): JsonObject;
  fromStored(object: KubeObject): KubeObject;
}

/**
 * The converter of the versions that two refs name, whose types it keeps to: here those are forgotten, as in `rulesOf`. Either function may leave
 * the `apiVersion` as it finds it.
 */
export function converterOf<Served extends KubeObject, StoredForm extends KubeObject>(
  served: ResourceRef<Served>,
  stored: ResourceRef<StoredForm>,
  ways: {
    toStored(object: Given<Served>): Versionless<Given<StoredForm>>;
    fromStored(object: Given<StoredForm>): Versionless<Given<Served>>;
  },
): Converter;
export function converterOf(served: ResourceRef, stored: ResourceRef, ways: Converter): Converter {
  const [servedVersion, storedVersion] = [apiVersionOf(served), apiVersionOf(stored)];
  return {
    toStored: (draft) => ({ ...ways.toStored(draft), apiVersion: storedVersion }),
    fromStored: (object) => ({ ...ways.fromStored(object), apiVersion: servedVersion }),
  };
}

type Versionless<T> = Omit<T, 'apiVersion'>;

/** The object without the fields that are undefined. */
export function present<T extends object>(object: T): { [Name in keyof T]?: Exclude<T[Name], undefined> };
export function present(object: Readonly<JsonObject>): JsonObject {
  const found: JsonObject = {};
  for (const [name, value] of Object.entries(object)) if (value !== undefined) found[name] = value;
  return found;
}
