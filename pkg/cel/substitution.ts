/**
 * Which types stand for which type parameters, found out while an expression is checked. Pure.
 * Source: cel-spec `langdef.md#gradual-type-checking`; cel-go `checker/types.go`, `checker/mapping.go`.
 */
import { dynType, isOptionalType, sameType, type Type, typeParam } from './types.ts';

/** What is known of the parameters of one expression. */
export class Substitution {
  #types = new Map<string, Type>();
  #fresh = 0;

  /** A parameter that nothing is known of. */
  fresh(): Type {
    return typeParam(`_var${this.#fresh++}`);
  }

  /** A type with parameters of its own in place of those in a signature. */
  instance(type: Type, named: Map<string, Type>): Type {
    if (type.kind === 'param') {
      const known = named.get(type.name);
      if (known !== undefined) return known;
      const made = this.fresh();
      named.set(type.name, made);
      return made;
    }
    if (type.params.length === 0) return type;
    return { ...type, params: type.params.map((param) => this.instance(param, named)) };
  }

  /** A type with what is known in it; parameters that nothing is known of are `dyn` where `isFinal`. */
  apply(type: Type, isFinal: boolean): Type {
    if (type.kind === 'param') {
      const known = this.#types.get(type.name);
      if (known !== undefined) return this.apply(known, isFinal);
      return isFinal ? dynType : type;
    }
    if (type.params.length === 0) return type;
    return { ...type, params: type.params.map((param) => this.apply(param, isFinal)) };
  }

  /** Whether values of the types `from` can be used as those of the types `to`. What has to hold for that is remembered when it is so. */
  assign(from: readonly Type[], to: readonly Type[]): boolean {
    const before = new Map(this.#types);
    const isGood =
      from.length === to.length && from.every((type, index) => this.#isAssignable(type, to[index] ?? dynType));
    if (!isGood) this.#types = before;
    return isGood;
  }

  #isAssignable(from: Type, to: Type): boolean {
    if (to.kind === 'param') {
      const [isGood, isKnown] = this.#substitute(from, to);
      if (isGood) return true;
      if (isKnown) return false;
    }
    if (from.kind === 'param') return this.#substitute(to, from)[0];
    if (isDyn(from) || isDyn(to)) return true;
    if (from.kind === 'null') return takesNull(to);
    if (to.kind === 'null') return takesNull(from);
    if (from.kind === 'type' && to.kind === 'type') return true;
    if (from.kind !== to.kind || from.name !== to.name || from.params.length !== to.params.length) return false;
    return from.params.every((param, index) => this.#isAssignable(param, to.params[index] ?? dynType));
  }

  /** Whether a type can stand for a parameter, and whether one did already. */
  #substitute(type: Type, param: Type): readonly [isGood: boolean, isKnown: boolean] {
    if (type.kind === 'param' && type.name === param.name) return [true, true];
    const known = this.#types.get(param.name);
    if (known !== undefined) {
      if (sameType(type, known)) return [true, true];
      if (!this.#isAssignable(type, known)) return [false, true];
      const general = mostGeneral(type, known);
      if (!this.#isIn(param, general)) this.#types.set(param.name, general);
      return [true, true];
    }
    if (this.#isIn(param, type)) return [false, false];
    this.#types.set(param.name, type);
    return [true, false];
  }

  #isIn(param: Type, type: Type): boolean {
    if (type.kind === 'param') {
      if (type.name === param.name) return true;
      const known = this.#types.get(type.name);
      return known !== undefined && this.#isIn(param, known);
    }
    return type.params.some((inner) => this.#isIn(param, inner));
  }
}

/** Whether nothing is known of a type before it is evaluated. */
export function isDyn({ kind }: Type): boolean {
  return kind === 'dyn' || kind === 'error';
}

function takesNull({ kind }: Type): boolean {
  return kind === 'opaque' || kind === 'object' || kind === 'null' || kind === 'duration' || kind === 'timestamp';
}

/** Of two types of which one can be used as the other, the one that says less. */
export function mostGeneral(a: Type, b: Type): Type {
  return saysLess(a, b) ? a : b;
}

function saysLess(a: Type, b: Type): boolean {
  if (isDyn(a) || a.kind === 'param') return true;
  if (isDyn(b) || b.kind === 'param') return false;
  if (b.kind === 'null') return takesNull(a);
  if (a.kind !== b.kind || a.name !== b.name || a.params.length !== b.params.length) return false;
  return a.params.every((param, index) => saysLess(param, b.params[index] ?? dynType));
}

/** What is in an optional type; other types as they are. */
export function withoutOptional(type: Type): Type {
  return isOptionalType(type) ? (type.params[0] ?? dynType) : type;
}
