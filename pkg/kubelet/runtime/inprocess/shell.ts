/**
 * A very small part of the shell's grammar: simple commands joined by `;`, newline, `&&` and `||`, quotes, `$NAME`, `>` and `>>`.
 * Everything else is refused by name. Pure.
 */

/** One simple command. */
export interface ShellCommand {
  readonly words: readonly string[];
  /** Depends on how the command before ended. */
  readonly when: 'always' | 'failure' | 'success';
  readonly redirect?: { readonly path: string; readonly append: boolean };
}

type Token = { readonly word: string } | { readonly operator: string };

const operators = ['&&', '||', '>>', ';', '\n', '>'] as const;
const unsupportedCharacters = '|&<()`{}*?[';
const unsupportedWords = new Set(['if', 'for', 'while', 'until', 'case', 'function', 'trap', 'exec', 'do', 'then']);

/** The commands in order, or what about the script is not supported. */
export function parseScript(script: string, lookUp: (name: string) => string): readonly ShellCommand[] | string {
  const tokens = tokenize(script, lookUp);
  if (typeof tokens === 'string') return tokens;
  const commands: ShellCommand[] = [];
  let words: string[] = [];
  let when: ShellCommand['when'] = 'always';
  let redirect: ShellCommand['redirect'];
  const flush = (): void => {
    if (words.length > 0) commands.push({ words, when, ...(redirect === undefined ? {} : { redirect }) });
    words = [];
    redirect = undefined;
  };
  for (let index = 0; index < tokens.length; index++) {
    const token = tokens[index]!;
    if ('word' in token) {
      if (words.length === 0 && unsupportedWords.has(token.word))
        return `"${token.word}" is not supported in this runtime`;
      words.push(token.word);
      continue;
    }
    if (token.operator === '>' || token.operator === '>>') {
      const target = tokens[++index];
      if (target === undefined || !('word' in target)) return `a path is expected after "${token.operator}"`;
      redirect = { path: target.word, append: token.operator === '>>' };
      continue;
    }
    flush();
    when = token.operator === '&&' ? 'success' : token.operator === '||' ? 'failure' : 'always';
  }
  flush();
  return commands;
}

function tokenize(script: string, lookUp: (name: string) => string): readonly Token[] | string {
  const tokens: Token[] = [];
  let word: string | undefined;
  let at = 0;
  const end = (): void => {
    if (word !== undefined) tokens.push({ word });
    word = undefined;
  };
  while (at < script.length) {
    const character = script[at]!;
    const operator = operators.find((one) => script.startsWith(one, at));
    if (operator !== undefined) {
      end();
      tokens.push({ operator });
      at += operator.length;
    } else if (character === ' ' || character === '\t') {
      end();
      at++;
    } else if (character === "'" || character === '"') {
      const close = script.indexOf(character, at + 1);
      if (close < 0) return `unterminated quoted string`;
      const inside = script.slice(at + 1, close);
      word = (word ?? '') + (character === '"' ? expandVariables(inside, lookUp) : inside);
      at = close + 1;
    } else if (unsupportedCharacters.includes(character)) {
      return `"${character}" is not supported in this runtime`;
    } else {
      const rest = /^(\$\{?\w+\}?|[^\s'"$;&|<>()`{}*?[]+|\$)/.exec(script.slice(at))?.[0] ?? character;
      word = (word ?? '') + expandVariables(rest, lookUp);
      at += rest.length;
    }
  }
  end();
  return tokens;
}

function expandVariables(text: string, lookUp: (name: string) => string): string {
  return text.replace(/\$(?:\{(\w+)\}|(\w+))/g, (_, braced: string | undefined, plain: string | undefined) =>
    lookUp(braced ?? plain ?? ''),
  );
}
