/** Functions of texts beyond the standard ones. Positions count code points. Source: cel-go `ext/strings.go` (version 2), `ext/formatting.go`. */
import { globalFunction, int, list, memberFunction, type Overload, string } from '../functions.ts';
import { EvaluationError, type ListValue, listValue } from '../values.ts';
import { formatText } from './format-text.ts';

/** Characters of a text by position. */
function charactersOf(text: string): readonly string[] {
  return Array.from(text);
}

function checkedIndex(index: bigint, size: number): number {
  if (index < 0n || index > BigInt(size)) throw new EvaluationError(`index out of range: ${index}`);
  return Number(index);
}

function charAt(text: string, index: bigint): string {
  const characters = charactersOf(text);
  return characters[checkedIndex(index, characters.length)] ?? '';
}

function indexOf(text: string, part: string, from = 0n): bigint {
  const characters = charactersOf(text);
  const start = checkedIndex(from, characters.length);
  if (part === '') return from;
  const skipped = characters.slice(0, start).join('').length;
  const found = text.indexOf(part, skipped);
  return found < 0 ? -1n : BigInt(charactersOf(text.slice(0, found)).length);
}

function lastIndexOf(text: string, part: string, from?: bigint): bigint {
  const characters = charactersOf(text);
  const start = from === undefined ? characters.length : checkedIndex(from, characters.length);
  if (part === '') return BigInt(start);
  const found = text.lastIndexOf(part, characters.slice(0, start).join('').length);
  return found < 0 ? -1n : BigInt(charactersOf(text.slice(0, found)).length);
}

function substring(text: string, from: bigint, to?: bigint): string {
  const characters = charactersOf(text);
  const start = checkedIndex(from, characters.length);
  if (to === undefined) return characters.slice(start).join('');
  const end = checkedIndex(to, characters.length);
  if (start > end) throw new EvaluationError(`invalid substring range. start: ${start}, end: ${end}`);
  return characters.slice(start, end).join('');
}

/** A negative limit is none. An empty text stands before each character and at the end. */
function replace(text: string, old: string, by: string, limit = -1n): string {
  if (limit === 0n) return text;
  const parts = old === '' ? ['', ...charactersOf(text), ''] : text.split(old);
  const most = limit < 0n ? parts.length : Number(limit);
  let result = parts[0] ?? '';
  for (let i = 1; i < parts.length; i++) result += (i <= most ? by : old) + (parts[i] ?? '');
  return result;
}

function split(text: string, separator: string, limit = -1n): ListValue {
  if (limit === 0n) return listValue([]);
  const parts = separator === '' ? charactersOf(text) : text.split(separator);
  if (limit < 0n || BigInt(parts.length) <= limit) return listValue(parts);
  const most = Number(limit) - 1;
  return listValue([...parts.slice(0, most), parts.slice(most).join(separator)]);
}

function join(texts: ListValue, separator = ''): string {
  return Array.from(texts, (text) => {
    if (typeof text !== 'string') throw new EvaluationError('no such overload');
    return text;
  }).join(separator);
}

function asciiCase(text: string, pattern: RegExp, change: (text: string) => string): string {
  return text.replace(pattern, change);
}

const outerSpace = /^(?:(?!\ufeff)[\s\u0085])+|(?:(?!\ufeff)[\s\u0085])+$/gu;

/** Quoted so that it can stand in an expression. */
function quote(text: string): string {
  const escapes: Readonly<Record<string, string>> = {
    '\x07': '\\a',
    '\b': '\\b',
    '\f': '\\f',
    '\n': '\\n',
    '\r': '\\r',
    '\t': '\\t',
    '\v': '\\v',
    '\\': '\\\\',
    '"': '\\"',
  };
  return `"${Array.from(text.toWellFormed(), (character) => escapes[character] ?? character).join('')}"`;
}

/** All of them. */
export const stringLibrary: readonly Overload[] = [
  memberFunction({ fn: 'charAt', id: 'string_char_at_int', takes: [string, int], gives: string }, charAt),
  memberFunction({ fn: 'indexOf', id: 'string_index_of_string', takes: [string, string], gives: int }, (text, part) =>
    indexOf(text, part),
  ),
  memberFunction(
    { fn: 'indexOf', id: 'string_index_of_string_int', takes: [string, string, int], gives: int },
    indexOf,
  ),
  memberFunction(
    { fn: 'lastIndexOf', id: 'string_last_index_of_string', takes: [string, string], gives: int },
    (text, part) => lastIndexOf(text, part),
  ),
  memberFunction(
    { fn: 'lastIndexOf', id: 'string_last_index_of_string_int', takes: [string, string, int], gives: int },
    lastIndexOf,
  ),
  memberFunction({ fn: 'lowerAscii', id: 'string_lower_ascii', takes: [string], gives: string }, (text) =>
    asciiCase(text, /[A-Z]+/g, (part) => part.toLowerCase()),
  ),
  memberFunction({ fn: 'upperAscii', id: 'string_upper_ascii', takes: [string], gives: string }, (text) =>
    asciiCase(text, /[a-z]+/g, (part) => part.toUpperCase()),
  ),
  memberFunction(
    { fn: 'replace', id: 'string_replace_string_string', takes: [string, string, string], gives: string },
    (text, old, by) => replace(text, old, by),
  ),
  memberFunction(
    { fn: 'replace', id: 'string_replace_string_string_int', takes: [string, string, string, int], gives: string },
    replace,
  ),
  memberFunction(
    { fn: 'split', id: 'string_split_string', takes: [string, string], gives: list('string') },
    (text, by) => split(text, by),
  ),
  memberFunction(
    { fn: 'split', id: 'string_split_string_int', takes: [string, string, int], gives: list('string') },
    split,
  ),
  memberFunction({ fn: 'substring', id: 'string_substring_int', takes: [string, int], gives: string }, (text, from) =>
    substring(text, from),
  ),
  memberFunction(
    { fn: 'substring', id: 'string_substring_int_int', takes: [string, int, int], gives: string },
    substring,
  ),
  memberFunction({ fn: 'trim', id: 'string_trim', takes: [string], gives: string }, (text) =>
    text.replace(outerSpace, ''),
  ),
  memberFunction({ fn: 'join', id: 'list_join', takes: [list('string')], gives: string }, (texts) => join(texts)),
  memberFunction({ fn: 'join', id: 'list_join_string', takes: [list('string'), string], gives: string }, join),
  memberFunction({ fn: 'format', id: 'string_format', takes: [string, list('dyn')], gives: string }, formatText),
  globalFunction({ fn: 'strings.quote', id: 'strings_quote', takes: [string], gives: string }, quote),
];
