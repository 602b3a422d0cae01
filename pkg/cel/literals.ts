/** Constants that a function could never read, found before it is run. Source: cel-go `cel/validator.go`. */
import type { Expr, Issue } from './ast.ts';
import { compilePattern } from './linear-pattern.ts';
import { parseSpan, parseTimestamp } from './times.ts';

const readers: Readonly<Record<string, (text: string) => boolean>> = {
  duration: (text) => parseSpan(text) !== undefined,
  timestamp: (text) => parseTimestamp(text) !== undefined,
  matches: isPattern,
};

function isPattern(text: string): boolean {
  try {
    compilePattern(text);
    return true;
  } catch {
    return false;
  }
}

/** What is wrong with a constant argument of a function; undefined when nothing is. */
export function literalIssue(fn: string, args: readonly Expr[]): Issue | undefined {
  const arg = args.at(-1);
  if (arg?.kind !== 'literal' || typeof arg.value !== 'string' || !Object.hasOwn(readers, fn)) return undefined;
  return readers[fn]?.(arg.value) === false ? { at: arg.at, message: `invalid ${fn} argument` } : undefined;
}
