/**
 * Sets of fields as a schema of today has them: what was owned field by field and is one value now is owned as a whole. The other way
 * round is left alone, as upstream leaves it. Sets that fit are shared. Only an apply looks, as it alone takes fields away by what is owned.
 * Upstream counterpart: structured-merge-diff `typed/reconcile_schema.go`.
 */
import type { Schema } from '../schema.ts';
import type { TrackedEntry } from './entries.ts';
import { type FieldSet, isEmptySet, leaf, type MutableFieldSet } from './field-set.ts';
import { isLeafSchema } from './plan.ts';
import type { VersionForms } from './versions.ts';

/** The entries with their sets as the schemas of their versions have them; the very list when all fit. */
export function reconciledEntries(entries: readonly TrackedEntry[], forms: VersionForms): readonly TrackedEntry[] {
  let result: TrackedEntry[] | undefined;
  for (const [index, entry] of entries.entries()) {
    const schema = forms(entry.apiVersion ?? '')?.schema;
    if (schema === undefined) continue;
    const fields = reconciled(entry.fieldsV1, schema);
    if (fields === entry.fieldsV1) continue;
    result ??= [...entries];
    result[index] = { ...entry, fieldsV1: fields };
  }
  return result ?? entries;
}

function reconciled(set: FieldSet, schema: Schema): FieldSet {
  let result: MutableFieldSet | undefined;
  for (const element in set) {
    if (element === '.') continue;
    const inner = schemaBelow(schema, element);
    const node = set[element]!;
    if (inner === undefined || isEmptySet(node)) continue;
    const kept = isContainer(inner) && isLeafSchema(inner) ? leaf : reconciled(node, inner);
    if (kept === node) continue;
    result ??= { ...set };
    result[element] = kept;
  }
  return result ?? set;
}

function isContainer({ type }: Schema): boolean {
  return type === 'object' || type === 'map' || type === 'list';
}

/** What the schema says of one element; undefined where it says nothing. */
function schemaBelow(schema: Schema, element: string): Schema | undefined {
  if (schema.type === 'list') return schema.of;
  if (schema.type === 'map') return schema.of;
  return schema.type === 'object' ? schema.fields.get(element.slice(2))?.schema : undefined;
}
