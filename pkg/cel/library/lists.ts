/**
 * Functions of lists: Kubernetes' own, those of cel-go's list library (version 3) and of sets. Source: apiserver `pkg/cel/library/lists.go` (version 0), cel-go `ext/lists.go`,
 * `ext/sets.go`.
 */
import {
  any,
  bool,
  bytes,
  double,
  duration,
  globalFunction,
  int,
  type Kind,
  list,
  memberFunction,
  type Overload,
  string,
  timestamp,
  uint,
} from '../functions.ts';
import { checkedDuration } from '../times.ts';
import {
  compare,
  Duration,
  EvaluationError,
  equal,
  ListValue,
  listValue,
  typeOf,
  Uint,
  type Value,
} from '../values.ts';
import { checkedInt, checkedUint } from './arithmetic.ts';

/** Longest list that a function makes of nothing: as many steps as one evaluation may cost. */
const rangeMax = 1_000_000n;

const comparable: readonly Kind<Value>[] = [int, uint, double, bool, duration, timestamp, string, bytes];

function orderOf(a: Value, b: Value): number {
  const order = compare(a, b);
  if (order === undefined) throw new EvaluationError('no such overload');
  return order;
}

function isSorted(values: ListValue): boolean {
  for (let i = 1; i < values.size; i++) if (orderOf(values.at(i - 1), values.at(i)) > 0) return false;
  return true;
}

function extreme(name: 'max' | 'min', values: ListValue): Value {
  if (values.size === 0) throw new EvaluationError(`${name} called on empty list`);
  let best = values.at(0);
  for (const value of values) {
    const order = orderOf(value, best);
    if (name === 'min' ? order < 0 : order > 0) best = value;
  }
  return best;
}

function plus(a: Value, b: Value): Value {
  if (typeof a === 'bigint' && typeof b === 'bigint') return checkedInt(a + b);
  if (typeof a === 'number' && typeof b === 'number') return a + b;
  if (a instanceof Uint && b instanceof Uint) return checkedUint(a.value + b.value);
  if (a instanceof Duration && b instanceof Duration) return checkedDuration(a.span + b.span);
  throw new EvaluationError('no such overload');
}

function sum(kind: Kind<Value>, zero: Value): Overload {
  const takes = [list(kind.type.name === 'google.protobuf.Duration' ? 'duration' : kind.type.name)] as const;
  return memberFunction({ fn: 'sum', id: `list_${kind.type.kind}_sum`, takes, gives: kind }, (values) => {
    let total = zero;
    for (const value of values) total = plus(total, value);
    return total;
  });
}

function kubernetesLists(kind: Kind<Value>): readonly Overload[] {
  const name = kind.type.kind;
  const takes = [list(name)] as const;
  return [
    memberFunction({ fn: 'isSorted', id: `list_${name}_is_sorted_bool`, takes, gives: bool }, isSorted),
    memberFunction({ fn: 'min', id: `list_${name}_min_${name}`, takes, gives: kind }, (values) =>
      extreme('min', values),
    ),
    memberFunction({ fn: 'max', id: `list_${name}_max_${name}`, takes, gives: kind }, (values) =>
      extreme('max', values),
    ),
    memberFunction({ fn: 'sort', id: `list_${name}_sort`, takes, gives: list(name) }, (values) =>
      sortedBy(values, values),
    ),
    memberFunction(
      {
        fn: '@sortByAssociatedKeys',
        id: `list_${name}_sortByAssociatedKeys`,
        takes: [list('T'), list(name)],
        gives: list('T'),
      },
      sortedBy,
    ),
  ];
}

function sortedBy(values: ListValue, keys: ListValue): ListValue {
  const first = keys.size === 0 ? undefined : typeOf(keys.at(0));
  const indices = Array.from({ length: values.size }, (_, index) => index);
  for (const key of keys) {
    if (typeOf(key).kind !== first?.kind) throw new EvaluationError('list elements must have the same type');
  }
  const sorted = indices.toSorted((a, b) => orderOf(keys.at(a), keys.at(b)));
  return listValue(sorted.map((index) => values.at(index)));
}

