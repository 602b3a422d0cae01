/**
 * Progress for people: one line per step. On a terminal the line of a step that is under way is there at once, as much of it as fits into one line,
 * so that it can be replaced; elsewhere only finished steps are written. Once the start is interrupted nothing more is said of steps.
 */
import type { World } from './world.ts';

/** The steps of one start, one at a time. */
export interface Steps {
  /** Begins a step; the one before it is finished. `done` is what is written once it is. */
  begin(doing: string, done: string): void;
  /** Finishes the step under way. */
  end(): void;
  /** Leaves the step under way as failed. */
  fail(): void;
}

/** Steps on standard error, so that standard output holds only results. */
export function createSteps(
  world: Pick<World, 'clock' | 'columns' | 'environment' | 'isQuiet' | 'isTerminal' | 'writeError'>,
  options: { readonly quiet: boolean; readonly interrupted: AbortSignal },
): Steps {
  if (options.quiet || world.isQuiet) return { begin() {}, end() {}, fail() {} };
  const color = world.isTerminal && (world.environment.NO_COLOR ?? '') === '' && world.environment.TERM !== 'dumb';
  const paint = (code: number, text: string): string => (color ? `\u001b[${code}m${text}\u001b[0m` : text);
  let current: { readonly done: string; readonly startMs: number } | undefined;
  const clear = world.isTerminal ? '\r\u001b[K' : '';
  const steps: Steps = {
    begin(doing, done) {
      steps.end();
      if (options.interrupted.aborted) return;
      current = { done, startMs: world.clock.monotonicMs() };
      if (world.isTerminal) world.writeError(`${paint(2, '•')} ${cut(`${doing} …`, world.columns() - 3)}`);
    },
    end() {
      if (options.interrupted.aborted) steps.fail();
      if (current === undefined) return;
      const ms = world.clock.monotonicMs() - current.startMs;
      const took = ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
      world.writeError(`${clear}${paint(32, world.isTerminal ? '✓' : '-')} ${current.done} ${paint(2, `(${took})`)}\n`);
      current = undefined;
    },
    fail() {
      if (current !== undefined && world.isTerminal) world.writeError('\n');
      current = undefined;
    },
  };
  return steps;
}

/** As much of a text as fits: the terminal would go on in the next line, which cannot be taken back. */
function cut(text: string, columns: number): string {
  const characters = [...text];
  return characters.length <= columns ? text : `${characters.slice(0, Math.max(0, columns - 1)).join('')}…`;
}
