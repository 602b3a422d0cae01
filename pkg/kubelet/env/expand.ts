/**
 * `$(NAME)` references in commands, arguments and values. Takes time in proportion to the text and what comes of it, which has a limit: a few
 * variables that name each other twice would fill any memory.
 * Source: `third_party/forked/golang/expansion`.
 */
import { ConfigError } from './config-error.ts';

/** Most characters of one argument, or of one variable with its name. Source: Linux `MAX_ARG_STRLEN`, less the byte that ends it. */
export const argumentCharactersMax = 128 * 1024 - 1;

/** Most characters of all arguments and variables of a container that are not made of Services. Source: Linux `execve(2)`: a quarter of a stack of 8 MiB. */
export const argumentsCharactersMax = 2 * 1024 * 1024;

/**
 * Replaces `$(NAME)` by its value; a name without a value stays as written, and `$$` is one `$`. Throws `ConfigError` when the result is
 * too long for an argument.
 */
export function expand(text: string, lookUp: (name: string) => string | undefined): string {
  const pieces: string[] = [];
  let length = 0;
  const push = (piece: string): void => {
    length += piece.length;
    if (length > argumentCharactersMax) throw tooLong();
    pieces.push(piece);
  };
  let done = 0;
  // Where the next `)` is, looked for once however many `$(` come before it; -1 when there is none.
  let close = 0;
  for (let at = text.indexOf('$'); at >= 0; at = text.indexOf('$', at)) {
    if (text[at + 1] === '(' && close >= 0 && close < at + 2) close = text.indexOf(')', at + 2);
    const isEscape = text[at + 1] === '$';
    if (!isEscape && (text[at + 1] !== '(' || close < 0)) {
      at++;
      continue;
    }
    push(text.slice(done, at));
    const end = isEscape ? at + 2 : close + 1;
    push(isEscape ? '$' : (lookUp(text.slice(at + 2, close)) ?? text.slice(at, end)));
    at = end;
    done = end;
  }
  push(text.slice(done));
  return pieces.join('');
}

/** Counts the arguments and variables of a container. */
export class ArgumentSpace {
  #left = argumentsCharactersMax;

  /** Takes room for a text, and gives back that of another which it replaces. Throws `ConfigError` when there is none left. */
  take(text: string, replaced = ''): void {
    this.#left -= text.length - replaced.length;
    if (text.length > argumentCharactersMax || this.#left < 0) throw tooLong();
  }
}

/** Source: Linux `E2BIG`, as a runtime tells of it. */
function tooLong(): ConfigError {
  return new ConfigError('argument list too long');
}
