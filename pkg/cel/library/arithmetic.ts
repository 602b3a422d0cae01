/** Arithmetic within 64 bits: what is beyond is an error, never a wrong number. Source: cel-spec `langdef.md#overflow`; cel-go `common/types/overflow.go`. */
import {
  bytes,
  double,
  duration,
  globalFunction,
  int,
  list,
  type Overload,
  string,
  timestamp,
  uint,
} from '../functions.ts';
import { checkedDuration, checkedTimestamp } from '../times.ts';
import { EvaluationError, equal, ListValue, listValue, MapValue, Uint, type Value } from '../values.ts';

const int64Max = 2n ** 63n - 1n;
const int64Min = -(2n ** 63n);
const uint64Max = 2n ** 64n - 1n;

/** An integer that 64 bits hold. Throws for others. */
export function checkedInt(value: bigint): bigint {
  if (value > int64Max || value < int64Min) throw new EvaluationError('integer overflow');
  return value;
}

/** An integer without a sign that 64 bits hold. Throws for others. */
export function checkedUint(value: bigint): Uint {
  if (value > uint64Max || value < 0n) throw new EvaluationError('unsigned integer overflow');
  return new Uint(value);
}

type Sign = '%' | '*' | '+' | '-' | '/';

function whole(sign: Sign, a: bigint, b: bigint): bigint {
  switch (sign) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      if (b === 0n) throw new EvaluationError('division by zero');
      return a / b;
    case '%':
      if (b === 0n) throw new EvaluationError('modulus by zero');
      return a % b;
  }
}

function broken(sign: Exclude<Sign, '%'>, a: number, b: number): number {
  switch (sign) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      return a / b;
  }
}

const names: Readonly<Record<Sign, string>> = {
  '+': 'add',
  '-': 'subtract',
  '*': 'multiply',
  '/': 'divide',
  '%': 'modulo',
};
const signs: readonly Sign[] = ['+', '-', '*', '/', '%'];
const brokenSigns: readonly Exclude<Sign, '%'>[] = ['+', '-', '*', '/'];

/** On numbers. */
export const arithmetic: readonly Overload[] = [
  ...signs.flatMap((sign) => [
    globalFunction({ fn: `_${sign}_`, id: `${names[sign]}_int64`, takes: [int, int], gives: int }, (a, b) =>
      checkedInt(whole(sign, a, b)),
    ),
    globalFunction({ fn: `_${sign}_`, id: `${names[sign]}_uint64`, takes: [uint, uint], gives: uint }, (a, b) =>
      checkedUint(whole(sign, a.value, b.value)),
    ),
  ]),
  ...brokenSigns.map((sign) =>
    globalFunction({ fn: `_${sign}_`, id: `${names[sign]}_double`, takes: [double, double], gives: double }, (a, b) =>
      broken(sign, a, b),
    ),
  ),
];

/** Of everything else: texts, lists, times. */
export const addition: readonly Overload[] = [
  globalFunction({ fn: '_+_', id: 'add_string', takes: [string, string], gives: string }, (a, b) => a + b),
  globalFunction({ fn: '_+_', id: 'add_bytes', takes: [bytes, bytes], gives: bytes }, (a, b) =>
    Uint8Array.from([...a, ...b]),
  ),
  globalFunction({ fn: '_+_', id: 'add_list', takes: [list('A'), list('A')], gives: list('A') }, concat),
  globalFunction({ fn: '_+_', id: 'add_duration_duration', takes: [duration, duration], gives: duration }, (a, b) =>
    checkedDuration(a.span + b.span),
  ),
  globalFunction({ fn: '_+_', id: 'add_duration_timestamp', takes: [duration, timestamp], gives: timestamp }, (a, b) =>
    checkedTimestamp(a.span + b.nanos),
  ),
  globalFunction({ fn: '_+_', id: 'add_timestamp_duration', takes: [timestamp, duration], gives: timestamp }, (a, b) =>
    checkedTimestamp(a.nanos + b.span),
  ),
  globalFunction(
    { fn: '_-_', id: 'subtract_duration_duration', takes: [duration, duration], gives: duration },
    (a, b) => checkedDuration(a.span - b.span),
  ),
  globalFunction(
    { fn: '_-_', id: 'subtract_timestamp_duration', takes: [timestamp, duration], gives: timestamp },
    (a, b) => checkedTimestamp(a.nanos - b.span),
  ),
  globalFunction(
    { fn: '_-_', id: 'subtract_timestamp_timestamp', takes: [timestamp, timestamp], gives: duration },
    (a, b) => checkedDuration(a.nanos - b.nanos),
  ),
];

/** Signs. */
export const negation: readonly Overload[] = [
  globalFunction({ fn: '-_', id: 'negate_int64', takes: [int], gives: int }, (value) => checkedInt(-value)),
  globalFunction({ fn: '-_', id: 'negate_double', takes: [double], gives: double }, (value) => -value),
];

/** Sets and maps by keys of a schema merge: what the second has replaces what is the same in the first. */
function concat(a: ListValue, b: ListValue): ListValue {
  const { merge } = a;
  if (merge.type === 'atomic') {
    return new ListValue(a.size + b.size, (index) => (index < a.size ? a.at(index) : b.at(index - a.size)));
  }
  const items = [...a];
  const isSame = (one: Value, other: Value): boolean =>
    merge.type === 'set' ? equal(one, other) : merge.keys.every((key) => equal(fieldOf(one, key), fieldOf(other, key)));
  for (const item of b) {
    const index = items.findIndex((one) => isSame(one, item));
    if (index < 0) items.push(item);
    else items[index] = item;
  }
  return listValue(items, merge);
}

function fieldOf(value: Value, key: string): Value {
  return value instanceof MapValue ? (value.find(key) ?? null) : null;
}
