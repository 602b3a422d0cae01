/**
 * The standard functions and operators. `&&`, `||`, `?:` and `==` are only declared here: the compiler has code of its own for them, as it has for
 * arithmetic and order of numbers. Pure.
 * Source: cel-spec `langdef.md#list-of-standard-definitions`; cel-go `common/stdlib/standard.go`.
 */

import { errorText } from '#pkg/base/error-text.ts';
import {
  any,
  bool,
  bytes,
  double,
  duration,
  dyn,
  globalFunction,
  int,
  type Kind,
  list,
  map,
  memberFunction,
  type Overload,
  optional,
  string,
  timestamp,
  uint,
} from '../functions.ts';
import { knownPattern } from '../linear-pattern.ts';
import { type CalendarTime, calendarTime } from '../times.ts';
import { compare, EvaluationError, equal, ListValue, MapValue, textSize, type Value } from '../values.ts';
import { addition, arithmetic, negation } from './arithmetic.ts';
import { conversions } from './conversions.ts';

/** Operators that the compiler runs itself: what is declared is only their types. */
function declared(fn: string, id: string, takes: readonly Kind<Value>[], gives: Kind<Value>): Overload {
  return globalFunction({ fn, id, takes, gives }, () => {
    throw new EvaluationError('no such overload');
  });
}

const logic: readonly Overload[] = [
  declared('_?_:_', 'conditional', [bool, any('A'), any('A')], any('A')),
  declared('_&&_', 'logical_and', [bool, bool], bool),
  declared('_||_', 'logical_or', [bool, bool], bool),
  globalFunction({ fn: '!_', id: 'logical_not', takes: [bool], gives: bool }, (value) => !value),
  globalFunction({ fn: '@not_strictly_false', id: 'not_strictly_false', takes: [bool], gives: bool }, (value) => value),
  globalFunction({ fn: '_==_', id: 'equals', takes: [any('A'), any('A')], gives: bool }, equal),
  globalFunction({ fn: '_!=_', id: 'not_equals', takes: [any('A'), any('A')], gives: bool }, (a, b) => !equal(a, b)),
];

function contains(value: Value, list: ListValue): boolean {
  for (const item of list) if (equal(value, item)) return true;
  return false;
}

const access: readonly Overload[] = [
  globalFunction({ fn: '@in', id: 'in_list', takes: [any('A'), list('A')], gives: bool }, contains),
  globalFunction(
    { fn: '@in', id: 'in_map', takes: [any('A'), map('A', 'B')], gives: bool },
    (key, among) => among.find(key) !== undefined,
  ),
  declared('_[_]', 'index_list', [list('A'), int], any('A')),
  declared('_[_]', 'index_map', [map('A', 'B'), any('A')], any('B')),
  declared('_[_]', 'optional_list_index_int', [optional('list<V>'), int], optional('V')),
  declared('_[_]', 'optional_map_index_value', [optional('map<K, V>'), any('K')], optional('V')),
  declared('_[?_]', 'list_optindex_optional_int', [list('V'), int], optional('V')),
  declared('_[?_]', 'optional_list_optindex_optional_int', [optional('list<V>'), int], optional('V')),
  declared('_[?_]', 'map_optindex_optional_value', [map('K', 'V'), any('K')], optional('V')),
  declared('_[?_]', 'optional_map_optindex_optional_value', [optional('map<K, V>'), any('K')], optional('V')),
];

const ordered: readonly Kind<Value>[] = [bool, int, uint, double, string, bytes, timestamp, duration];
const numbers: readonly Kind<Value>[] = [int, uint, double];

/** Names of overloads: `less_int64`, `greater_equals_uint64_double`. */
const nameOf = ({ type: { kind } }: Kind<Value>): string =>
  kind === 'int' ? 'int64' : kind === 'uint' ? 'uint64' : kind;

function relation(fn: string, name: string, holds: (order: number) => boolean): readonly Overload[] {
  const run = (a: Value, b: Value): boolean => {
    const order = compare(a, b);
    if (order === undefined) throw new EvaluationError('no such overload');
    return holds(order);
  };
  const same = ordered.map((kind) =>
    globalFunction({ fn, id: `${name}_${nameOf(kind)}`, takes: [kind, kind], gives: bool }, run),
  );
  const mixed = numbers.flatMap((a) =>
    numbers
      .filter((b) => b !== a)
      .map((b) => globalFunction({ fn, id: `${name}_${nameOf(a)}_${nameOf(b)}`, takes: [a, b], gives: bool }, run)),
  );
  return [...same, ...mixed];
}

const relations: readonly Overload[] = [
  ...relation('_<_', 'less', (order) => order < 0),
  ...relation('_<=_', 'less_equals', (order) => order <= 0),
  ...relation('_>_', 'greater', (order) => order > 0),
  ...relation('_>=_', 'greater_equals', (order) => order >= 0),
];

/** Both as a function and as a member. */
function size(id: string, kind: Kind<Value>, run: (value: Value) => number | undefined): readonly Overload[] {
  const count = (value: Value): bigint => {
    const found = run(value);
    if (found === undefined) throw new EvaluationError('no such overload');
    return BigInt(found);
  };
  return [
    globalFunction({ fn: 'size', id: `size_${id}`, takes: [kind], gives: int }, count),
    memberFunction({ fn: 'size', id: `${id}_size`, takes: [kind], gives: int }, count),
  ];
}

const sizes: readonly Overload[] = [
  ...size('string', string, (value) => (typeof value === 'string' ? textSize(value) : undefined)),
  ...size('bytes', bytes, (value) => (value instanceof Uint8Array ? value.length : undefined)),
  ...size('list', list('A'), (value) => (value instanceof ListValue ? value.size : undefined)),
  ...size('map', map('A', 'B'), (value) => (value instanceof MapValue ? value.size : undefined)),
];

