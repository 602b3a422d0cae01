/**
 * What an expression may cost at most, found without evaluating it: from the sizes that a schema allows. Rules whose estimate is too high are refused
 * when they are stored. Pure.
 * Source: cel-go `checker/cost.go`, apiserver `pkg/cel/library/cost.go` `EstimateCallCost`.
 */
import type { Call, Comprehension, Expr, ListExpr, MapExpr } from './ast.ts';
import type { Checked } from './checker.ts';
import { listCost, mapCost, structCost } from './costs.ts';
import { type CallNode, callEstimate } from './estimate-calls.ts';
import { add, fixed, type Range, times, union, unknownSize } from './ranges.ts';
import type { Type } from './types.ts';
import { textSize } from './values.ts';

/** The size that a value may have, by where it is in the variables: names of fields, `@items`, `@keys`, `@values`. */
export type SizeOf = (path: readonly string[]) => Range | undefined;

/** Sizes by the elements that a type says a value may have. `root` is the type of every variable. */
export function sizesOfType(root: Type): SizeOf {
  return (path) => {
    if (path.length === 0) return undefined;
    let type: Type | undefined = root;
    for (const step of path.slice(1)) {
      if (step === '@items' || step === '@values') type = type?.kind === 'list' ? type.params[0] : type?.params[1];
      else if (step === '@keys') type = type?.kind === 'map' ? type.params[0] : undefined;
      else type = type?.fields?.get(step)?.type;
      if (type === undefined) return undefined;
    }
    return { min: 0, max: type.maxElements ?? 0 };
  };
}

/** The range of what an evaluation may cost. */
export function estimateCost(checked: Checked, sizeOf: SizeOf): Range {
  return new Estimator(checked, sizeOf).cost(checked.expr);
}

interface EntrySize {
  readonly isList: boolean;
  readonly key: Range;
  readonly value: Range;
}

interface Local {
  readonly path: readonly string[];
  readonly size: Range | undefined;
  readonly entry: EntrySize | undefined;
}

class Estimator {
  readonly #checked: Checked;
  readonly #sizeOf: SizeOf;
  readonly #paths = new Map<Expr, readonly string[]>();
  readonly #sizes = new Map<Expr, Range>();
  readonly #entries = new Map<Expr, EntrySize>();
  readonly #locals: { readonly name: string; readonly local: Local }[] = [];

  constructor(checked: Checked, sizeOf: SizeOf) {
    this.#checked = checked;
    this.#sizeOf = sizeOf;
  }

  cost(expr: Expr): Range {
    switch (expr.kind) {
      case 'literal':
        return fixed(0);
      case 'ident':
        this.#paths.set(expr, this.#local(expr.name)?.path ?? [expr.name]);
        return fixed(1);
      case 'select':
        return this.#selectCost(expr);
      case 'call':
        return this.#callCost(expr);
      case 'list':
        return this.#listCost(expr);
      case 'map':
        return this.#mapCost(expr);
      case 'struct':
        return expr.entries.reduce((sum, { value }) => add(sum, this.cost(value)), fixed(structCost));
      case 'comprehension':
        return this.#loopCost(expr);
    }
  }

