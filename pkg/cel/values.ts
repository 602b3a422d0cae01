/**
 * Values of CEL expressions. Integers are `bigint`, so that a number is always a double and nothing is rounded; what JavaScript has no value for is
 * an object here. Lists and maps look at what they are made of when somebody reads an element, so that a large object costs only what a rule
 * reads of it. Not here: functions on them.
 *
 * Invariant: values are never changed.
 * Source: cel-spec `langdef.md#values`; cel-go `common/types`.
 */
import {
  boolType,
  bytesType,
  doubleType,
  durationType,
  dynType,
  intType,
  listOf,
  mapOf,
  nullType,
  optionalOf,
  stringType,
  type Type,
  timestampType,
  typeOfType,
  uintType,
} from './types.ts';

/** Any value. */
export type Value =
  | null
  | boolean
  | bigint
  | number
  | string
  | Uint8Array
  | Uint
  | Timestamp
  | Duration
  | ListValue
  | MapValue
  | TypeValue
  | OptionalValue
  | OpaqueValue;

/** An evaluation that has no value. `||`, `&&`, `all` and `exists` pass it by where the other side decides, unless it is final. */
export class EvaluationError extends Error {
  /** Ends the whole evaluation: what was allowed to be spent is spent. */
  readonly isFinal: boolean;

  constructor(message: string, isFinal = false) {
    super(message);
    this.isFinal = isFinal;
  }
}

/** An integer without a sign. */
export class Uint {
  readonly value: bigint;

  constructor(value: bigint) {
    this.value = value;
  }
}

/** A point in time, in nanoseconds since the epoch. */
export class Timestamp {
  readonly nanos: bigint;

  constructor(nanos: bigint) {
    this.nanos = nanos;
  }
}

/** A span of time in nanoseconds. */
export class Duration {
  readonly span: bigint;

  constructor(nanos: bigint) {
    this.span = nanos;
  }
}

/** A type as a value. */
export class TypeValue {
  readonly type: Type;

  constructor(type: Type) {
    this.type = type;
  }
}

/** A value or none. */
export class OptionalValue {
  readonly value: Value | undefined;

  constructor(value: Value | undefined) {
    this.value = value;
  }
}

/** No value. */
export const none = new OptionalValue(undefined);

/** A value of a library's own type. */
export abstract class OpaqueValue {
  abstract readonly type: Type;
  /** Whether it is the same as another of its type. */
  abstract equals(other: OpaqueValue): boolean;
  /** What it counts for in costs. */
  get size(): number {
    return 1;
  }
}

/** How lists compare and add up: as they are, as sets, or by the keys of their items. */
export interface ListMerge {
  readonly type: 'atomic' | 'map' | 'set';
  /** Names of the fields that tell items apart. */
  readonly keys: readonly string[];
}

const atomic: ListMerge = { type: 'atomic', keys: [] };

/** A list. */
export class ListValue {
  readonly size: number;
  readonly at: (index: number) => Value;
  readonly merge: ListMerge;

  /** `at` is only asked for what there is. */
  constructor(size: number, at: (index: number) => Value, merge: ListMerge = atomic) {
    this.size = size;
    this.at = at;
    this.merge = merge;
  }

  *[Symbol.iterator](): Iterator<Value> {
    for (let index = 0; index < this.size; index++) yield this.at(index);
  }
}

/** A list of values that there are. */
export function listValue(items: readonly Value[], merge: ListMerge = atomic): ListValue {
  return new ListValue(items.length, (index) => items[index] ?? null, merge);
}

/** What a map is made of. */
export interface MapSource {
  readonly size: number;
  find(key: Value): Value | undefined;
  keys(): Iterable<Value>;
}

/** A map, or an object, whose fields are the keys. */
export class MapValue {
  readonly source: MapSource;
  /** Of an object. */
  readonly type: Type | undefined;

  constructor(source: MapSource, type?: Type) {
    this.source = source;
    this.type = type;
  }

  get size(): number {
    return this.source.size;
  }

  find(key: Value): Value | undefined {
    return this.source.find(key);
  }

  keys(): Iterable<Value> {
    return this.source.keys();
  }
}

/** What tells keys of maps apart: numbers of different types that are equal are one key. Undefined for what is no key. */
function keyOf(key: Value): bigint | boolean | string | undefined {
  switch (typeof key) {
    case 'string':
    case 'bigint':
    case 'boolean':
      return key;
    case 'number':
      return Number.isInteger(key) ? BigInt(key) : undefined;
    default:
      return key instanceof Uint ? key.value : undefined;
  }
}

/** A map of the given entries. Throws for a key that is none or is there twice. */
export function mapValue(entries: Iterable<readonly [Value, Value]>): MapValue {
  const found = new Map<bigint | boolean | string, readonly [Value, Value]>();
  for (const entry of entries) {
    const key = keyOf(entry[0]);
    if (key === undefined || typeof entry[0] === 'number') throw new EvaluationError('unsupported key type');
    if (found.has(key)) throw new EvaluationError(`insert failed: key ${keyText(entry[0])} already exists`);
    found.set(key, entry);
  }
  return new MapValue({
    size: found.size,
    find(key) {
      const own = keyOf(key);
      return own === undefined ? undefined : found.get(own)?.[1];
    },
    keys: () => Array.from(found.values(), ([key]) => key),
  });
}

/** A key as messages show it. */
function keyText(key: Value): string {
  return key instanceof Uint ? String(key.value) : String(key);
}

