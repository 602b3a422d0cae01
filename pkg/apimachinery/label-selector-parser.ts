/** The grammar of label selectors as text. Upstream counterpart: the lexer and parser of apimachinery `labels`. */
import { invalid, untyped } from './field-error.ts';
import type { Requirement, SelectorOperator } from './label-requirement.ts';
import { qualifiedNameProblems } from './names.ts';

type ParseResult =
  | { readonly ok: true; readonly requirements: readonly Requirement[] }
  | { readonly ok: false; readonly error: string };

type TokenKind = '!' | '!=' | '(' | ')' | ',' | '<' | '=' | '==' | '>' | 'end' | 'identifier' | 'in' | 'notin';

interface Token {
  readonly kind: TokenKind;
  readonly text: string;
}

/** Longest text parsed: what fits a URL that the server accepts. */
const textLengthMax = 64 * 1024;

const special = new Set(['=', '!', '(', ')', ',', '>', '<']);
const space = new Set([' ', '\t', '\r', '\n']);

function scan(text: string): Token[] {
  const tokens: Token[] = [];
  let position = 0;
  while (position < text.length) {
    const character = text[position]!;
    if (space.has(character)) {
      position++;
    } else if (special.has(character)) {
      const two = text.slice(position, position + 2);
      const symbol = two === '==' || two === '!=' ? two : character;
      tokens.push({ kind: symbol as TokenKind, text: symbol });
      position += symbol.length;
    } else {
      const start = position;
      while (position < text.length && !special.has(text[position]!) && !space.has(text[position]!)) position++;
      const word = text.slice(start, position);
      tokens.push({ kind: word === 'in' || word === 'notin' ? word : 'identifier', text: word });
    }
  }
  tokens.push({ kind: 'end', text: '' });
  return tokens;
}

/** Ends the parse with a message; never leaves this module. */
class SyntaxProblem extends Error {}

function fail(found: string, expected: string): never {
  throw new SyntaxProblem(`found '${found}', expected: ${expected}`);
}

class Parser {
  readonly #tokens: readonly Token[];
  #position = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  /** The next token; where a value may stand, `in` and `notin` are plain words. */
  peek(isValue = true): Token {
    const token = this.#tokens[Math.min(this.#position, this.#tokens.length - 1)]!;
    return isValue && (token.kind === 'in' || token.kind === 'notin')
      ? { kind: 'identifier', text: token.text }
      : token;
  }

  take(isValue = true): Token {
    const token = this.peek(isValue);
    this.#position++;
    return token;
  }

  requirements(check: (requirement: Requirement) => string | undefined): Requirement[] {
    const found: Requirement[] = [];
    for (;;) {
      const token = this.peek();
      if (token.kind === 'end') return found;
      if (token.kind !== 'identifier' && token.kind !== '!') fail(token.text, "!, identifier, or 'end of string'");
      found.push(this.#checked(check));
      const next = this.take();
      if (next.kind === 'end') return found;
      if (next.kind !== ',') fail(next.text, "',' or 'end of string'");
      const after = this.peek();
      if (after.kind !== 'identifier' && after.kind !== '!') fail(after.text, "identifier after ','");
    }
  }

  #checked(check: (requirement: Requirement) => string | undefined): Requirement {
    try {
      const requirement = this.#requirement();
      const problem = check(requirement);
      if (problem !== undefined) throw new SyntaxProblem(problem);
      return requirement;
    } catch (error) {
      if (error instanceof SyntaxProblem) throw new SyntaxProblem(`unable to parse requirement: ${error.message}`);
      throw error;
    }
  }

  #requirement(): Requirement {
    let token = this.take();
    const isNegated = token.kind === '!';
    if (isNegated) token = this.take();
    if (token.kind !== 'identifier') fail(token.text, 'identifier');
    const key = token.text;
    const problems = qualifiedNameProblems(key);
    // A selector has no path of fields, and this is how Go prints that.
    if (problems.length > 0)
      throw new SyntaxProblem(`<nil>: ${invalid(untyped(''), key, problems.join('; ')).message}`);
    if (isNegated) return { key, operator: '!', values: [] };
    const next = this.peek();
    if (next.kind === 'end' || next.kind === ',') return { key, operator: 'exists', values: [] };
    const operator = this.#operator();
    const values = operator === 'in' || operator === 'notin' ? this.#valueList() : [this.#exactValue()];
    return { key, operator, values };
  }

  #operator(): SelectorOperator {
    const token = this.take(false);
    switch (token.kind) {
      case 'in':
      case 'notin':
      case '=':
      case '==':
      case '!=':
        return token.kind;
      case '>':
        return 'gt';
      case '<':
        return 'lt';
      case '!':
      case '(':
      case ')':
      case ',':
      case 'end':
      case 'identifier':
        return fail(token.text, 'in, notin, =, ==, !=, gt, lt');
    }
  }

  #exactValue(): string {
    const next = this.peek();
    if (next.kind === 'end' || next.kind === ',') return '';
    const token = this.take();
    return token.kind === 'identifier' ? token.text : fail(token.text, 'identifier');
  }

  #valueList(): readonly string[] {
    const open = this.take();
    if (open.kind !== '(') throw new SyntaxProblem(`found '${open.text}' expected: '('`);
    const first = this.peek();
    if (first.kind === ')') {
      this.take();
      return [''];
    }
    if (first.kind !== 'identifier' && first.kind !== ',') fail(first.text, "',', ')' or identifier");
    const values = this.#identifiers();
    const close = this.take();
    if (close.kind !== ')') fail(close.text, "')'");
    return [...values].sort();
  }

  /** Words between commas; nothing between two commas is the empty value. */
  #identifiers(): Set<string> {
    const values = new Set<string>();
    for (;;) {
      const token = this.take();
      if (token.kind === 'identifier') {
        values.add(token.text);
        const next = this.peek();
        if (next.kind === ')') return values;
        if (next.kind !== ',') fail(next.text, "',' or ')'");
      } else if (token.kind === ',') {
        if (values.size === 0) values.add('');
        const next = this.peek();
        if (next.kind === ')') {
          values.add('');
          return values;
        }
        if (next.kind === ',') values.add('');
      } else {
        fail(token.text, "',', or identifier");
      }
    }
  }
}

/** Parses a selector; `check` says what is wrong with a requirement beyond its syntax. */
export function parseSelectorText(text: string, check: (requirement: Requirement) => string | undefined): ParseResult {
  if (text.length > textLengthMax) return { ok: false, error: `selector is longer than ${textLengthMax} characters` };
  try {
    return { ok: true, requirements: new Parser(scan(text)).requirements(check) };
  } catch (error) {
    if (error instanceof SyntaxProblem) return { ok: false, error: error.message };
    throw error;
  }
}
