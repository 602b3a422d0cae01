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

/** An object in three parts, each of pieces. */
export interface Pieces {
  /** Its type and metadata. */
  readonly head: readonly Piece[];
  /** The field after these. */
  readonly next: readonly Piece[];
  /** The others, and the end. */
  readonly rest: readonly Piece[];
}

/** The pieces of an object whose first fields are its type and its metadata. Throws TypeError for integers that no double holds. */
export function piecesOf(object: JsonObject, { texts, before }: KnownPieces): Pieces {
  const names = fieldsBeside(object);
  const known = before !== undefined && sharesLayout(object, names, before) ? before : undefined;
  const [nextName, ...restNames] = names;
  const field = (name: string): string => `,${JSON.stringify(name)}:${texts?.[name] ?? JSON.stringify(object[name])}`;
  const head =
    known !== undefined && isSame(object.metadata, known.object.metadata) ? headBytes(known) : headPieces(object);
  const next = nextName === undefined ? [] : ((known && nextPieces(object, nextName, known)) ?? [field(nextName)]);
  const isRestSame = known !== undefined && restNames.every((name) => object[name] === known.object[name]);
  const rest = isRestSame ? [known.bytes.subarray(known.nextEnd)] : [...restNames.map(field), '}'];
  return { head, next, rest };
}

/** What is written of an object beside its type and metadata. */
function fieldsBeside(object: JsonObject): string[] {
  return definedNames(object).filter((name) => name !== 'kind' && name !== 'apiVersion' && name !== 'metadata');
}

/** Whether both states have the same type and the same fields in the same order. */
function sharesLayout(object: JsonObject, names: readonly string[], { object: old }: EncodedState): boolean {
  if (object.kind !== old.kind || object.apiVersion !== old.apiVersion) return false;
  const before = fieldsBeside(old);
  return names.length === before.length && names.every((name, index) => name === before[index]);
}

/** Managed fields come last, as in Go, and of them the sets that many objects share are encoded already. */
function headPieces({ kind, apiVersion, metadata }: JsonObject): readonly Piece[] {
  const managed = isObject(metadata) ? managersIn(metadata) : undefined;
  if (!isObject(metadata) || managed === undefined)
    return [JSON.stringify({ kind, apiVersion, metadata }).slice(0, -1)];
  const others = JSON.stringify({ kind, apiVersion, metadata: { ...metadata, managedFields: undefined } });
  const pieces: Piece[] = [];
  let text = `${others.slice(0, -2)}${others.endsWith('{}}') ? '' : ','}"managedFields":[`;
  for (const entry of managed) {
    const { fieldsV1, subresource, ...rest } = entry;
    const bytes = sharedBytes(fieldsV1);
    if (bytes === undefined) text += `${JSON.stringify(entry)},`;
    else {
      pieces.push(`${text}${JSON.stringify(rest).slice(0, -1)},"fieldsV1":`, bytes);
      text = subresource === undefined ? '},' : `,"subresource":${JSON.stringify(subresource)}},`;
    }
  }
  return [...pieces, `${managed.length === 0 ? text : text.slice(0, -1)}]}`];
}

function headBytes({ bytes, metadataEnd }: EncodedState): readonly Piece[] {
  return [bytes.subarray(0, metadataEnd)];
}

/** The field after the metadata, where it is as it was or only has more at its end. */
function nextPieces(object: JsonObject, name: string, known: EncodedState): readonly Piece[] | undefined {
  const { bytes, metadataEnd, nextEnd } = known;
  const [value, old] = [object[name], known.object[name]];
  if (value === old) return [bytes.subarray(metadataEnd, nextEnd)];
  const more = addedTo(old, value);
  if (more === undefined) return undefined;
  return [bytes.subarray(metadataEnd, nextEnd - 1), `${more}}`];
}

/** What the fields that an object has beside those of an older one are as JSON, after a comma; undefined where it does not have the older one's, unchanged and first. */
function addedTo(old: unknown, value: unknown): string | undefined {
  if (!isObject(old) || !isObject(value)) return undefined;
  const names = definedNames(old);
  const all = definedNames(value);
  if (names.length === 0 || all.length < names.length) return undefined;
  if (names.some((name, index) => name !== all[index] || old[name] !== value[name])) return undefined;
  return all
    .slice(names.length)
    .map((name) => `,${JSON.stringify(name)}:${JSON.stringify(value[name])}`)
    .join('');
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

function definedNames(object: Readonly<Record<string, unknown>>): string[] {
  const names: string[] = [];
  for (const name in object) if (object[name] !== undefined) names.push(name);
  return names;
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
export function joined({ head, next, rest }: Pieces, allocate: Allocate): Joined {
  const metadataEnd = sizeOf(head);
  const nextEnd = metadataEnd + sizeOf(next);
  const value = allocate(nextEnd + sizeOf(rest));
  const isPlain = writePieces(head, value, 0);
  const isNextPlain = writePieces(next, value, metadataEnd);
  const isRestPlain = writePieces(rest, value, nextEnd);
  return { value, isPlain: isPlain && isNextPlain && isRestPlain, metadataEnd, nextEnd };
}

/** A text as a value. */
export function textBytes(text: string, allocate: Allocate): WritableBytes {
  const value = allocate(Buffer.byteLength(text));
  value.write(text, 0);
  return value;
}

function sizeOf(pieces: readonly Piece[]): number {
  let size = 0;
  for (const piece of pieces) size += typeof piece === 'string' ? Buffer.byteLength(piece) : piece.length;
  return size;
}

/** Returns whether none of the texts has what Go's encoder escapes. */
function writePieces(pieces: readonly Piece[], target: WritableBytes, start: number): boolean {
  let isPlain = true;
  let at = start;
  for (const piece of pieces) {
    if (typeof piece === 'string') {
      at += target.write(piece, at);
      isPlain &&= !hasHtmlCharacters(piece);
    } else {
      target.set(piece, at);
      at += piece.length;
    }
  }
  return isPlain;
}
