/** Reads Go templates: text and what stands between `{{` and `}}`. Source: Go `text/template/parse`. */
import { UserError } from '#pkg/component/user-error.ts';

/** A part of an action. */
export type Term =
  | { readonly kind: 'value'; readonly value: unknown }
  /** The name of a function. */
  | { readonly kind: 'word'; readonly name: string }
  /** Fields of a variable, or of the dot. */
  | { readonly kind: 'path'; readonly variable: string | undefined; readonly fields: readonly string[] }
  | { readonly kind: 'group'; readonly pipeline: Pipeline; readonly fields: readonly string[] };

/** Commands of which each is given what the one before it made, and the variables that are set to the last. */
export interface Pipeline {
  readonly commands: readonly (readonly Term[])[];
  readonly declares: readonly string[];
}

/** A part of a template. */
export type Action =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'print'; readonly pipeline: Pipeline }
  | Block;

/** An action with others in it. */
export interface Block {
  readonly kind: 'if' | 'range' | 'with';
  readonly pipeline: Pipeline;
  readonly body: readonly Action[];
  readonly otherwise: readonly Action[];
}

/** Nesting of blocks and parentheses that is followed; deeper is refused. */
const depthMax = 100;

/** The actions of a template. Throws `UserError` for one that is none. */
export function parseActions(template: string): readonly Action[] {
  const parser = new Parser(piecesOf(template));
  const actions = parser.block(0);
  if (parser.rest !== undefined) throw bad(`unexpected {{${parser.rest}}}`);
  return actions;
}

function bad(why: string): UserError {
  return new UserError(`error: error parsing template: template: output:1: ${why}`);
}

type Piece = { readonly isText: boolean; readonly text: string };

function piecesOf(template: string): readonly Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  let trimsNext = false;
  while (at <= template.length) {
    const start = template.indexOf('{{', at);
    const raw = template.slice(at, start < 0 ? undefined : start);
    const text = trimsNext ? raw.trimStart() : raw;
    if (start < 0) {
      pieces.push({ isText: true, text });
      return pieces;
    }
    const end = endOf(template, start + 2);
    let inner = template.slice(start + 2, end);
    const trimsBefore = /^-\s/.test(inner);
    if (trimsBefore) inner = inner.slice(1);
    trimsNext = /\s-$/.test(inner);
    if (trimsNext) inner = inner.slice(0, -1);
    pieces.push({ isText: true, text: trimsBefore ? text.trimEnd() : text });
    if (!inner.trim().startsWith('/*')) pieces.push({ isText: false, text: inner.trim() });
    at = end + 2;
  }
  return pieces;
}

/** Where an action ends: braces within quotes are text. */
function endOf(template: string, from: number): number {
  let quote = '';
  for (let at = from; at < template.length; at++) {
    const letter = template.charAt(at);
    if (quote !== '') {
      if (letter === '\\' && quote === '"') at++;
      else if (letter === quote) quote = '';
    } else if (letter === '"' || letter === '`') quote = letter;
    else if (template.startsWith('}}', at)) return at;
  }
  throw bad('unclosed action');
}

class Parser {
  readonly #pieces: readonly Piece[];
  #at = 0;
  /** The word that ended the last block: `end` or `else …`. */
  rest: string | undefined;

  constructor(pieces: readonly Piece[]) {
    this.#pieces = pieces;
  }

