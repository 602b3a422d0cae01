/** What calls may cost, and how large what they give may be. Pure. Source: cel-go `checker/cost.go`, apiserver `pkg/cel/library/cost.go`, cel-go `ext/lists.go`. */
import { characterCost, checkCost, listCost, patternCharacterCost, structCost } from './costs.ts';
import { add, fixed, most, type Range, scaled, times, union, unknownSize } from './ranges.ts';
import type { Type } from './types.ts';

/** An argument. */
export interface CallNode {
  readonly type: Type;
  readonly size: Range;
  /** Of a list: what its items are. */
  readonly item: { readonly type: Type; readonly size: Range } | undefined;
}

/** A call of one overload. The target of a member is its first argument. */
export interface EstimatedCall {
  readonly fn: string;
  readonly id: string;
  readonly args: readonly CallNode[];
  /** Of the arguments. */
  readonly costs: readonly Range[];
  readonly isMember: boolean;
}

/** Of a call, arguments included. `size` is undefined where nothing is known of it. */
export interface CallEstimate {
  readonly cost: Range;
  readonly size?: Range;
}

type Rule = (call: EstimatedCall) => CallEstimate;

const sizeAt = ({ args }: EstimatedCall, index: number): Range => args[index]?.size ?? unknownSize;
const one: Rule = () => ({ cost: fixed(1) });

/** The estimate of a call and its arguments. */
export function callEstimate(call: EstimatedCall): CallEstimate {
  if (call.id === 'logical_and' || call.id === 'logical_or') return junction(call);
  if (call.id === 'conditional') return branch(call);
  const { cost, size } = ruleOf(call)(call);
  const sum = call.costs.reduce(add, cost);
  return size === undefined ? { cost: sum } : { cost: sum, size };
}

/** The second side may not be needed. */
function junction({ costs: [a = fixed(0), b = fixed(0)] }: EstimatedCall): CallEstimate {
  return { cost: { min: a.min, max: add(a, b).max } };
}

function branch(call: EstimatedCall): CallEstimate {
  const [test = fixed(0), yes = fixed(0), no = fixed(0)] = call.costs;
  return { cost: add(test, union(yes, no)), size: union(sizeAt(call, 1), sizeAt(call, 2)) };
}

const traversal =
  (factor: number, isSame: boolean): Rule =>
  (call) => {
    const size = sizeAt(call, 0);
    const cost = scaled(size, factor * characterCost);
    return isSame ? { cost, size } : { cost };
  };

const pattern: Rule = (call) => {
  const text = sizeAt(call, 0);
  const cost = times(scaled(add(text, fixed(1)), characterCost), scaled(sizeAt(call, 1), patternCharacterCost));
  return { cost, size: { min: 0, max: text.max } };
};

/** Of texts, of lists of them and of other lists. */
const whole: Rule = (call) => {
  const [target] = call.args;
  const size = sizeAt(call, 0);
  if (target?.item === undefined) return { cost: scaled(size, characterCost) };
  const { type, size: itemSize } = target.item;
  const isText = type.kind === 'string' || type.kind === 'bytes';
  return { cost: times(size, isText ? add(fixed(1), scaled(itemSize, characterCost)) : fixed(1)) };
};

const equality: Rule = (call) => {
  const [a] = call.args;
  if (a?.type.kind === 'opaque' && a.type.name !== 'optional_type') return one(call);
  const max = Math.min(sizeAt(call, 0).max, sizeAt(call, 1).max);
  return { cost: scaled({ min: max > 0 ? 1 : 0, max }, characterCost) };
};

const order: Rule = (call) => (/_(?:string|bytes)$/.test(call.id) ? equality(call) : one(call));

const addition: Rule = (call) => {
  const size = add(sizeAt(call, 0), sizeAt(call, 1));
  if (call.id === 'add_list') return { cost: fixed(1), size };
  if (call.id === 'add_string' || call.id === 'add_bytes') return { cost: scaled(size, characterCost), size };
  return one(call);
};

/** A shorter text may be found more often, and a longer one put in its place. */
const replace: Rule = (call) => {
  const [text, old, by] = [sizeAt(call, 0), sizeAt(call, 1), sizeAt(call, 2)];
  const longest = (): number => {
    if (old.min === 0) return Math.min(most, text.max + 1) * by.max + text.max;
    return by.max <= old.min ? text.max : Math.ceil(text.max / old.min) * by.max;
  };
  const shortest = (): number => {
    if (old.max === 0) return (text.min + 1) * by.min + text.min;
    return old.max <= by.min ? text.min : Math.ceil(text.min / old.max) * by.min;
  };
  const size = { min: Math.min(most, shortest()), max: Math.min(most, longest()) };
  return { cost: add(scaled(text, characterCost), scaled(size, characterCost)), size };
};

