/**
 * Reads a script into its tree. Pure. What it does not know is a `SyntaxProblem`, never something that is passed over.
 * Source: POSIX.1-2024, Shell Command Language, sections 2.3 to 2.10.
 */
import {
  type AndOr,
  type Assignment,
  type Command,
  type List,
  type Pipeline,
  type Redirect,
  SyntaxProblem,
  type Word,
} from './syntax.ts';
import { WordReader } from './words.ts';

/** Longest script that is read. */
const scriptCharactersMax = 1024 * 1024;
const operators = [
  '&&',
  '||',
  ';;',
  '<<-',
  '<<',
  '>>',
  '<&',
  '>&',
  '<>',
  '>|',
  '&',
  '|',
  ';',
  '<',
  '>',
  '(',
  ')',
  '\n',
];
const redirectOperators: ReadonlySet<string> = new Set(['<', '<&', '<<', '<<-', '<>', '>', '>&', '>>', '>|']);
const reserved: ReadonlySet<string> = new Set(
  '! { } case do done elif else esac fi for if in then until while'.split(' '),
);

type Token =
  | { readonly kind: 'operator'; readonly operator: string }
  | { readonly kind: 'word'; readonly word: Word; readonly plain: string | undefined }
  | { readonly kind: 'redirect'; readonly redirect: Redirect }
  | { readonly kind: 'end' };

/** The tree of a script. Throws `SyntaxProblem`. */
export function parse(script: string, depth = 0): List {
  if (script.length > scriptCharactersMax) throw new SyntaxProblem('the script is too long');
  return new Parser(tokenize(script, depth)).script();
}

function tokenize(script: string, depth: number): readonly Token[] {
  const reader = new WordReader(script, parse, depth);
  const tokens: Token[] = [];
  const documents: {
    readonly end: string;
    readonly isQuoted: boolean;
    readonly strips: boolean;
    readonly index: number;
    readonly descriptor: number;
  }[] = [];
  for (;;) {
    while (' \t'.includes(script[reader.at] ?? '\n') || script.startsWith('\\\n', reader.at)) {
      reader.at += script[reader.at] === '\\' ? 2 : 1;
    }
    if (reader.at >= script.length) break;
    if (script[reader.at] === '#') {
      const end = script.indexOf('\n', reader.at);
      reader.at = end < 0 ? script.length : end;
      continue;
    }
    const [digits = ''] = /^\d(?=[<>])/.exec(script.slice(reader.at, reader.at + 2)) ?? [];
    const operator = operators.find((one) => script.startsWith(one, reader.at + digits.length));
    if (operator === undefined) {
      const word = reader.word()!;
      const isPlain = word.every((part) => part.kind === 'text' && !part.isQuoted);
      tokens.push({ kind: 'word', word, plain: isPlain ? textOf(word) : undefined });
      continue;
    }
    reader.at += digits.length + operator.length;
    if (!redirectOperators.has(operator)) {
      tokens.push({ kind: 'operator', operator });
      if (operator === '\n')
        for (const one of documents.splice(0)) tokens[one.index] = readDocument(reader, one, depth);
      continue;
    }
    const descriptor = digits === '' ? (operator.startsWith('<') ? 0 : 1) : Number(digits);
    while (' \t'.includes(script[reader.at] ?? '\n')) reader.at++;
    const target = reader.word();
    if (target === undefined) throw new SyntaxProblem(`a word is expected after "${operator}"`);
    if (operator.startsWith('<<')) {
      const isQuoted = target.some((part) => part.kind === 'text' && part.isQuoted);
      documents.push({ end: textOf(target), isQuoted, strips: operator === '<<-', index: tokens.length, descriptor });
      tokens.push({ kind: 'end' });
    } else {
      const plain = operator === '>|' ? '>' : (operator as Redirect['operator']);
      tokens.push({ kind: 'redirect', redirect: { descriptor, operator: plain, target } });
    }
  }
  if (documents.length > 0) throw new SyntaxProblem(`"${documents[0]!.end}" is expected`, { isUnfinished: true });
  tokens.push({ kind: 'end' });
  return tokens;
}

