/**
 * Turns a checked expression into functions that call each other. A name is a place in an array; numbers and texts are compared and added at once, and
 * everything else goes through the overloads that the checker found.
 *
 * Invariant: every step is charged, so that no expression takes longer than its limit allows.
 * Source: cel-go `interpreter/planner.go`, `interpreter/interpretable.go`, `interpreter/runtimecost.go`.
 */
import type { Call, Comprehension, Expr, ListExpr, MapExpr, StructExpr } from './ast.ts';
import type { Checked } from './checker.ts';
import { comparisonCost, costOfCalls, listCost, mapCost, structCost } from './costs.ts';
import type { Code, Frame, PartCompiler } from './frame.ts';
import type { Overload } from './functions.ts';
import { compileLoop } from './loops.ts';
import type { Type } from './types.ts';
import {
  compare,
  EvaluationError,
  equal,
  ListValue,
  listValue,
  MapValue,
  mapValue,
  none,
  OptionalValue,
  TypeValue,
  Uint,
  type Value,
} from './values.ts';

/** Compiles an expression without issues. The given variables have the first places, in their order. */
export function compileExpression(checked: Checked, variables: readonly string[]): { code: Code; places: number } {
  const compiler = new Compiler(checked, variables);
  return { code: compiler.compile(checked.expr), places: compiler.places };
}

/** Compiles the parts of one expression. */
class Compiler implements PartCompiler {
  readonly #checked: Checked;
  readonly #names: { readonly name: string; readonly place: number }[];
  places: number;

  constructor(checked: Checked, variables: readonly string[]) {
    this.#checked = checked;
    this.#names = variables.map((name, place) => ({ name, place }));
    this.places = variables.length;
  }

  declare(name: string): number {
    const place = this.places++;
    this.#names.push({ name, place });
    return place;
  }

  drop(count: number): void {
    this.#names.length -= count;
  }

  compile(expr: Expr): Code {
    switch (expr.kind) {
      case 'literal': {
        const { value } = expr;
        return () => value;
      }
      case 'ident':
        return this.#named(expr, expr.name);
      case 'select': {
        if (this.#checked.references.has(expr)) return this.#named(expr, '');
        const operand = this.compile(expr.operand);
        return expr.isTest ? fieldTest(operand, expr.field) : fieldOf(operand, expr.field);
      }
      case 'call':
        return this.#call(expr);
      case 'list':
        return this.#list(expr);
      case 'map':
        return this.#map(expr);
      case 'struct':
        return this.#struct(expr);
      case 'comprehension':
        return this.#comprehension(expr);
    }
  }

  #comprehension(expr: Comprehension): Code {
    return compileLoop(this, expr);
  }

