/** Conversions between types. Source: cel-spec `langdef.md#type-conversions`; cel-go `common/types`. */
import {
  any,
  bool,
  bytes,
  double,
  duration,
  globalFunction,
  int,
  type Kind,
  type Overload,
  string,
  timestamp,
  typeValue,
  uint,
} from '../functions.ts';
import { checkedTimestamp, durationText, parseSpan, parseTimestamp, timestampText } from '../times.ts';
import { EvaluationError, type Timestamp, TypeValue, typeOf, Uint, type Value } from '../values.ts';
import { checkedInt, checkedUint } from './arithmetic.ts';

const nanosPerSecond = 1_000_000_000n;

function failed(from: string, to: string): EvaluationError {
  return new EvaluationError(`type conversion error from '${from}' to '${to}'`);
}

function textToInt(text: string): bigint {
  if (!/^[+-]?\d+$/.test(text)) throw failed('string', 'int');
  const value = BigInt(text.replace('+', ''));
  if (value >= 2n ** 63n || value < -(2n ** 63n)) throw failed('string', 'int');
  return value;
}

function textToUint(text: string): Uint {
  const value = /^\d+$/.test(text) ? BigInt(text) : -1n;
  if (value < 0n || value >= 2n ** 64n) throw failed('string', 'uint');
  return new Uint(value);
}

function textToDouble(text: string): number {
  const named: Readonly<Record<string, number>> = {
    nan: Number.NaN,
    inf: Infinity,
    infinity: Infinity,
    '-inf': -Infinity,
    '-infinity': -Infinity,
  };
  const name = text.toLowerCase().replace(/^\+/, '');
  if (Object.hasOwn(named, name)) return named[name] ?? 0;
  if (!/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(text)) throw failed('string', 'double');
  return Number(text);
}

/** The whole part. */
function truncated(value: number): bigint {
  if (!Number.isFinite(value)) throw new EvaluationError('integer overflow');
  return BigInt(Math.trunc(value));
}

function doubleToInt(value: number): bigint {
  if (!(value > -(2 ** 63) && value < 2 ** 63)) throw new EvaluationError('integer overflow');
  return truncated(value);
}

function doubleToUint(value: number): Uint {
  if (!(value >= 0 && value < 2 ** 64)) throw new EvaluationError('unsigned integer overflow');
  return new Uint(truncated(value));
}

const truths: Readonly<Record<string, boolean>> = {
  1: true,
  t: true,
  T: true,
  true: true,
  TRUE: true,
  True: true,
  0: false,
  f: false,
  F: false,
  false: false,
  FALSE: false,
  False: false,
};

function textToBool(text: string): boolean {
  const value = Object.hasOwn(truths, text) ? truths[text] : undefined;
  if (value === undefined) throw failed('string', 'bool');
  return value;
}

/** As Go writes it in its shortest form: an exponent from the seventh digit on. Source: Go `strconv.FormatFloat(f, 'g', -1, 64)`. */
function doubleText(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  const [digits = '', exponent = '0'] = value.toExponential().split('e');
  const power = Number(exponent);
  if (power >= -4 && power < 6) return plainText(value);
  return `${digits}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
}

function plainText(value: number): string {
  const text = String(value);
  if (!text.includes('e')) return text;
  const [digits = '', power = '0'] = text.split('e');
  const places = digits.replace('-', '').replace('.', '').length - 1 - Number(power);
  return value.toFixed(Math.max(0, Math.min(places, 100)));
}

function bytesToText(value: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(value);
  } catch {
    throw new EvaluationError('invalid UTF-8 in bytes, cannot convert to string');
  }
}

function textToTimestamp(text: string): Timestamp {
  const found = parseTimestamp(text);
  if (found === undefined) throw failed('string', 'google.protobuf.Timestamp');
  return found;
}

function to(name: string, kind: Kind<Value>): (from: string) => { fn: string; id: string; gives: Kind<Value> } {
  return (from) => ({
    fn: name,
    id: `${from}_to_${name === 'int' ? 'int64' : name === 'uint' ? 'uint64' : name}`,
    gives: kind,
  });
}

const [toInt, toUint, toDouble, toText] = [
  to('int', int),
  to('uint', uint),
  to('double', double),
  to('string', string),
];
const [toBool, toBytes, toTime, toSpan] = [
  to('bool', bool),
  to('bytes', bytes),
  to('timestamp', timestamp),
  to('duration', duration),
];

/** All conversions, and `type`. */
export const conversions: readonly Overload[] = [
  globalFunction({ ...toInt('int64'), takes: [int] }, (value) => value),
  globalFunction({ ...toInt('uint64'), takes: [uint] }, ({ value }) => checkedInt(value)),
  globalFunction({ ...toInt('double'), takes: [double] }, doubleToInt),
  globalFunction({ ...toInt('string'), takes: [string] }, textToInt),
  globalFunction({ ...toInt('timestamp'), takes: [timestamp] }, ({ nanos }) => {
    const rest = ((nanos % nanosPerSecond) + nanosPerSecond) % nanosPerSecond;
    return (nanos - rest) / nanosPerSecond;
  }),
  globalFunction({ ...toInt('duration'), takes: [duration] }, ({ span }) => span),
  globalFunction({ ...toUint('uint64'), takes: [uint] }, (value) => value),
  globalFunction({ ...toUint('int64'), takes: [int] }, checkedUint),
  globalFunction({ ...toUint('double'), takes: [double] }, doubleToUint),
  globalFunction({ ...toUint('string'), takes: [string] }, textToUint),
  globalFunction({ ...toDouble('double'), takes: [double] }, (value) => value),
  globalFunction({ ...toDouble('int64'), takes: [int] }, Number),
  globalFunction({ ...toDouble('uint64'), takes: [uint] }, ({ value }) => Number(value)),
  globalFunction({ ...toDouble('string'), takes: [string] }, textToDouble),
  globalFunction({ ...toText('string'), takes: [string] }, (value) => value),
  globalFunction({ ...toText('bool'), takes: [bool] }, String),
  globalFunction({ ...toText('int64'), takes: [int] }, String),
  globalFunction({ ...toText('uint64'), takes: [uint] }, ({ value }) => String(value)),
  globalFunction({ ...toText('double'), takes: [double] }, doubleText),
  globalFunction({ ...toText('bytes'), takes: [bytes] }, bytesToText),
  globalFunction({ ...toText('timestamp'), takes: [timestamp] }, timestampText),
  globalFunction({ ...toText('duration'), takes: [duration] }, durationText),
  globalFunction({ ...toBool('bool'), takes: [bool] }, (value) => value),
  globalFunction({ ...toBool('string'), takes: [string] }, textToBool),
  globalFunction({ ...toBytes('bytes'), takes: [bytes] }, (value) => value),
  globalFunction({ ...toBytes('string'), takes: [string] }, (value) => new TextEncoder().encode(value)),
  globalFunction({ ...toTime('timestamp'), takes: [timestamp] }, (value) => value),
  globalFunction({ ...toTime('string'), takes: [string] }, textToTimestamp),
  globalFunction({ ...toTime('int64'), takes: [int] }, (value) => checkedTimestamp(value * nanosPerSecond)),
  globalFunction({ ...toSpan('duration'), takes: [duration] }, (value) => value),
  globalFunction({ ...toSpan('string'), takes: [string] }, (text) => {
    const found = parseSpan(text);
    if (found === undefined) throw failed('string', 'google.protobuf.Duration');
    return found;
  }),
  globalFunction(
    { fn: 'type', id: 'type', takes: [any('A')], gives: typeValue('A') },
    (value) => new TypeValue(typeOf(value)),
  ),
];
