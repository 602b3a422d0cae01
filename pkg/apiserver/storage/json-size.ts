/** About how many bytes an object takes as JSON, for much less than encoding it costs. */
import type { JsonObject, ManagedFieldsEntry } from '#pkg/apimachinery/object.ts';

/** A character takes at most so many bytes in JSON (as `\u0000`), where one is assumed. */
export const bytesPerCharacterMax = 6;

/** Room for numbers and literals, most of which are shorter. */
const scalarBytes = 8;
const integerBytes = 20;
/** Of an entry of `managedFields` but for its set. */
const managerBytes = 160;

/** Sets of fields are shared by many states of many objects. */
const setSizes = new WeakMap<object, number>();

/** The bytes of an object whose text is ASCII, give or take a few; of any other at most `bytesPerCharacterMax` times as many. */
export function jsonSize(object: JsonObject): number {
  let size = 0;
  for (const name in object)
    size += name.length + 4 + (name === 'metadata' ? metadataSize(object[name]) : sizeOf(object[name]));
  return size;
}

function metadataSize(metadata: unknown): number {
  let size = 0;
  for (const name in metadata as JsonObject) {
    const value = (metadata as JsonObject)[name];
    if (name !== 'managedFields' || !Array.isArray(value)) size += name.length + 4 + sizeOf(value);
    else for (const { fieldsV1 } of value as readonly ManagedFieldsEntry[]) size += managerBytes + setSize(fieldsV1);
  }
  return size;
}

function setSize(set: ManagedFieldsEntry['fieldsV1']): number {
  if (typeof set !== 'object' || set === null) return 0;
  let size = setSizes.get(set);
  if (size === undefined) {
    size = sizeOf(set);
    setSizes.set(set, size);
  }
  return size;
}

function sizeOf(value: unknown): number {
  if (typeof value === 'string') return value.length + 2;
  if (typeof value === 'bigint') return integerBytes;
  if (typeof value !== 'object' || value === null) return value === undefined ? 0 : scalarBytes;
  let size = 2;
  if (Array.isArray(value)) for (const item of value) size += 1 + sizeOf(item);
  else for (const name in value) size += name.length + 4 + sizeOf((value as JsonObject)[name]);
  return size;
}