/** The type of a value. Of lists and maps it says nothing of what is in them. */
export function typeOf(value: Value): Type {
  switch (typeof value) {
    case 'boolean':
      return boolType;
    case 'bigint':
      return intType;
    case 'number':
      return doubleType;
    case 'string':
      return stringType;
    default:
      return typeOfObject(value);
  }
}

function typeOfObject(value: Exclude<Value, bigint | boolean | number | string>): Type {
  if (value === null) return nullType;
  if (value instanceof ListValue) return listOf(dynType);
  if (value instanceof MapValue) return value.type ?? mapOf(dynType, dynType);
  if (value instanceof OpaqueValue) return value.type;
  if (value instanceof Uint) return uintType;
  if (value instanceof Timestamp) return timestampType;
  if (value instanceof Duration) return durationType;
  if (value instanceof OptionalValue) return optionalOf(dynType);
  if (value instanceof TypeValue) return typeOfType(value.type);
  return bytesType;
}

/** A number of any type, to be compared; undefined for what is none. */
function numberOf(value: Value): bigint | number | undefined {
  if (typeof value === 'bigint' || typeof value === 'number') return value;
  return value instanceof Uint ? value.value : undefined;
}

/** Whether two values are the same. Values of different types never are, but for numbers. */
export function equal(a: Value, b: Value): boolean {
  if (typeof a === 'string' || typeof a === 'boolean' || a === null) return a === b;
  if (typeof a === 'bigint' && typeof b === 'bigint') return a === b;
  const [left, right] = [numberOf(a), numberOf(b)];
  // biome-ignore lint/suspicious/noDoubleEquals: an integer and a double that mean the same number are equal.
  if (left !== undefined) return right !== undefined && left == right;
  if (a instanceof ListValue) return b instanceof ListValue && listsEqual(a, b);
  if (a instanceof MapValue) return b instanceof MapValue && mapsEqual(a, b);
  if (a instanceof Timestamp) return b instanceof Timestamp && a.nanos === b.nanos;
  if (a instanceof Duration) return b instanceof Duration && a.span === b.span;
  if (a instanceof TypeValue)
    return b instanceof TypeValue && a.type.kind === b.type.kind && a.type.name === b.type.name;
  if (a instanceof OptionalValue) {
    if (!(b instanceof OptionalValue)) return false;
    if (a.value === undefined || b.value === undefined) return a.value === b.value;
    return equal(a.value, b.value);
  }
  if (a instanceof OpaqueValue) return b instanceof OpaqueValue && a.type.name === b.type.name && a.equals(b);
  return a instanceof Uint8Array && b instanceof Uint8Array && compareBytes(a, b) === 0;
}

function listsEqual(a: ListValue, b: ListValue): boolean {
  if (a.size !== b.size) return false;
  if (a.merge.type !== 'atomic') return sameMembers(a, b);
  for (let i = 0; i < a.size; i++) if (!equal(a.at(i), b.at(i))) return false;
  return true;
}

/** Lists that are sets, or maps by keys, are the same in any order. */
function sameMembers(a: ListValue, b: ListValue): boolean {
  const left = [...b];
  for (const item of a) {
    const index = left.findIndex((other) => equal(item, other));
    if (index < 0) return false;
    left.splice(index, 1);
  }
  return true;
}

function mapsEqual(a: MapValue, b: MapValue): boolean {
  if (a.size !== b.size) return false;
  for (const key of a.keys()) {
    const [left, right] = [a.find(key), b.find(key)];
    if (left === undefined || right === undefined || !equal(left, right)) return false;
  }
  return true;
}

/** Negative, zero or positive, as byte strings are ordered. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** How two values are ordered; NaN for numbers of which one is none, undefined where there is no order. */
export function compare(a: Value, b: Value): number | undefined {
  if (typeof a === 'string') return typeof b === 'string' ? compareTexts(a, b) : undefined;
  if (typeof a === 'bigint' && typeof b === 'bigint') return compareWhole(a, b);
  const [left, right] = [numberOf(a), numberOf(b)];
  if (left !== undefined && right !== undefined) {
    if (left < right) return -1;
    if (left > right) return 1;
    return Number.isNaN(left) || Number.isNaN(right) ? Number.NaN : 0;
  }
  if (a instanceof Timestamp && b instanceof Timestamp) return compareWhole(a.nanos, b.nanos);
  if (a instanceof Duration && b instanceof Duration) return compareWhole(a.span, b.span);
  if (typeof a === 'boolean' && typeof b === 'boolean') return Number(a) - Number(b);
  if (a instanceof Uint8Array && b instanceof Uint8Array) return compareBytes(a, b);
  return undefined;
}

function compareWhole(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

const surrogate = /[\uD800-\uDFFF]/;

/** In the order of code points, as Go has it by bytes; units of UTF-16 are ordered otherwise beyond the basic plane. */
function compareTexts(a: string, b: string): number {
  if (a === b) return 0;
  if (!surrogate.test(a) && !surrogate.test(b)) return a < b ? -1 : 1;
  return compareBytes(new TextEncoder().encode(a), new TextEncoder().encode(b));
}

/** Characters of a text as CEL counts them: code points. */
export function textSize(text: string): number {
  if (!surrogate.test(text)) return text.length;
  let size = 0;
  for (const _ of text) size++;
  return size;
}

/** What a value counts for in costs: characters, bytes, elements; one for everything else. */
export function costSize(value: Value): number {
  if (typeof value === 'string') return value.length;
  if (value instanceof ListValue || value instanceof MapValue || value instanceof OpaqueValue) return value.size;
  if (value instanceof Uint8Array) return value.length;
  return value instanceof OptionalValue && value.value !== undefined ? costSize(value.value) : 1;
}
