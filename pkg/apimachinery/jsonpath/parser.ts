/**
 * The grammar of kubectl's JSONPath templates: text with actions in braces, of which `range … end` encloses others. What upstream's parser
 * refuses is refused here in its words. Source: client-go `util/jsonpath/parser.go`, kubectl reference "JSONPath Support".
 */
import { errorText } from '#pkg/base/error-text.ts';
import { JsonPathError } from './error.ts';

/** One step of a path. Steps follow each other; each takes the values that the one before it found. */
export type Step =
  | { readonly kind: 'all' }
  /** The value and everything below it that holds values. */
  | { readonly kind: 'descend' }
  | { readonly kind: 'field'; readonly name: string }
  | { readonly kind: 'filter'; readonly left: Path; readonly operator: string; readonly right: Path }
  /** The same value in place of each. */
  | { readonly kind: 'literal'; readonly value: boolean | number | string }
  | { readonly kind: 'slice'; readonly from?: number; readonly to?: number; readonly by: number }
  /** One item; negative indexes count from the end. */
  | { readonly kind: 'index'; readonly index: number }
  | { readonly kind: 'union'; readonly branches: readonly Path[] };

/** The steps from a value to others, in order. */
export type Path = readonly Step[];

/** A part of a template. */
export type Part =
  | { readonly kind: 'path'; readonly path: Path }
  | { readonly kind: 'range'; readonly path: Path; readonly body: readonly Part[] }
  | { readonly kind: 'text'; readonly text: string };

/** Ranges within ranges that are followed. */
const depthMax = 32;

/** Reads a template such as `{range .items[*]}{.metadata.name}{"\n"}{end}`. */
export function parseTemplate(template: string): readonly Part[] {
  try {
    const source = new Source(template);
    const parts = parseParts(source, 0);
    if (!source.isAtEnd) throw new Error('not in range, nothing to end');
    return parts;
  } catch (error) {
    throw new JsonPathError(`error: error parsing jsonpath ${template}, ${errorText(error)}`, error);
  }
}

/** Reads a path whose braces and leading dot may be left out, as `--sort-by`, `wait` and custom columns take it. */
export function parseRelaxedPath(text: string): Path {
  const match = /^\{\.?([^{}]+)\}$|^\.?([^{}]+)$/.exec(text);
  if (match === null) {
    throw new JsonPathError(
      "error: unexpected path string, expected a 'name1.name2' or '.name1.name2' or '{name1.name2}' or '{.name1.name2}'",
    );
  }
  return parseTemplate(`{.${match[1] ?? match[2]}}`).flatMap((part) => (part.kind === 'path' ? part.path : []));
}

class Source {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  startsWith(prefix: string): boolean {
    return this.#text.startsWith(prefix, this.#at);
  }

  /** Takes the prefix if it comes next. */
  skip(prefix: string): boolean {
    if (!this.startsWith(prefix)) return false;
    this.#at += prefix.length;
    return true;
  }

  /** Takes what a sticky pattern matches here. */
  match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text) ?? undefined;
    if (found !== undefined) this.#at += found[0].length;
    return found;
  }

  /** The next character, not taken. */
  get next(): string {
    return this.#text[this.#at] ?? '';
  }
}

