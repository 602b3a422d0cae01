/**
 * The served versions of a resource from data whose objects somebody else converts. What is stored is read as the version says that it was stored in,
 * with that version's defaults and without what it does not know; what was converted loses what its own version does not know.
 * Source: apiextensions-apiserver `customresource_handler.go` `crdConversionRESTOptionsGetter`, `schemaCoercingConverter`.
 */
import { applySchemaDefaults } from '#pkg/api/validation/defaults.ts';
import { convertAndCheck } from '#pkg/api/validation/structural.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { ObjectSchema } from '#pkg/apimachinery/schema.ts';
import type { RemoteVersion } from './remote-version.ts';

/** Objects in the version asked for, in their order; those that are in it already as they are. Rejects with a `StatusError`. */
export type ConvertObjects = (objects: readonly JsonObject[], apiVersion: string) => Promise<readonly JsonObject[]>;

/** What the versions of a resource are. */
export interface RemoteVersions {
  /** By `apiVersion`. */
  readonly schemas: ReadonlyMap<string, ObjectSchema>;
  /** The `apiVersion` of what is stored from now on. */
  readonly stored: string;
  readonly convert: ConvertObjects;
}

/** The ways of the version `served`. */
export function remoteVersion(served: string, { schemas, stored, convert }: RemoteVersions): RemoteVersion {
  const known = (object: JsonObject, withDefaults: boolean): JsonObject => {
    const schema = schemas.get(String(object.apiVersion));
    if (schema === undefined) return object;
    const read = convertAndCheck(object, schema, { strict: 'Ignore' }).object;
    if (withDefaults) applySchemaDefaults(read, schema);
    return { ...read, apiVersion: object.apiVersion, kind: object.kind };
  };
  const into = async (objects: readonly JsonObject[], apiVersion: string): Promise<readonly JsonObject[]> => {
    if (objects.every((object) => object.apiVersion === apiVersion)) return objects;
    return (await convert(objects, apiVersion)).map((object) => known(object, false));
  };
  const oneInto = async (object: JsonObject, apiVersion: string): Promise<JsonObject> =>
    (await into([object], apiVersion))[0] ?? object;
  return {
    fromStored: (objects) =>
      into(
        objects.map((object) => known(object, true)),
        served,
      ),
    toStored: (object) => oneInto(object, stored),
    inVersion: oneInto,
  };
}
