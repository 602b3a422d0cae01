/**
 * Reads the text of an expression into its tree, macros written out. Long chains of `&&` and `||` become balanced trees. Pure.
 * Source: cel-spec `langdef.md#syntax`; cel-go `parser/parser.go`.
 */
import type { Call, Entry, Expr, Issue } from './ast.ts';
import { SyntaxIssue, type Token, tokenize } from './lexer.ts';
import { expandMacro } from './macros.ts';

/** Longest text, in code points. Source: cel-go `defaultExpressionSizeCodePointLimit`. */
const textSizeMax = 100_000;

/** Deepest nesting, chains of operators and fields included. Source: cel-go `defaultMaxRecursionDepth`. */
const depthMax = 250;

const reserved = new Set(
  'as break const continue else false for function if import in let loop namespace null package return true var void while'.split(
    ' ',
  ),
);

/** What may begin an expression, as the grammar's messages list it. */
const beginnings =
  "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}";

/** The tree of a text, or what is wrong with it. */
export function parseExpression(text: string): Expr | Issue {
  const size = [...text].length;
  if (size > textSizeMax) {
    return { at: 0, message: `expression code point size exceeds limit: size: ${size}, limit ${textSizeMax}` };
  }
  try {
    return new Parser(tokenize(text)).run();
  } catch (error) {
    if (error instanceof SyntaxIssue) return error;
    throw error;
  }
}

const relations = new Set(['<', '<=', '>', '>=', '==', '!=', 'in']);