/** Parts up to the end of the text, or up to the `{end}` of the range around them, which is left to be taken. */
function parseParts(source: Source, depth: number): readonly Part[] {
  if (depth > depthMax) throw new Error('ranges are nested too deep');
  const parts: Part[] = [];
  while (!source.isAtEnd) {
    const text = source.match(/[^{]+/y)?.[0];
    if (text !== undefined) {
      parts.push({ kind: 'text', text });
      continue;
    }
    if (source.match(/\{ *end *\}/y) !== undefined) {
      if (depth === 0) throw new Error('not in range, nothing to end');
      return parts;
    }
    source.skip('{');
    const isRange = source.match(/ *range(?=[\s.[{$@])/y) !== undefined;
    const path = parsePath(source);
    if (!source.skip('}')) throw new Error('unclosed action');
    parts.push(isRange ? { kind: 'range', path, body: parseParts(source, depth + 1) } : { kind: 'path', path });
  }
  return parts;
}

const fieldPattern = /(?:\\.|[^\s.,[\]$@{}\\])*/sy;
const filterPattern = /\[\?\(((?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[^"')\n])*)\)\]/y;
const quotedPattern = /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'/y;

/** Steps up to a closing brace or the end of the text. */
function parsePath(source: Source): Path {
  const steps: Step[] = [];
  while (!source.isAtEnd && !source.startsWith('}')) {
    if (source.match(/[ @$]+/y) !== undefined) continue;
    steps.push(...parseStep(source, steps.at(-1)));
  }
  return steps;
}

function parseStep(source: Source, before: Step | undefined): readonly Step[] {
  const filter = source.match(filterPattern);
  if (filter !== undefined) return [parseFilter(filter[1]!)];
  if (source.startsWith('[?(')) throw new Error('unterminated filter');
  if (source.skip('..')) {
    if (before?.kind === 'descend') throw new Error('invalid multiple recursive descent');
    return /[\w\p{L}]/u.test(source.next) ? [{ kind: 'descend' }, parseField(source)] : [{ kind: 'descend' }];
  }
  if (source.skip('.')) return [parseField(source)];
  if (source.next === '[') return parseBrackets(source);
  const quoted = source.match(quotedPattern);
  if (quoted !== undefined) return [{ kind: 'literal', value: unquote(quoted[0]) }];
  if (/["']/.test(source.next)) throw new Error('unterminated quoted string');
  const number = source.match(/[+-]?[\d.]+/y);
  if (number !== undefined) {
    const value = Number(number[0]);
    if (Number.isNaN(value)) throw new Error(`cannot parse number ${number[0]}`);
    return [{ kind: 'literal', value }];
  }
  const word = source.match(/[\w\p{L}][^\s.,[\]$@{}]*/uy)?.[0];
  if (word === 'true' || word === 'false') return [{ kind: 'literal', value: word === 'true' }];
  if (word !== undefined) throw new Error(`unrecognized identifier ${word}`);
  if (/[\r\n]/.test(source.next)) throw new Error('unclosed action');
  const code = source.next.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0');
  throw new Error(`unrecognized character in action: U+${code} '${source.next}'`);
}

function parseField(source: Source): Step {
  const name = source.match(fieldPattern)?.[0] ?? '';
  return name === '*' ? { kind: 'all' } : { kind: 'field', name: name.replaceAll('\\', '') };
}

/** `[0]`, `[-1]`, `[1:3]`, `[*]`, `['key']`, and several of them with commas between. */
function parseBrackets(source: Source): readonly Step[] {
  const inner = source.match(/\[([^\]\n]*)\]/y)?.[1];
  if (inner === undefined) throw new Error('unterminated array');
  const branches = inner.split(',');
  if (branches.length === 1) return parseBracket(inner);
  return [{ kind: 'union', branches: branches.map((branch) => parseBracket(branch.trim())) }];
}

function parseBracket(inner: string): Path {
  if (inner === '*') return [{ kind: 'all' }];
  const key = /^'([^']*)'$/.exec(inner)?.[1];
  // A dot in a key is one between fields unless a backslash precedes it, as outside of brackets.
  if (key !== undefined) return parsePath(new Source(`.${key}`));
  const slice = /^(-?\d*)(?:(:)(-?\d*))?(?::(-?\d*))?$/.exec(inner);
  if (slice === null || inner === '') throw new Error(`invalid array index ${inner}`);
  const [, from = '', colon, to = '', by = ''] = slice;
  if (colon === undefined) return [{ kind: 'index', index: Number(from) }];
  if (by !== '' && Number(by) <= 0) throw new Error('step must be > 0');
  return [
    {
      kind: 'slice',
      ...(from === '' ? {} : { from: Number(from) }),
      ...(to === '' ? {} : { to: Number(to) }),
      by: by === '' ? 1 : Number(by),
    },
  ];
}

function parseFilter(text: string): Step {
  const [, left, operator, right] = /^([^!<>=]+)([!<>=]+)(.+)$/.exec(text) ?? [];
  if (operator === undefined) return { kind: 'filter', left: parsePath(new Source(text)), operator: '', right: [] };
  if (!['!=', '<', '<=', '==', '>', '>='].includes(operator))
    throw new Error(`unrecognized filter operator ${operator}`);
  return { kind: 'filter', left: parsePath(new Source(left!)), operator, right: parsePath(new Source(right!)) };
}

const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' };

function unquote(text: string): string {
  return text.slice(1, -1).replaceAll(/\\(.)/gs, (_, letter: string) => escapes[letter] ?? letter);
}