  #local(name: string): Local | undefined {
    return this.#locals.findLast((one) => one.name === name)?.local;
  }

  #path(expr: Expr): readonly string[] {
    if (expr.kind === 'ident') {
      const local = this.#local(expr.name);
      if (local !== undefined) return local.path;
    }
    return this.#paths.get(expr) ?? [];
  }

  #selectCost(expr: Extract<Expr, { kind: 'select' }>): Range {
    const reference = this.#checked.references.get(expr);
    if (reference !== undefined) {
      this.#paths.set(expr, reference.kind === 'variable' ? [reference.name] : []);
      return fixed(1);
    }
    const operand = this.cost(expr.operand);
    if (expr.isTest) return operand;
    this.#paths.set(expr, [...this.#path(expr.operand), expr.field]);
    const { kind } = this.#checked.typeOf(expr.operand);
    return kind === 'map' || kind === 'object' || kind === 'param' ? add(operand, fixed(1)) : operand;
  }

  #callCost(expr: Call): Range {
    const reference = this.#checked.references.get(expr);
    if (reference?.kind !== 'call') {
      // `a.?b` is no function.
      const operand = expr.args[0];
      return operand === undefined ? fixed(0) : add(this.cost(operand), fixed(1));
    }
    const [first] = reference.args;
    if (expr.fn === 'dyn' && first !== undefined) {
      const inner = this.cost(first);
      this.#copySizes(expr, first);
      return add(inner, fixed(1));
    }
    const costs = reference.args.map((arg) => this.cost(arg));
    const nodes = reference.args.map((arg) => this.#node(arg));
    const isMember = reference.overloads[0]?.isMember === true;
    let cost: Range | undefined;
    let size: Range | undefined;
    for (const { fn, id } of reference.overloads) {
      const call = { fn, id, args: nodes, costs, isMember };
      const found = callEstimate(call);
      cost = cost === undefined ? found.cost : union(cost, found.cost);
      if (found.size !== undefined) size = size === undefined ? found.size : union(size, found.size);
      size = this.#ofContainer(expr, id, reference.args) ?? size ?? this.#size(expr);
    }
    if (size !== undefined) this.#sizes.set(expr, size);
    return cost ?? fixed(0);
  }

  /** What indices, branches and sums say of the size of their result. */
  #ofContainer(expr: Call, id: string, args: readonly Expr[]): Range | undefined {
    const [a, b, c] = args;
    if ((id === 'index_list' || id === 'index_map') && a !== undefined) {
      this.#paths.set(expr, [...this.#path(a), id === 'index_list' ? '@items' : '@values']);
      return this.#entry(a)?.value;
    }
    const [one, two] = id === 'conditional' ? [b, c] : id.startsWith('add_') ? [a, b] : [undefined, undefined];
    const [left, right] = [one, two].map((arg) => (arg === undefined ? undefined : this.#entry(arg)));
    if (left !== undefined && right !== undefined) {
      this.#entries.set(expr, {
        isList: left.isList,
        key: union(left.key, right.key),
        value: union(left.value, right.value),
      });
    }
    return undefined;
  }

  #node(expr: Expr): CallNode {
    const path = this.#path(expr);
    const shown = path[0]?.startsWith('@') ? [] : path;
    const type = this.#checked.typeOf(expr);
    const [of] = type.params;
    const item =
      type.kind === 'list' && of !== undefined ? { type: of, size: this.#sizeAt([...shown, '@items']) } : undefined;
    return { type, size: this.#size(expr) ?? unknownSize, item };
  }

  #sizeAt(path: readonly string[]): Range {
    return (path.length > 1 ? this.#sizeOf(path) : undefined) ?? unknownSize;
  }

  #size(expr: Expr): Range | undefined {
    const known = this.#sizes.get(expr) ?? constantSize(expr);
    if (known !== undefined) return known;
    const found = this.#sizeOf(this.#path(expr));
    if (found !== undefined) {
      this.#sizes.set(expr, found);
      return found;
    }
    if (isScalar(this.#checked.typeOf(expr))) return fixed(1);
    return expr.kind === 'ident' ? this.#local(expr.name)?.size : undefined;
  }

  #entry(expr: Expr): EntrySize | undefined {
    return this.#entries.get(expr) ?? (expr.kind === 'ident' ? this.#local(expr.name)?.entry : undefined);
  }

  #copySizes(to: Expr, from: Expr): void {
    const size = this.#size(from);
    const entry = this.#entry(from);
    if (size !== undefined) this.#sizes.set(to, size);
    if (entry !== undefined) this.#entries.set(to, entry);
  }

  #listCost(expr: ListExpr): Range {
    let cost = fixed(listCost);
    let items: Range | undefined;
    for (const item of expr.items) {
      cost = add(cost, this.cost(item));
      const size = this.#size(item) ?? unknownSize;
      items = items === undefined ? size : union(items, size);
    }
    this.#entries.set(expr, { isList: true, key: fixed(1), value: items ?? fixed(0) });
    return cost;
  }

  #mapCost(expr: MapExpr): Range {
    let cost = fixed(mapCost);
    let keys: Range | undefined;
    let values: Range | undefined;
    for (const { key, value } of expr.entries) {
      cost = add(add(cost, this.cost(key)), this.cost(value));
      const [one, two] = [this.#size(key) ?? unknownSize, this.#size(value) ?? unknownSize];
      keys = keys === undefined ? one : union(keys, one);
      values = values === undefined ? two : union(values, two);
    }
    this.#entries.set(expr, { isList: false, key: keys ?? fixed(0), value: values ?? fixed(0) });
    return cost;
  }

  #declare(name: string, local: Local): void {
    this.#locals.push({ name, local });
  }

  #loopCost(expr: Comprehension): Range {
    const before = this.#locals.length;
    let cost = add(this.cost(expr.range), this.cost(expr.init));
    const accu = { path: this.#path(expr.init), size: this.#size(expr.init), entry: this.#entry(expr.init) };
    this.#declare(expr.accu, accu);
    if (expr.names[0] === '#unused') {
      cost = add(cost, this.cost(expr.result));
      this.#copySizes(expr, expr.result);
      this.#locals.length = before;
      return cost;
    }
    this.#declareNames(expr);
    const condition = this.cost(expr.condition);
    const step = this.cost(expr.step);
    this.#locals.length = before + 1;
    cost = add(cost, this.cost(expr.result));
    this.#locals.length = before;
    const count = this.#size(expr.range) ?? unknownSize;
    cost = add(cost, times(count, add(step, condition)));
    if (expr.init.kind === 'literal') this.#sizes.set(expr, this.#size(expr.init) ?? unknownSize);
    else if (expr.init.kind === 'list' || expr.init.kind === 'map') {
      this.#sizes.set(expr, count);
      const entry = this.#entry(expr.step);
      if (entry !== undefined) this.#entries.set(expr, entry);
    }
    return cost;
  }

  #declareNames({ range, names }: Comprehension): void {
    const entry = this.#entry(range);
    const path = this.#path(range);
    const isList = entry?.isList ?? this.#checked.typeOf(range).kind === 'list';
    const [first, second] = names;
    const values = { path: [...path, isList ? '@items' : '@values'], size: entry?.value, entry: undefined };
    const keys = { path: [...path, isList ? '@indices' : '@keys'], size: entry?.key, entry: undefined };
    this.#declare(first, second === undefined && isList ? values : keys);
    if (second !== undefined) this.#declare(second, values);
  }
}

function constantSize(expr: Expr): Range | undefined {
  if (expr.kind === 'list') return fixed(expr.items.length);
  if (expr.kind === 'map') return fixed(expr.entries.length);
  if (expr.kind !== 'literal') return undefined;
  if (typeof expr.value === 'string') return fixed(textSize(expr.value));
  return fixed(expr.value instanceof Uint8Array ? expr.value.length : 1);
}

function isScalar({ kind, name, params }: Type): boolean {
  if (['bool', 'double', 'duration', 'int', 'timestamp', 'uint'].includes(kind)) return true;
  const [of] = params;
  return kind === 'opaque' && name === 'optional_type' && of !== undefined && isScalar(of);
}
