/**
 * The JSON of an object in pieces, of which those that a change left as they were are taken from the bytes of the state before: most changes touch one part of an
 * object, and encoding the rest again is the largest cost of storing one.
 *
 * Invariant: put together, the pieces are the object's JSON as one call would make it, up to the order of fields that are the same in both states.
 */
import { Buffer } from 'node:buffer';
import { hasHtmlCharacters, isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { WritableBytes } from '#pkg/storage/store.ts';
import { managersIn, sharedBytes } from './shared-fields.ts';

/** Fields of an object as JSON, by name. */
export type FieldTexts = Readonly<Record<string, string>>;

/** A state that is encoded already. */
export interface EncodedState {
  readonly object: JsonObject;
  readonly bytes: Uint8Array;
  /** Where its metadata end, and where the field that comes next does. */
  readonly metadataEnd: number;
  readonly nextEnd: number;
}

/** What is known of an object beforehand. */
export interface KnownPieces {
  readonly texts?: FieldTexts | undefined;
  /** The state before, with which the object may share what did not change. */
  readonly before?: EncodedState | undefined;
}

/** Gives the memory for a value, all of which is written. */
export type Allocate = (bytes: number) => WritableBytes;

type Piece = Uint8Array | string;

/** An object in pieces: those of its type and metadata, those of the field after these, and the others. */
export interface Pieces {
  readonly all: readonly Piece[];
  /** Where in `all` each part ends. */
  readonly headCount: number;
  readonly nextCount: number;
}

/** The pieces of an object whose first fields are its type and its metadata. Throws TypeError for integers that no double holds. */
export function piecesOf(object: JsonObject, { texts, before }: KnownPieces): Pieces {
  const all: Piece[] = [];
  addHead(all, object, before);
  const headCount = all.length;
  const nextName = nextNameOf(object);
  const isNextKnown = before !== undefined && nextNameOf(before.object) === nextName;
  if (nextName !== undefined && !(isNextKnown && addKnownNext(all, { object, name: nextName, before })))
    all.push(fieldText(object, nextName, texts));
  const nextCount = all.length;
  if (isNextKnown && isRestSame(object, before.object, nextName)) all.push(before.bytes.subarray(before.nextEnd));
  else all.push(restText(object, nextName, texts));
  return { all, headCount, nextCount };
}

/** Whether a field is written beside type and metadata. */
function isBeside(object: JsonObject, name: string): boolean {
  return name !== 'kind' && name !== 'apiVersion' && name !== 'metadata' && object[name] !== undefined;
}

/** The first field after type and metadata. */
function nextNameOf(object: JsonObject): string | undefined {
  for (const name in object) if (isBeside(object, name)) return name;
  return undefined;
}

function fieldText(object: JsonObject, name: string, texts: FieldTexts | undefined): string {
  return `,${JSON.stringify(name)}:${texts?.[name] ?? JSON.stringify(object[name])}`;
}

/** What comes after the field `nextName`. */
function restText(object: JsonObject, nextName: string | undefined, texts: FieldTexts | undefined): string {
  let text = '';
  for (const name in object) if (name !== nextName && isBeside(object, name)) text += fieldText(object, name, texts);
  return `${text}}`;
}

function isRestSame(object: JsonObject, old: JsonObject, nextName: string | undefined): boolean {
  for (const name in object)
    if (name !== nextName && isBeside(object, name) && object[name] !== old[name]) return false;
  for (const name in old) if (isBeside(old, name) && object[name] === undefined) return false;
  return true;
}

/** Managed fields come last, as in Go, and of them the sets that many objects share are encoded already. */
function addHead(pieces: Piece[], object: JsonObject, before: EncodedState | undefined): void {
  const { kind, apiVersion, metadata } = object;
  const old = before?.object;
  if (before !== undefined && old?.kind === kind && old?.apiVersion === apiVersion && isSame(metadata, old?.metadata)) {
    pieces.push(before.bytes.subarray(0, before.metadataEnd));
    return;
  }
  const managed = isObject(metadata) ? managersIn(metadata) : undefined;
  if (!isObject(metadata) || managed === undefined) {
    pieces.push(JSON.stringify({ kind, apiVersion, metadata }).slice(0, -1));
    return;
  }
  const others = JSON.stringify({ kind, apiVersion, metadata: { ...metadata, managedFields: undefined } });
  let text = `${others.slice(0, -2)}${others.endsWith('{}}') ? '' : ','}"managedFields":[`;
  let isFirst = true;
  for (const entry of managed) {
    const bytes = sharedBytes(entry.fieldsV1);
    if (!isFirst) text += ',';
    isFirst = false;
    if (bytes === undefined) text += JSON.stringify(entry);
    else {
      const { fieldsV1: _, subresource, ...rest } = entry;
      pieces.push(`${text}${JSON.stringify(rest).slice(0, -1)},"fieldsV1":`, bytes);
      text = subresource === undefined ? '}' : `,"subresource":${JSON.stringify(subresource)}}`;
    }
  }
  pieces.push(`${text}]}`);
}

/** Adds the field after the metadata where it is as it was, or only has more at its end. */
function addKnownNext(
  pieces: Piece[],
  { object, name, before }: { readonly object: JsonObject; readonly name: string; readonly before: EncodedState },
): boolean {
  const { bytes, metadataEnd, nextEnd } = before;
  const [value, old] = [object[name], before.object[name]];
  if (value === old) {
    pieces.push(bytes.subarray(metadataEnd, nextEnd));
    return true;
  }
  const more = addedTo(old, value);
  if (more === undefined) return false;
  pieces.push(bytes.subarray(metadataEnd, nextEnd - 1), more);
  return true;
}

/** What an object has beside an older one as JSON, with its end; undefined where it does not begin with all that the older one has, unchanged. */
function addedTo(old: unknown, value: unknown): string | undefined {
  if (!isObject(old) || !isObject(value)) return undefined;
  let left = 0;
  for (const name in old) if (old[name] !== undefined) left++;
  if (left === 0) return undefined;
  let more = '';
  for (const name in value) {
    const field = value[name];
    if (field === undefined) continue;
    if (left > 0 && field !== old[name]) return undefined;
    if (left > 0) left--;
    else more += `,${JSON.stringify(name)}:${JSON.stringify(field)}`;
  }
  return left > 0 ? undefined : `${more}}`;
}

/** Whether two objects have the same fields, all but the resourceVersion, which is not stored. */
function isSame(value: unknown, old: unknown): boolean {
  if (!isObject(old) || !isObject(value)) return false;
  let fields = 0;
  for (const name in value) {
    if (name === 'resourceVersion' || value[name] === undefined) continue;
    if (value[name] !== old[name]) return false;
    fields++;
  }
  for (const name in old) if (name !== 'resourceVersion' && old[name] !== undefined) fields--;
  return fields === 0;
}

/** A value that was put together. */
export interface Joined {
  readonly value: WritableBytes;
  /** Whether it has nothing that Go's encoder escapes. */
  readonly isPlain: boolean;
  readonly metadataEnd: number;
  readonly nextEnd: number;
}

/** Puts the pieces together. Those taken from another state are as plain as that was. */
export function joined({ all, headCount, nextCount }: Pieces, allocate: Allocate): Joined {
  let [count, size, metadataEnd, nextEnd] = [0, 0, 0, 0];
  for (const piece of all) {
    if (count === headCount) metadataEnd = size;
    if (count === nextCount) nextEnd = size;
    count++;
    size += typeof piece === 'string' ? Buffer.byteLength(piece) : piece.length;
  }
  const value = allocate(size);
  let [at, isPlain] = [0, true];
  for (const piece of all) {
    if (typeof piece === 'string') {
      at += value.write(piece, at);
      isPlain &&= !hasHtmlCharacters(piece);
    } else {
      value.set(piece, at);
      at += piece.length;
    }
  }
  return { value, isPlain, metadataEnd, nextEnd };
}

/** A text as a value. */
export function textBytes(text: string, allocate: Allocate): WritableBytes {
  const value = allocate(Buffer.byteLength(text));
  value.write(text, 0);
  return value;
}
