/** `key=value` on command lines. */
import { UserError } from '#pkg/component/user-error.ts';

/** The keys and values of words such as `a=b`. Throws `UserError` for a word without an equals sign. */
export function pairsOf(words: readonly string[]): readonly (readonly [string, string])[] {
  return words.map((word) => {
    const equals = word.indexOf('=');
    if (equals <= 0) throw new UserError(`error: unexpected label spec: ${word}`);
    return [word.slice(0, equals), word.slice(equals + 1)];
  });
}

/** The labels of a text such as `a=b,c=d`. */
export function labelsOf(text: string): Readonly<Record<string, string>> {
  return Object.fromEntries(pairsOf(text.split(',').filter((part) => part !== '')));
}

/** A number where a text is one, as ports may be numbers or names. */
export function intOrString(text: string): number | string {
  return /^\d+$/.test(text) ? Number(text) : text;
}

/** The image's own name, for the container that has no other: the last part of its path, without tag and digest. */
export function containerNameOf(image: string): string {
  const last = image.split('/').at(-1) ?? image;
  return last.split(':')[0]?.split('@')[0] ?? last;
}