  #named(expr: Expr, fallback: string): Code {
    const reference = this.#checked.references.get(expr);
    if (reference?.kind === 'type') {
      const value = new TypeValue(reference.type);
      return () => value;
    }
    const name = reference?.kind === 'variable' ? reference.name : fallback;
    const place = this.#names.findLast((one) => one.name === name)?.place ?? -1;
    return ({ places, meter }) => {
      meter.charge(1);
      const value = places[place];
      if (value instanceof EvaluationError) throw value;
      if (value === undefined) throw new EvaluationError(`no such attribute(s): ${name}`);
      return value;
    };
  }

  #list({ items, optional }: ListExpr): Code {
    if (optional.size === 0 && items.every(({ kind }) => kind === 'literal')) {
      const constant = listValue(items.flatMap((item) => (item.kind === 'literal' ? [item.value] : [])));
      return () => constant;
    }
    const codes = items.map((item) => this.compile(item));
    return (frame) => {
      frame.meter.charge(listCost);
      const values: Value[] = [];
      for (const [index, code] of codes.entries()) {
        const value = code(frame);
        if (!optional.has(index)) values.push(value);
        else if (value instanceof OptionalValue && value.value !== undefined) values.push(value.value);
      }
      return listValue(values);
    };
  }

  #map({ entries }: MapExpr): Code {
    const codes = entries.map(({ key, value, isOptional }) => ({
      key: this.compile(key),
      value: this.compile(value),
      isOptional,
    }));
    return (frame) => {
      frame.meter.charge(mapCost);
      const found: [Value, Value][] = [];
      for (const { key, value, isOptional } of codes) {
        const [name, one] = [key(frame), value(frame)];
        const given = isOptional && one instanceof OptionalValue ? one.value : one;
        if (given !== undefined) found.push([name, given]);
      }
      return mapValue(found);
    };
  }

  #struct(expr: StructExpr): Code {
    const type: Type = this.#checked.typeOf(expr);
    const codes = expr.entries.map(({ key, value, isOptional }) => ({ key, value: this.compile(value), isOptional }));
    return (frame) => {
      frame.meter.charge(structCost);
      const found: [Value, Value][] = [];
      for (const { key, value, isOptional } of codes) {
        const one = value(frame);
        const given = isOptional && one instanceof OptionalValue ? one.value : one;
        if (given !== undefined) found.push([type.fields?.get(key)?.name ?? key, given]);
      }
      return new MapValue(mapValue(found).source, type);
    };
  }

  #call(expr: Call): Code {
    const reference = this.#checked.references.get(expr);
    const args = reference?.kind === 'call' ? reference.args : expr.args;
    const codes = args.map((arg) => this.compile(arg));
    const [a, b, c] = codes;
    if (a !== undefined && b !== undefined) {
      const special =
        expr.target === undefined && c !== undefined ? conditional(expr.fn, a, b, c) : binary(expr.fn, a, b);
      if (special !== undefined) return special;
    }
    if (a !== undefined && expr.fn === '!_') return negated(a);
    if (a !== undefined && expr.fn === '@not_strictly_false') return notFalse(a);
    return general(expr, codes, reference?.kind === 'call' ? reference.overloads : []);
  }
}

/** A call by the overloads that it may mean. */
function general(expr: Call, codes: readonly Code[], overloads: readonly Overload[]): Code {
  const name = overloads[0]?.fn ?? expr.fn;
  const cost = costOfCalls(name);
  return (frame) => {
    const args = codes.map((code) => code(frame));
    for (const overload of overloads) {
      const result = overload.call(args);
      if (result === undefined) continue;
      frame.meter.charge(cost(args, result, overload.id));
      return result;
    }
    throw new EvaluationError('no such overload');
  };
}

function noOverload(): EvaluationError {
  return new EvaluationError('no such overload');
}

/** Operators on two values that need no table. */
function binary(fn: string, a: Code, b: Code): Code | undefined {
  switch (fn) {
    case '_&&_':
      return junction(a, b, false);
    case '_||_':
      return junction(a, b, true);
    case '_==_':
      return equality(a, b, true);
    case '_!=_':
      return equality(a, b, false);
    case '_<_':
      return relation(a, b, (order) => order < 0);
    case '_<=_':
      return relation(a, b, (order) => order <= 0);
    case '_>_':
      return relation(a, b, (order) => order > 0);
    case '_>=_':
      return relation(a, b, (order) => order >= 0);
    case '_[_]':
      return indexed(a, b);
    case '_[?_]':
    case '_?._':
      return optionally(a, b);
    case 'or':
      return alternative(a, b, (value) => value);
    case 'orValue':
      return alternative(a, b, ({ value = null }) => value);
    default:
      return undefined;
  }
}

/** `&&` and `||`: what decides may stand on either side, and then the other may fail. */
function junction(a: Code, b: Code, decisive: boolean): Code {
  return (frame) => {
    let left: Value | undefined;
    let failure: EvaluationError | undefined;
    try {
      left = a(frame);
    } catch (error) {
      if (!(error instanceof EvaluationError) || error.isFinal) throw error;
      failure = error;
    }
    if (left === decisive) return decisive;
    if (failure === undefined && typeof left !== 'boolean') failure = noOverload();
    if (failure === undefined) {
      const right = b(frame);
      if (typeof right !== 'boolean') throw noOverload();
      return right;
    }
    if (rightOf(b, frame) === decisive) return decisive;
    throw failure;
  };
}

/** Its value beside a side that failed, whose failure is the one that counts. */
function rightOf(code: Code, frame: Frame): Value | undefined {
  try {
    return code(frame);
  } catch (error) {
    if (!(error instanceof EvaluationError) || error.isFinal) throw error;
    return undefined;
  }
}