  /** Actions up to the end of the template, or to `end` or `else`, which is then in `rest`. */
  block(depth: number): readonly Action[] {
    if (depth > depthMax) throw bad('too deeply nested');
    const actions: Action[] = [];
    this.rest = undefined;
    for (;;) {
      const piece = this.#pieces[this.#at++];
      if (piece === undefined) return actions;
      if (piece.isText) {
        if (piece.text !== '') actions.push({ kind: 'text', text: piece.text });
        continue;
      }
      const [, word = '', after = ''] = /^(if|range|with|end|else)\b\s*(.*)$/s.exec(piece.text) ?? [];
      if (word === 'end' || word === 'else') {
        this.rest = piece.text;
        return actions;
      }
      if (word === 'if' || word === 'range' || word === 'with') actions.push(this.#control(word, after, depth));
      else actions.push({ kind: 'print', pipeline: parsePipeline(piece.text) });
    }
  }

  #control(kind: 'if' | 'range' | 'with', text: string, depth: number): Action {
    const pipeline = parsePipeline(text);
    const body = this.block(depth + 1);
    const ended: string | undefined = this.rest;
    if (ended === undefined) throw bad('unexpected EOF');
    if (ended === 'end') {
      this.rest = undefined;
      return { kind, pipeline, body, otherwise: [] };
    }
    const [, inner, after = ''] = /^else\s+(if|with)\s+(.*)$/s.exec(ended) ?? [];
    if (inner === 'if' || inner === 'with')
      return { kind, pipeline, body, otherwise: [this.#control(inner, after, depth + 1)] };
    const otherwise = this.block(depth + 1);
    if (this.rest !== 'end') throw bad('unexpected EOF');
    this.rest = undefined;
    return { kind, pipeline, body, otherwise };
  }
}

const tokenPattern =
  /\s*(?:("(?:[^"\\]|\\.)*")|(`[^`]*`)|(-?\d+(?:\.\d+)?)|(:=|=|\||\(|\)|,)|(\$\w*(?:\.\w[\w-]*)*|\.(?:\w[\w-]*(?:\.\w[\w-]*)*)?|\w+))/gy;

function tokensOf(text: string): readonly string[] {
  const tokens: string[] = [];
  tokenPattern.lastIndex = 0;
  while (tokenPattern.lastIndex < text.trimEnd().length) {
    const at = tokenPattern.lastIndex;
    const match = tokenPattern.exec(text);
    if (match === null) throw bad(`unexpected ${JSON.stringify(text.slice(at).trim())} in command`);
    tokens.push(match[0].trim());
  }
  return tokens;
}

function parsePipeline(text: string): Pipeline {
  const tokens = tokensOf(text);
  if (tokens.length === 0) throw bad('missing value for command');
  const assigns = tokens.findIndex((token) => token === ':=' || token === '=');
  const declares = assigns < 0 ? [] : tokens.slice(0, assigns).filter((token) => token !== ',');
  const reader = { tokens, at: assigns + 1 };
  const commands = readCommands(reader, 0);
  if (reader.at < tokens.length) throw bad(`unexpected ${JSON.stringify(tokens[reader.at])} in command`);
  return { commands, declares };
}

interface Reader {
  readonly tokens: readonly string[];
  at: number;
}

function readCommands(reader: Reader, depth: number): readonly (readonly Term[])[] {
  if (depth > depthMax) throw bad('too deeply nested');
  const commands: Term[][] = [[]];
  for (;;) {
    const token = reader.tokens[reader.at];
    if (token === undefined || token === ')') return commands;
    reader.at++;
    if (token === '|') commands.push([]);
    else commands.at(-1)?.push(readTerm(reader, token, depth));
  }
}

function readTerm(reader: Reader, token: string, depth: number): Term {
  if (token === '(') {
    const commands = readCommands(reader, depth + 1);
    if (reader.tokens[reader.at++] !== ')') throw bad('unclosed left paren');
    return { kind: 'group', pipeline: { commands, declares: [] }, fields: [] };
  }
  if (token.startsWith('"')) return { kind: 'value', value: JSON.parse(token) };
  if (token.startsWith('`')) return { kind: 'value', value: token.slice(1, -1) };
  if (/^-?\d/.test(token)) return { kind: 'value', value: Number(token) };
  if (token === 'true' || token === 'false') return { kind: 'value', value: token === 'true' };
  if (token === 'nil') return { kind: 'value', value: undefined };
  const [head = '', ...fields] = token.split('.');
  const named = fields.filter((field) => field !== '');
  if (token.startsWith('$')) return { kind: 'path', variable: head, fields: named };
  if (token.startsWith('.')) return { kind: 'path', variable: undefined, fields: named };
  return { kind: 'word', name: token };
}
