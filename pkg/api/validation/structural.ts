/**
 * The one walk that turns a decoded body into an object of its kind: finds values of the wrong type, finds and removes unknown
 * fields, and brings quantities, times and durations into the form in which the API answers them, as Go's decoding and encoding do.
 *
 * Maps come with their keys in order. Nulls are dropped, and fields that are undefined in an object from the same process count as absent.
 * So are zero values of fields that are no pointers in Go (`omit-empty.ts`), so that rules and defaults meet one form of a field without a
 * value.
 * Upstream counterpart: `runtime/serializer/json` over `sigs.k8s.io/json`.
 */

import type { NumberTexts } from '#pkg/apimachinery/decode.ts';
import { goValueName } from '#pkg/apimachinery/go-text.ts';
import { deepClone, inKeyOrder, setOwn } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { isOmitted } from '#pkg/apimachinery/omit-empty.ts';
import type { ListSchema, MapSchema, ObjectSchema, ScalarSchema, Schema } from '#pkg/apimachinery/schema.ts';
import { unknownFieldError } from './decode-errors.ts';
import { convertNumberText, convertScalar, goTypeName, zeroOf } from './scalars.ts';

/** What is done about fields that the schema does not know. */
export type FieldValidation = 'Ignore' | 'Strict' | 'Warn';

/** How strict to be, and what may be kept as it is. */
export interface ConvertOptions {
  readonly strict: FieldValidation;
  /** The value belongs to the caller, who gives it away: the result may reuse its parts. Default false: nothing is shared. */
  readonly owned?: boolean;
  /** Keeps zero values and nulls: in an apply configuration each is a claim. Default false. */
  readonly keepsEmpty?: boolean;
  /**
   * Lists that were converted before and that nobody changes, known by identity: they are taken as they are, into the result too. For what a
   * caller of this process sends back as it was given.
   */
  readonly known?: ReadonlySet<unknown> | undefined;
  /** How the numbers of the value were written that are no plain integers. */
  readonly numbers?: NumberTexts | undefined;
}

/** What a value became, and what was wrong with it. */
export interface Converted {
  /** The converted object; not to be used when there is a `typeError`. Belongs to the caller. */
  readonly object: JsonObject;
  /** The first value of a wrong type, in the words of Go's decoder. */
  readonly typeError?: string;
  /** `unknown field "spec.foo"`, in order; empty for `Ignore`. */
  readonly strictErrors: readonly string[];
  /** A loose object, map or list has a value of another type. */
  readonly isMisfit?: true;
}

/** Most unknown fields reported, as upstream's strict decoder has it. */
const strictErrorsMax = 100;

/** Deepest nesting converted; what comes from `decode.ts` is never deeper. */
const nestingMax = 1000;

/** Converts `value` to the shape of `schema` in one walk. Never throws. */
export function convertAndCheck(value: unknown, schema: ObjectSchema, options: ConvertOptions): Converted {
  const walk = new Walk(options);
  const result = walk.object(value, schema);
  const object = (typeof result === 'object' && result !== null ? result : {}) as JsonObject;
  const typeError = walk.fatalError ?? walk.typeError;
  const { strictErrors } = walk;
  if (typeError === undefined && !walk.isMisfit) return { object, strictErrors };
  return {
    object,
    ...(typeError === undefined ? {} : { typeError }),
    strictErrors,
    ...(walk.isMisfit ? { isMisfit: true as const } : {}),
  };
}

/** The stacks of all walks, one after the other: each takes off what it has put on. */
const pathStack: (number | string)[] = [];
const fieldStack: string[] = [];

/** State of one conversion. The path is kept as two stacks and made into text only when there is something to report. */
class Walk {
  readonly strictErrors: string[] = [];
  isMisfit = false;
  typeError: string | undefined;
  /** Of a type that decodes itself: Go stops there, and tells this one rather than an earlier mismatch. */
  fatalError: string | undefined;
  readonly #copies: boolean;
  readonly #strict: boolean;
  readonly #keepsEmpty: boolean;
  readonly #known: ReadonlySet<unknown> | undefined;
  readonly #numbers: NumberTexts | undefined;
  /** Names of fields, keys of maps and indices of lists down to the current value. */
  readonly #path = pathStack;
  /** Names of fields only, as Go names them in type errors. */
  readonly #fields = fieldStack;
  /** Type that holds the current field. */
  #struct = '';
  /** Object, map or list that holds the current value. */
  #holder: object | undefined;
  #depth = 0;

  constructor(options: ConvertOptions) {
    // What a walk that threw has left.
    if (pathStack.length > 0) pathStack.length = 0;
    if (fieldStack.length > 0) fieldStack.length = 0;
    this.#copies = options.owned !== true;
    this.#strict = options.strict !== 'Ignore';
    this.#keepsEmpty = options.keepsEmpty === true;
    this.#known = options.known;
    this.#numbers = options.numbers;
  }

  value(value: unknown, schema: Schema): unknown {
    switch (schema.type) {
      case 'object':
        return this.object(value, schema);
      case 'list':
        return this.#list(value, schema.of, schema);
      case 'map':
        return this.#map(value, schema.of, schema);
      case 'any':
      case 'rawObject':
        return this.#copies && typeof value === 'object' ? deepClone(value) : value;
      default: {
        schema satisfies ScalarSchema;
        const text = this.#numbers === undefined ? undefined : this.#numberText(this.#numbers);
        const converted =
          text === undefined ? convertScalar(value, schema.type) : convertNumberText(value, schema.type, text);
        if (converted.ok) return converted.value;
        const { error, found = goValueName(value), inner } = converted;
        const why = error ?? this.#unmarshalError(found, inner ?? goTypeName(schema));
        if (schema.type !== 'bytes' && (error ?? inner) !== undefined) this.fatalError ??= why;
        else this.#fail(why);
        return zeroOf(schema);
      }
    }
  }

