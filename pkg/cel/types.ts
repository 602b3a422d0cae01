/**
 * The types of CEL expressions, as the checker knows them, and how they are written in messages. A schema's objects are types with fields; what has
 * no schema is `dyn`. Pure.
 * Source: https://github.com/google/cel-spec/blob/master/doc/langdef.md#gradual-type-checking; cel-go `common/types/types.go`, `checker/format.go`.
 */

/** The sorts of types. */
export type TypeKind =
  | 'bool'
  | 'bytes'
  | 'double'
  | 'duration'
  | 'dyn'
  | 'error'
  | 'int'
  | 'list'
  | 'map'
  | 'null'
  | 'object'
  | 'opaque'
  | 'param'
  | 'string'
  | 'timestamp'
  | 'type'
  | 'uint';

/** A field of an object type. */
export interface TypeField {
  readonly type: Type;
  /** As the object has it; expressions may name it otherwise, where it is a reserved word or has characters of no identifier. */
  readonly name: string;
}

/** A type. Two are the same when kind, name and parameters are. */
export interface Type {
  readonly kind: TypeKind;
  /** Of an opaque type, of an object type, of a type parameter; otherwise how the type is written. */
  readonly name: string;
  readonly params: readonly Type[];
  /** Of an object type, by the name that expressions use. */
  readonly fields?: ReadonlyMap<string, TypeField>;
  /** Most elements, characters or bytes that a value can have, where a schema says so: for estimates of cost. */
  readonly maxElements?: number;
  /** Fewest bytes that a value takes in JSON. */
  readonly minBytes?: number;
}

function simple(kind: TypeKind, name: string = kind): Type {
  return { kind, name, params: [] };
}

/** The types without parameters. */
export const boolType: Type = { ...simple('bool'), maxElements: 0, minBytes: 4 };
/** Bytes. */
export const bytesType: Type = simple('bytes');
/** Floating-point numbers. */
export const doubleType: Type = { ...simple('double'), maxElements: 0, minBytes: 1 };
/** Spans of time. */
export const durationType: Type = simple('duration', 'google.protobuf.Duration');
/** Whatever is only known when it is evaluated. */
export const dynType: Type = simple('dyn');
/** The type of what has none, as it was refused already. */
export const errorType: Type = simple('error', '!error!');
/** Integers of 64 bits. */
export const intType: Type = { ...simple('int'), maxElements: 0, minBytes: 1 };
/** Null. */
export const nullType: Type = simple('null');
/** Texts. */
export const stringType: Type = simple('string');
/** Points in time. */
export const timestampType: Type = simple('timestamp', 'google.protobuf.Timestamp');
/** Integers of 64 bits without a sign. */
export const uintType: Type = simple('uint');

/** Lists of one type. */
export function listOf(of: Type, maxElements?: number): Type {
  const most = maxElements === undefined ? {} : { maxElements, minBytes: 2 };
  return { kind: 'list', name: 'list', params: [of], ...most };
}

/** Maps of one type to another. */
export function mapOf(key: Type, value: Type, maxElements?: number): Type {
  const most = maxElements === undefined ? {} : { maxElements, minBytes: 2 };
  return { kind: 'map', name: 'map', params: [key, value], ...most };
}

/** The type of a type. */
export function typeOfType(of: Type): Type {
  return { kind: 'type', name: 'type', params: [of] };
}

/** A type that only functions know the inside of. */
export function opaqueType(name: string, ...params: readonly Type[]): Type {
  return { kind: 'opaque', name, params };
}

/** A value that may be there. */
export function optionalOf(of: Type): Type {
  return opaqueType('optional_type', of);
}

/** Whether a type is `optionalOf` another. */
export function isOptionalType(type: Type): boolean {
  return type.kind === 'opaque' && type.name === 'optional_type';
}

/** Objects with the given fields, by the names that expressions use. */
export function objectType(
  name: string,
  fields: ReadonlyMap<string, TypeField>,
  more: { readonly minBytes?: number; readonly maxElements?: number } = {},
): Type {
  return { kind: 'object', name, params: [], fields, ...more };
}

/** Stands for any one type in the signature of a function. */
export function typeParam(name: string): Type {
  return { kind: 'param', name, params: [] };
}

/** As messages write it: `list(int)`, `map(string, dyn)`. */
export function typeText(type: Type): string {
  if (type.kind === 'type') return type.params[0] === undefined ? 'type' : `type(${typeText(type.params[0])})`;
  if (type.params.length === 0) return type.name;
  return `${type.name}(${type.params.map(typeText).join(', ')})`;
}

/** Whether two types are the same. */
export function sameType(a: Type, b: Type): boolean {
  if (a === b) return true;
  if (a.kind !== b.kind || a.name !== b.name || a.params.length !== b.params.length) return false;
  return a.params.every((param, index) => {
    const other = b.params[index];
    return other !== undefined && sameType(param, other);
  });
}

const basicTypes: readonly Type[] = [
  boolType,
  bytesType,
  doubleType,
  dynType,
  intType,
  nullType,
  stringType,
  timestampType,
  uintType,
];

/**
 * Reads a type as signatures write it: `list<A>`, `map<string, dyn>`, `optional<T>`, `kubernetes.Quantity`. One capital letter is a
 * parameter. For texts of this program alone: anything else that is no name throws.
 */
export function readType(text: string): Type {
  const open = text.indexOf('<');
  if (open < 0) {
    if (/^[A-Z]$/.test(text)) return typeParam(text);
    const named: Readonly<Record<string, Type>> = {
      duration: durationType,
      timestamp: timestampType,
      null_type: nullType,
    };
    const basic = named[text] ?? basicTypes.find(({ name }) => name === text);
    return basic ?? opaqueType(text);
  }
  const params = splitTypes(text.slice(open + 1, -1)).map(readType);
  const [first = dynType, second = dynType] = params;
  switch (text.slice(0, open)) {
    case 'list':
      return listOf(first);
    case 'map':
      return mapOf(first, second);
    case 'optional':
      return optionalOf(first);
    case 'type':
      return typeOfType(first);
    default:
      throw new Error(`Bug: ${text} is no type`);
  }
}

/** The parts between commas that are not inside of angle brackets. */
function splitTypes(text: string): readonly string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i <= text.length; i++) {
    const character = text[i];
    if (character === '<') depth++;
    else if (character === '>') depth--;
    else if (character === undefined || (character === ',' && depth === 0)) {
      const part = text.slice(start, i).trim();
      if (part !== '') parts.push(part);
      start = i + 1;
    }
  }
  return parts;
}
