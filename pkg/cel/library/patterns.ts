/** Regular expressions, and keys of JSON patches. Source: apiserver `pkg/cel/library/{regex,jsonpatch}.go`. */
import { errorText } from '#pkg/base/error-text.ts';
import { globalFunction, int, list, memberFunction, type Overload, string } from '../functions.ts';
import { findAll, knownPattern } from '../linear-pattern.ts';
import { EvaluationError, listValue } from '../values.ts';

function foundIn(text: string, pattern: string, limit: number): readonly string[] {
  try {
    return findAll(knownPattern(pattern), text, limit);
  } catch (error) {
    throw new EvaluationError(`Illegal regex: ${errorText(error)}`);
  }
}

/** All of them. */
export const patternLibrary: readonly Overload[] = [
  memberFunction(
    { fn: 'find', id: 'string_find_string', takes: [string, string], gives: string },
    (text, pattern) => foundIn(text, pattern, 1)[0] ?? '',
  ),
  memberFunction(
    { fn: 'findAll', id: 'string_find_all_string', takes: [string, string], gives: list('string') },
    (text, pattern) => listValue(foundIn(text, pattern, Number.POSITIVE_INFINITY)),
  ),
  memberFunction(
    { fn: 'findAll', id: 'string_find_all_string_int', takes: [string, string, int], gives: list('string') },
    (text, pattern, limit) => listValue(foundIn(text, pattern, limit < 0n ? Number.POSITIVE_INFINITY : Number(limit))),
  ),
  globalFunction(
    { fn: 'jsonpatch.escapeKey', id: 'string_jsonpatch_escapeKey_string', takes: [string], gives: string },
    (key) => key.replaceAll('~', '~0').replaceAll('/', '~1'),
  ),
];
