/**
 * Decoding of request bodies. Nothing here trusts its input: nesting, YAML aliases and sizes have limits, duplicate keys are
 * found where they are asked for, and keys such as `__proto__` become own data properties.
 *
 * A decode that fails is a value with the sentence that Kubernetes puts into its `400 BadRequest`.
 * Upstream counterpart: `sigs.k8s.io/json`, `sigs.k8s.io/yaml`.
 */
import { CORE_SCHEMA, load, mergeTag } from 'js-yaml';
import { setOwn } from './json.ts';
import { duplicateFields } from './json-duplicates.ts';
import { jsonSyntaxError } from './json-syntax.ts';
import { yamlDuplicates } from './yaml-duplicates.ts';

/**
 * Deepest nesting of a value. Upstream refuses more than 10,000; a tenth of that is more than any object needs, and keeps
 * everything that walks a value recursively far from the end of the stack.
 */
export const nestingMax = 1000;

/** Values that a YAML document may expand to through its aliases. A body of 3 MiB without aliases has fewer. */
const yamlNodesMax = 2_000_000;

/** JSON's types, and `<<`, which people use with anchors. */
const schema = CORE_SCHEMA.withTags(mergeTag);

export type Decoded =
  | {
      readonly ok: true;
      readonly value: unknown;
      /** Paths such as `spec.replicas` of keys that came twice in one object; empty unless asked for, and for YAML. */
      readonly duplicates: readonly string[];
      /** The same of a YAML document, in the words of Go's decoder; absent unless asked for. */
      readonly yamlDuplicates?: string;
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
  if (mayOverflow.test(text)) {
    const number = overflowingNumber(text);
    if (number !== undefined) {
      return { ok: false, error: `json: cannot unmarshal number ${number} into Go value of type float64` };
    }
  }
  if (loneSurrogate.test(text)) value = wellFormed(value);
  return { ok: true, value, duplicates: options.findDuplicates ? duplicateFields(text, value) : [] };
}

/** Numbers that may be larger than the largest of 64 bits. Strings may look like them, so a closer look follows. */
const mayOverflow = /\d[eE]\+?\d{3}|\d{309}/;

/** The first number of a JSON text that is larger than the largest of 64 bits: as infinity it would not survive encoding. */
function overflowingNumber(text: string): string | undefined {
  let found: string | undefined;
  const look = (_key: string, value: unknown, context: { readonly source?: string }): unknown => {
    if (value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY) found ??= context.source;
    return undefined;
  };
  JSON.parse(text, look as (this: unknown, key: string, value: unknown) => unknown);
  return found;
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

/** Decodes one YAML document (of which JSON is a form). Of a key that comes twice the last value counts. */
export function decodeYaml(bytes: Uint8Array | string, options: DecodeOptions = {}): Decoded {
  const text = typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString('utf8');
  const limits = { schema, maxDepth: nestingMax };
  let value: unknown;
  let duplicates: string | undefined;
  try {
    try {
      value = load(text, limits);
    } catch (error) {
      if (yamlProblem(error).endsWith(duplicateKey)) value = load(text, { ...limits, json: true });
      else throw error;
      if (options.findDuplicates) duplicates = yamlDuplicates(text, limits);
    }
  } catch (error) {
    return { ok: false, error: `error converting YAML to JSON: yaml: ${yamlProblem(error)}` };
  }
  const budget = { nodes: yamlNodesMax };
  const expanded = expand(value, budget, nestingMax);
  if (expanded === tooMuch) {
    return { ok: false, error: 'error converting YAML to JSON: yaml: document contains excessive aliasing' };
  }
  const found = duplicates === undefined ? {} : { yamlDuplicates: duplicates };
  return { ok: true, value: expanded ?? null, duplicates: [], ...found };
}

/** How the parser words it. */
const duplicateKey = 'duplicated mapping key';

function yamlProblem(error: unknown): string {
  const { reason, mark } = error as { reason?: string; mark?: { line?: number } };
  if (reason === undefined) return error instanceof Error ? error.message.split('\n')[0]! : String(error);
  return mark?.line === undefined ? reason : `line ${mark.line + 1}: ${reason}`;
}

const tooMuch = Symbol('too much');

/** A tree in place of the graph that aliases make, with string keys; `tooMuch` when it exceeds a limit or never ends. */
function expand(value: unknown, budget: { nodes: number }, levels: number): unknown {
  if (--budget.nodes < 0) return tooMuch;
  if (typeof value === 'string') return value.toWellFormed();
  if (typeof value !== 'object' || value === null) {
    return typeof value === 'number' && !Number.isFinite(value)
      ? null
      : typeof value === 'bigint'
        ? Number(value)
        : value;
  }
  if (levels === 0) return tooMuch;
  if (Array.isArray(value)) {
    const list: unknown[] = [];
    for (const item of value) {
      const copy = expand(item, budget, levels - 1);
      if (copy === tooMuch) return tooMuch;
      list.push(copy);
    }
    return list;
  }
  const object: Record<string, unknown> = {};
  const entries = value instanceof Map ? value.entries() : Object.entries(value);
  for (const [key, item] of entries) {
    const copy = expand(item, budget, levels - 1);
    if (copy === tooMuch) return tooMuch;
    setOwn(object, String(key).toWellFormed(), copy);
  }
  return object;
}
