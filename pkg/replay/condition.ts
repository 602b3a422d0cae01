/** The condition at which a replay stops: CEL over `run`, the figures of the run at that moment. */
import { environmentOf } from '#pkg/cel/environment.ts';
import { fromJson } from '#pkg/cel/json-values.ts';
import { compileProgram } from '#pkg/cel/program.ts';
import { intType, objectType } from '#pkg/cel/types.ts';
import { HistoryError } from './history.ts';
import type { RunState } from './replay.ts';

/** What one look may cost. */
const costMax = 100_000;

const fields: readonly (keyof RunState)[] = ['ms', 'pods', 'pending', 'running', 'nodes', 'nodesUsed', 'evictions'];
const runType = objectType('coxswain.Run', new Map(fields.map((name) => [name, { name, type: intType }])));

/** The condition that an expression is. Throws `HistoryError` for one that is none. */
export function conditionOf(expression: string): (state: RunState) => boolean {
  const program = compileProgram(expression, environmentOf({ run: runType }));
  if ('issues' in program)
    throw new HistoryError(`Cannot read the condition ${JSON.stringify(expression)}: ${program.text}`);
  return (state) => {
    const outcome = program.run([fromJson(state)], costMax);
    if ('error' in outcome)
      throw new HistoryError(`Cannot look at the condition ${JSON.stringify(expression)}: ${outcome.error.message}`);
    return outcome.value === true;
  };
}
