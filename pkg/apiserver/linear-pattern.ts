/**
 * Regular expressions of users, as Go reads them: matched in time that is linear in the text, whatever the pattern. The engine is loaded when the
 * first pattern is compiled, as most servers never meet one.
 * Source: RE2's syntax, https://github.com/google/re2/wiki/Syntax.
 */
import { createRequire } from 'node:module';

/** Longest pattern: what it compiles to is many times as large. Source: none; upstream is bounded by the size of the object. */
const patternLengthMax = 64 * 1024;

/** A pattern that was compiled. */
export interface LinearPattern {
  /** Whether it is found anywhere in the text. */
  test(text: string): boolean;
}

interface Engine {
  readonly RE2JS: { compile(pattern: string): LinearPattern };
}

let engine: Engine | undefined;

/** Compiles a pattern. Throws an `Error` with the engine's own words for one that is none. */
export function compilePattern(pattern: string): LinearPattern {
  if (pattern.length > patternLengthMax) throw new Error(`it is longer than ${patternLengthMax} characters`);
  engine ??= createRequire(import.meta.url)('re2js') as Engine;
  return engine.RE2JS.compile(pattern);
}
