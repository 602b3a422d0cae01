/**
 * Splits the text of an expression into tokens. Literals are read here, so that the parser sees their values. Pure.
 * Source: cel-spec `langdef.md#syntax`; cel-go `parser/gen/CEL.g4`, `parser/unescape.go`.
 */
import type { Issue } from './ast.ts';
import { Uint, type Value } from './values.ts';

/** One token. `text` is as written; `value` is that of a literal. */
export interface Token {
  readonly kind: 'end' | 'ident' | 'literal' | 'symbol';
  readonly text: string;
  readonly at: number;
  readonly value?: Value;
  /** A number without a sign of its own: a minus before it belongs to it. */
  readonly number?: 'double' | 'int';
}

/** A text that is no expression. */
export class SyntaxIssue extends Error implements Issue {
  readonly at: number;

  constructor(at: number, message: string) {
    super(message);
    this.at = at;
  }
}

const space = /[ \t\r\n\f]+|\/\/[^\n]*/uy;
const ident = /[_a-zA-Z][_a-zA-Z0-9]*/uy;
const float = /(?:\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?)/uy;
const whole = /(?:0x[0-9a-fA-F]+|\d+)([uU]?)/uy;
const text = /([rR]?[bB]?|[bB][rR])("""|'''|"|')/uy;
const symbol = /&&|\|\||==|!=|<=|>=|[-+*/%<>!?:.,()[\]{}=]/uy;

/** The tokens of a text, the last of which is `end`. Throws a `SyntaxIssue`. */
export function tokenize(source: string): readonly Token[] {
  return new Lexer(source).run();
}

class Lexer {
  readonly #source: string;
  #offset = 0;
  /** Code points before `#offset`. */
  #at = 0;

  constructor(source: string) {
    this.#source = source;
  }

  run(): readonly Token[] {
    const tokens: Token[] = [];
    for (;;) {
      while (this.#take(space) !== undefined);
      if (this.#offset >= this.#source.length) break;
      tokens.push(this.#next());
    }
    tokens.push({ kind: 'end', text: '<EOF>', at: this.#at });
    return tokens;
  }

  #take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#offset;
    const match = pattern.exec(this.#source);
    if (match === null || match[0] === '') return undefined;
    this.#skip(match[0]);
    return match;
  }

  #skip(taken: string): void {
    this.#offset += taken.length;
    for (const _ of taken) this.#at++;
  }

  #next(): Token {
    const at = this.#at;
    const opening = this.#take(text);
    if (opening !== undefined) return this.#string(at, (opening[1] ?? '').toLowerCase(), opening[2] ?? '"');
    const name = this.#take(ident);
    if (name !== undefined) return nameToken(name[0], at);
    const double = this.#take(float);
    if (double !== undefined) {
      const value = Number(double[0]);
      if (!Number.isFinite(value)) throw new SyntaxIssue(at, 'invalid double literal');
      return { kind: 'literal', text: double[0], at, value, number: 'double' };
    }
    const integer = this.#take(whole);
    if (integer !== undefined) return wholeToken(integer[0], integer[1] !== '', at);
    const sign = this.#take(symbol);
    if (sign !== undefined) return { kind: 'symbol', text: sign[0], at };
    const [character = ''] = this.#source.slice(this.#offset);
    throw new SyntaxIssue(at, `Syntax error: token recognition error at: '${character}'`);
  }

  #string(at: number, prefix: string, quote: string): Token {
    const start = this.#offset;
    const isRaw = prefix.includes('r');
    for (let end = start; end < this.#source.length; end++) {
      if (this.#source.startsWith(quote, end)) {
        const inner = this.#source.slice(start, end);
        this.#skip(inner + quote);
        const isBytes = prefix.includes('b');
        const value = isRaw ? rawValue(inner, isBytes) : unescaped(inner, isBytes, at);
        return { kind: 'literal', text: prefix + quote + inner + quote, at, value };
      }
      if (quote.length === 1 && /[\r\n]/.test(this.#source[end] ?? '')) break;
      if (!isRaw && this.#source[end] === '\\') end++;
    }
    const shown = this.#source.slice(start - quote.length);
    throw new SyntaxIssue(at, `Syntax error: token recognition error at: '${shown}'`);
  }
}

function nameToken(name: string, at: number): Token {
  switch (name) {
    case 'true':
    case 'false':
      return { kind: 'literal', text: name, at, value: name === 'true' };
    case 'null':
      return { kind: 'literal', text: name, at, value: null };
    case 'in':
      return { kind: 'symbol', text: name, at };
    default:
      return { kind: 'ident', text: name, at };
  }
}

function wholeToken(shown: string, isUnsigned: boolean, at: number): Token {
  const value = BigInt(isUnsigned ? shown.slice(0, -1) : shown);
  if (isUnsigned) {
    if (value >= 2n ** 64n) throw new SyntaxIssue(at, 'invalid uint literal');
    return { kind: 'literal', text: shown, at, value: new Uint(value) };
  }
  return { kind: 'literal', text: shown, at, value, number: 'int' };
}

function rawValue(inner: string, isBytes: boolean): Value {
  return isBytes ? new TextEncoder().encode(inner) : inner;
}

const simpleEscapes: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  "'": "'",
  '"': '"',
  '`': '`',
  '?': '?',
};

const escapes = /\\(?:([abfnrtv\\'"`?])|[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2}))|\\/gu;

/** In bytes, numbers are bytes and not characters. */
function unescaped(inner: string, isBytes: boolean, at: number): Value {
  if (!inner.includes('\\')) return rawValue(inner, isBytes);
  const parts: (string | number)[] = [];
  let from = 0;
  for (const match of inner.matchAll(escapes)) {
    parts.push(inner.slice(from, match.index));
    from = match.index + match[0].length;
    const [, plain, hex, short, long, octal] = match;
    const point = short ?? long;
    if (plain !== undefined) parts.push(simpleEscapes[plain] ?? plain);
    else if (hex !== undefined || octal !== undefined) {
      const code = hex !== undefined ? Number.parseInt(hex, 16) : Number.parseInt(octal ?? '', 8);
      parts.push(isBytes ? code : String.fromCodePoint(code));
    } else if (point !== undefined && !isBytes) parts.push(characterOf(Number.parseInt(point, 16), at));
    else throw new SyntaxIssue(at, 'unable to unescape string');
  }
  parts.push(inner.slice(from));
  if (!isBytes) return parts.join('');
  return Uint8Array.from(
    parts.flatMap((part) => (typeof part === 'number' ? [part] : [...new TextEncoder().encode(part)])),
  );
}

function characterOf(point: number, at: number): string {
  if (point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) throw new SyntaxIssue(at, 'invalid unicode code point');
  return String.fromCodePoint(point);
}
