/**
 * Decoding of request bodies. Nothing here trusts its input: nesting, YAML aliases and sizes have limits, duplicate keys are
 * found where they are asked for, and keys such as `__proto__` become own data properties.
 *
 * An integer that no double holds exactly, such as 9007199254740993, is a `bigint` for those who ask for it, and otherwise refused, never rounded.
 *
 * A decode that fails is a value with the sentence that Kubernetes puts into its `400 BadRequest`.
 * Upstream counterpart: `sigs.k8s.io/json`, `sigs.k8s.io/yaml`.
 */
import { jsonInteger, setOwn } from './json.ts';
import { duplicateFields } from './json-duplicates.ts';
import { outlineOf } from './json-outline.ts';
import { jsonSyntaxError } from './json-syntax.ts';
import { duplicatesText, numberError, readYaml, YamlError, yamlNestingMax } from './yaml.ts';

/**
 * Deepest nesting of a value. Upstream refuses more than 10,000; a tenth of that is more than any object needs, and keeps
 * everything that walks a value recursively far from the end of the stack.
 */
export const nestingMax = yamlNestingMax;

/** Texts of numbers that are no plain integers, such as `1.0` and `1e2`, by the object or list that holds them and by their key there. */
export type NumberTexts = ReadonlyMap<object, ReadonlyMap<string, string>>;

/** The value of a body, or why it has none, in the words of Go's decoder. */
export type Decoded =
  | {
      readonly ok: true;
      readonly value: unknown;
      /** Paths such as `spec.replicas` of keys that came twice in one object; empty unless asked for, and for YAML. */
      readonly duplicates: readonly string[];
      /** The same of a YAML document, in the words of Go's decoder; absent unless asked for. */
      readonly yamlDuplicates?: string;
      /** How many YAML documents there are that hold something; absent unless asked for, and for JSON. */
      readonly documents?: number;
      /** Absent when all numbers are plain integers, and for YAML, in which `1.0` is the same as `1` to upstream too. */
      readonly numbers?: NumberTexts;
    }
  | { readonly ok: false; readonly error: string };

/** What to look for beside the value. */
export interface DecodeOptions {
  /** Look for keys that come twice (`fieldValidation` Strict or Warn). */
  readonly findDuplicates?: boolean;
  /** Count the documents of YAML, of which the first is read; each has to be one. */
  readonly countDocuments?: boolean;
  /** Integers of 64 bits that no double holds exactly come as `bigint`. Default: they are refused. */
  readonly wholeIntegers?: boolean;
}

/** Decodes JSON. The value belongs to the caller. */
export function decodeJson(json: Uint8Array | string, options: DecodeOptions = {}): Decoded {
  if (typeof json === 'string') return decodeJsonText(json, options);
  const text = Buffer.from(json.buffer, json.byteOffset, json.byteLength).toString('utf8');
  return decodeJsonText(text, options);
}

/** As `decodeJson`, from text. */
function decodeJsonText(text: string, options: DecodeOptions = {}): Decoded {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { ok: false, error: jsonSyntaxError(text) };
  }
  const { keys, depth, hasUnusualNumber } = outlineOf(text);
  // Of a key that comes twice only the last value is there.
  const opener = depth > nestingMax ? tooDeepAt(value, nestingMax) : undefined;
  if (opener !== undefined) return { ok: false, error: `invalid character '${opener}' exceeded max depth` };
  let numbers: NumberTexts | undefined;
  if (hasUnusualNumber) {
    const looked = withNumberTexts(text, options.wholeIntegers === true);
    if (looked.fault !== undefined) return { ok: false, error: looked.fault };
    ({ value, numbers } = looked);
  }
  if (text.includes('\\u') && loneSurrogate.test(text)) value = wellFormed(value);
  const duplicates = options.findDuplicates ? duplicateFields(text, value, keys) : [];
  return numbers === undefined ? { ok: true, value, duplicates } : { ok: true, value, duplicates, numbers };
}