function readDocument(
  reader: WordReader,
  {
    end,
    isQuoted,
    strips,
    descriptor,
  }: { readonly end: string; readonly isQuoted: boolean; readonly strips: boolean; readonly descriptor: number },
  depth: number,
): Token {
  let text = '';
  for (;;) {
    if (reader.at >= reader.text.length) throw new SyntaxProblem(`"${end}" is expected`, { isUnfinished: true });
    const newline = reader.text.indexOf('\n', reader.at);
    const stop = newline < 0 ? reader.text.length : newline;
    let line = reader.text.slice(reader.at, stop);
    reader.at = Math.min(stop + 1, reader.text.length);
    if (strips) line = line.replace(/^\t+/, '');
    if (line === end) break;
    text += `${line}\n`;
  }
  const target: Word = isQuoted
    ? [{ kind: 'text', text, isQuoted: true }]
    : new WordReader(text, parse, depth + 1).quotedText();
  return { kind: 'redirect', redirect: { descriptor, operator: '<<', target } };
}

/** The text of a word without its quotes. */
function textOf(word: Word): string {
  return word.map((part) => (part.kind === 'text' ? part.text : '')).join('');
}

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  script(): List {
    const list = this.#list([]);
    if (this.#peek.kind !== 'end') throw this.#unexpected();
    return list;
  }

  get #peek(): Token {
    return this.#tokens[this.#at]!;
  }

  #isOperator(...wanted: readonly string[]): boolean {
    const token = this.#peek;
    return token.kind === 'operator' && wanted.includes(token.operator);
  }

  /** Whether the next word, where a command may begin, is one of these reserved ones. */
  #isReserved(...wanted: readonly string[]): boolean {
    const token = this.#peek;
    return token.kind === 'word' && token.plain !== undefined && wanted.includes(token.plain);
  }

  #skipNewlines(): void {
    while (this.#isOperator('\n')) this.#at++;
  }

  #expect(word: string): void {
    if (!this.#isReserved(word) && !this.#isOperator(word)) throw this.#unexpected(word);
    this.#at++;
  }

  #unexpected(wanted?: string): SyntaxProblem {
    const token = this.#peek;
    const isUnfinished = token.kind === 'end';
    const what =
      token.kind === 'end'
        ? 'end of file'
        : token.kind === 'operator'
          ? token.operator === '\n'
            ? 'newline'
            : `"${token.operator}"`
          : token.kind === 'word'
            ? `"${token.plain ?? textOf(token.word)}"`
            : 'redirection';
    const expecting = wanted === undefined ? '' : ` (expecting "${wanted}")`;
    return new SyntaxProblem(`syntax error: unexpected ${what}${expecting}`, { isUnfinished });
  }

  /** Commands until one of the reserved words, or what ends everything. */
  #list(ends: readonly string[]): List {
    const all: AndOr[] = [];
    for (;;) {
      this.#skipNewlines();
      if (this.#peek.kind === 'end' || this.#isOperator(')', ';;') || this.#isReserved(...ends)) return all;
      const first = this.#pipeline();
      const rest: { operator: '&&' | '||'; pipeline: Pipeline }[] = [];
      while (this.#isOperator('&&', '||')) {
        const { operator } = this.#peek as { operator: '&&' | '||' };
        this.#at++;
        this.#skipNewlines();
        rest.push({ operator, pipeline: this.#pipeline() });
      }
      const isBackground = this.#isOperator('&');
      all.push({ first, rest, isBackground });
      if (!this.#isOperator('&', ';', '\n')) return all;
      this.#at++;
    }
  }

  #pipeline(): Pipeline {
    let isNegated = false;
    while (this.#isReserved('!')) {
      this.#at++;
      isNegated = !isNegated;
    }
    const commands = [this.#command()];
    while (this.#isOperator('|')) {
      this.#at++;
      this.#skipNewlines();
      commands.push(this.#command());
    }
    return { isNegated, commands };
  }

  #command(): Command {
    const compound = this.#compound();
    return compound === undefined ? this.#simple() : { ...compound, redirects: this.#redirects() };
  }

  #redirects(): readonly Redirect[] {
    const redirects: Redirect[] = [];
    for (let token = this.#peek; token.kind === 'redirect'; token = this.#peek) {
      redirects.push(token.redirect);
      this.#at++;
    }
    return redirects;
  }

  #compound(): Command | undefined {
    const redirects: readonly Redirect[] = [];
    if (this.#isOperator('(')) {
      this.#at++;
      const body = this.#list([]);
      this.#expect(')');
      return { kind: 'group', body, isSubshell: true, redirects };
    }
    if (this.#isReserved('{')) {
      this.#at++;
      const body = this.#list(['}']);
      this.#expect('}');
      return { kind: 'group', body, isSubshell: false, redirects };
    }
    if (this.#isReserved('if')) return this.#if();
    if (this.#isReserved('while', 'until')) {
      const isUntil = this.#isReserved('until');
      this.#at++;
      const condition = this.#list(['do']);
      return { kind: 'loop', condition, body: this.#doGroup(), isUntil, redirects };
    }
    if (this.#isReserved('for')) return this.#for();
    if (this.#isReserved('case')) return this.#case();
    const token = this.#peek;
    if (token.kind === 'word' && token.plain !== undefined && reserved.has(token.plain)) throw this.#unexpected();
    return this.#function();
  }

  #doGroup(): List {
    this.#expect('do');
    const body = this.#list(['done']);
    this.#expect('done');
    return body;
  }

  #if(): Command {
    const branches: { condition: List; body: List }[] = [];
    do {
      this.#at++;
      const condition = this.#list(['then']);
      this.#expect('then');
      branches.push({ condition, body: this.#list(['elif', 'else', 'fi']) });
    } while (this.#isReserved('elif'));
    let otherwise: List | undefined;
    if (this.#isReserved('else')) {
      this.#at++;
      otherwise = this.#list(['fi']);
    }
    this.#expect('fi');
    return { kind: 'if', branches, ...(otherwise === undefined ? {} : { otherwise }), redirects: [] };
  }

  #for(): Command {
    this.#at++;
    const token = this.#peek;
    if (token.kind !== 'word' || !/^[A-Za-z_]\w*$/.test(token.plain ?? '')) throw this.#unexpected();
    this.#at++;
    this.#skipNewlines();
    let words: Word[] | undefined;
    if (this.#isReserved('in')) {
      this.#at++;
      words = [];
      for (let next = this.#peek; next.kind === 'word'; next = this.#peek) {
        words.push(next.word);
        this.#at++;
      }
    }
    if (this.#isOperator(';')) this.#at++;
    this.#skipNewlines();
    const body = this.#doGroup();
    return { kind: 'for', name: token.plain!, ...(words === undefined ? {} : { words }), body, redirects: [] };
  }

  #case(): Command {
    this.#at++;
    const subject = this.#word();
    this.#skipNewlines();
    this.#expect('in');
    this.#skipNewlines();
    const branches: { patterns: Word[]; body: List }[] = [];
    while (!this.#isReserved('esac')) {
      if (this.#isOperator('(')) this.#at++;
      const patterns = [this.#word()];
      while (this.#isOperator('|')) {
        this.#at++;
        patterns.push(this.#word());
      }
      this.#expect(')');
      branches.push({ patterns, body: this.#list(['esac']) });
      if (this.#isOperator(';;')) this.#at++;
      this.#skipNewlines();
    }
    this.#at++;
    return { kind: 'case', subject, branches, redirects: [] };
  }

  #word(): Word {
    const token = this.#peek;
    if (token.kind !== 'word') throw this.#unexpected();
    this.#at++;
    return token.word;
  }

  #function(): Command | undefined {
    const [name, open, close] = this.#tokens.slice(this.#at, this.#at + 3);
    const isOne =
      name?.kind === 'word' &&
      name.plain !== undefined &&
      open?.kind === 'operator' &&
      open.operator === '(' &&
      close?.kind === 'operator' &&
      close.operator === ')';
    if (!isOne) return undefined;
    this.#at += 3;
    this.#skipNewlines();
    return { kind: 'function', name: name.plain!, body: this.#command(), redirects: [] };
  }

  #simple(): Command {
    const assignments: Assignment[] = [];
    const words: Word[] = [];
    const redirects: Redirect[] = [];
    for (;;) {
      const token = this.#peek;
      if (token.kind === 'redirect') redirects.push(token.redirect);
      else if (token.kind === 'word') {
        const assignment = words.length === 0 ? assignmentOf(token.word) : undefined;
        if (assignment === undefined) words.push(token.word);
        else assignments.push(assignment);
      } else break;
      this.#at++;
    }
    if (assignments.length + words.length + redirects.length === 0) throw this.#unexpected();
    return { kind: 'simple', assignments, words, redirects };
  }
}

/** `NAME=…`, whose name and sign are not quoted. */
function assignmentOf(word: Word): Assignment | undefined {
  let head = '';
  for (const [index, part] of word.entries()) {
    if (part.kind !== 'text' || part.isQuoted) return undefined;
    head += part.text;
    const found = /^([A-Za-z_]\w*)=([\s\S]*)$/.exec(head);
    if (found === null) continue;
    const [, name = '', first = ''] = found;
    const rest = word.slice(index + 1);
    return { name, value: first === '' ? rest : [{ kind: 'text', text: first, isQuoted: false }, ...rest] };
  }
  return undefined;
}
