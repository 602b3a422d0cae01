/**
 * What an apply takes away: fields that its manager owned before, does not name any more, and no one else owns.
 * Fields of other managers stay, in whatever version they own them. Pure.
 * Upstream counterpart: structured-merge-diff `merge/update.go` `prune`.
 */
import type { JsonObject } from '../object.ts';
import type { TrackedEntry } from './entries.ts';
import {
  difference,
  emptySet,
  type FieldSet,
  intersection,
  isEmptySet,
  leaf,
  type MutableFieldSet,
  union,
} from './field-set.ts';
import { removeFields, withNamedFields } from './merge.ts';
import { fieldSetOf } from './object-fields.ts';
import { unownedMetadataFields } from './plan.ts';
import type { VersionForm, VersionForms } from './versions.ts';

/** Who owned what before the apply, and who owns what after it. */
export interface PruneOptions {
  /** What the manager owned before. */
  readonly previous: TrackedEntry;
  /** What it owns now. */
  readonly own: TrackedEntry;
  readonly others: readonly TrackedEntry[];
  readonly config: Readonly<JsonObject>;
  readonly forms: VersionForms;
}

/**
 * The object, in the version of the request, without what was given up. The name in the configuration counts as wanted here, though no one
 * owns it: with it the metadata stay when all else in them goes (`stripmeta.go` takes it out of what is stored).
 */
export function prune(merged: JsonObject, options: PruneOptions): JsonObject {
  const { previous, own, others, config, forms } = options;
  const form = forms(previous.apiVersion!);
  if (form === undefined || isEmptySet(previous.fieldsV1)) return merged;
  const identity = identityOf(config);
  const owned = new Map<string, FieldSet>();
  for (const { apiVersion, fieldsV1 } of [own, ...others]) {
    owned.set(apiVersion!, union(owned.get(apiVersion!) ?? identity, fieldsV1));
  }
  const isOneVersion = owned.size === 1 && owned.has(previous.apiVersion!);
  if (!isOneVersion) return pruneAcross(merged, { form, previous, owned, forms });
  const given = difference(
    withNamedFields(previous.fieldsV1, form.schema),
    withNamedFields(owned.get(previous.apiVersion!)!, form.schema),
  );
  return without(merged, given, form);
}

/** The fields of a configuration's metadata that say which object it is. */
function identityOf({ metadata }: Readonly<JsonObject>): FieldSet {
  const set: MutableFieldSet = {};
  for (const name in metadata as JsonObject | undefined) if (unownedMetadataFields.has(name)) set[`f:${name}`] = leaf;
  return isEmptySet(set) ? emptySet : { 'f:metadata': set };
}

interface AcrossOptions {
  readonly form: VersionForm;
  readonly previous: TrackedEntry;
  /** What is owned now, by version. */
  readonly owned: ReadonlyMap<string, FieldSet>;
  readonly forms: VersionForms;
}

/**
 * Takes everything away that the manager had, then lets each version put back what is owned in it: its own version first, as what is missing
 * may be needed to convert. What nobody owned is put back last.
 */
function pruneAcross(merged: JsonObject, { form, previous, owned, forms }: AcrossOptions): JsonObject {
  let pruned = form.toRequest(without(form.fromRequest(merged), namedIn(previous.fieldsV1, form), form));
  const first = owned.get(previous.apiVersion!);
  const rest = [...owned].filter(([version]) => version !== previous.apiVersion);
  for (const [version, fields] of first === undefined ? rest : [[previous.apiVersion!, first] as const, ...rest]) {
    const owning = forms(version);
    if (owning === undefined) continue;
    const whole = owning.fromRequest(merged);
    const kept = union(fieldsIn(owning.fromRequest(pruned), owning), namedIn(fields, owning));
    pruned = owning.toRequest(without(whole, difference(fieldsIn(whole, owning), kept), owning));
  }
  const whole = form.fromRequest(merged);
  const missing = difference(fieldsIn(whole, form), fieldsIn(form.fromRequest(pruned), form));
  return form.toRequest(without(whole, intersection(missing, namedIn(previous.fieldsV1, form)), form));
}

function namedIn(fields: FieldSet, { schema }: VersionForm): FieldSet {
  return withNamedFields(fields, schema);
}

function fieldsIn(object: JsonObject, form: VersionForm): FieldSet {
  return namedIn(fieldSetOf(object, form.schema), form);
}

function without(object: JsonObject, fields: FieldSet, { schema }: VersionForm): JsonObject {
  return (removeFields(object, fields, schema) ?? {}) as JsonObject;
}
