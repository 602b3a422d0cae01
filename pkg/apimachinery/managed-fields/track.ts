/**
 * Who owns which fields after a create, update or patch. Called on every write, so a create builds its set in one walk and an
 * update touches only what changed.
 * Upstream counterpart: apimachinery `managedfields` `FieldManager.Update`.
 */
import { deepEqual } from '../json.ts';
import type { JsonObject, KubeObject, ManagedFieldsEntry } from '../object.ts';
import type { ObjectSchema } from '../schema.ts';
import { compareObjects, touchedBy } from './compare.ts';
import {
  decodeEntries,
  finishEntries,
  isReset,
  isSameManager,
  makeEntry,
  storedEntries,
  type TrackedEntry,
} from './entries.ts';
import { difference, emptySet, exclude, type FieldSet, isEmptySet, union } from './field-set.ts';
import { createdFields } from './object-fields.ts';
import { type ComparisonIn, comparisonsOf, formsOf, type VersionForms } from './versions.ts';

/** One write, before its fields are put down to its manager. */
export interface TrackOptions {
  /** The stored object; undefined on create. */
  readonly live: KubeObject | undefined;
  /** The object about to be stored, complete and defaulted, with `managedFields` as the client sent them. */
  readonly updated: KubeObject;
  /** Name of the field manager, at most 128 bytes. */
  readonly manager: string;
  /** Version in which both objects are. */
  readonly apiVersion: string;
  /** How other versions of the kind are; by default all are like this one. */
  readonly versions?: VersionForms;
  /** RFC 3339, whole seconds. */
  readonly timestamp: string;
  /** `''` or absent for the object itself. */
  readonly subresource?: string;
  readonly schema: ObjectSchema;
  /** Fields this endpoint does not write (`{ 'f:status': {} }` for the object itself), so that no one owns them through it. */
  readonly resetFields?: FieldSet;
  /** What is known of a new object. */
  readonly created?: CreatedSets | undefined;
}

/** What is known of the fields of a new object. */
export interface CreatedSets {
  /** Sets that some of its fields come to, by name. */
  readonly known: Readonly<Record<string, FieldSet>>;
  /** Is given the set of whoever creates it; returns that, or one with the same fields. */
  take(set: FieldSet): NonNullable<ManagedFieldsEntry['fieldsV1']>;
}

/**
 * The value for `metadata.managedFields` of the updated object: the very list it had when nothing changed hands, an empty one when
 * the client asked to forget, or when ownership is not tracked since then.
 */
export function trackUpdate(options: TrackOptions): readonly ManagedFieldsEntry[] {
  const {
    live,
    updated,
    manager,
    apiVersion,
    timestamp,
    subresource = '',
    schema,
    resetFields = emptySet,
    created,
  } = options;
  const entryOf = (fields: FieldSet): TrackedEntry =>
    makeEntry({ manager, operation: 'Update', apiVersion, time: timestamp, subresource, fields });
  if (live === undefined) {
    const fields = exclude(createdFields(updated as JsonObject, schema, created?.known), resetFields);
    if (isEmptySet(fields)) return [];
    const entry = entryOf(fields);
    return [created === undefined ? entry : { ...entry, fieldsV1: created.take(entry.fieldsV1) }];
  }
  const entries = currentEntries(live, updated, subresource);
  if (entries.length === 0) return entries;
  const comparison = compareObjects(live, updated, schema);
  if (comparison === undefined) return entries;
  const touched = exclude(touchedBy(comparison), resetFields);
  const forms = formsOf(options);
  const change = { before: live, after: updated, apiVersion, forms };
  const comparisonIn = comparisonsOf(comparison, change);
  return reassign({
    entries,
    own: entryOf(touched),
    comparisonIn,
    resetFields,
  });
}

/** The entries to go on from: the client's, if it sent any that make sense, else those of the stored object. */
function currentEntries(live: KubeObject, updated: KubeObject, subresource: string): readonly TrackedEntry[] {
  const stored = live.metadata?.managedFields;
  if (subresource === '') {
    const sent = updated.metadata?.managedFields;
    // Most clients send back what they read: then there is nothing to check.
    if (sent !== undefined && !deepEqual(sent, stored)) {
      if (isReset(sent)) return [];
      const decoded = decodeEntries(sent);
      if (decoded !== undefined && decoded.length > 0) return decoded;
    }
  }
  return storedEntries(stored);
}

interface Reassignment {
  readonly entries: readonly TrackedEntry[];
  /** Who writes, with the fields it added or changed: it gets these, all others lose them. */
  readonly own: TrackedEntry;
  /** What changed, in the version of each manager. */
  readonly comparisonIn: ComparisonIn;
  readonly resetFields: FieldSet;
}

function reassign({ entries, own, comparisonIn, resetFields }: Reassignment): readonly TrackedEntry[] {
  const takesFields = !isEmptySet(own.fieldsV1);
  const result: TrackedEntry[] = [];
  let changed = false;
  let found = false;
  for (const entry of entries) {
    const comparison = comparisonIn(entry.apiVersion);
    if (comparison === 'gone') {
      changed = true;
      continue;
    }
    const removed = comparison?.removed;
    const fields = removed === undefined ? entry.fieldsV1 : difference(entry.fieldsV1, exclude(removed, resetFields));
    if (isSameManager(entry, own) && takesFields) {
      found = true;
      changed = true;
      result.push({ ...own, fieldsV1: union(fields, own.fieldsV1) });
      continue;
    }
    const isSameVersion = entry.apiVersion === own.apiVersion;
    const left = difference(fields, isSameVersion ? own.fieldsV1 : exclude(touchedBy(comparison), resetFields));
    if (left !== entry.fieldsV1) changed = true;
    if (isEmptySet(left)) continue;
    result.push(left === entry.fieldsV1 ? entry : { ...entry, fieldsV1: left });
  }
  if (!found && takesFields) {
    changed = true;
    result.push(own);
  }
  // A copy has the room that it needs: it lives as long as the object, and a list that grew has some for sixteen more.
  return changed ? finishEntries([...result]) : entries;
}