function slice(values: ListValue, start: bigint, end: bigint): ListValue {
  const words = `cannot slice(${start}, ${end}), `;
  if (start < 0n || end < 0n) throw new EvaluationError(`${words}negative indexes not supported`);
  if (start > end) throw new EvaluationError(`${words}start index must be less than or equal to end index`);
  if (end > BigInt(values.size)) throw new EvaluationError(`${words}list is length ${values.size}`);
  const from = Number(start);
  return new ListValue(Number(end) - from, (index) => values.at(from + index));
}

function flatten(values: ListValue, depth: bigint): readonly Value[] {
  if (depth < 0n) throw new EvaluationError('level must be non-negative');
  return Array.from(values).flatMap((value) =>
    value instanceof ListValue && depth > 0n ? flatten(value, depth - 1n) : [value],
  );
}

function range(count: bigint): ListValue {
  if (count > rangeMax) throw new EvaluationError('operation cancelled: actual cost limit exceeded', true);
  return new ListValue(count < 0n ? 0 : Number(count), BigInt);
}

function distinct(values: ListValue): ListValue {
  const found: Value[] = [];
  for (const value of values) if (!found.some((one) => equal(one, value))) found.push(value);
  return listValue(found);
}

function has(values: ListValue, wanted: Value): boolean {
  for (const value of values) if (equal(value, wanted)) return true;
  return false;
}

function containsAll(values: ListValue, wanted: ListValue): boolean {
  return Array.from(wanted).every((value) => has(values, value));
}

const two = [list('T'), list('T')] as const;

/** All of them. */
export const listLibrary: readonly Overload[] = [
  ...comparable.flatMap(kubernetesLists),
  sum(int, 0n),
  sum(uint, new Uint(0n)),
  sum(double, 0),
  sum(duration, new Duration(0n)),
  memberFunction(
    { fn: 'indexOf', id: 'list_a_index_of_int', takes: [list('A'), any('A')], gives: int },
    (values, wanted) => BigInt(Array.from(values).findIndex((value) => equal(value, wanted))),
  ),
  memberFunction(
    { fn: 'lastIndexOf', id: 'list_a_last_index_of_int', takes: [list('A'), any('A')], gives: int },
    (values, wanted) => BigInt(Array.from(values).findLastIndex((value) => equal(value, wanted))),
  ),
  memberFunction({ fn: 'slice', id: 'list_slice', takes: [list('T'), int, int], gives: list('T') }, slice),
  memberFunction({ fn: 'flatten', id: 'list_flatten', takes: [list('list<T>')], gives: list('T') }, (values) =>
    listValue(flatten(values, 1n)),
  ),
  memberFunction(
    { fn: 'flatten', id: 'list_flatten_int', takes: [list('dyn'), int], gives: list('dyn') },
    (values, depth) => listValue(flatten(values, depth)),
  ),
  globalFunction({ fn: 'lists.range', id: 'lists_range', takes: [int], gives: list('int') }, range),
  memberFunction(
    { fn: 'reverse', id: 'list_reverse', takes: [list('T')], gives: list('T') },
    (values) => new ListValue(values.size, (index) => values.at(values.size - 1 - index)),
  ),
  memberFunction({ fn: 'distinct', id: 'list_distinct', takes: [list('T')], gives: list('T') }, distinct),
  globalFunction({ fn: 'sets.contains', id: 'list_sets_contains_list', takes: two, gives: bool }, containsAll),
  globalFunction(
    { fn: 'sets.equivalent', id: 'list_sets_equivalent_list', takes: two, gives: bool },
    (a, b) => containsAll(a, b) && containsAll(b, a),
  ),
  globalFunction({ fn: 'sets.intersects', id: 'list_sets_intersects_list', takes: two, gives: bool }, (a, b) =>
    Array.from(b).some((value) => has(a, value)),
  ),
];