const texts: readonly Overload[] = [
  memberFunction({ fn: 'contains', id: 'contains_string', takes: [string, string], gives: bool }, (text, part) =>
    text.includes(part),
  ),
  memberFunction({ fn: 'endsWith', id: 'ends_with_string', takes: [string, string], gives: bool }, (text, part) =>
    text.endsWith(part),
  ),
  memberFunction({ fn: 'startsWith', id: 'starts_with_string', takes: [string, string], gives: bool }, (text, part) =>
    text.startsWith(part),
  ),
  memberFunction({ fn: 'matches', id: 'matches_string', takes: [string, string], gives: bool }, matches),
  globalFunction({ fn: 'matches', id: 'matches', takes: [string, string], gives: bool }, matches),
];

function matches(text: string, pattern: string): boolean {
  return patternOf(pattern).test(text);
}

function part(fn: string, id: string, read: (time: CalendarTime) => number): readonly Overload[] {
  return [
    memberFunction({ fn, id: `timestamp_to_${id}`, takes: [timestamp], gives: int }, (at) =>
      BigInt(read(calendarTime(at, 'UTC'))),
    ),
    memberFunction({ fn, id: `timestamp_to_${id}_with_tz`, takes: [timestamp, string], gives: int }, (at, zone) =>
      BigInt(read(calendarTime(at, zone))),
    ),
  ];
}

function spanPart(fn: string, id: string, unit: bigint): Overload {
  return memberFunction({ fn, id: `duration_to_${id}`, takes: [duration], gives: int }, ({ span }) => span / unit);
}

const times: readonly Overload[] = [
  ...part('getFullYear', 'year', ({ year }) => year),
  ...part('getMonth', 'month', ({ month }) => month),
  ...part('getDayOfYear', 'day_of_year', ({ dayOfYear }) => dayOfYear),
  ...part('getDayOfMonth', 'day_of_month', ({ day }) => day),
  ...part('getDate', 'day_of_month_1_based', ({ day }) => day + 1),
  ...part('getDayOfWeek', 'day_of_week', ({ weekday }) => weekday),
  ...part('getHours', 'hours', ({ hours }) => hours),
  ...part('getMinutes', 'minutes', ({ minutes }) => minutes),
  ...part('getSeconds', 'seconds', ({ seconds }) => seconds),
  ...part('getMilliseconds', 'milliseconds', ({ milliseconds }) => milliseconds),
  spanPart('getHours', 'hours', 3_600_000_000_000n),
  spanPart('getMinutes', 'minutes', 60_000_000_000n),
  spanPart('getSeconds', 'seconds', 1_000_000_000n),
  memberFunction(
    { fn: 'getMilliseconds', id: 'duration_to_milliseconds', takes: [duration], gives: int },
    ({ span }) => (span / 1_000_000n) % 1000n,
  ),
];

/** Puts an entry into the map that a loop makes. */
const inserts: readonly Overload[] = [
  globalFunction(
    {
      fn: 'cel.@mapInsert',
      id: '@mapInsert_map_key_value',
      takes: [map('K', 'V'), any('K'), any('V')],
      gives: map('K', 'V'),
    },
    (into, key, value) => withEntries(into, [[key, value]]),
  ),
  globalFunction(
    { fn: 'cel.@mapInsert', id: '@mapInsert_map_map', takes: [map('K', 'V'), map('K', 'V')], gives: map('K', 'V') },
    (into, more) =>
      withEntries(
        into,
        Array.from(more.keys(), (key) => [key, more.find(key) ?? null]),
      ),
  ),
];

/** The map with further entries; it shares its table with the one before, which nobody holds any more. */
function withEntries(into: MapValue, entries: readonly (readonly [Value, Value])[]): MapValue {
  const before = into.source;
  if (before instanceof GrowingMap) {
    for (const [key, value] of entries) before.add(key, value);
    return into;
  }
  const source = new GrowingMap();
  for (const key of into.keys()) source.add(key, into.find(key) ?? null);
  for (const [key, value] of entries) source.add(key, value);
  return new MapValue(source);
}

class GrowingMap {
  readonly #keys: Value[] = [];
  readonly #values = new Map<bigint | boolean | string, Value>();

  get size(): number {
    return this.#keys.length;
  }

  add(key: Value, value: Value): void {
    const own = ownKey(key);
    if (own === undefined) throw new EvaluationError('unsupported key type');
    if (this.#values.has(own)) throw new EvaluationError(`insert failed: key ${String(own)} already exists`);
    this.#values.set(own, value);
    this.#keys.push(key);
  }

  find(key: Value): Value | undefined {
    const own = ownKey(key);
    return own === undefined ? undefined : this.#values.get(own);
  }

  keys(): Iterable<Value> {
    return this.#keys;
  }
}

function ownKey(key: Value): bigint | boolean | string | undefined {
  if (typeof key === 'string' || typeof key === 'bigint' || typeof key === 'boolean') return key;
  return uint.is(key) ? key.value : undefined;
}

/** All of them. */
export const standardLibrary: readonly Overload[] = [
  ...logic,
  ...access,
  ...relations,
  ...arithmetic,
  ...addition,
  ...negation,
  ...sizes,
  ...texts,
  ...times,
  ...inserts,
  ...conversions,
  globalFunction({ fn: 'dyn', id: 'to_dyn', takes: [any('A')], gives: dyn }, (value) => value),
];

function patternOf(pattern: string): ReturnType<typeof knownPattern> {
  try {
    return knownPattern(pattern);
  } catch (error) {
    throw new EvaluationError(errorText(error));
  }
}
