/**
 * What words of a script come to: variables, substitutions, fields, and names of files. Source: POSIX.1-2024, Shell Command Language, section 2.6.
 */
import { evaluate, type Variables } from './arithmetic.ts';
import type { ContainerFiles } from './files.ts';
import { CommandError } from './io.ts';
import { isPattern, matches, type PatternCharacter } from './pattern.ts';
import type { List, Word } from './syntax.ts';

/** What expansion needs of the shell. */
export interface Expander extends Variables {
  readonly positional: readonly string[];
  readonly cwd: string;
  readonly files: ContainerFiles;
  /** Of `?`, `$`, `#`, `!`, `-` and digits. */
  special(name: string): string | undefined;
  /** What a script writes. */
  substitute(script: List): Promise<string>;
  /** Whether names without a value are errors. */
  readonly isStrict: boolean;
}

/** Names that one pattern may come to. */
const namesMax = 10_000;

/** A field under construction: characters, and whether they are quoted. */
interface Field {
  characters: PatternCharacter[];
  /** There even if it is empty. */
  isQuoted: boolean;
}

/** The fields of words, names of files included. */
export async function expandWords(words: readonly Word[], expander: Expander): Promise<string[]> {
  const all: string[] = [];
  for (const word of words) {
    for (const field of await fieldsOf(word, expander, true)) {
      const text = field.characters.map(({ character }) => character).join('');
      const names = isPattern(field.characters) ? await namesOf(field.characters, expander) : [];
      all.push(...(names.length === 0 ? [text] : names));
    }
  }
  return all;
}

/** A word as one text, neither split nor taken for names of files. */
export async function expandText(word: Word, expander: Expander): Promise<string> {
  return (await expandPattern(word, expander)).map(({ character }) => character).join('');
}

/** A word as a pattern. */
export async function expandPattern(word: Word, expander: Expander): Promise<readonly PatternCharacter[]> {
  const fields = await fieldsOf(word, expander, false);
  return fields.flatMap(({ characters }, index) =>
    index === 0 ? characters : [{ character: ' ', isPlain: true }, ...characters],
  );
}

async function fieldsOf(word: Word, expander: Expander, splits: boolean): Promise<readonly Field[]> {
  const fields: Field[] = [];
  let current: Field | undefined;
  const add = (text: string, isPlain: boolean): void => {
    current ??= { characters: [], isQuoted: false };
    for (const character of text) current.characters.push({ character, isPlain });
  };
  const end = (): void => {
    if (current !== undefined && (current.isQuoted || current.characters.length > 0)) fields.push(current);
    current = undefined;
  };
  for (const [index, part] of word.entries()) {
    if (part.kind === 'text') {
      const home = index === 0 && !part.isQuoted && part.text.startsWith('~') ? homeOf(word, expander) : undefined;
      add(home ?? part.text, part.isQuoted || home !== undefined);
      if (part.isQuoted) current!.isQuoted = true;
      continue;
    }
    if (
      part.kind === 'variable' &&
      (part.name === '@' || (part.name === '*' && !part.isQuoted)) &&
      part.operator === undefined
    ) {
      expander.positional.forEach((value, at) => {
        if (at > 0) end();
        if (part.isQuoted || value !== '') add(value, part.isQuoted);
        if (part.isQuoted) current!.isQuoted = true;
      });
      continue;
    }
    const value = await valueOfPart(part, expander);
    if (part.isQuoted || !splits) {
      add(value, part.isQuoted);
      if (part.isQuoted) current!.isQuoted = true;
      continue;
    }
    const separators = expander.get('IFS') ?? ' \t\n';
    for (const character of value) {
      if (separators.includes(character)) end();
      else add(character, false);
    }
  }
  end();
  return fields;
}

function homeOf(word: Word, expander: Expander): string | undefined {
  const [first, second] = word;
  const isAlone = second === undefined || (second.kind === 'text' && second.text.startsWith('/'));
  return first?.kind === 'text' && first.text === '~' && isAlone ? (expander.get('HOME') ?? '/') : undefined;
}

async function valueOfPart(
  part: Exclude<Word[number], { readonly kind: 'text' }>,
  expander: Expander,
): Promise<string> {
  if (part.kind === 'command') return (await expander.substitute(part.script)).replace(/\n+$/, '');
  if (part.kind === 'arithmetic') return String(evaluate(await expandText(part.expression, expander), expander));
  const { name, operator, operand = [] } = part;
  const value = parameter(name, expander);
  if (operator === undefined) {
    if (value === undefined && expander.isStrict) throw new CommandError(`${name}: parameter not set`, 2);
    return value ?? '';
  }
  if (operator === 'length') return String([...(value ?? '')].length);
  if (operator.startsWith('#') || operator.startsWith('%')) {
    return trim(value ?? '', operator, await expandPattern(operand, expander));
  }
  const isMissing = operator.startsWith(':') ? (value ?? '') === '' : value === undefined;
  if (operator.endsWith('+')) return isMissing ? '' : expandText(operand, expander);
  if (!isMissing) return value!;
  const other = await expandText(operand, expander);
  if (operator.endsWith('?')) throw new CommandError(`${name}: ${other === '' ? 'parameter not set' : other}`, 2);
  if (operator.endsWith('=')) expander.set(name, other);
  return other;
}

function parameter(name: string, expander: Expander): string | undefined {
  if (name === '@' || name === '*') return expander.positional.join(' ');
  return /^[A-Za-z_]/.test(name) ? expander.get(name) : expander.special(name);
}

/** Without the shortest or longest beginning or end that is what the pattern says. */
function trim(value: string, operator: string, pattern: readonly PatternCharacter[]): string {
  const isLong = operator.length === 2;
  const lengths = Array.from({ length: value.length + 1 }, (_, length) => length);
  if (isLong) lengths.reverse();
  for (const length of lengths) {
    const isStart = operator.startsWith('#');
    const part = isStart ? value.slice(0, length) : value.slice(value.length - length);
    if (matches(pattern, part)) return isStart ? value.slice(length) : value.slice(0, value.length - length);
  }
  return value;
}

/** The paths that a pattern stands for, in order; none when there are none. */
async function namesOf(characters: readonly PatternCharacter[], { files, cwd }: Expander): Promise<readonly string[]> {
  const parts: PatternCharacter[][] = [[]];
  for (const one of characters) {
    if (one.character === '/') parts.push([]);
    else parts.at(-1)!.push(one);
  }
  const isAbsolute = parts[0]!.length === 0 && parts.length > 1;
  let paths: string[] = [isAbsolute ? '/' : ''];
  for (const part of isAbsolute ? parts.slice(1) : parts) {
    const next: string[] = [];
    for (const path of paths) {
      const prefix = path === '' || path.endsWith('/') ? path : `${path}/`;
      const text = part.map(({ character }) => character).join('');
      if (!isPattern(part)) {
        const isThere = await files.lstat(files.absolute(cwd, prefix + text)).then(
          () => true,
          () => false,
        );
        if (isThere || text === '') next.push(prefix + text);
        continue;
      }
      const names = await files.list(files.absolute(cwd, prefix)).catch(() => []);
      const isHidden = text.startsWith('.');
      next.push(
        ...names
          .filter((name) => name.startsWith('.') === isHidden && matches(part, name))
          .map((name) => prefix + name),
      );
      if (next.length > namesMax) throw new CommandError('a pattern stands for too many files');
    }
    paths = next;
  }
  return paths;
}
