/**
 * The versions of a resource as field ownership needs them: from one served version to another by way of the stored one.
 * Does not choose versions; a version that is in the API but not served here counts as one like that of the request.
 */
import { kindFact } from '#pkg/api/facts.ts';
import type { VersionForm, VersionForms } from '#pkg/apimachinery/managed-fields/versions.ts';
import { type JsonObject, type KubeObject, parseApiVersion } from '#pkg/apimachinery/object.ts';
import type { Catalog, ServedResource } from '../catalog.ts';
import type { Scope } from './scope.ts';

/** How the object of the request is in the version that one of its managers speaks. */
export function versionsOf({ served, core }: Scope): VersionForms {
  return (apiVersion) => {
    const other = inVersion(core.catalog, served, apiVersion);
    if (other !== undefined) return formOf(served, other);
    const gv = parseApiVersion(apiVersion);
    const isKnown = gv !== undefined && kindFact({ ...gv, kind: served.info.kind }) !== undefined;
    return isKnown ? formOf(served, served) : undefined;
  };
}

/** The same resource in another version: it has the same storage. */
function inVersion(catalog: Catalog, served: ServedResource, apiVersion: string): ServedResource | undefined {
  for (const other of catalog.served()) {
    if (other.store === served.store && other.apiVersion === apiVersion) return other;
  }
  return undefined;
}

function formOf(request: ServedResource, other: ServedResource): VersionForm {
  return {
    schema: other.schema,
    fromRequest: (object) => converted(object, { from: request, to: other }),
    toRequest: (object) => converted(object, { from: other, to: request }),
  };
}

function converted(
  object: JsonObject,
  { from, to }: { readonly from: ServedResource; readonly to: ServedResource },
): JsonObject {
  return from === to ? object : (to.view.fromStored(from.view.toStored(object) as KubeObject) as JsonObject);
}
