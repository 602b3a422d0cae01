/**
 * An expression ready to be evaluated: read, checked, compiled, and what it may cost estimated. Pure.
 * Source: cel-go `cel/env.go`, `cel/program.go`.
 */
import { type Issue, issuesText } from './ast.ts';
import { type Checked, checkExpression } from './checker.ts';
import { compileExpression } from './compiler.ts';
import { CostMeter } from './costs.ts';
import type { Environment } from './environment.ts';
import type { Frame } from './frame.ts';
import { parseExpression } from './parser.ts';
import { EvaluationError, type Value } from './values.ts';

/** What one evaluation of an expression may cost. Source: apiserver `apis/cel/config.go` `PerCallLimit`. */
export const callCostMax = 1_000_000;

/** The outcome of an evaluation, and what it cost. */
export type Outcome =
  | { readonly value: Value; readonly cost: number }
  | { readonly error: EvaluationError; readonly cost: number };

/** A compiled expression. */
export interface Program {
  readonly checked: Checked;
  /** Whether it names the variable. */
  uses(variable: string): boolean;
  /** `values` are those of the variables of its environment, in their order; undefined for one that has none. */
  run(values: readonly (Value | EvaluationError | undefined)[], costMax?: number): Outcome;
}

/** Why a text is no expression of an environment. */
export interface CompileFailure {
  readonly issues: readonly Issue[];
  /** As cel-go writes it. */
  readonly text: string;
}

/** Compiles a text, or says what is wrong with it. */
export function compileProgram(text: string, env: Environment): Program | CompileFailure {
  const parsed = parseExpression(text);
  if ('message' in parsed) return { issues: [parsed], text: issuesText(text, [parsed]) };
  const checked = checkExpression(parsed, env);
  if (checked.issues.length > 0) return { issues: checked.issues, text: issuesText(text, checked.issues) };
  const { code, places } = compileExpression(checked, [...env.variables.keys()]);
  const named = new Set<string>();
  for (const reference of checked.references.values()) if (reference.kind === 'variable') named.add(reference.name);
  return {
    checked,
    uses: (variable) => named.has(variable),
    run(values, costMax = callCostMax) {
      const meter = new CostMeter(costMax);
      const frame: Frame = { places: new Array(places), meter };
      for (let place = 0; place < values.length; place++) frame.places[place] = values[place];
      try {
        return { value: code(frame), cost: meter.spent };
      } catch (error) {
        return { error: asEvaluationError(error), cost: meter.spent };
      }
    },
  };
}

/** What runs out of the stack or of memory for one value is the expression's own fault. */
function asEvaluationError(error: unknown): EvaluationError {
  if (error instanceof EvaluationError) return error;
  if (error instanceof RangeError) return new EvaluationError(error.message);
  throw error;
}
