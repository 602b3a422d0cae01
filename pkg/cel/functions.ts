/**
 * What a function is: a name with overloads, each with the types it takes and gives and the code that does it. Pure.
 *
 * Law: an overload is called with any values of the right number; where a value is not of its types it answers undefined, and the next is tried.
 * Source: cel-go `common/decls`, `common/functions`.
 */
import {
  boolType,
  bytesType,
  doubleType,
  durationType,
  dynType,
  intType,
  readType,
  stringType,
  type Type,
  timestampType,
  uintType,
} from './types.ts';
import { Duration, ListValue, MapValue, OptionalValue, Timestamp, TypeValue, Uint, type Value } from './values.ts';

/** A sort of values, for the checker and for the compiler of this program alike. */
export interface Kind<T extends Value> {
  readonly type: Type;
  is(value: Value): value is T;
}

/** One way to call a function. */
export interface Overload {
  readonly fn: string;
  /** Source: cel-go `common/overloads`, and the libraries' own. Costs go by it. */
  readonly id: string;
  readonly isMember: boolean;
  /** Of a member, the target is the first. */
  readonly params: readonly Type[];
  readonly result: Type;
  /** Undefined where the values are not of its types. Throws an `EvaluationError`. */
  call(args: readonly Value[]): Value | undefined;
}

type ValuesOf<Kinds extends readonly Kind<Value>[]> = {
  [Index in keyof Kinds]: Kinds[Index] extends Kind<infer T> ? T : never;
};

function areOf<const Kinds extends readonly Kind<Value>[]>(
  kinds: Kinds,
  values: readonly Value[],
): values is readonly [...ValuesOf<Kinds>] {
  if (values.length !== kinds.length) return false;
  for (let i = 0; i < kinds.length; i++) {
    const value = values[i];
    if (value === undefined || kinds[i]?.is(value) !== true) return false;
  }
  return true;
}

/** What an overload is named, takes and gives. */
export interface Signature<Kinds extends readonly Kind<Value>[]> {
  readonly fn: string;
  readonly id: string;
  readonly takes: readonly [...Kinds];
  readonly gives: Kind<Value>;
}

/** A function on its own: `size(x)`. */
export function globalFunction<const Kinds extends readonly Kind<Value>[]>(
  { fn, id, takes, gives }: Signature<Kinds>,
  run: (...args: ValuesOf<Kinds>) => Value,
): Overload {
  return {
    fn,
    id,
    isMember: false,
    params: takes.map(({ type }) => type),
    result: gives.type,
    call: (args) => (areOf(takes, args) ? run(...args) : undefined),
  };
}

/** A function of its first argument: `x.size()`. */
export function memberFunction<const Kinds extends readonly Kind<Value>[]>(
  signature: Signature<Kinds>,
  run: (...args: ValuesOf<Kinds>) => Value,
): Overload {
  return { ...globalFunction(signature, run), isMember: true };
}

/** Booleans. */
export const bool: Kind<boolean> = { type: boolType, is: (value) => typeof value === 'boolean' };
/** Integers. */
export const int: Kind<bigint> = { type: intType, is: (value) => typeof value === 'bigint' };
/** Floating-point numbers. */
export const double: Kind<number> = { type: doubleType, is: (value) => typeof value === 'number' };
/** Integers without a sign. */
export const uint: Kind<Uint> = { type: uintType, is: (value) => value instanceof Uint };
/** Texts. */
export const string: Kind<string> = { type: stringType, is: (value) => typeof value === 'string' };
/** Byte strings. */
export const bytes: Kind<Uint8Array> = { type: bytesType, is: (value) => value instanceof Uint8Array };
/** Points in time. */
export const timestamp: Kind<Timestamp> = { type: timestampType, is: (value) => value instanceof Timestamp };
/** Spans of time. */
export const duration: Kind<Duration> = { type: durationType, is: (value) => value instanceof Duration };
/** Whatever is only known when it is evaluated. */
export const dyn: Kind<Value> = { type: dynType, is: (_): _ is Value => true };

/** Any value, of the type that a parameter stands for. */
export function any(param: string): Kind<Value> {
  return { type: readType(param), is: (_): _ is Value => true };
}

/** Lists of what is written as a type. */
export function list(of: string): Kind<ListValue> {
  return { type: readType(`list<${of}>`), is: (value) => value instanceof ListValue };
}

/** Maps. */
export function map(key: string, value: string): Kind<MapValue> {
  return { type: readType(`map<${key}, ${value}>`), is: (one) => one instanceof MapValue };
}

/** Optional values. */
export function optional(of: string): Kind<OptionalValue> {
  return { type: readType(`optional<${of}>`), is: (value) => value instanceof OptionalValue };
}

/** Types as values. */
export function typeValue(of: string): Kind<TypeValue> {
  return { type: readType(`type<${of}>`), is: (value) => value instanceof TypeValue };
}

/** Values of a class of a library. */
export function instanceOf<T extends Value>(type: Type, one: abstract new (...args: never[]) => T): Kind<T> {
  return { type, is: (value): value is T => value instanceof one };
}
