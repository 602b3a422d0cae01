/**
 * Says what is wrong with a text that is no JSON, in the words of Go's `encoding/json`, which clients of Kubernetes know. Runs only
 * on texts that failed to parse; uses no recursion.
 */

const endOfInput = 'unexpected end of JSON input';

const namedCharacters: Readonly<Record<string, string>> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\t': '\\t',
  '\n': '\\n',
  '\v': '\\v',
  '\f': '\\f',
  '\r': '\\r',
  '\\': '\\\\',
};

function quoteCharacter(character: string): string {
  if (character === "'") return `'\\''`;
  if (character === '"') return `'"'`;
  const code = character.codePointAt(0)!;
  // Go looks at bytes, and names the first one of a longer character.
  if (code >= 0x80) return `'${String.fromCharCode(Buffer.from(character)[0]!)}'`;
  const named = namedCharacters[character];
  if (named !== undefined) return `'${named}'`;
  return code < 0x20 || code === 0x7f ? `'\\x${code.toString(16).padStart(2, '0')}'` : `'${character}'`;
}

/** Stops the scan at the first fault. */
class Fault extends Error {}

function fault(character: string | undefined, where: string): never {
  if (character === undefined) throw new Fault(endOfInput);
  throw new Fault(`invalid character ${quoteCharacter(character)} ${where}`);
}

class Scanner {
  readonly #text: string;
  #position = 0;

  constructor(text: string) {
    this.#text = text;
  }

  #peek(): string | undefined {
    const code = this.#text.codePointAt(this.#position);
    return code === undefined ? undefined : String.fromCodePoint(code);
  }

  #skipSpace(): string | undefined {
    while (' \t\r\n'.includes(this.#text[this.#position] ?? 'x')) this.#position++;
    return this.#peek();
  }

  /** Throws a Fault at the first thing that is wrong. */
  document(): void {
    const closers: ('}' | ']')[] = [];
    for (;;) {
      if (this.#value(closers)) continue;
      if (!this.#afterValue(closers)) return;
    }
  }

  /** Reads one value, or the start of one that holds others: then true, when a value has to follow. */
  #value(closers: ('}' | ']')[]): boolean {
    const character = this.#skipSpace();
    if (character === '{') {
      this.#position++;
      if (this.#skipSpace() === '}') {
        this.#position++;
        return false;
      }
      closers.push('}');
      this.#key('looking for beginning of object key string');
      return true;
    }
    if (character === '[') {
      this.#position++;
      if (this.#skipSpace() === ']') {
        this.#position++;
        return false;
      }
      closers.push(']');
      return true;
    }
    this.#scalar(character);
    return false;
  }

  #scalar(character: string | undefined): void {
    if (character === '"') this.#string();
    else if (character === '-' || (character !== undefined && character >= '0' && character <= '9')) this.#number();
    else if (character === 't') this.#literal('true');
    else if (character === 'f') this.#literal('false');
    else if (character === 'n') this.#literal('null');
    else fault(character, 'looking for beginning of value');
  }

  #key(where: string): void {
    const character = this.#skipSpace();
    if (character !== '"') fault(character, where);
    this.#string();
    const colon = this.#skipSpace();
    if (colon !== ':') fault(colon, 'after object key');
    this.#position++;
  }

  /** Reads what follows a value up to the start of the next; false at the end of the document. */
  #afterValue(closers: ('}' | ']')[]): boolean {
    for (;;) {
      const character = this.#skipSpace();
      const closer = closers.at(-1);
      if (closer === undefined) {
        if (character !== undefined) fault(character, 'after top-level value');
        return false;
      }
      if (character === closer) {
        this.#position++;
        closers.pop();
        continue;
      }
      if (character !== ',') fault(character, closer === '}' ? 'after object key:value pair' : 'after array element');
      this.#position++;
      if (closer === '}') this.#key('looking for beginning of object key string');
      return true;
    }
  }

  #literal(word: string): void {
    for (let i = 0; i < word.length; i++) {
      const character = this.#peek();
      if (character !== word[i]) fault(character, `in literal ${word} (expecting '${word[i]!}')`);
      this.#position++;
    }
  }

  #string(): void {
    this.#position++;
    for (;;) {
      const character = this.#peek();
      if (character === undefined || character < ' ') fault(character, 'in string literal');
      this.#position += character.length;
      if (character === '"') return;
      if (character === '\\') this.#escape();
    }
  }

  #escape(): void {
    const character = this.#peek();
    if (character === undefined || !'"\\/bfnrtu'.includes(character)) fault(character, 'in string escape code');
    this.#position++;
    if (character !== 'u') return;
    for (let i = 0; i < 4; i++) {
      const digit = this.#peek();
      if (digit === undefined || !/[0-9a-fA-F]/.test(digit)) fault(digit, 'in \\u hexadecimal character escape');
      this.#position++;
    }
  }

  #number(): void {
    if (this.#peek() === '-') {
      this.#position++;
      this.#needDigit('in numeric literal');
    }
    if (this.#peek() === '0') this.#position++;
    else this.#digits();
    if (this.#peek() === '.') {
      this.#position++;
      this.#needDigit('after decimal point in numeric literal');
      this.#digits();
    }
    if (this.#peek() === 'e' || this.#peek() === 'E') {
      this.#position++;
      if (this.#peek() === '+' || this.#peek() === '-') this.#position++;
      this.#needDigit('in exponent of numeric literal');
      this.#digits();
    }
  }

  #needDigit(where: string): void {
    const character = this.#peek();
    if (character === undefined || character < '0' || character > '9') fault(character, where);
  }

  #digits(): void {
    while (/^[0-9]$/.test(this.#peek() ?? '')) this.#position++;
  }
}

/** The sentence for a text that does not parse. */
export function jsonSyntaxError(text: string): string {
  try {
    new Scanner(text).document();
  } catch (error) {
    if (error instanceof Fault) return error.message;
    throw error;
  }
  return 'invalid JSON';
}
