/** What compiled code is called with and what it looks like: the contract between the parts of the compiler. */
import type { Expr } from './ast.ts';
import type { CostMeter } from './costs.ts';
import type { EvaluationError, Value } from './values.ts';

/** One evaluation: the values of names by place, and what it costs. A value that could not be found is its error. */
export interface Frame {
  readonly places: (Value | EvaluationError | undefined)[];
  readonly meter: CostMeter;
}

/** Evaluates one part. Throws an `EvaluationError`. */
export type Code = (frame: Frame) => Value;

/** Compiles parts of an expression, for whoever compiles one kind of them. */
export interface PartCompiler {
  compile(expr: Expr): Code;
  /** A place of its own for a name of a loop, until it is dropped. */
  declare(name: string): number;
  /** Ends the last names that were declared. */
  drop(count: number): void;
}
