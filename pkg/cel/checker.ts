/**
 * Finds the type of every part of an expression and the functions that its calls may mean, or says what is wrong. Pure.
 * Source: cel-spec `langdef.md#gradual-type-checking`; cel-go `checker/checker.go`, `cel/validator.go`.
 */
import type { Call, Comprehension, Expr, Issue, ListExpr, MapExpr, Select, StructExpr } from './ast.ts';
import type { Environment } from './environment.ts';
import type { Overload } from './functions.ts';
import { literalIssue } from './literals.ts';
import { qualifiedName } from './parser.ts';
import { isDyn, mostGeneral, Substitution, withoutOptional } from './substitution.ts';
import {
  boolType,
  dynType,
  errorType,
  intType,
  isOptionalType,
  listOf,
  mapOf,
  optionalOf,
  sameType,
  type Type,
  typeOfType,
  typeText,
} from './types.ts';
import { typeOf } from './values.ts';

/** What a name or a call stands for. */
export type Reference =
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'type'; readonly type: Type }
  | { readonly kind: 'call'; readonly overloads: readonly Overload[]; readonly args: readonly Expr[] };

/** What was found out of an expression. */
export interface Checked {
  readonly expr: Expr;
  readonly type: Type;
  readonly issues: readonly Issue[];
  typeOf(expr: Expr): Type;
  readonly references: ReadonlyMap<Expr, Reference>;
}

/** Checks an expression. With issues, only those mean something. */
export function checkExpression(expr: Expr, env: Environment): Checked {
  const checker = new Checker(env);
  const type = checker.check(expr);
  return {
    expr,
    type: checker.final(type),
    issues: checker.issues,
    typeOf: (one) => checker.final(checker.types.get(one) ?? dynType),
    references: checker.references,
  };
}

class Checker {
  readonly issues: Issue[] = [];
  readonly types = new Map<Expr, Type>();
  readonly references = new Map<Expr, Reference>();
  readonly #env: Environment;
  readonly #known = new Substitution();
  /** Names of loops, the innermost last. */
  readonly #scopes: ReadonlyMap<string, Type>[] = [];

  constructor(env: Environment) {
    this.#env = env;
  }

  final(type: Type): Type {
    return this.#known.apply(type, true);
  }

  check(expr: Expr): Type {
    const type = this.#typeOf(expr);
    this.types.set(expr, type);
    return type;
  }

  #typeOf(expr: Expr): Type {
    switch (expr.kind) {
      case 'literal':
        return typeOf(expr.value);
      case 'ident':
        return this.#named(expr, expr.name) ?? this.#undeclared(expr, expr.name);
      case 'select':
        return this.#select(expr);
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

  #fail({ at }: Expr | { readonly at: number }, message: string): Type {
    this.issues.push({ at, message });
    return errorType;
  }

