/**
 * Writes YAML as kubectl and the API server do, byte for byte: keys in natural order, lists at the level of their key, and for each string
 * the style that go-yaml chooses: plain where that reads back as the same string, in double quotes where it would be a number or the
 * like, in single quotes where a character stands in the way, and as a block when it has lines. Long text is folded after 80 columns.
 * Source: sigs.k8s.io/yaml `goyaml.v2` (`encode.go`, `emitterc.go`, `resolve.go`, `sorter.go`).
 */

/** Column after which text is folded at the next space. */
const widthMax = 80;
/** Longest key that stands before its colon on one line. */
const simpleKeyBytesMax = 128;

/** The YAML document of a JSON value. */
export function yamlText(value: unknown): string {
  const out = new Output();
  if (isCollection(value)) writeCollection(out, value, 0);
  else {
    writeScalar(out, value, 0);
    out.write('\n');
  }
  return out.text;
}

/** Text with its present column. */
class Output {
  text = '';
  column = 0;

  write(part: string): void {
    this.text += part;
    const newline = part.lastIndexOf('\n');
    this.column = newline < 0 ? this.column + part.length : part.length - newline - 1;
  }
}

function isCollection(value: unknown): value is object {
  return typeof value === 'object' && value !== null && Object.keys(value).length > 0;
}

function writeCollection(out: Output, value: object, indent: number): void {
  const margin = ' '.repeat(indent);
  let isFirst = out.column > 0;
  // What follows a dash begins on its line.
  const begin = (): void => {
    if (!isFirst) out.write(margin);
    isFirst = false;
  };
  if (Array.isArray(value)) {
    for (const item of value as unknown[]) {
      begin();
      out.write('- ');
      writeItem(out, item, indent);
    }
    return;
  }
  for (const key of Object.keys(value).sort(compareKeys)) {
    const inner = (value as Readonly<Record<string, unknown>>)[key];
    begin();
    if (Buffer.byteLength(key) > simpleKeyBytesMax) {
      out.write('? ');
      writeScalar(out, key, indent);
      out.write(`\n${margin}: `);
      writeItem(out, inner, indent);
      continue;
    }
    writeScalar(out, key, indent, true);
    out.write(':');
    writeEntry(out, inner, indent);
  }
}

/** What stands after a dash. */
function writeItem(out: Output, value: unknown, indent: number): void {
  if (isCollection(value)) {
    writeCollection(out, value, indent + 2);
    return;
  }
  writeScalar(out, value, indent);
  out.write('\n');
}

/** What stands after a key and its colon. */
function writeEntry(out: Output, value: unknown, indent: number): void {
  if (isCollection(value)) {
    out.write('\n');
    writeCollection(out, value, Array.isArray(value) ? indent : indent + 2);
    return;
  }
  out.write(' ');
  writeScalar(out, value, indent);
  out.write('\n');
}

/** Writes a value that holds no others; `indent` is that of what it belongs to. */
function writeScalar(out: Output, value: unknown, indent: number, isKey = false): void {
  if (typeof value === 'string') writeString(out, value, { indent: indent + 2, isKey });
  else if (Array.isArray(value)) out.write('[]');
  else out.write(typeof value === 'object' && value !== null ? '{}' : String(value ?? null));
}

interface Place {
  readonly indent: number;
  /** Keys stay on one line. */
  readonly isKey: boolean;
}

function writeString(out: Output, text: string, place: Place): void {
  switch (styleOf(text, place)) {
    case 'block':
      writeBlock(out, text, place.indent);
      break;
    case 'double':
      writeDouble(out, text, place);
      break;
    case 'single':
      writeFolded(out, `'${text.replaceAll("'", "''")}'`, place);
      break;
    case 'plain':
      writeFolded(out, text, place);
  }
}

function styleOf(text: string, { isKey }: Place): 'block' | 'double' | 'plain' | 'single' {
  const allowed = allowedStyles(text);
  if (text.includes('\n')) return allowed.block && !isKey ? 'block' : 'double';
  if (readsAsOther(text) || !allowed.single) return 'double';
  return allowed.plain ? 'plain' : 'single';
}

