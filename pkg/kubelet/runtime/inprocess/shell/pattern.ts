/** Patterns of the shell: `*`, `?`, `[…]`. Pure, and in linear space. Source: POSIX.1-2024, Shell Command Language, section 2.14. */

/** A character of a pattern, and whether it stands for itself. */
export interface PatternCharacter {
  readonly character: string;
  readonly isPlain: boolean;
}

/** Whether anything in it is special. */
export function isPattern(characters: readonly PatternCharacter[]): boolean {
  return characters.some(({ character, isPlain }) => !isPlain && '*?['.includes(character));
}

type Item =
  | { readonly kind: 'any' }
  | { readonly kind: 'star' }
  | { readonly kind: 'text'; readonly character: string }
  | { readonly kind: 'set'; readonly isNegated: boolean; readonly has: (character: string) => boolean };

const classes: Readonly<Record<string, RegExp>> = {
  alnum: /[A-Za-z0-9]/,
  alpha: /[A-Za-z]/,
  digit: /\d/,
  lower: /[a-z]/,
  space: /\s/,
  upper: /[A-Z]/,
};

function compile(characters: readonly PatternCharacter[]): readonly Item[] {
  const items: Item[] = [];
  for (let at = 0; at < characters.length; at++) {
    const { character, isPlain } = characters[at]!;
    if (isPlain) items.push({ kind: 'text', character });
    else if (character === '*') {
      if (items.at(-1)?.kind !== 'star') items.push({ kind: 'star' });
    } else if (character === '?') items.push({ kind: 'any' });
    else if (character === '[') {
      const set = compileSet(characters, at);
      items.push(set?.item ?? { kind: 'text', character });
      at = set?.end ?? at;
    } else items.push({ kind: 'text', character });
  }
  return items;
}

function compileSet(
  characters: readonly PatternCharacter[],
  start: number,
): { readonly item: Item; readonly end: number } | undefined {
  const text = characters.map(({ character }) => character).join('');
  const isNegated = text[start + 1] === '!' || text[start + 1] === '^';
  const first = start + (isNegated ? 2 : 1);
  // A bracket that comes first is one of the set.
  const end = text.indexOf(']', first + 1);
  if (end < 0) return undefined;
  const body = text.slice(first, end);
  const tests: ((character: string) => boolean)[] = [];
  for (let at = 0; at < body.length; at++) {
    const named = /^\[:(\w+):\]?/.exec(body.slice(at));
    const pattern = classes[named?.[1] ?? ''];
    if (named !== null && pattern !== undefined) {
      tests.push((character) => pattern.test(character));
      at += named[0].length - 1;
    } else if (body[at + 1] === '-' && at + 2 < body.length) {
      const [low, high] = [body.charAt(at), body.charAt(at + 2)];
      tests.push((character) => character >= low && character <= high);
      at += 2;
    } else {
      const one = body.charAt(at);
      tests.push((character) => character === one);
    }
  }
  return { item: { kind: 'set', isNegated, has: (character) => tests.some((test) => test(character)) }, end };
}

/** Whether the whole text is what the pattern says. Takes time in proportion to both lengths, whatever the pattern. */
export function matches(characters: readonly PatternCharacter[], text: string): boolean {
  const items = compile(characters);
  let [item, at, star, resume] = [0, 0, -1, 0];
  while (at < text.length) {
    const current = items[item];
    if (current?.kind === 'star') {
      star = item++;
      resume = at;
    } else if (current !== undefined && fits(current, text.charAt(at))) {
      item++;
      at++;
    } else if (star >= 0) {
      item = star + 1;
      at = ++resume;
    } else return false;
  }
  while (items[item]?.kind === 'star') item++;
  return item === items.length;
}

function fits(item: Item, character: string): boolean {
  if (item.kind === 'text') return item.character === character;
  return item.kind === 'any' || (item.kind === 'set' && item.has(character) !== item.isNegated);
}

/** A pattern as it is written, without quotes. */
export function plainPattern(text: string): readonly PatternCharacter[] {
  return [...text].map((character) => ({ character, isPlain: false }));
}
