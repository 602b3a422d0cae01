/**
 * The versions of a resource as field ownership needs them: from one served version to another by way of the stored one.
 * Does not choose versions; a version that is in the API but not served here counts as one like that of the request.
 */
import { kindFact } from '#pkg/api/facts.ts';
import { jsonText } from '#pkg/apimachinery/json.ts';
import type { VersionForm, VersionForms } from '#pkg/apimachinery/managed-fields/versions.ts';
import { type JsonObject, parseApiVersion } from '#pkg/apimachinery/object.ts';
import type { Catalog, ServedResource } from '../catalog.ts';
import { betweenVersions } from '../converters/between-versions.ts';
import type { RemoteVersion } from '../converters/remote-version.ts';
import type { Scope } from './scope.ts';

/**
 * What `compute` comes to with the object of the request in the versions that its managers speak. It depends on nothing but its argument and the
 * objects, and changes nothing: where somebody else converts, it is called again with each conversion that it wanted and that was not there yet.
 */
export function inVersions<T>(scope: Scope, compute: (versions: VersionForms) => T): Promise<T> | T {
  const { remote } = scope.served;
  return remote === undefined ? compute(versionsOf(scope, betweenVersions)) : computeAgain(scope, remote, compute);
}

/** Most conversions for one request: two of each manager of an object that has very many. More is a circle, and an error. */
const conversionsMax = 200;

async function computeAgain<T>(
  scope: Scope,
  remote: RemoteVersion,
  compute: (versions: VersionForms) => T,
): Promise<T> {
  const known = new Map<string, JsonObject>();
  const convert: Convert = (object, { to }) => {
    if (object.apiVersion === to.apiVersion) return object;
    const name = `${to.apiVersion} ${jsonText(object)}`;
    const found = known.get(name);
    if (found === undefined) throw new Missing(name, object, to.apiVersion);
    return found;
  };
  while (known.size < conversionsMax) {
    try {
      return compute(versionsOf(scope, convert));
    } catch (error) {
      if (!(error instanceof Missing)) throw error;
      known.set(error.name, await remote.inVersion(error.object, error.apiVersion));
    }
  }
  throw new Error(`more than ${conversionsMax} conversions for one request`);
}

/** A conversion that is to be made first. */
class Missing extends Error {
  override readonly name: string;
  readonly object: JsonObject;
  readonly apiVersion: string;

  constructor(name: string, object: JsonObject, apiVersion: string) {
    super('a conversion is missing');
    this.name = name;
    this.object = object;
    this.apiVersion = apiVersion;
  }
}

type Convert = (object: JsonObject, ways: { readonly from: ServedResource; readonly to: ServedResource }) => JsonObject;

/** How the object of the request is in the version that one of its managers speaks. */
function versionsOf({ served, core }: Scope, convert: Convert): VersionForms {
  return (apiVersion) => {
    const other = inVersion(core.catalog, served, apiVersion);
    if (other !== undefined) return formOf(served, other, convert);
    const gv = parseApiVersion(apiVersion);
    const isKnown = gv !== undefined && kindFact({ ...gv, kind: served.info.kind }) !== undefined;
    return isKnown ? formOf(served, served, convert) : undefined;
  };
}

/** The same resource in another version: it has the same storage. */
function inVersion(catalog: Catalog, served: ServedResource, apiVersion: string): ServedResource | undefined {
  for (const other of catalog.served()) {
    if (other.base === served.base && other.apiVersion === apiVersion) return other;
  }
  return undefined;
}

function formOf(request: ServedResource, other: ServedResource, convert: Convert): VersionForm {
  return {
    schema: other.schema,
    fromRequest: (object) => convert(object, { from: request, to: other }),
    toRequest: (object) => convert(object, { from: other, to: request }),
  };
}