function equality(a: Code, b: Code, isWanted: boolean): Code {
  return (frame) => {
    const left = a(frame);
    const right = b(frame);
    frame.meter.charge(comparisonCost(left, right));
    return equal(left, right) === isWanted;
  };
}

function relation(a: Code, b: Code, holds: (order: number) => boolean): Code {
  return (frame) => {
    const left = a(frame);
    const right = b(frame);
    const order = compare(left, right);
    if (order === undefined) throw noOverload();
    frame.meter.charge(typeof left === 'string' || left instanceof Uint8Array ? comparisonCost(left, right) : 1);
    return holds(order);
  };
}

function conditional(fn: string, test: Code, yes: Code, no: Code): Code | undefined {
  if (fn !== '_?_:_') return undefined;
  return (frame) => {
    const value = test(frame);
    if (typeof value !== 'boolean') throw noOverload();
    return value ? yes(frame) : no(frame);
  };
}

function negated(code: Code): Code {
  return (frame) => {
    const value = code(frame);
    if (typeof value !== 'boolean') throw noOverload();
    frame.meter.charge(1);
    return !value;
  };
}

/** What failed is not false: a loop goes on, as something later may decide. */
function notFalse(code: Code): Code {
  return (frame) => {
    frame.meter.charge(1);
    return rightOf(code, frame) !== false;
  };
}

/** The other value of an optional one that has none. */
function alternative(a: Code, b: Code, present: (value: OptionalValue) => Value): Code {
  return (frame) => {
    const value = a(frame);
    if (!(value instanceof OptionalValue)) throw noOverload();
    frame.meter.charge(1);
    return value.value === undefined ? b(frame) : present(value);
  };
}

/** A field of a value that may be optional; undefined where there is none. */
function findField(value: Value, field: Value): Value | undefined {
  if (value instanceof MapValue) return value.find(field);
  if (value instanceof ListValue) return itemOf(value, field);
  return undefined;
}

function itemOf(list: ListValue, index: Value): Value | undefined {
  const place = typeof index === 'bigint' ? Number(index) : index instanceof Uint ? Number(index.value) : index;
  if (typeof place !== 'number' || !Number.isInteger(place)) throw noOverload();
  return place >= 0 && place < list.size ? list.at(place) : undefined;
}

function fieldOf(operand: Code, field: string): Code {
  return (frame) => {
    const value = operand(frame);
    frame.meter.charge(1);
    if (value instanceof MapValue) {
      const found = value.find(field);
      if (found !== undefined) return found;
    }
    if (value instanceof OptionalValue) return optionalField(value, field);
    throw new EvaluationError(`no such key: ${field}`);
  };
}

function optionalField({ value }: OptionalValue, field: Value): Value {
  if (value === undefined) return none;
  if (!(value instanceof MapValue || value instanceof ListValue))
    throw new EvaluationError(`no such key: ${shown(field)}`);
  const found = findField(value, field);
  return found === undefined ? none : new OptionalValue(found);
}

/** The last step of a test costs nothing. */
function fieldTest(operand: Code, field: string): Code {
  return (frame) => {
    const value = operand(frame);
    const inner = value instanceof OptionalValue ? (value.value ?? null) : value;
    return inner instanceof MapValue && inner.find(field) !== undefined;
  };
}

function indexed(operand: Code, index: Code): Code {
  return (frame) => {
    const value = operand(frame);
    const key = index(frame);
    frame.meter.charge(1);
    if (value instanceof OptionalValue) return optionalField(value, key);
    const found = findField(value, key);
    if (found !== undefined) return found;
    if (value instanceof ListValue) throw new EvaluationError(`index out of bounds: ${shown(key)}`);
    if (value instanceof MapValue) throw new EvaluationError(`no such key: ${shown(key)}`);
    throw noOverload();
  };
}

function shown(key: Value): string {
  return key instanceof Uint ? String(key.value) : String(key);
}

function optionally(operand: Code, index: Code): Code {
  return (frame) => {
    const value = operand(frame);
    const key = index(frame);
    frame.meter.charge(1);
    return optionalField(value instanceof OptionalValue ? value : new OptionalValue(value), key);
  };
}
