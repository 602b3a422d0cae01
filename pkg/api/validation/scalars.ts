/** Conversion of single values, and the names that Go's decoder gives to values and types in its errors. */
import { canonicalQuantity, quantityError, quantityFormatError } from '#pkg/apimachinery/quantity.ts';
import type { ScalarSchema, ScalarType, Schema } from '#pkg/apimachinery/schema.ts';
import {
  durationError,
  formatDuration,
  normalizeMicroTime,
  normalizeTime,
  parseDuration,
} from '#pkg/apimachinery/time.ts';
import { microTimeLayout, timeError } from '#pkg/apimachinery/time-error.ts';

/**
 * The converted value, or what is wrong with it: `error`, a whole sentence of a type that decodes itself; else a mismatch of types, where
 * `found` says more than the value's kind and `inner` is what a type that decodes itself has asked for. Such types end the decoding.
 */
export type ScalarResult =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly error?: string; readonly found?: string; readonly inner?: string };

const mismatch: ScalarResult = { ok: false };

/** Results are made in one place that is used again, as this runs for every value of every request. */
const good: { ok: true; value: unknown } = { ok: true, value: undefined };

function accept(value: unknown): ScalarResult {
  good.value = value;
  return good;
}

/** Converts one value. The result is valid until the next call. */
export function convertScalar(value: unknown, type: ScalarType): ScalarResult {
  switch (type) {
    case 'string':
      return typeof value === 'string' ? accept(value) : mismatch;
    case 'int32':
      return convertInteger(value, 2 ** 31);
    case 'int64':
      return convertInteger(value, 2 ** 63);
    case 'boolean':
      return typeof value === 'boolean' ? accept(value) : mismatch;
    case 'double':
      return typeof value === 'number' || typeof value === 'bigint' ? accept(Number(value)) : mismatch;
    case 'intOrString':
      return convertIntOrString(value);
    case 'quantity':
      return convertQuantity(value);
    case 'bytes':
      return convertBytes(value);
    case 'time':
    case 'microTime':
    case 'duration':
      return convertTime(value, type);
    case 'any':
    case 'rawObject':
      return accept(value);
  }
}

/** As `convertScalar`, for a number that is written as `text`, which is no plain integer: `1.0` and `1e2` are none to Go. */
export function convertNumberText(value: unknown, type: ScalarType, text: string): ScalarResult {
  switch (type) {
    case 'int32':
    case 'int64':
      return { ok: false, found: `number ${text}` };
    case 'intOrString':
      return { ok: false, found: `number ${text}`, inner: 'int32' };
    case 'quantity':
      return convertQuantity(text);
    case 'any':
    case 'boolean':
    case 'bytes':
    case 'double':
    case 'duration':
    case 'microTime':
    case 'rawObject':
    case 'string':
    case 'time':
      return convertScalar(value, type);
  }
}

function convertInteger(value: unknown, bound: number): ScalarResult {
  // What no double holds stays what it is.
  if (typeof value === 'bigint') {
    const limit = BigInt(bound);
    return value < limit && value >= -limit ? accept(value) : { ok: false, found: `number ${value}` };
  }
  if (typeof value !== 'number') return mismatch;
  if (Number.isInteger(value) && value < bound && value >= -bound) return accept(value === 0 ? 0 : value);
  const digits = Number.isInteger(value) ? BigInt(value) : value;
  return { ok: false, found: `number ${digits}` };
}

function convertIntOrString(value: unknown): ScalarResult {
  if (typeof value === 'string') return accept(value);
  const number = convertInteger(value, 2 ** 31);
  return number.ok ? number : { ...number, inner: 'int32' };
}

function convertQuantity(value: unknown): ScalarResult {
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'bigint')
    return { ok: false, error: quantityFormatError };
  const text = typeof value === 'string' ? value.trim() : String(value).replace('e+', 'e');
  const canonical = canonicalQuantity(text);
  return canonical === undefined ? { ok: false, error: quantityError(text) } : accept(canonical);
}

const base64Pattern = /^[A-Za-z0-9+/]*={0,2}$/;

function convertBytes(value: unknown): ScalarResult {
  if (typeof value !== 'string') return mismatch;
  if (value.length % 4 === 0 && base64Pattern.test(value)) return accept(value);
  const joined = value.replace(/[\r\n]/g, '');
  if (joined.length % 4 === 0 && base64Pattern.test(joined)) return accept(joined);
  const bad = joined.search(/[^A-Za-z0-9+/]/);
  return { ok: false, error: `illegal base64 data at input byte ${bad < 0 ? joined.length & ~3 : bad}` };
}

function convertTime(value: unknown, type: 'duration' | 'microTime' | 'time'): ScalarResult {
  if (typeof value !== 'string') return { ok: false, inner: 'string' };
  if (type === 'duration') {
    const nanoseconds = parseDuration(value);
    return nanoseconds === undefined ? { ok: false, error: durationError(value) } : accept(formatDuration(nanoseconds));
  }
  const normal = type === 'time' ? normalizeTime(value) : normalizeMicroTime(value);
  if (normal !== undefined) return accept(normal);
  return { ok: false, error: type === 'time' ? timeError(value) : timeError(value, microTimeLayout) };
}

const goScalarNames: Readonly<Record<ScalarType, string>> = {
  string: 'string',
  int32: 'int32',
  int64: 'int64',
  boolean: 'bool',
  double: 'float64',
  bytes: '[]uint8',
  time: 'v1.Time',
  microTime: 'v1.MicroTime',
  duration: 'v1.Duration',
  quantity: 'resource.Quantity',
  intOrString: 'intstr.IntOrString',
  any: 'interface {}',
  rawObject: 'runtime.RawExtension',
};

/** The Go type of a schema, as far as the table of facts tells it. */
export function goTypeName(schema: Schema): string {
  switch (schema.type) {
    case 'object':
      return schema.name === undefined ? 'map[string]interface {}' : shortName(schema.name);
    case 'list':
      return `[]${goTypeName(schema.of)}`;
    case 'map':
      return `map[string]${goTypeName(schema.of)}`;
    default:
      schema satisfies ScalarSchema;
      return schema.name === undefined ? goScalarNames[schema.type] : shortName(schema.name);
  }
}

/** `v1.Pod` for `io.k8s.api.core.v1.Pod`. */
function shortName(name: string): string {
  return name.split('.').slice(-2).join('.');
}

/** What Go makes of a null in a list or map. */
export function zeroOf(schema: Schema): unknown {
  switch (schema.type) {
    case 'object':
    case 'map':
      return {};
    case 'list':
      return [];
    case 'int32':
    case 'int64':
    case 'double':
    case 'intOrString':
      return 0;
    case 'boolean':
      return false;
    case 'quantity':
      return '0';
    case 'any':
    case 'rawObject':
    case 'time':
    case 'microTime':
      return null;
    case 'duration':
      return '0s';
    case 'string':
    case 'bytes':
      return '';
  }
}
