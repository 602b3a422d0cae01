/** Words of an instruction: quotes, variables, lists in JSON. Pure. Source: Docker's "Dockerfile reference" (environment replacement, exec form). */
import { wrong } from './dockerfile.ts';

/** Values of variables. */
export type Variables = ReadonlyMap<string, string>;

/** A word as it is written, up to where it ends. */
const wordPattern = /(?:\$\{[^}]*\}|"(?:[^"\\]|\\.)*"|'[^']*'|\\.|[^\s"'\\])+/gs;

/** The words of a text, without quotes and with their variables. */
export function words(text: string, variables: Variables, line: number): readonly string[] {
  return (text.match(wordPattern) ?? []).map((word) => expanded(word, variables, line));
}

/** A list of texts in JSON; undefined for what is none. */
export function jsonList(text: string): readonly string[] | undefined {
  if (!text.startsWith('[')) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((one) => typeof one === 'string') ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Names with values, `a=b c="d e"`, or the old form of one: `a b c`. */
export function pairs(text: string, variables: Variables, line: number): readonly (readonly [string, string])[] {
  const written = text.match(wordPattern) ?? [];
  const [first = ''] = written;
  if (!first.includes('=')) {
    const [, name = '', value = ''] = /^(\S+)\s+([\s\S]+)$/.exec(text) ?? [];
    if (name === '') throw wrong(line, 'a name without a value');
    return [[name, expanded(value, variables, line, { keepsSpaces: true })]];
  }
  return written.map((word) => {
    const equals = word.indexOf('=');
    if (equals <= 0) throw wrong(line, `${word} is no name with a value`);
    return [expanded(word.slice(0, equals), variables, line), expanded(word.slice(equals + 1), variables, line)];
  });
}

/** A word without quotes, its variables replaced; in single quotes nothing is. */
export function expanded(word: string, variables: Variables, line: number, { keepsSpaces = false } = {}): string {
  let result = '';
  let quote = '';
  for (let at = 0; at < word.length; at++) {
    const char = word.charAt(at);
    if (quote === "'") {
      if (char === "'") quote = '';
      else result += char;
    } else if (char === '\\') {
      const next = word.charAt(++at);
      // Within double quotes a backslash is one, but before what it takes the meaning of.
      result += quote === '"' && !/["\\$]/.test(next) ? `\\${next}` : next;
    } else if (char === '"') quote = quote === '' ? '"' : '';
    else if (char === "'" && quote === '' && !keepsSpaces) quote = "'";
    else if (char === '$') {
      const [whole, value] = variable(word.slice(at), variables, line);
      result += value;
      at += whole - 1;
    } else result += char;
  }
  if (quote !== '' && !keepsSpaces) throw wrong(line, 'a quote is not closed');
  return result;
}

/** How long a variable is written, and its value. */
function variable(text: string, variables: Variables, line: number): readonly [number, string] {
  const [plain, name] = /^\$(\w+)/.exec(text) ?? [];
  if (plain !== undefined) return [plain.length, variables.get(name ?? '') ?? ''];
  if (!text.startsWith('${')) return [1, '$'];
  const [whole, key = '', operator, word = ''] = /^\$\{(\w+)(?:(:?[-+?])([^}]*))?\}/.exec(text) ?? [];
  if (whole === undefined) throw wrong(line, `${text.slice(0, 20)} is no variable`);
  const value = variables.get(key);
  const isSet = operator?.startsWith(':') ? value !== undefined && value !== '' : value !== undefined;
  const other = (): string => expanded(word, variables, line);
  if (operator?.endsWith('-')) return [whole.length, isSet ? (value ?? '') : other()];
  if (operator?.endsWith('+')) return [whole.length, isSet ? other() : ''];
  if (operator?.endsWith('?') && !isSet) throw wrong(line, `${key} has no value${word === '' ? '' : `: ${word}`}`);
  return [whole.length, value ?? ''];
}