/**
 * Parses once more, keeping how numbers are written that are no plain integers. The fault is the first number that would not come out as
 * it went in: beyond the largest double, where upstream refuses it too, or an integer that no double holds exactly, of which upstream has
 * all of 64 bits.
 */
function withNumberTexts(
  text: string,
  wholeIntegers: boolean,
): {
  value: unknown;
  numbers: NumberTexts | undefined;
  fault: string | undefined;
} {
  let fault: string | undefined;
  const numbers = new Map<object, Map<string, string>>();
  function look(this: object, key: string, value: unknown, { source = '' }: { readonly source?: string }): unknown {
    if (typeof value !== 'number') return value;
    if (/[.eE]/.test(source)) {
      const texts = numbers.get(this) ?? new Map<string, string>();
      numbers.set(this, texts.set(key, source));
    }
    if (!Number.isFinite(value)) fault ??= numberError(source, 'float64');
    else if (/^-?\d{16,}$/.test(source)) {
      const integer = BigInt(source);
      if (wholeIntegers && typeof jsonInteger(integer) === 'bigint') return integer;
      if (BigInt(value) === integer) return value;
      if (!wholeIntegers) fault ??= numberError(source, 'int64');
      else numbers.set(this, (numbers.get(this) ?? new Map<string, string>()).set(key, source));
    }
    return value;
  }
  const value: unknown = JSON.parse(text, look as (this: unknown, key: string, value: unknown) => unknown);
  return { value, numbers: numbers.size === 0 ? undefined : numbers, fault };
}

/** Escapes that may be half of a character. */
const loneSurrogate = /\\u[dD][89a-fA-F]/;

/** A copy in which halves of characters are replaced, as Go's decoder does. */
function wellFormed(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed();
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(wellFormed);
  const copy: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(value)) setOwn(copy, key.toWellFormed(), wellFormed(field));
  return copy;
}

/** What opens the first list or object that is nested more than `levels` deep. Uses no more stack than that. */
function tooDeepAt(value: unknown, levels: number): '[' | '{' | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (levels === 0) return Array.isArray(value) ? '[' : '{';
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const found = tooDeepAt(value[i], levels - 1);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  const object = value as Record<string, unknown>;
  for (const key in object) {
    const field = object[key];
    const found = typeof field === 'object' ? tooDeepAt(field, levels - 1) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Decodes the first YAML document of a text (JSON is one). Of a key that comes twice the last value counts. */
export function decodeYaml(bytes: Uint8Array | string, options: DecodeOptions = {}): Decoded {
  const text = typeof bytes === 'string' ? bytes : textOf(bytes);
  // Programs send JSON, which is read several times faster as such; what is unusual about it is left to the reader of YAML.
  if (/^\s*\{/.test(text)) {
    const decoded = decodeJsonText(text, options);
    if (decoded.ok && decoded.duplicates.length === 0) return { ok: true, value: decoded.value, duplicates: [] };
  }
  try {
    const documents = readYaml(text, {
      firstOnly: options.countDocuments !== true,
      findDuplicates: options.findDuplicates === true,
      wholeIntegers: options.wholeIntegers === true,
    });
    const { value = null, duplicates = [] } = documents[0] ?? {};
    const found = duplicates.length === 0 ? {} : { yamlDuplicates: duplicatesText(duplicates) };
    const held = documents.filter((document) => document.value !== null).length;
    const counted = options.countDocuments === true ? { documents: held } : {};
    return { ok: true, value, duplicates: [], ...found, ...counted };
  } catch (error) {
    if (!(error instanceof YamlError)) throw error;
    return { ok: false, error: `error converting YAML to JSON: ${error.message}` };
  }
}

/** Text in UTF-8, or in UTF-16 when it begins by saying so, as editors of some systems write it. Source: `goyaml.v2` `readerc.go`. */
export function textOf(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer[0] === 0xff && buffer[1] === 0xfe) return buffer.toString('utf16le', 2);
  if (buffer[0] !== 0xfe || buffer[1] !== 0xff) return buffer.toString('utf8');
  const even = Buffer.from(buffer.subarray(2, buffer.length - (buffer.length % 2)));
  return even.swap16().toString('utf16le');
}
