/** Optional values. `a.?b` and `a[?b]` are the compiler's. Source: cel-go `cel/library.go` `OptionalTypes`. */
import { any, bool, globalFunction, list, memberFunction, type Overload, optional } from '../functions.ts';
import {
  Duration,
  EvaluationError,
  ListValue,
  listValue,
  MapValue,
  none,
  OptionalValue,
  Uint,
  type Value,
} from '../values.ts';

function present({ value }: OptionalValue): Value {
  if (value === undefined) throw new EvaluationError('optional.none() dereference');
  return value;
}

/** What a variable has that nobody has set. */
function isZero(value: Value): boolean {
  if (value === null || value === false || value === 0n || value === 0 || value === '') return true;
  if (value instanceof ListValue || value instanceof MapValue) return value.size === 0;
  if (value instanceof Uint) return value.value === 0n;
  if (value instanceof Duration) return value.span === 0n;
  if (value instanceof OptionalValue) return value.value === undefined;
  return value instanceof Uint8Array && value.length === 0;
}

function unwrap(values: ListValue): ListValue {
  return listValue(
    Array.from(values).flatMap((value) => {
      if (!(value instanceof OptionalValue)) throw new EvaluationError('no such overload');
      return value.value === undefined ? [] : [value.value];
    }),
  );
}

/** All of them. */
export const optionalLibrary: readonly Overload[] = [
  globalFunction(
    { fn: 'optional.of', id: 'optional_of', takes: [any('V')], gives: optional('V') },
    (value) => new OptionalValue(value),
  ),
  globalFunction(
    { fn: 'optional.ofNonZeroValue', id: 'optional_ofNonZeroValue', takes: [any('V')], gives: optional('V') },
    (value) => (isZero(value) ? none : new OptionalValue(value)),
  ),
  globalFunction({ fn: 'optional.none', id: 'optional_none', takes: [], gives: optional('V') }, () => none),
  globalFunction(
    { fn: 'optional.unwrap', id: 'optional_unwrap', takes: [list('optional<V>')], gives: list('V') },
    unwrap,
  ),
  memberFunction({ fn: 'unwrapOpt', id: 'optional_unwrapOpt', takes: [list('optional<V>')], gives: list('V') }, unwrap),
  memberFunction(
    { fn: 'hasValue', id: 'optional_hasValue', takes: [optional('V')], gives: bool },
    ({ value }) => value !== undefined,
  ),
  memberFunction({ fn: 'value', id: 'optional_value', takes: [optional('V')], gives: any('V') }, present),
  memberFunction({ fn: 'first', id: 'list_first', takes: [list('V')], gives: optional('V') }, (values) =>
    values.size === 0 ? none : new OptionalValue(values.at(0)),
  ),
  memberFunction({ fn: 'last', id: 'list_last', takes: [list('V')], gives: optional('V') }, (values) =>
    values.size === 0 ? none : new OptionalValue(values.at(values.size - 1)),
  ),
  // The compiler runs these two, as their argument is only looked at where it is needed.
  memberFunction(
    { fn: 'or', id: 'optional_or_optional', takes: [optional('V'), optional('V')], gives: optional('V') },
    (a, b) => (a.value === undefined ? b : a),
  ),
  memberFunction(
    { fn: 'orValue', id: 'optional_orValue_value', takes: [optional('V'), any('V')], gives: any('V') },
    (a, b) => a.value ?? b,
  ),
];