  #undeclared(expr: Expr, name: string): Type {
    return this.#fail(expr, `undeclared reference to '${name}' (in container '')`);
  }

  /** The type of what a name means; undefined when it means nothing. */
  #named(expr: Expr, name: string): Type | undefined {
    const plain = name.startsWith('.') ? name.slice(1) : name;
    const local = plain === name ? this.#scopes.findLast((scope) => scope.has(name))?.get(name) : undefined;
    const variable = local ?? this.#env.variables.get(plain);
    if (variable !== undefined) {
      this.references.set(expr, { kind: 'variable', name: plain });
      return variable;
    }
    const type = this.#env.typeNames.get(plain) ?? this.#env.structType?.(plain);
    if (type === undefined) return undefined;
    this.references.set(expr, { kind: 'type', type });
    return typeOfType(type);
  }

  #isLocal(name: string): boolean {
    return this.#scopes.some((scope) => scope.has(name));
  }

  #select(expr: Select): Type {
    const name = expr.isTest ? undefined : qualifiedName(expr);
    const [first = ''] = name?.split('.') ?? [];
    if (name !== undefined && !this.#isLocal(first)) {
      const type = this.#named(expr, name);
      if (type !== undefined) return type;
    }
    const operand = this.#known.apply(this.check(expr.operand), false);
    const type = this.#field(expr, operand, expr.field);
    return expr.isTest ? boolType : type;
  }

  #field(expr: Expr, operand: Type, field: string): Type {
    if (isOptionalType(operand)) return optionalOf(withoutOptional(this.#field(expr, withoutOptional(operand), field)));
    if (operand.kind === 'map') return operand.params[1] ?? dynType;
    if (operand.kind === 'object') {
      return operand.fields?.get(field)?.type ?? this.#fail(expr, `undefined field '${field}'`);
    }
    if (operand.kind === 'param') {
      this.#known.assign([dynType], [operand]);
      return dynType;
    }
    if (isDyn(operand)) return dynType;
    return this.#fail(expr, `type '${typeText(this.final(operand))}' does not support field selection`);
  }

  #call(expr: Call): Type {
    if (expr.fn === '_?._') return this.#optionalSelect(expr);
    const { fn, target, args } = expr;
    const plain = fn.startsWith('.') ? fn.slice(1) : fn;
    if (target === undefined) return this.#resolve(expr, plain, args, false);
    const before = qualifiedName(target);
    const whole = before === undefined ? '' : `${before.replace(/^\./, '')}.${fn}`;
    if (this.#env.functions.has(whole)) return this.#resolve(expr, whole, args, false);
    return this.#resolve(expr, fn, [target, ...args], true);
  }

  #resolve(expr: Call, fn: string, args: readonly Expr[], isMember: boolean): Type {
    const types = args.map((arg) => this.check(arg));
    const declared = this.#env.functions.get(fn);
    if (declared === undefined) return this.#undeclared(expr, fn);
    const found: Overload[] = [];
    let result: Type | undefined;
    for (const overload of declared) {
      if (overload.isMember !== isMember || overload.params.length !== args.length) continue;
      const named = new Map<string, Type>();
      const params = overload.params.map((param) => this.#known.instance(param, named));
      const gives = this.#known.instance(overload.result, named);
      if (!this.#known.assign(types, params)) continue;
      found.push(overload);
      const type = this.#known.apply(gives, false);
      if (result === undefined) result = type;
      else if (!isDyn(result) && !sameType(result, type)) result = dynType;
    }
    if (result === undefined) return this.#noOverload(expr, fn, types, isMember);
    this.references.set(expr, { kind: 'call', overloads: found, args });
    const issue = literalIssue(fn, args);
    if (issue !== undefined) this.issues.push(issue);
    return result;
  }

  #noOverload(expr: Expr, fn: string, types: readonly Type[], isMember: boolean): Type {
    const [first, ...rest] = types.map((type) => typeText(this.final(type)));
    const shown = isMember
      ? `${first}.(${rest.join(', ')})`
      : `(${[first, ...rest].filter((one) => one !== undefined).join(', ')})`;
    return this.#fail(expr, `found no matching overload for '${fn}' applied to '${shown}'`);
  }

  #optionalSelect(expr: Call): Type {
    const [operand, name] = expr.args;
    if (operand === undefined || name?.kind !== 'literal' || typeof name.value !== 'string') {
      return this.#fail(expr, 'unsupported optional field selection');
    }
    const type = this.#known.apply(this.check(operand), false);
    return optionalOf(withoutOptional(this.#field(expr, withoutOptional(type), name.value)));
  }

  /** The type of both: all items of a list, keys and values of a map have one. */
  #join(at: Expr, before: Type | undefined, type: Type): Type {
    if (before === undefined) return type;
    if (this.#known.assign([before], [type])) return mostGeneral(before, type);
    const [wanted, found] = [before, type].map((one) => typeText(this.final(one)));
    this.#fail(at, `expected type '${wanted}' but found '${found}'`);
    return before;
  }

  #list(expr: ListExpr): Type {
    let items: Type | undefined;
    for (const [index, item] of expr.items.entries()) {
      const type = this.check(item);
      items = this.#join(item, items, expr.optional.has(index) ? this.#unwrapped(item, type) : type);
    }
    return listOf(items ?? this.#known.fresh());
  }

  #unwrapped(expr: Expr, type: Type): Type {
    if (isOptionalType(type)) return withoutOptional(type);
    if (isDyn(type)) return dynType;
    return this.#fail(expr, `expected type 'optional_type(${typeText(type)})' but found '${typeText(type)}'`);
  }

  #map(expr: MapExpr): Type {
    let keys: Type | undefined;
    let values: Type | undefined;
    for (const { key, value, isOptional } of expr.entries) {
      keys = this.#join(key, keys, this.check(key));
      const type = this.check(value);
      values = this.#join(value, values, isOptional ? this.#unwrapped(value, type) : type);
    }
    return mapOf(keys ?? this.#known.fresh(), values ?? this.#known.fresh());
  }

  #struct(expr: StructExpr): Type {
    const type = this.#env.structType?.(expr.type);
    if (type === undefined) return this.#undeclared(expr, expr.type);
    for (const entry of expr.entries) {
      const given = this.check(entry.value);
      const value = entry.isOptional ? this.#unwrapped(entry.value, given) : given;
      const field = type.fields?.get(entry.key)?.type;
      if (field === undefined) this.#fail(entry, `undefined field '${entry.key}'`);
      else if (!this.#known.assign([value], [field])) {
        const [wanted, found] = [field, value].map((one) => typeText(this.final(one)));
        this.#fail(entry, `expected type of field '${entry.key}' is '${wanted}' but provided type is '${found}'`);
      }
    }
    return type;
  }

  #comprehension(expr: Comprehension): Type {
    const range = this.#known.apply(this.check(expr.range), false);
    const init = this.check(expr.init);
    const names = this.#rangeTypes(expr, range);
    const accu = new Map([[expr.accu, init]]);
    this.#scopes.push(accu, names);
    this.#expect(expr.condition, boolType);
    this.#expect(expr.step, init);
    this.#scopes.pop();
    const result = this.check(expr.result);
    this.#scopes.pop();
    return this.#known.apply(result, false);
  }

  #expect(expr: Expr, type: Type): void {
    const found = this.check(expr);
    if (this.#known.assign([found], [type])) return;
    this.#fail(expr, `expected type '${typeText(this.final(type))}' but found '${typeText(this.final(found))}'`);
  }

  /** The types of the names of a loop over a type. */
  #rangeTypes(expr: Comprehension, range: Type): ReadonlyMap<string, Type> {
    const [first, second] = expr.names;
    const named = (one: Type, two: Type, alone: Type): ReadonlyMap<string, Type> =>
      second === undefined
        ? new Map([[first, alone]])
        : new Map([
            [first, one],
            [second, two],
          ]);
    const [a = dynType, b = dynType] = range.params;
    if (range.kind === 'list') return named(intType, a, a);
    if (range.kind === 'map') return named(a, b, a);
    if (range.kind === 'param') this.#known.assign([dynType], [range]);
    else if (!isDyn(range)) {
      const shown = typeText(this.final(range));
      const words = 'cannot be range of a comprehension (must be list, map, or dynamic)';
      this.#fail(expr.range, `expression of type '${shown}' ${words}`);
      return named(errorType, errorType, errorType);
    }
    return named(dynType, dynType, dynType);
  }
}
