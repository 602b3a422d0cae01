/** Reads words of a script, with all that quotes and dollars stand for. Pure. Source: POSIX.1-2024, Shell Command Language, sections 2.2 and 2.6. */
import { type List, SyntaxProblem, type Word, type WordPart } from './syntax.ts';

/** What ends a word. */
const wordEnds = ' \t\n;&|<>()';
/** How deep substitutions may be inside of each other. */
const depthMax = 50;

/** Reads the words of one script. */
export class WordReader {
  readonly text: string;
  at = 0;
  readonly #depth: number;
  readonly #parse: (script: string, depth: number) => List;

  /** `parse` reads what stands in `$(…)`. */
  constructor(text: string, parse: (script: string, depth: number) => List, depth = 0) {
    if (depth > depthMax) throw new SyntaxProblem('substitutions are too deep');
    this.text = text;
    this.#parse = parse;
    this.#depth = depth;
  }

  /** The word at this place; undefined when there is none. */
  word(): Word | undefined {
    const parts: WordPart[] = [];
    const start = this.at;
    while (this.at < this.text.length && !wordEnds.includes(this.text.charAt(this.at))) this.#unquoted(parts);
    return this.at === start ? undefined : parts;
  }

  /** All of the text as if it stood in double quotes, such as a here-document. */
  quotedText(): Word {
    const parts: WordPart[] = [];
    while (this.at < this.text.length) this.#doubleQuoted(parts);
    return parts;
  }

  #unquoted(parts: WordPart[]): void {
    const character = this.text.charAt(this.at);
    if (character === "'") {
      const end = this.text.indexOf("'", this.at + 1);
      if (end < 0) throw unterminated();
      parts.push({ kind: 'text', text: this.text.slice(this.at + 1, end), isQuoted: true });
      this.at = end + 1;
    } else if (character === '"') {
      this.at++;
      // An empty pair of quotes is a word, too.
      parts.push({ kind: 'text', text: '', isQuoted: true });
      while (this.text[this.at] !== '"') {
        if (this.at >= this.text.length) throw unterminated();
        this.#doubleQuoted(parts);
      }
      this.at++;
    } else if (character === '\\') {
      const next = this.text[this.at + 1];
      if (next === undefined) throw new SyntaxProblem('unexpected end of script', { isUnfinished: true });
      // A line that goes on.
      if (next !== '\n') parts.push({ kind: 'text', text: next, isQuoted: true });
      this.at += 2;
    } else if (character === '$' || character === '`') this.#dollar(parts, false);
    else {
      parts.push({ kind: 'text', text: character, isQuoted: false });
      this.at++;
    }
  }

  #doubleQuoted(parts: WordPart[]): void {
    const character = this.text.charAt(this.at);
    const next = this.text[this.at + 1];
    if (character === '\\' && next !== undefined && '$`"\\\n'.includes(next)) {
      if (next !== '\n') parts.push({ kind: 'text', text: next, isQuoted: true });
      this.at += 2;
    } else if (character === '$' || character === '`') this.#dollar(parts, true);
    else {
      parts.push({ kind: 'text', text: character, isQuoted: true });
      this.at++;
    }
  }

  #dollar(parts: WordPart[], isQuoted: boolean): void {
    const rest = this.text.slice(this.at, this.at + 3);
    if (rest[0] === '`') this.#backquoted(parts, isQuoted);
    else if (rest === '$((') this.#arithmetic(parts, isQuoted);
    else if (rest.startsWith('$(')) {
      const inside = this.#balanced(this.at + 2, '(', ')');
      parts.push({ kind: 'command', script: this.#parse(inside, this.#depth + 1), isQuoted });
    } else if (rest.startsWith('${')) this.#braced(parts, isQuoted);
    else {
      const [name] = /^(?:\w+|[?$#@*!-])/.exec(this.text.slice(this.at + 1)) ?? [];
      if (name === undefined) {
        parts.push({ kind: 'text', text: '$', isQuoted });
        this.at++;
        return;
      }
      // A digit is a parameter by itself: `$10` is `$1` and a zero.
      const used = /^\d/.test(name) ? name.charAt(0) : name;
      parts.push({ kind: 'variable', name: used, isQuoted });
      this.at += 1 + used.length;
    }
  }

  #backquoted(parts: WordPart[], isQuoted: boolean): void {
    let inside = '';
    let at = this.at + 1;
    for (; this.text[at] !== '`'; at++) {
      if (at >= this.text.length) throw unterminated();
      if (this.text[at] === '\\' && '$`\\'.includes(this.text[at + 1] ?? ' ')) at++;
      inside += this.text[at];
    }
    this.at = at + 1;
    parts.push({ kind: 'command', script: this.#parse(inside, this.#depth + 1), isQuoted });
  }

  #arithmetic(parts: WordPart[], isQuoted: boolean): void {
    const inside = this.#balanced(this.at + 3, '(', ')');
    if (this.text[this.at] !== ')') throw new SyntaxProblem('"))" is expected', { isUnfinished: true });
    this.at++;
    parts.push({ kind: 'arithmetic', expression: this.#inner(inside).quotedText(), isQuoted });
  }

  #braced(parts: WordPart[], isQuoted: boolean): void {
    const inside = this.#balanced(this.at + 2, '{', '}');
    const length = /^#(\w+|[@*])$/.exec(inside);
    if (length !== null) {
      parts.push({ kind: 'variable', name: length[1] ?? '', operator: 'length', isQuoted });
      return;
    }
    const found = /^(\w+|[?$#@*!-])(:?[-=?+]|##?|%%?)?([\s\S]*)$/.exec(inside);
    const [, name = '', operator, operand = ''] = found ?? [];
    if (found === null || (operator === undefined && operand !== '')) {
      throw new SyntaxProblem(`bad substitution: \${${inside}}`);
    }
    if (operator === undefined) {
      parts.push({ kind: 'variable', name, isQuoted });
      return;
    }
    const reader = this.#inner(operand);
    const word = isQuoted ? reader.quotedText() : reader.#loose();
    parts.push({ kind: 'variable', name, operator, operand: word, isQuoted });
  }

  /** A word in which nothing but its end ends it. */
  #loose(): Word {
    const parts: WordPart[] = [];
    while (this.at < this.text.length) this.#unquoted(parts);
    return parts;
  }

  #inner(text: string): WordReader {
    return new WordReader(text, this.#parse, this.#depth + 1);
  }

  /** What stands between `from` and the closing bracket, quotes heeded; goes on behind it. */
  #balanced(from: number, open: string, close: string): string {
    let depth = 1;
    let quote = '';
    for (let at = from; at < this.text.length; at++) {
      const character = this.text.charAt(at);
      if (character === '\\' && quote !== "'") at++;
      else if (quote !== '') {
        if (character === quote) quote = '';
      } else if (character === "'" || character === '"') quote = character;
      else if (character === open) depth++;
      else if (character === close && --depth === 0) {
        this.at = at + 1;
        return this.text.slice(from, at);
      }
    }
    throw unterminated();
  }
}

function unterminated(): SyntaxProblem {
  return new SyntaxProblem('unterminated quoted string', { isUnfinished: true });
}