const split: Rule = (call) => {
  const text = sizeAt(call, 0);
  return { cost: scaled(text, 2 * characterCost), size: { min: 0, max: text.max } };
};

const join: Rule = (call) => {
  const [target] = call.args;
  const count = sizeAt(call, 0);
  const items = times(count, target?.item?.size ?? unknownSize);
  const separators = { min: Math.max(0, count.min - 1), max: Math.max(0, count.max - 1) };
  const size = call.args.length > 1 ? add(items, times(sizeAt(call, 1), separators)) : items;
  return { cost: scaled(size, characterCost), size };
};

const addressSize: Range = { min: 4, max: 16 };

const inBlock =
  (parsed: string, isBlock: boolean): Rule =>
  (call) => {
    let cost = scaled(add(addressSize, addressSize), characterCost);
    if (isBlock) cost = add(add(cost, scaled(addressSize, characterCost)), fixed(1));
    return { cost: call.id === parsed ? add(cost, scaled(sizeAt(call, 1), characterCost)) : cost };
  };

const selector: Rule = (call) => {
  const size = sizeAt(call, 1);
  const parts = scaled(scaled(size, 0.5), listCost + structCost);
  return { cost: add(add(fixed(listCost), scaled(size, characterCost)), parts) };
};

/** Lists that are made of another. */
const made =
  (sizeOf: (size: Range) => Range, steps: (size: Range) => Range): Rule =>
  (call) => {
    const size = sizeOf(sizeAt(call, 0));
    return { cost: add(fixed(1 + listCost), steps(sizeAt(call, 0))), size };
  };

const sameSize = (size: Range): Range => size;
const upTo = ({ max }: Range): Range => ({ min: 0, max });
const squared = (size: Range): Range => times(size, size);

const eachWithEach =
  (factor: number): Rule =>
  (call) => ({ cost: add(fixed(1), times(fixed(factor), times(sizeAt(call, 0), sizeAt(call, 1)))) });

const named = (rule: Rule, ...names: readonly string[]): Readonly<Record<string, Rule>> =>
  Object.fromEntries(names.map((name) => [name, rule]));

const byName: Readonly<Record<string, Rule>> = {
  check: () => ({ cost: fixed(checkCost) }),
  ...named(selector, 'fieldSelector', 'labelSelector'),
  ...named(whole, 'isSorted', 'sum', 'max', 'min', 'indexOf', 'lastIndexOf'),
  ...named(traversal(1, true), 'url', 'jsonpatch.escapeKey', 'lowerAscii', 'upperAscii', 'substring', 'trim'),
  ...named(traversal(1, false), 'cidr', 'isIP', 'isCIDR', 'quantity', 'isQuantity', 'semver', 'isSemver', 'format'),
  ...named(traversal(2, false), 'ip.isCanonical'),
  ...named((call) => ({ cost: scaled(sizeAt(call, 1), characterCost) }), 'startsWith', 'endsWith'),
  ...named(pattern, 'find', 'findAll', 'matches'),
  replace,
  split,
  join,
  ip: (call) => (call.id === 'cidr_ip' ? one(call) : traversal(1, false)(call)),
  containsIP: inBlock('cidr_contains_ip_string', false),
  containsCIDR: inBlock('cidr_contains_cidr_string', true),
  validate: (call) => ({ cost: scaled(scaled(sizeAt(call, 1), characterCost), 128 * patternCharacterCost) }),
  contains: (call) => ({ cost: times(scaled(sizeAt(call, 0), characterCost), scaled(sizeAt(call, 1), characterCost)) }),
  '@in': (call) => (call.id === 'in_list' ? { cost: sizeAt(call, 1) } : one(call)),
  '_+_': addition,
  ...named(order, '_<_', '_<=_', '_>_', '_>=_'),
  ...named(equality, '_==_', '_!=_'),
  bytes: (call) => (call.id === 'string_to_bytes' ? traversal(1, false)(call) : one(call)),
  string: (call) => (call.id === 'bytes_to_string' ? traversal(1, false)(call) : one(call)),
  slice: made(upTo, sameSize),
  reverse: made(sameSize, sameSize),
  flatten: made(() => unknownSize, sameSize),
  distinct: made(upTo, squared),
  ...named(made(sameSize, squared), 'sort', '@sortByAssociatedKeys'),
  'lists.range': () => ({ cost: { min: 1 + listCost, max: most }, size: unknownSize }),
  ...named(eachWithEach(1), 'sets.contains', 'sets.intersects'),
  'sets.equivalent': eachWithEach(2),
};

function ruleOf({ fn }: EstimatedCall): Rule {
  return (Object.hasOwn(byName, fn) ? byName[fn] : undefined) ?? one;
}
