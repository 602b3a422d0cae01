/**
 * JSON values: comparing, copying, texts. Safe for keys such as `__proto__`, which are always own data properties here.
 * Decoding of requests is in `decode.ts`.
 *
 * An integer of 64 bits that no double holds, or is written as, is a `bigint`; any other number is a double. So there is one form of each number.
 */

/** Sets an own data property, whatever its name: an assignment to `__proto__` would change the prototype instead. */
export function setOwn(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__') {
    Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
  } else {
    object[key] = value;
  }
}

/** The value of an own property, or undefined: `constructor` of a plain object is no field. */
export function getOwn(object: Readonly<Record<string, unknown>>, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** Whether a value is a JSON object, not a list and not null. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether a value is a number, of whatever size. */
export function isNumeric(value: unknown): value is bigint | number {
  return typeof value === 'number' || typeof value === 'bigint';
}

/** Equality of JSON values. Order of keys does not matter; a field that is undefined equals one that is absent. */
export function deepEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a)) return Array.isArray(b) && listsEqual(a, b);
  if (Array.isArray(b)) return false;
  return objectsEqual(a as Record<string, unknown>, b as Record<string, unknown>);
}

function listsEqual(a: readonly unknown[], b: readonly unknown[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!deepEqual(a[i], b[i])) return false;
  return true;
}

function objectsEqual(a: Readonly<Record<string, unknown>>, b: Readonly<Record<string, unknown>>): boolean {
  let count = 0;
  for (const key in a) {
    const value = a[key];
    if (value === undefined) continue;
    count++;
    const other = b[key];
    if (value === other) {
      // A name such as `constructor` may be own in one and inherited in the other.
      if (typeof value === 'function' && !Object.hasOwn(b, key)) return false;
      continue;
    }
    if (other === undefined || typeof value !== 'object' || !Object.hasOwn(b, key) || !deepEqual(value, other)) {
      return false;
    }
  }
  for (const key in b) if (b[key] !== undefined) count--;
  return count === 0;
}

/**
 * The map with its keys in the order in which Go writes them; the same one where they are in order. Keys that are whole numbers come first
 * and by size, as no object of JavaScript has them otherwise.
 */
export function inKeyOrder<Value>(map: Record<string, Value>): Record<string, Value> {
  let last: string | undefined;
  let isSorted = true;
  for (const key in map) {
    if (last !== undefined && last > key) isSorted = false;
    last = key;
  }
  if (isSorted) return map;
  const sorted: Record<string, Value> = {};
  for (const key of Object.keys(map).sort()) setOwn(sorted, key, map[key]);
  return sorted;
}

/** A copy that shares nothing with the original. */
export function deepClone<T>(value: T): T {
  return clone(value) as T;
}

function clone(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    const list = new Array<unknown>(value.length);
    for (let i = 0; i < value.length; i++) list[i] = clone(value[i]);
    return list;
  }
  const source = value as Record<string, unknown>;
  const copy: Record<string, unknown> = {};
  for (const key in source) {
    const field = source[key];
    if (key === '__proto__') setOwn(copy, key, clone(field));
    else copy[key] = typeof field === 'object' ? clone(field) : field;
  }
  return copy;
}

/** What Go's encoder never writes as it is, so that JSON can stand in HTML and in scripts. */
const escapedForHtml = /[<>&\u2028\u2029]/g;

/** Whether a JSON text has characters that Go's encoder escapes and `JSON.stringify` does not. */
export function hasHtmlCharacters(json: string): boolean {
  return (
    json.includes('<') || json.includes('>') || json.includes('&') || json.includes('\u2028') || json.includes('\u2029')
  );
}

/** A JSON text as Go's encoder writes it: `<`, `>`, `&` and the two line separators are escaped. Source: Go `encoding/json` `Encoder.SetEscapeHTML`. */
export function escapeHtml(json: string): string {
  if (!hasHtmlCharacters(json)) return json;
  return json.replace(escapedForHtml, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** The JSON of a value, in which a `bigint` is the integer that it is. */
export function jsonText(value: unknown, indent?: 2): string {
  try {
    return JSON.stringify(value, undefined, indent);
  } catch (error) {
    // Hardly any value has such integers, and the rest is not to pay for them.
    if (!(error instanceof TypeError)) throw error;
    return JSON.stringify(value, wholeInteger, indent);
  }
}

declare global {
  interface JSON {
    /** The text as it stands, in what `stringify` makes. */
    rawJSON(text: string): object;
    isRawJSON(value: unknown): boolean;
  }
}

function wholeInteger(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? JSON.rawJSON(String(value)) : value;
}

/**
 * An integer as JSON has it here: a `bigint` only where a double would be written otherwise, as all are whose text has other digits than its shortest
 * one. One that has more than 64 bits is a double, as in Go.
 */
export function jsonInteger(value: bigint): bigint | number {
  const rounded = Number(value);
  const isSame = BigInt(rounded) === value && String(rounded) === String(value);
  return isSame || BigInt.asIntN(64, value) !== value ? rounded : value;
}

/**
 * An integer to compute with: rounded, where no double holds it. Fields of 64 bits are numbers to the types, and a `bigint` at run time where a client has sent one
 * that is more than a double; such a value is kept and served as it came.
 */
export function doubleOf(value: bigint | number): number {
  return Number(value);
}

/** The value of a JSON text of this server's own, or of a server that it asks, with its integers whole. Throws a `SyntaxError`. */
export function parseJson(text: string): unknown {
  return manyDigits.test(text) ? parseWhole(text) : JSON.parse(text);
}

const manyDigits = /\d{16}/;
const longInteger = /^-?\d{16,}$/;

/** The same of a text that is known to have such integers. */
export function parseWhole(text: string): unknown {
  function whole(
    this: unknown,
    _: string,
    value: unknown,
    { source = '' }: { readonly source?: string } = {},
  ): unknown {
    return typeof value === 'number' && longInteger.test(source) ? jsonInteger(BigInt(source)) : value;
  }
  return JSON.parse(text, whole);
}

/** The JSON of a value as Go's encoder writes it, without the newline that ends a document; indented by two spaces on demand. */
export function goJson(value: unknown, indent?: 2): string {
  return escapeHtml(jsonText(value, indent));
}

/** Freezes a value and everything in it, so that a change to what is shared fails at once. For tests. */
export function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value) && !ArrayBuffer.isView(value)) {
    Object.freeze(value);
    for (const field of Object.values(value)) deepFreeze(field);
  }
  return value;
}

/** JSON with sorted keys: equal values give equal texts. */
export function canonicalJson(value: unknown): string {
  if (typeof value !== 'object' || value === null) return jsonText(value) ?? 'null';
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const source = value as Record<string, unknown>;
  const keys = Object.keys(source).filter((key) => source[key] !== undefined);
  return `{${keys
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonicalJson(source[key])}`)
    .join(',')}}`;
}
