/**
 * Whether an apply configuration fits its schema at all: known fields, values of the right shape, items of lists that can be told
 * apart. Looked at before anything is converted, so that nothing is dropped on the way. Values are checked where they are converted.
 * Upstream counterpart: structured-merge-diff `typed.AsTyped`, whose words these are.
 */
import { goSyntax, goText, goType } from '../go-text.ts';
import { isObject } from '../json.ts';
import type { JsonObject } from '../object.ts';
import type { ListSchema, MapSchema, ObjectSchema, ScalarSchema, ScalarType, Schema } from '../schema.ts';
import { elementText } from './field-set.ts';
import { itemElement } from './plan.ts';

/** What is wrong with a configuration, as one text; undefined when nothing is. */
export function typedErrors(config: Readonly<JsonObject>, schema: ObjectSchema): string | undefined {
  const { errors } = new Check(config, schema);
  if (errors.length <= 1) return errors[0];
  return ['errors:', ...errors.map((error) => `  ${error}`)].join('\n');
}

class Check {
  readonly errors: string[] = [];
  /** Path elements down to the current value, made into text only when there is something to report. */
  readonly #path: string[] = [];

  constructor(value: unknown, schema: Schema) {
    this.#value(value, schema);
  }

  #add(why: string): void {
    const place = this.#path.map(elementText).join('');
    this.errors.push(place === '' ? why : `${place}: ${why}`);
  }

  #inside(element: string, value: unknown, schema: Schema): void {
    this.#path.push(element);
    this.#value(value, schema);
    this.#path.pop();
  }

  #value(value: unknown, schema: Schema): void {
    if (value === null || value === undefined) return;
    switch (schema.type) {
      case 'any':
      case 'rawObject':
        break;
      case 'object':
      case 'map':
        if (isObject(value)) this.#fields(value, schema);
        else this.#add(`expected map, got &{${goText(value)}}`);
        break;
      case 'list':
        if (!Array.isArray(value)) this.#add(`expected list, got &{${goText(value)}}`);
        else if (schema.listType !== 'atomic') this.#items(value, schema);
        else for (let i = 0; i < value.length; i++) this.#inside(`i:${i}`, value[i], schema.of);
        break;
      default: {
        schema satisfies ScalarSchema;
        const why = scalarError(value, schema.type);
        if (why !== undefined) this.#add(why);
      }
    }
  }

  /** After a field that is not known no further one is looked at. */
  #fields(value: Readonly<JsonObject>, schema: MapSchema | ObjectSchema): void {
    for (const name of Object.keys(value)) {
      const known = schema.type === 'map' ? schema.of : schema.fields.get(name)?.schema;
      if (known !== undefined) this.#inside(`f:${name}`, value[name], known);
      else if (schema.type === 'object' && !schema.preserveUnknown) {
        this.#path.push(`f:${name}`);
        this.#add('field not declared in schema');
        this.#path.pop();
        return;
      }
    }
  }

  /** After an item that cannot be told from others no further one is looked at. */
  #items(list: readonly unknown[], schema: ListSchema): void {
    const seen = new Set<string>();
    for (const [index, item] of list.entries()) {
      const why = itemError(item, schema);
      if (why !== undefined) {
        this.#add(`element ${index}: ${why}`);
        return;
      }
      const element = itemElement(item, schema)!;
      if (seen.has(element)) this.#add(`duplicate entries for key ${elementText(element)}`);
      seen.add(element);
      this.#inside(element, item, schema.of);
    }
  }
}

function itemError(item: unknown, schema: ListSchema): string | undefined {
  if (schema.listType === 'set') {
    if (Array.isArray(item)) return 'not supported: associative list with lists as elements';
    if (isObject(item)) return "associative list without keys has an element that's a map type";
    return item === null ? "associative list without keys has an element that's an explicit null" : undefined;
  }
  if (item === null) return 'associative list with keys may not have a null element';
  if (!isObject(item)) return 'associative list with keys may not have non-map elements';
  if (itemElement(item, schema) !== undefined) return undefined;
  const keys = schema.mapKeys.map((key) => JSON.stringify(key)).join(' ');
  return `associative list with keys has an element that omits all key fields [${keys}] (and doesn't have default values for any key fields)`;
}

function scalarError(value: unknown, type: ScalarType): string | undefined {
  switch (type) {
    case 'int32':
    case 'int64':
    case 'double':
      return typeof value === 'number' || typeof value === 'bigint'
        ? undefined
        : `expected numeric (int or float), got ${goType(value)}`;
    case 'string':
    case 'bytes':
      if (typeof value === 'string') return undefined;
      return `expected string, got &value.valueUnstructured{Value:${goSyntax(value)}}`;
    case 'boolean':
      return typeof value === 'boolean' ? undefined : `expected boolean, got &{${goText(value)}}`;
    case 'any':
    case 'duration':
    case 'intOrString':
    case 'microTime':
    case 'quantity':
    case 'rawObject':
    case 'time':
      return typeof value === 'object' ? `expected any scalar, got &{${goText(value)}}` : undefined;
  }
}
