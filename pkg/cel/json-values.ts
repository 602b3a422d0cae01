/**
 * JSON as values of CEL, without a schema, and values as JSON. A whole number is an integer, as Go decodes it. Pure.
 * Source: apiserver `pkg/cel/common/valuesunstructured.go`, cel-go `common/types/json_value.go`.
 */
import { getOwn, isObject, jsonInteger, setOwn } from '#pkg/apimachinery/json.ts';
import { durationText, timestampText } from './times.ts';
import {
  Duration,
  EvaluationError,
  ListValue,
  MapValue,
  OptionalValue,
  Timestamp,
  Uint,
  type Value,
} from './values.ts';

/** The value of JSON that was decoded; what is undefined is null. */
export function fromJson(raw: unknown): Value {
  switch (typeof raw) {
    case 'string':
    case 'boolean':
      return raw;
    case 'number':
      return Number.isInteger(raw) ? BigInt(raw) : raw;
    case 'bigint':
      return raw;
    default:
      if (Array.isArray(raw)) return new ListValue(raw.length, (index) => fromJson(raw[index]));
      return isObject(raw) ? new MapValue(objectSource(raw, fromJson)) : null;
  }
}

/** A map over the own fields of an object, of which `adapt` makes values. */
export function objectSource(
  raw: Readonly<Record<string, unknown>>,
  adapt: (raw: unknown, key: string) => Value,
): MapValue['source'] {
  return new ObjectSource(raw, adapt);
}

class ObjectSource {
  readonly #raw: Readonly<Record<string, unknown>>;
  readonly #adapt: (raw: unknown, key: string) => Value;

  constructor(raw: Readonly<Record<string, unknown>>, adapt: (raw: unknown, key: string) => Value) {
    this.#raw = raw;
    this.#adapt = adapt;
  }

  get size(): number {
    return Object.keys(this.#raw).length;
  }

  find(key: Value): Value | undefined {
    if (typeof key !== 'string') return undefined;
    const found = getOwn(this.#raw, key);
    return found === undefined ? undefined : this.#adapt(found, key);
  }

  keys(): Iterable<Value> {
    return Object.keys(this.#raw);
  }
}

/** The JSON of a value. Throws an `EvaluationError` for what has none. */
export function toJson(value: Value): unknown {
  switch (typeof value) {
    case 'bigint':
      return jsonInteger(value);
    case 'string':
    case 'boolean':
    case 'number':
      return value;
    default:
      return objectToJson(value);
  }
}

function objectToJson(value: Exclude<Value, bigint | boolean | number | string>): unknown {
  if (value === null) return null;
  if (value instanceof ListValue) return Array.from(value, toJson);
  if (value instanceof MapValue) {
    const object: Record<string, unknown> = {};
    for (const key of value.keys()) {
      const field = value.find(key);
      if (typeof key !== 'string') throw new EvaluationError('only maps with string keys have a JSON form');
      if (field !== undefined) setOwn(object, key, toJson(field));
    }
    return object;
  }
  if (value instanceof Uint) return jsonInteger(value.value);
  if (value instanceof Timestamp) return timestampText(value);
  if (value instanceof Duration) return durationText(value);
  if (value instanceof OptionalValue) return value.value === undefined ? null : toJson(value.value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  throw new EvaluationError('the value has no JSON form');
}
