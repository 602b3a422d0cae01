/**
 * Server-side apply: lays a configuration over an object, takes away what the manager had and no longer wants, and refuses to change
 * what others own unless forced.
 *
 * Pure: nothing given is changed; the result shares parts with both. Defaults are filled in afterwards and are no one's.
 * Upstream counterpart: structured-merge-diff `merge.Updater.Apply`, apimachinery `managedfields` `FieldManager.Apply`.
 */
import { deepEqual } from '../json.ts';
import type { JsonObject, KubeObject, ManagedFieldsEntry } from '../object.ts';
import { omitEmpty } from '../omit-empty.ts';
import type { ObjectSchema } from '../schema.ts';
import { badRequest, type StatusError } from '../status-error.ts';
import { compareObjects, sameWithOrder, touchedBy } from './compare.ts';
import { type ApplyConflict, applyConflict, conflictsAbout } from './conflicts.ts';
import {
  beforeFirstApplyManager,
  finishEntries,
  isSameManager,
  makeEntry,
  storedEntries,
  type TrackedEntry,
} from './entries.ts';
import { difference, type FieldSet, intersection, isEmptySet, pathsOf, setsEqual } from './field-set.ts';
import { clientSideFields, kubectlManager, refreshLastApplied } from './last-applied.ts';
import { mergeObjects, removeFields, withoutNulls } from './merge.ts';
import { createdFields, fieldSetOf } from './object-fields.ts';
import { prune } from './prune.ts';
import { reconciledEntries } from './reconcile.ts';
import { type ComparisonIn, comparisonsOf, formsOf, type VersionForms } from './versions.ts';

/** One apply, in the version that its manager speaks. */
export interface ApplyOptions {
  /** The stored object; undefined when the apply creates it. */
  readonly live: KubeObject | undefined;
  /** What the manager wants, with nothing that `typedErrors` finds, converted to the schema, not defaulted. Nulls and empty values are claims. */
  readonly config: KubeObject;
  readonly manager: string;
  /** Takes fields over from others instead of failing. */
  readonly force: boolean;
  readonly schema: ObjectSchema;
  readonly apiVersion: string;
  /** How other versions of the kind are; by default all are like this one. */
  readonly versions?: VersionForms;
  /** RFC 3339, whole seconds. */
  readonly timestamp: string;
  readonly subresource?: string;
  /** Fields this endpoint does not write (`{ 'f:status': {} }` for the object itself): what the configuration says of them is left out. */
  readonly resetFields?: FieldSet;
}

/** The object to be stored, or who owns what the manager wants otherwise. */
export type ApplyResult =
  | {
      readonly ok: true;
      /** With its `managedFields`; shares parts with `live` and `config`. The very `live` when nothing changed. */
      readonly object: JsonObject;
      readonly changed: boolean;
    }
  | {
      readonly ok: false;
      /** `409 Conflict` with a cause per field, or `400` for a configuration that tells who owns what. */
      readonly error: StatusError;
      readonly conflicts: readonly ApplyConflict[];
    };

/** Applies a configuration. Never throws for what a client sends. */
export function applyObject(options: ApplyOptions): ApplyResult {
  const { config, resetFields, schema } = options;
  if ((config.metadata?.managedFields ?? undefined) !== undefined) {
    return { ok: false, error: badRequest('metadata.managedFields must be nil'), conflicts: [] };
  }
  const written = resetFields === undefined ? config : (removeFields(config, resetFields, schema) ?? {});
  const result = apply({ ...options, config: written });
  return result.ok || options.manager !== kubectlManager ? result : takeOverClientSide(options, result);
}

/** What `kubectl` applied on the client's side before is its own: conflicts about that are no conflicts. */
function takeOverClientSide(options: ApplyOptions, result: ApplyResult & { readonly ok: false }): ApplyResult {
  const paths = new Set(pathsOf(clientSideFields(options.live, options.schema)));
  const conflicts = result.conflicts.filter(({ path }) => !paths.has(path));
  if (conflicts.length === 0 && result.conflicts.length > 0) return apply({ ...options, force: true });
  return conflicts.length === 0 ? result : { ok: false, error: applyConflict(conflicts), conflicts };
}