/** Which styles can hold a text. */
function allowedStyles(text: string): { readonly plain: boolean; readonly single: boolean; readonly block: boolean } {
  const isSpecial = unprintable.test(text) || / \n/.test(text);
  const isIndicated =
    /^(?:---|\.\.\.)/.test(text) ||
    /^[#,[\]{}&*!|>'"%@`]/.test(text) ||
    /^[-?:](?:\s|$)/.test(text) ||
    /:(?:\s|$)/.test(text) ||
    /\s#/.test(text);
  const hasEdges = /^[ \n]|[ \n]$/.test(text);
  return {
    plain: !isSpecial && !isIndicated && !hasEdges,
    single: !isSpecial && !/\n /.test(text),
    block: !isSpecial && !/ $/.test(text),
  };
}

/** Characters that are written as escapes; those beyond the basic plane are among them. */
const unprintable = /[^\n\x20-\x7e\u00a0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]/;

/** A block of lines below `|`. */
function writeBlock(out: Output, text: string, indent: number): void {
  const hint = /^[ \n]/.test(text) ? '2' : '';
  const chomp = text.endsWith('\n') ? (text === '\n' || text.endsWith('\n\n') ? '+' : '') : '-';
  const lines = (text.endsWith('\n') ? text.slice(0, -1) : text).split('\n');
  const margin = ' '.repeat(indent);
  out.write(`|${hint}${chomp}\n${lines.map((line) => (line === '' ? '' : `${margin}${line}`)).join('\n')}`);
}

/** Plain and single-quoted text: a single space beyond the width becomes a line break. */
function writeFolded(out: Output, text: string, { indent, isKey }: Place): void {
  let before = '';
  for (const [index, letter] of [...text].entries()) {
    const isSingle = !isKey && letter === ' ' && before !== ' ' && text[index + 1] !== ' ';
    out.write(isSingle && out.column > widthMax ? `\n${' '.repeat(indent)}` : letter);
    before = letter;
  }
}

const escapes: Readonly<Record<string, string>> = {
  '\0': '0',
  '\u0007': 'a',
  '\b': 'b',
  '\t': 't',
  '\n': 'n',
  '\v': 'v',
  '\f': 'f',
  '\r': 'r',
  '\u001b': 'e',
  '"': '"',
  '\\': '\\',
  '\u0085': 'N',
  '\u2028': 'L',
  '\u2029': 'P',
};

function writeDouble(out: Output, text: string, { indent, isKey }: Place): void {
  const letters = [...text];
  out.write('"');
  for (const [index, letter] of letters.entries()) {
    const isInside = index > 0 && index < letters.length - 1;
    if (letter === ' ' && letters[index - 1] !== ' ' && isInside && !isKey && out.column > widthMax) {
      out.write(`\n${' '.repeat(indent)}${letters[index + 1] === ' ' ? '\\' : ''}`);
    } else out.write(escaped(letter));
  }
  out.write('"');
}

function escaped(letter: string): string {
  const short = escapes[letter];
  if (short !== undefined) return `\\${short}`;
  if (!unprintable.test(letter)) return letter;
  const code = letter.codePointAt(0)!;
  const hex = code.toString(16).toUpperCase();
  if (code <= 0xff) return `\\x${hex.padStart(2, '0')}`;
  return code <= 0xffff ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`;
}

const words: ReadonlySet<string> = new Set(
  ['', '~', 'null', 'y', 'yes', 'true', 'on', 'n', 'no', 'false', 'off', '.nan', '.inf', '+.inf', '-.inf']
    .flatMap((word) => [word, word.toUpperCase(), word.replace(/[a-z]/, (letter) => letter.toUpperCase())])
    .concat('.NaN'),
);
const integers = /^[-+]?(?:0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0[bB][01]+|[1-9]\d*|0)$/;
const floats = /^[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?$/;
const base60 = /^[-+]?\d[\d_]*(?::[0-5]?\d)+(?:\.[\d_]*)?$/;
const timestamps = /^\d{4}-\d\d?-\d\d?(?:(?:[Tt]| +)\d\d?:\d\d?:\d\d?(?:\.\d+)?(?:Z|[-+]\d\d:\d\d)?)?$/;

/** Whether plain text would be read as something other than the string it is. */
function readsAsOther(text: string): boolean {
  if (words.has(text) || base60.test(text) || timestamps.test(text)) return true;
  if (!/^[-+.\d]/.test(text)) return false;
  const digits = text.replaceAll('_', '');
  return integers.test(digits) || floats.test(digits);
}

/** Orders keys as people count: numbers by their value, letters after other signs. */
function compareKeys(a: string, b: string): number {
  const [left, right] = [[...a], [...b]];
  let afterDigit = false;
  for (let i = 0; i < left.length && i < right.length; i++) {
    const [x, y] = [left[i]!, right[i]!];
    if (x === y) {
      afterDigit = isDigit(x);
      continue;
    }
    const [xLetter, yLetter] = [isLetter(x), isLetter(y)];
    if (xLetter !== yLetter) return xLetter === afterDigit ? -1 : 1;
    if (!xLetter && isDigit(x) && isDigit(y)) {
      const [m, n] = [numberAt(left, i), numberAt(right, i)];
      if (m !== n) return m < n ? -1 : 1;
    }
    return x < y ? -1 : 1;
  }
  return left.length - right.length;
}

function isDigit(letter: string): boolean {
  return /\p{Nd}/u.test(letter);
}

function isLetter(letter: string): boolean {
  return /\p{L}/u.test(letter);
}

/** The number that the digits around an index make, so far as they go on from it and are the same before it. */
function numberAt(letters: readonly string[], index: number): bigint {
  let from = index;
  while (from > 0 && isDigit(letters[from - 1]!)) from--;
  let to = index;
  while (to < letters.length && isDigit(letters[to]!)) to++;
  return BigInt(letters.slice(from, to).join('') || '0');
}
