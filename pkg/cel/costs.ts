/**
 * What calls cost when they are evaluated, in upstream's units: roughly one for a step. Pure.
 * Source: cel-go `interpreter/runtimecost.go`, apiserver `pkg/cel/library/cost.go` `CallCost`, cel-go `ext/{lists,sets}.go`.
 */
import { costSize, EvaluationError, ListValue, MapValue, OpaqueValue, type Value } from './values.ts';

/** Cost of a list, a map and an object that an expression makes. */
export const listCost = 10;
/** Cost of a map that an expression makes. */
export const mapCost = 30;
/** Cost of an object that an expression makes. */
export const structCost = 40;
/** Cost of each character that is looked at. */
export const characterCost = 0.1;
/** Cost of each character of a pattern. */
export const patternCharacterCost = 0.25;
/** Cost of a question to the authorizer: two in an expression are all it may cost. */
export const checkCost = 350_000;

/** Counts what an evaluation costs, and ends it at a limit. */
export class CostMeter {
  readonly limit: number;
  spent = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** Throws when more is spent than may be. */
  charge(cost: number): void {
    this.spent += cost;
    if (this.spent > this.limit) throw new EvaluationError('operation cancelled: actual cost limit exceeded', true);
  }
}

type CallCost = (args: readonly Value[], result: Value, id: string) => number;

const sizeAt = (args: readonly Value[], index: number): number => costSize(args[index] ?? null);
const traversal =
  (factor: number): CallCost =>
  (args) =>
    Math.ceil(sizeAt(args, 0) * factor * characterCost);
const one: CallCost = () => 1;

const pattern: CallCost = (args) => patternCost(sizeAt(args, 0), sizeAt(args, 1));

function patternCost(text: number, size: number): number {
  return Math.ceil((1 + text) * characterCost) * Math.ceil(size * patternCharacterCost);
}

/** What it costs to compare two values. */
export function comparisonCost(a: Value, b: Value): number {
  // Most are of a size that needs no search for what they are.
  if (typeof a === 'bigint' && typeof b === 'bigint') return 1;
  if (typeof a === 'string' && typeof b === 'string') return Math.ceil(Math.min(a.length, b.length) * characterCost);
  if (a instanceof OpaqueValue) return 1;
  return Math.ceil(Math.min(costSize(a), costSize(b)) * characterCost);
}

const comparison: CallCost = ([a = null, b = null]) => comparisonCost(a, b);

/** Numbers, times and truths cost one, texts by their length. */
const order: CallCost = ([a = null, b = null]) =>
  typeof a === 'string' || a instanceof Uint8Array ? comparisonCost(a, b) : 1;

const addition: CallCost = (args) => {
  const [a] = args;
  if (typeof a !== 'string' && !(a instanceof Uint8Array)) return 1;
  return Math.ceil((sizeAt(args, 0) + sizeAt(args, 1)) * characterCost);
};

const whole: CallCost = ([value = null]) => wholeCost(value);

/** Of lists in lists all that is in them. */
function wholeCost(value: Value): number {
  if (typeof value === 'string' || value instanceof Uint8Array) return Math.floor(value.length * characterCost);
  let cost = 0;
  if (value instanceof ListValue) for (const item of value) cost += wholeCost(item);
  else if (value instanceof MapValue) {
    for (const key of value.keys()) cost += wholeCost(key) + wholeCost(value.find(key) ?? null);
  } else return 1;
  return cost;
}

const inBlock =
  (parsed: string, extra: (size: number) => number): CallCost =>
  (args, _, id) => {
    const size = sizeAt(args, 0);
    const text = id === parsed ? Math.ceil(sizeAt(args, 1) * characterCost) : 0;
    return Math.ceil(2 * size * characterCost) + extra(size) + text;
  };

/** Each of one with each of the other. */
const product: CallCost = (args) => 1 + sizeAt(args, 0) * sizeAt(args, 1);

const named = (cost: CallCost, ...names: readonly string[]): Readonly<Record<string, CallCost>> =>
  Object.fromEntries(names.map((name) => [name, cost]));

const byName: Readonly<Record<string, CallCost>> = {
  check: () => checkCost,
  ...named(whole, 'isSorted', 'sum', 'max', 'min', 'indexOf', 'lastIndexOf'),
  ...named(
    traversal(1),
    'url',
    'lowerAscii',
    'upperAscii',
    'substring',
    'trim',
    'jsonpatch.escapeKey',
    'cidr',
    'isIP',
    'isCIDR',
  ),
  ...named(
    traversal(1),
    'quantity',
    'isQuantity',
    'semver',
    'isSemver',
    'startsWith',
    'endsWith',
    'format',
    'strings.quote',
  ),
  ...named(traversal(2), 'replace', 'split', 'ip.isCanonical'),
  ...named(pattern, 'find', 'findAll', 'matches'),
  join: (_, result) => Math.ceil(costSize(result) * 2 * characterCost),
  ip: (args, result, id) => (id === 'cidr_ip' ? 1 : traversal(1)(args, result, id)),
  containsIP: inBlock('cidr_contains_ip_string', () => 0),
  containsCIDR: inBlock('cidr_contains_cidr_string', (size) => Math.ceil(size * characterCost) + 1),
  validate: (args) => patternCost(sizeAt(args, 1), sizeAt(args, 0)),
  ...named(
    (args) => Math.ceil(10 + sizeAt(args, 1) * characterCost + sizeAt(args, 1) * 0.5 * (listCost + structCost)),
    'fieldSelector',
    'labelSelector',
  ),
  contains: (args) => Math.ceil(sizeAt(args, 0) * characterCost) * Math.ceil(sizeAt(args, 1) * characterCost),
  '@in': (args, _, id) => (id === 'in_list' ? sizeAt(args, 1) : 1),
  '_+_': addition,
  ...named(order, '_<_', '_<=_', '_>_', '_>=_'),
  ...named(comparison, '_==_', '_!=_'),
  bytes: (args, result, id) => (id === 'string_to_bytes' ? traversal(1)(args, result, id) : 1),
  string: (args, result, id) => (id === 'bytes_to_string' ? traversal(1)(args, result, id) : 1),
  ...named((_, result) => 1 + listCost + costSize(result), 'slice', 'lists.range', 'reverse'),
  flatten: (args, result) => 1 + listCost + Math.max(sizeAt(args, 0), costSize(result)),
  distinct: (args) => 1 + listCost + sizeAt(args, 0) * sizeAt(args, 0),
  ...named((args) => 1 + listCost + sizeAt(args, 0) * sizeAt(args, 0), 'sort', '@sortByAssociatedKeys'),
  ...named(product, 'sets.contains', 'sets.intersects'),
  'sets.equivalent': (args) => 1 + 2 * sizeAt(args, 0) * sizeAt(args, 1),
};

/** How the cost of a call of the function is found; a step for what has no rule. */
export function costOfCalls(fn: string): CallCost {
  return (Object.hasOwn(byName, fn) ? byName[fn] : undefined) ?? one;
}