function apply(options: ApplyOptions): ApplyResult {
  const { manager, apiVersion, timestamp, subresource = '', schema } = options;
  const live = options.live ?? {};
  const config = options.config;
  const forms = formsOf(options);
  const entries = reconciledEntries(entriesBefore(options), forms);
  const own = makeEntry({
    manager,
    operation: 'Apply',
    apiVersion,
    time: timestamp,
    subresource,
    fields: fieldSetOf(config, schema),
  });
  const previous = entries.find((entry) => isSameManager(entry, own));
  const others = entries.filter((entry) => entry !== previous);
  const merged = mergeObjects(live, config, schema);
  const left = previous === undefined ? merged : prune(merged, { previous, own, others, config, forms });
  // Compared as it is claimed: an empty list or a zero over the value of another manager takes it away, though neither is
  // stored afterwards.
  const comparison = compareObjects(live, left, schema);
  const comparisonIn = comparisonsOf(comparison, { before: live, after: left, apiVersion, forms });
  const wanted = stored(left, schema);
  if (!options.force) {
    const conflicts = conflictsWith(others, comparisonIn);
    if (conflicts.length > 0) return { ok: false, error: applyConflict(conflicts), conflicts };
  }
  const isSame = sameWithOrder(wanted, live, schema);
  const mine = isEmptySet(own.fieldsV1) ? [] : [isSame ? timedAs(previous, own) : own];
  return finish(options, wanted, finishEntries([...keptOf(others, comparisonIn), ...mine]));
}

/** What was claimed as it is kept: nulls and what is left out when it is empty are claims, but no values. */
function stored(left: JsonObject, schema: ObjectSchema): JsonObject {
  return omitEmpty(withoutNulls(left, schema), schema);
}

/** An apply that changes nothing of the object has the time of the last one that did, or none. */
function timedAs(previous: TrackedEntry | undefined, own: TrackedEntry): TrackedEntry {
  if (previous !== undefined && setsEqual(previous.fieldsV1, own.fieldsV1) && previous.apiVersion === own.apiVersion) {
    return previous;
  }
  const { time: _, ...untimed } = own;
  return previous?.time === undefined ? untimed : { ...own, time: previous.time };
}

/** The entries of the stored object; what was there before tracking began belongs to a manager of its own. */
function entriesBefore({ live, apiVersion, timestamp, schema }: ApplyOptions): readonly TrackedEntry[] {
  if (live === undefined) return [];
  const entries = storedEntries(live.metadata?.managedFields);
  if (entries.length > 0) return entries;
  const fields = createdFields(live, schema);
  if (isEmptySet(fields)) return [];
  const manager = beforeFirstApplyManager;
  return [makeEntry({ manager, operation: 'Update', apiVersion, time: timestamp, subresource: '', fields })];
}

/** What others own of what changes, each in the version it speaks. */
function conflictsWith(others: readonly TrackedEntry[], comparisonIn: ComparisonIn): readonly ApplyConflict[] {
  return [...others]
    .sort((a, b) => ((a.manager ?? '') < (b.manager ?? '') ? -1 : 1))
    .flatMap((entry) => {
      const comparison = comparisonIn(entry.apiVersion);
      return comparison === 'gone' ? [] : conflictsAbout(entry, intersection(entry.fieldsV1, touchedBy(comparison)));
    });
}

/** The entries of others without what the change takes from them. */
function keptOf(others: readonly TrackedEntry[], comparisonIn: ComparisonIn): readonly TrackedEntry[] {
  const kept: TrackedEntry[] = [];
  for (const entry of others) {
    const comparison = comparisonIn(entry.apiVersion);
    if (comparison === 'gone') continue;
    const left = difference(entry.fieldsV1, touchedBy(comparison));
    const fields = comparison?.removed === undefined ? left : difference(left, comparison.removed);
    if (!isEmptySet(fields)) kept.push(fields === entry.fieldsV1 ? entry : { ...entry, fieldsV1: fields });
  }
  return kept;
}

function finish(
  { live, config, manager }: ApplyOptions,
  wanted: JsonObject,
  entries: readonly ManagedFieldsEntry[],
): ApplyResult {
  const metadata: JsonObject = { ...(wanted.metadata as JsonObject | undefined) };
  if (entries.length > 0) metadata.managedFields = entries;
  else delete metadata.managedFields;
  const object: JsonObject = { ...wanted, metadata };
  if (manager === kubectlManager) refreshLastApplied(object, { live, config });
  if (live !== undefined && deepEqual(object, live)) return { ok: true, object: live, changed: false };
  return { ok: true, object, changed: true };
}
