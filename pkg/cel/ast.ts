/**
 * The tree of an expression, macros already expanded, and errors that say where in the text something is wrong. Pure.
 * Source: cel-spec `syntax.proto`; cel-go `common/errors.go`.
 */
import type { Value } from './values.ts';

interface Node {
  /** Offset in the text, in code points. */
  readonly at: number;
}

/** A constant. */
export interface Literal extends Node {
  readonly kind: 'literal';
  readonly value: Value;
}

/** A name. */
export interface Ident extends Node {
  readonly kind: 'ident';
  readonly name: string;
}

/** A field of a value; as a test, whether it is there. */
export interface Select extends Node {
  readonly kind: 'select';
  readonly operand: Expr;
  readonly field: string;
  readonly isTest: boolean;
}

/** A function or an operator, whose names are such as `_+_`. */
export interface Call extends Node {
  readonly kind: 'call';
  readonly fn: string;
  readonly target: Expr | undefined;
  readonly args: readonly Expr[];
}

/** A list. */
export interface ListExpr extends Node {
  readonly kind: 'list';
  readonly items: readonly Expr[];
  /** Which items are left out when they have no value. */
  readonly optional: ReadonlySet<number>;
}

/** An entry of a map, or a field of an object. */
export interface Entry<Key> extends Node {
  readonly key: Key;
  readonly value: Expr;
  readonly isOptional: boolean;
}

/** A map. */
export interface MapExpr extends Node {
  readonly kind: 'map';
  readonly entries: readonly Entry<Expr>[];
}

/** An object of a named type. */
export interface StructExpr extends Node {
  readonly kind: 'struct';
  readonly type: string;
  readonly entries: readonly Entry<string>[];
}

/** A loop, as macros make it. */
export interface Comprehension extends Node {
  readonly kind: 'comprehension';
  readonly range: Expr;
  /** One name: items of a list, keys of a map. Two: index or key, and value. */
  readonly names: readonly [string] | readonly [string, string];
  readonly accu: string;
  readonly init: Expr;
  /** The loop ends where it is false. */
  readonly condition: Expr;
  readonly step: Expr;
  readonly result: Expr;
}

/** Any expression. */
export type Expr = Call | Comprehension | Ident | ListExpr | Literal | MapExpr | Select | StructExpr;

/** The name in which macros gather their result; no expression can have it. */
export const accuName = '@result';

/** Something that is wrong with an expression, and where. */
export interface Issue {
  readonly at: number;
  readonly message: string;
}

/** The issues of a text, each as cel-go shows it: place, message, the line, a mark below. */
export function issuesText(text: string, issues: readonly Issue[]): string {
  return issues
    .toSorted((a, b) => a.at - b.at)
    .map(({ at, message }) => {
      const characters = [...text];
      const before = characters.slice(0, at).join('').split('\n');
      const column = [...(before.at(-1) ?? '')].length;
      const line = text.split('\n')[before.length - 1] ?? '';
      return `ERROR: <input>:${before.length}:${column + 1}: ${message}\n | ${line}\n | ${'.'.repeat(column)}^`;
    })
    .join('\n');
}
