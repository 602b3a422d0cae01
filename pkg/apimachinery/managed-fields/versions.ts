/**
 * One object in the versions of its managers: what one wrote as `autoscaling/v1` is compared, given up and taken over in that version,
 * whatever version the others speak. Versions that no manager speaks cost nothing.
 * Upstream counterpart: structured-merge-diff `merge.Converter`, apimachinery `managedfields/internal/versionconverter.go`.
 */
import type { JsonObject } from '../object.ts';
import type { ObjectSchema } from '../schema.ts';
import { type Comparison, compareObjects } from './compare.ts';

/** An object's kind in one version. */
export interface VersionForm {
  readonly schema: ObjectSchema;
  /** The object, given in the version of the request, in this one. Never changes its argument; the result may share parts. */
  fromRequest(object: JsonObject): JsonObject;
  /** The way back. */
  toRequest(object: JsonObject): JsonObject;
}

/**
 * The kind in the version that a manager speaks: undefined for one that does not exist any more, whose managers are forgotten. By default
 * all versions are alike.
 */
export type VersionForms = (apiVersion: string) => VersionForm | undefined;

const same = (object: JsonObject): JsonObject => object;

/** The forms of a kind: that of the request as it is, others by `versions`. */
export function formsOf(request: {
  readonly apiVersion: string;
  readonly schema: ObjectSchema;
  readonly versions?: VersionForms;
}): VersionForms {
  const { apiVersion, schema, versions } = request;
  return (version) =>
    version === apiVersion || versions === undefined
      ? { schema, fromRequest: same, toRequest: same }
      : versions(version);
}

/** What a change of an object comes to in one version; nothing when it comes to nothing. */
export type ComparisonIn = (apiVersion: string | undefined) => Comparison | 'gone' | undefined;

/** Compares in each version that is asked for, once. `comparison` is that in the version of the request. */
export function comparisonsOf(
  comparison: Comparison | undefined,
  change: {
    readonly before: Readonly<JsonObject>;
    readonly after: Readonly<JsonObject>;
    readonly apiVersion: string;
    readonly forms: VersionForms;
  },
): ComparisonIn {
  let others: Map<string, Comparison | 'gone' | undefined> | undefined;
  return (version = change.apiVersion) => {
    if (version === change.apiVersion) return comparison;
    others ??= new Map();
    if (others.has(version)) return others.get(version);
    const form = change.forms(version);
    const found =
      form === undefined
        ? 'gone'
        : compareObjects(form.fromRequest(change.before), form.fromRequest(change.after), form.schema);
    others.set(version, found);
    return found;
  };
}
