/**
 * A served version whose objects are brought from what is stored and back by somebody who has to be waited for, such as a conversion webhook. Only
 * definitions from data have such versions: those of the table of API facts are converted at once (`converter.ts`).
 */
import type { JsonObject } from '#pkg/apimachinery/object.ts';

/**
 * The ways of one served version. None changes its arguments, and each rejects with a `StatusError` that says why there is no result. The
 * `apiVersion` of an object says in which version it is, whichever that was when it was stored.
 */
export interface RemoteVersion {
  /** What is stored as objects of the served version, in their order. */
  fromStored(objects: readonly JsonObject[]): Promise<readonly JsonObject[]>;
  /** An object of the served version as it is stored. */
  toStored(object: JsonObject): Promise<JsonObject>;
  /** An object of one version in another, for managers of fields that speak it. */
  inVersion(object: JsonObject, apiVersion: string): Promise<JsonObject>;
}
