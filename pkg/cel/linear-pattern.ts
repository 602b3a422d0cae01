/**
 * Regular expressions of users, as Go reads them: matched in time that is linear in the text, whatever the pattern. The engine is loaded when the
 * first pattern is compiled, as most servers never meet one.
 * Source: RE2's syntax, https://github.com/google/re2/wiki/Syntax.
 */
import { createRequire } from 'node:module';

/** Longest pattern: what it compiles to is many times as large. Source: none; upstream is bounded by the size of the object. */
const patternLengthMax = 64 * 1024;

/** Patterns that expressions make while they run and that are remembered; when the table is full it starts anew. */
const memoEntriesMax = 256;

/** A pattern that was compiled. */
export interface LinearPattern {
  /** Whether it is found anywhere in the text. */
  test(text: string): boolean;
  /** Goes through what is found in a text, from the left. */
  matcher(text: string): { find(): boolean; group(): string | null };
}

interface Engine {
  readonly RE2JS: { compile(pattern: string): LinearPattern };
}

let engine: Engine | undefined;

/** Compiles a pattern. Throws an `Error` with the engine's own words for one that is none. */
export function compilePattern(pattern: string): LinearPattern {
  if (pattern.length > patternLengthMax) throw new Error(`it is longer than ${patternLengthMax} characters`);
  engine ??= loadEngine();
  return engine.RE2JS.compile(pattern);
}

function loadEngine(): Engine {
  return createRequire(import.meta.url)('re2js');
}

const memo = new Map<string, LinearPattern>();

/** As `compilePattern`, for a pattern that may come again. */
export function knownPattern(pattern: string): LinearPattern {
  const known = memo.get(pattern);
  if (known !== undefined) return known;
  const compiled = compilePattern(pattern);
  if (memo.size >= memoEntriesMax) memo.clear();
  memo.set(pattern, compiled);
  return compiled;
}

/** The parts of a text that a pattern finds, from the left, at most `limit` of them. */
export function findAll(pattern: LinearPattern, text: string, limit: number): readonly string[] {
  const matcher = pattern.matcher(text);
  const found: string[] = [];
  while (found.length < limit && matcher.find()) found.push(matcher.group() ?? '');
  return found;
}
