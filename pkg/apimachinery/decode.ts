/**
 * Decoding of request bodies. Nothing here trusts its input: nesting, YAML aliases and sizes have limits, duplicate keys are
 * found where they are asked for, and keys such as `__proto__` become own data properties.
 *
 * Numbers are doubles: one that would come out as another, such as the integer 9007199254740993, is refused rather than rounded.
 *
 * A decode that fails is a value with the sentence that Kubernetes puts into its `400 BadRequest`.
 * Upstream counterpart: `sigs.k8s.io/json`, `sigs.k8s.io/yaml`.
 */
import { loadAll } from 'js-yaml';
import { setOwn } from './json.ts';
import { duplicateFields } from './json-duplicates.ts';
import { jsonSyntaxError } from './json-syntax.ts';
import { yamlDuplicates } from './yaml-duplicates.ts';
import { goYamlSchema } from './yaml-scalars.ts';

/**
 * Deepest nesting of a value. Upstream refuses more than 10,000; a tenth of that is more than any object needs, and keeps
 * everything that walks a value recursively far from the end of the stack.
 */
export const nestingMax = 1000;

/** Values that a YAML document may expand to through its aliases. A body of 3 MiB without aliases has fewer. */
const yamlNodesMax = 2_000_000;

/** Texts of numbers that are no plain integers, such as `1.0` and `1e2`, by the object or list that holds them and by their key there. */
export type NumberTexts = ReadonlyMap<object, ReadonlyMap<string, string>>;

export type Decoded =
  | {
      readonly ok: true;
      readonly value: unknown;
      /** Paths such as `spec.replicas` of keys that came twice in one object; empty unless asked for, and for YAML. */
      readonly duplicates: readonly string[];
      /** The same of a YAML document, in the words of Go's decoder; absent unless asked for. */
      readonly yamlDuplicates?: string;
      /** Absent when all numbers are plain integers, and for YAML, in which `1.0` is the same as `1` to upstream too. */
      readonly numbers?: NumberTexts;
    }
  | { readonly ok: false; readonly error: string };

export interface DecodeOptions {
  /** Look for keys that come twice (`fieldValidation` Strict or Warn). */
  readonly findDuplicates?: boolean;
}

/** Decodes JSON. The value belongs to the caller. */
export function decodeJson(bytes: Uint8Array, options: DecodeOptions = {}): Decoded {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
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
  // Each level takes two characters at least, so a short text cannot be too deep.
  const opener = text.length > 2 * nestingMax ? tooDeepAt(value, nestingMax) : undefined;
  if (opener !== undefined) return { ok: false, error: `invalid character '${opener}' exceeded max depth` };
  let numbers: NumberTexts | undefined;
  if (unusualNumber.test(text)) {
    const looked = withNumberTexts(text);
    if (looked.fault !== undefined) return { ok: false, error: looked.fault };
    ({ value, numbers } = looked);
  }
  if (loneSurrogate.test(text)) value = wellFormed(value);
  const duplicates = options.findDuplicates ? duplicateFields(text, value) : [];
  return numbers === undefined ? { ok: true, value, duplicates } : { ok: true, value, duplicates, numbers };
}

/** A number with a fraction, an exponent or many digits. A few strings look like one, so a closer look follows. */
const unusualNumber = /\d(?:[.eE][\d+-][\deE+-]*\s*(?:[,}\]]|$)|\d{15})/;

/**
 * Parses once more, keeping how numbers are written that are no plain integers. The fault is the first number that would not come out as
 * it went in: beyond the largest double, where upstream refuses it too, or an integer that no double holds exactly, of which upstream has
 * all of 64 bits.
 */
function withNumberTexts(text: string): {
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
    else if (/^-?\d{16,}$/.test(source) && BigInt(value) !== BigInt(source)) fault ??= numberError(source, 'int64');
    return value;
  }
  const value: unknown = JSON.parse(text, look as (this: unknown, key: string, value: unknown) => unknown);
  return { value, numbers: numbers.size === 0 ? undefined : numbers, fault };
}

function numberError(source: string, type: 'float64' | 'int64'): string {
  return `json: cannot unmarshal number ${source} into Go value of type ${type}`;
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
  const text = typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString('utf8');
  const limits = { schema: goYamlSchema, maxDepth: nestingMax };
  try {
    let documents: readonly unknown[];
    let duplicates: string | undefined;
    try {
      documents = loadAll(text, limits);
    } catch (error) {
      if (!yamlProblem(error).endsWith(duplicateKey)) throw error;
      documents = loadAll(text, { ...limits, json: true });
      if (options.findDuplicates) duplicates = yamlDuplicates(text, limits);
    }
    const value = expand(documents[0] ?? null, { nodes: yamlNodesMax }, nestingMax);
    return { ok: true, value, duplicates: [], ...(duplicates === undefined ? {} : { yamlDuplicates: duplicates }) };
  } catch (error) {
    const why = error instanceof Unconvertible ? error.message : `yaml: ${yamlProblem(error)}`;
    return { ok: false, error: `error converting YAML to JSON: ${why}` };
  }
}

/** How the parser words it. */
const duplicateKey = 'duplicated mapping key';

function yamlProblem(error: unknown): string {
  const { reason, mark } = error as { reason?: string; mark?: { line?: number } };
  if (reason === undefined) return error instanceof Error ? error.message.split('\n')[0]! : String(error);
  return mark?.line === undefined ? reason : `line ${mark.line + 1}: ${reason}`;
}

/** A document that has no JSON; never leaves this module. */
class Unconvertible extends Error {}

const aliasing = 'yaml: document contains excessive aliasing';

/** A tree in place of the graph that aliases make, with string keys. Throws `Unconvertible` when it exceeds a limit or never ends. */
function expand(value: unknown, budget: { nodes: number }, levels: number): unknown {
  if (--budget.nodes < 0) throw new Unconvertible(aliasing);
  switch (typeof value) {
    case 'string':
      return value.toWellFormed();
    case 'number':
      if (Number.isFinite(value)) return value;
      throw new Unconvertible(`json: unsupported value: ${Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf'}`);
    case 'bigint':
      throw new Unconvertible(numberError(String(value), 'int64'));
    case 'object':
      break;
    default:
      return value;
  }
  if (value === null) return null;
  if (levels === 0) throw new Unconvertible(aliasing);
  if (Array.isArray(value)) return value.map((item) => expand(item, budget, levels - 1));
  const object: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) {
    setOwn(object, key.toWellFormed(), expand(item, budget, levels - 1));
  }
  return object;
}