class Parser {
  readonly #tokens: readonly Token[];
  #next = 0;
  #depth = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  run(): Expr {
    const expr = this.#expression();
    const { kind, text, at } = this.#token;
    if (kind !== 'end') throw new SyntaxIssue(at, `Syntax error: mismatched input '${text}' expecting <EOF>`);
    return expr;
  }

  get #token(): Token {
    return this.#tokens[this.#next] ?? { kind: 'end', text: '<EOF>', at: 0 };
  }

  #is(text: string): boolean {
    const token = this.#token;
    return token.kind === 'symbol' && token.text === text;
  }

  #take(text: string): Token | undefined {
    if (!this.#is(text)) return undefined;
    const token = this.#token;
    this.#next++;
    return token;
  }

  #expect(text: string): Token {
    const found = this.#take(text);
    if (found !== undefined) return found;
    const token = this.#token;
    throw new SyntaxIssue(token.at, `Syntax error: mismatched input '${token.text}' expecting '${text}'`);
  }

  #deeper<T>(read: () => T): T {
    if (++this.#depth > depthMax) {
      throw new SyntaxIssue(0, `expression recursion limit exceeded: ${depthMax}`);
    }
    const result = read();
    this.#depth--;
    return result;
  }

  #expression(): Expr {
    return this.#deeper(() => {
      const condition = this.#junction('||', '_||_', () => this.#junction('&&', '_&&_', () => this.#chain(0)));
      const question = this.#take('?');
      if (question === undefined) return condition;
      const yes = this.#junction('||', '_||_', () => this.#junction('&&', '_&&_', () => this.#chain(0)));
      this.#expect(':');
      return operator('_?_:_', question.at, condition, yes, this.#expression());
    });
  }

  #junction(sign: string, fn: string, operand: () => Expr): Expr {
    const terms = [operand()];
    const places: number[] = [];
    for (let token = this.#take(sign); token !== undefined; token = this.#take(sign)) {
      places.push(token.at);
      terms.push(operand());
    }
    return balanced(fn, terms, places);
  }

  /** Relations, then sums, then products: each from the left. */
  #chain(level: 0 | 1 | 2): Expr {
    const operand = (): Expr => (level === 2 ? this.#unary() : this.#chain(level === 0 ? 1 : 2));
    let left = operand();
    let links = 0;
    for (;;) {
      const { kind, text, at } = this.#token;
      if (kind !== 'symbol' || !isOperatorOf(level, text)) break;
      this.#next++;
      this.#depth++;
      links++;
      if (this.#depth > depthMax) throw new SyntaxIssue(0, `expression recursion limit exceeded: ${depthMax}`);
      left = operator(text === 'in' ? '@in' : `_${text}_`, at, left, operand());
    }
    this.#depth -= links;
    return left;
  }

  #unary(): Expr {
    const { text, at } = this.#token;
    if (!this.#is('!') && !this.#is('-')) return this.#member(this.#primary());
    let count = 0;
    while (this.#take(text) !== undefined) count++;
    const { kind, value, number } = this.#token;
    if (text === '-' && kind === 'literal' && number !== undefined) {
      count--;
      this.#next++;
      const negative = typeof value === 'bigint' || typeof value === 'number' ? -value : null;
      const literal: Expr = { kind: 'literal', at, value: checkedInt(negative, at) };
      const inner = this.#member(literal);
      return count % 2 === 0 ? inner : operator('-_', at, inner);
    }
    const operand = this.#member(this.#primary());
    return count % 2 === 0 ? operand : operator(`${text}_`, at, operand);
  }

  #member(start: Expr): Expr {
    let expr = start;
    let links = 0;
    for (;;) {
      const { at } = this.#token;
      if (this.#take('.') !== undefined) expr = this.#selection(expr, at);
      else if (this.#take('[') !== undefined) {
        const isOptional = this.#take('?') !== undefined;
        const index = this.#expression();
        this.#expect(']');
        expr = operator(isOptional ? '_[?_]' : '_[_]', at, expr, index);
      } else if (this.#is('{') && isTypeName(expr)) expr = this.#struct(expr);
      else break;
      links++;
      if (++this.#depth > depthMax) throw new SyntaxIssue(0, `expression recursion limit exceeded: ${depthMax}`);
    }
    this.#depth -= links;
    return expr;
  }

  #selection(operand: Expr, at: number): Expr {
    const isOptional = this.#take('?') !== undefined;
    const name = this.#name();
    if (isOptional) return operator('_?._', at, operand, { kind: 'literal', at: name.at, value: name.text });
    if (!this.#is('(')) return { kind: 'select', at, operand, field: name.text, isTest: false };
    const { at: open } = this.#token;
    return this.#call({ kind: 'call', at: open, fn: name.text, target: operand, args: this.#arguments() });
  }

  #name(): Token {
    const token = this.#token;
    if (token.kind !== 'ident') {
      throw new SyntaxIssue(token.at, `Syntax error: mismatched input '${token.text}' expecting IDENTIFIER`);
    }
    this.#next++;
    return token;
  }

  #arguments(): readonly Expr[] {
    this.#expect('(');
    const args: Expr[] = [];
    if (this.#take(')') !== undefined) return args;
    do args.push(this.#expression());
    while (this.#take(',') !== undefined);
    this.#expect(')');
    return args;
  }

  #call(call: Call): Expr {
    return expandMacro(call) ?? call;
  }

  #primary(): Expr {
    const token = this.#token;
    const { kind, at } = token;
    if (kind === 'literal') {
      this.#next++;
      return { kind: 'literal', at, value: checkedInt(token.value ?? null, at) };
    }
    if (this.#take('(') !== undefined) {
      const inner = this.#expression();
      this.#expect(')');
      return inner;
    }
    if (this.#take('[') !== undefined) return this.#list(at);
    if (this.#take('{') !== undefined) return this.#map(at);
    const isRooted = this.#take('.') !== undefined;
    const name = this.#token;
    if (name.kind !== 'ident') {
      const expecting = isRooted ? 'IDENTIFIER' : beginnings;
      throw new SyntaxIssue(name.at, `Syntax error: mismatched input '${name.text}' expecting ${expecting}`);
    }
    this.#next++;
    const shown = isRooted ? `.${name.text}` : name.text;
    if (this.#is('(')) {
      const { at: open } = this.#token;
      return this.#call({ kind: 'call', at: open, fn: shown, target: undefined, args: this.#arguments() });
    }
    if (reserved.has(name.text)) throw new SyntaxIssue(name.at, `reserved identifier: ${name.text}`);
    return { kind: 'ident', at: name.at, name: shown };
  }

  #list(at: number): Expr {
    const items: Expr[] = [];
    const optional = new Set<number>();
    while (!this.#is(']')) {
      if (this.#take('?') !== undefined) optional.add(items.length);
      items.push(this.#expression());
      if (this.#take(',') === undefined) break;
    }
    this.#expect(']');
    return { kind: 'list', at, items, optional };
  }

  #map(at: number): Expr {
    const entries: Entry<Expr>[] = [];
    while (!this.#is('}')) {
      const isOptional = this.#take('?') !== undefined;
      const key = this.#expression();
      const colon = this.#expect(':');
      entries.push({ at: colon.at, key, value: this.#expression(), isOptional });
      if (this.#take(',') === undefined) break;
    }
    this.#expect('}');
    return { kind: 'map', at, entries };
  }

  #struct(name: Expr): Expr {
    const { at } = this.#expect('{');
    const entries: Entry<string>[] = [];
    while (!this.#is('}')) {
      const isOptional = this.#take('?') !== undefined;
      const key = this.#name();
      const colon = this.#expect(':');
      entries.push({ at: colon.at, key: key.text, value: this.#expression(), isOptional });
      if (this.#take(',') === undefined) break;
    }
    this.#expect('}');
    return { kind: 'struct', at, type: qualifiedName(name) ?? '', entries };
  }
}

function isOperatorOf(level: 0 | 1 | 2, text: string): boolean {
  if (level === 0) return relations.has(text);
  return level === 1 ? text === '+' || text === '-' : text === '*' || text === '/' || text === '%';
}

function operator(fn: string, at: number, ...args: readonly Expr[]): Expr {
  return { kind: 'call', at, fn, target: undefined, args };
}

function isTypeName(expr: Expr): boolean {
  return qualifiedName(expr) !== undefined;
}

/** `a.b.c` of names alone; undefined for anything else. */
export function qualifiedName(expr: Expr): string | undefined {
  if (expr.kind === 'ident') return expr.name;
  if (expr.kind !== 'select' || expr.isTest) return undefined;
  const before = qualifiedName(expr.operand);
  return before === undefined ? undefined : `${before}.${expr.field}`;
}

/** A term alone, or a tree of them that is as deep as it has to be. */
function balanced(fn: string, terms: readonly Expr[], places: readonly number[]): Expr {
  const build = (from: number, to: number): Expr => {
    const first = terms[from];
    if (first === undefined) throw new Error('Bug: a junction has terms');
    if (from === to) return first;
    const middle = Math.floor((from + to + 1) / 2);
    return operator(fn, places[middle - 1] ?? 0, build(from, middle - 1), build(middle, to));
  };
  return build(0, terms.length - 1);
}

function checkedInt<T>(value: T, at: number): T {
  if (typeof value === 'bigint' && (value >= 2n ** 63n || value < -(2n ** 63n))) {
    throw new SyntaxIssue(at, 'invalid int literal');
  }
  return value;
}