  object(value: unknown, schema: ObjectSchema): unknown {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return this.#misfit(value, schema);
    if (++this.#depth > nestingMax) this.#fail('exceeded max depth');
    const outer = this.#struct;
    const source = value as JsonObject;
    const fields = schema.fields;
    let target: JsonObject | undefined = this.#copies ? {} : undefined;
    for (const name in source) {
      const found = source[name];
      const field = fields.get(name);
      let converted: unknown;
      if (field === undefined) {
        if (found === undefined) converted = undefined;
        else if (schema.preserveUnknown) converted = this.#copies ? deepClone(found) : found;
        else this.#unknown(name);
      } else if (found === null) {
        if (this.#keepsEmpty || (schema.isLoose && (field.isNullable || field.default === undefined))) converted = null;
      } else if (typeof found === 'string' && field.schema.type === 'string') {
        if (this.#keepsEmpty || !isOmitted(field, found)) converted = found;
      } else if (found !== undefined && this.#depth <= nestingMax) {
        this.#struct = schema.name ?? '';
        this.#path.push(name);
        this.#fields.push(name);
        if (this.#numbers !== undefined) this.#holder = source;
        converted = this.value(found, field.schema);
        this.#path.pop();
        this.#fields.pop();
        if (!this.#keepsEmpty && isOmitted(field, converted)) converted = undefined;
      }
      if (target === undefined) {
        if (converted === found && found !== undefined) continue;
        target = copyBefore(source, name);
      }
      if (converted !== undefined) setOwn(target, name, converted);
    }
    this.#struct = outer;
    this.#depth--;
    return target ?? source;
  }

  #map(value: unknown, of: Schema, schema: MapSchema): unknown {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return this.#misfit(value, schema);
    if (++this.#depth > nestingMax) this.#fail('exceeded max depth');
    const source = value as JsonObject;
    let target: JsonObject | undefined = this.#copies ? {} : undefined;
    for (const key in source) {
      const found = source[key];
      this.#path.push(key);
      if (this.#numbers !== undefined) this.#holder = source;
      let converted: unknown;
      if (found === null) converted = schema.isLoose ? null : zeroOf(of);
      else if (found !== undefined && this.#depth <= nestingMax) converted = this.value(found, of);
      this.#path.pop();
      if (target === undefined) {
        if (converted === found && found !== undefined) continue;
        target = copyBefore(source, key);
      }
      if (converted !== undefined) setOwn(target, key, converted);
    }
    this.#depth--;
    return inKeyOrder(target ?? source);
  }

  #list(value: unknown, of: Schema, schema: ListSchema): unknown {
    if (!Array.isArray(value)) return this.#misfit(value, schema);
    if (this.#known?.has(value)) return value;
    if (++this.#depth > nestingMax) this.#fail('exceeded max depth');
    let target: unknown[] | undefined = this.#copies ? new Array(value.length) : undefined;
    for (let index = 0; index < value.length && this.#depth <= nestingMax; index++) {
      const found: unknown = value[index];
      this.#path.push(index);
      if (this.#numbers !== undefined) this.#holder = value;
      const isEmpty = found === null || found === undefined;
      const converted = isEmpty ? (schema.isLoose ? null : zeroOf(of)) : this.value(found, of);
      this.#path.pop();
      if (converted === found && target === undefined) continue;
      target ??= value.slice();
      target[index] = converted;
    }
    this.#depth--;
    return target ?? value;
  }

  #numberText(numbers: NumberTexts): string | undefined {
    const texts = this.#holder === undefined ? undefined : numbers.get(this.#holder);
    return texts?.get(String(this.#path.at(-1)));
  }

  #misfit(value: unknown, schema: ListSchema | MapSchema | ObjectSchema): unknown {
    this.isMisfit ||= schema.isLoose === true;
    if (schema.isLoose) return this.#copies && typeof value === 'object' ? deepClone(value) : value;
    this.#fail(this.#unmarshalError(goValueName(value), goTypeName(schema)));
    return undefined;
  }

  #fail(message: string): void {
    this.typeError ??= message;
  }

  #unmarshalError(found: string, type: string): string {
    if (this.#fields.length === 0) return `json: cannot unmarshal ${found} into Go value of type ${type}`;
    const struct = this.#struct.slice(this.#struct.lastIndexOf('.') + 1);
    return `json: cannot unmarshal ${found} into Go struct field ${struct}.${this.#fields.join('.')} of type ${type}`;
  }

  #unknown(name: string): void {
    if (!this.#strict || this.strictErrors.length >= strictErrorsMax) return;
    this.#path.push(name);
    this.strictErrors.push(unknownFieldError(pathText(this.#path)));
    this.#path.pop();
  }
}

function pathText(path: readonly (number | string)[]): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else text += text === '' ? part : `.${part}`;
  }
  return text;
}

/** A new object with the fields of `source` that come before `name`. */
function copyBefore(source: Readonly<JsonObject>, name: string): JsonObject {
  const copy: JsonObject = {};
  for (const key in source) {
    if (key === name) break;
    setOwn(copy, key, source[key]);
  }
  return copy;
}
