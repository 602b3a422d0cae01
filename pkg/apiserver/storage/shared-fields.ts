/**
 * One copy of each set of managed fields. Objects that were made alike say the same of who owns which of their fields, and that is
 * a third of what a pod takes in memory; a Deployment's thousand pods need it once.
 *
 * Invariant: what is put in place of a set is the same JSON, to the byte. Sets are never changed, so nobody can tell.
 */
import { Buffer } from 'node:buffer';
import { hasHtmlCharacters } from '#pkg/apimachinery/json.ts';
import type { JsonObject, ManagedFieldsEntry } from '#pkg/apimachinery/object.ts';

/** A set of fields as it is in an object's metadata. */
export type WrittenFields = NonNullable<ManagedFieldsEntry['fieldsV1']>;

/** Sets that are found again, of each of two generations: what a busy cluster's clients and controllers write, a few for each. */
const setsMax = 500;

/** Longer ones are of large objects, which are not many. */
const charactersMax = 4_096;

/** Those that were used since the generation began, and those of the one before. */
let recent = new Map<string, WrittenFields>();
let older = new Map<string, WrittenFields>();
/** Those that were shared once are not looked up again. Once somebody has asked, with their JSON; undefined where Go's encoder escapes something of it. */
const shared = new WeakMap<WrittenFields, Uint8Array | typeof unasked | undefined>();
const unasked = Symbol('unasked');

/** The managers in the metadata of a draft or of a stored object, which the server has put there. */
export function managersIn({ managedFields }: JsonObject): readonly ManagedFieldsEntry[] | undefined {
  return managedFields as readonly ManagedFieldsEntry[] | undefined;
}

/** Puts shared sets in the place of those in `metadata.managedFields`. The metadata is the caller's own, the list in it need not be. */
export function shareFields(metadata: JsonObject): void {
  const entries = managersIn(metadata);
  if (entries?.some(isAlone)) metadata.managedFields = entries.map(withSharedFields);
}

function isAlone({ fieldsV1 }: ManagedFieldsEntry): boolean {
  return typeof fieldsV1 === 'object' && fieldsV1 !== null && !shared.has(fieldsV1);
}

function withSharedFields(entry: ManagedFieldsEntry): ManagedFieldsEntry {
  if (!isAlone(entry)) return entry;
  const fieldsV1 = sharedFields(entry.fieldsV1!);
  return fieldsV1 === entry.fieldsV1 ? entry : { ...entry, fieldsV1 };
}

/** The one copy of a set. */
export function sharedFields(set: WrittenFields): WrittenFields {
  if (shared.has(set)) return set;
  const text = JSON.stringify(set);
  if (text.length > charactersMax) return set;
  const known = recent.get(text);
  if (known !== undefined) return known;
  const found = older.get(text) ?? set;
  if (recent.size >= setsMax) {
    older = recent;
    recent = new Map();
  }
  recent.set(text, found);
  shared.set(found, unasked);
  return found;
}

/** The JSON of a set that is shared; undefined for others, and for those of which Go's encoder escapes something. */
export function sharedBytes(set: ManagedFieldsEntry['fieldsV1']): Uint8Array | undefined {
  if (typeof set !== 'object' || set === null) return undefined;
  const known = shared.get(set);
  if (known !== unasked) return known;
  const text = JSON.stringify(set);
  const bytes = hasHtmlCharacters(text) ? undefined : Buffer.from(text);
  shared.set(set, bytes);
  return bytes;
}
