/** `--sort-by`: the order of objects by one of their fields. Source: kubectl `cmd/get/sorter.go`. */

import { compareQuantity, parseQuantity } from '#pkg/apimachinery/quantity.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { evaluatePath } from './jsonpath.ts';

/** The items in the order of the field at `path`; those without it come first. Refuses a path that no item has. */
export function sortByPath<T>(items: readonly T[], path: string, objectOf: (item: T) => unknown): readonly T[] {
  const keyed = items.map((item) => ({ item, values: evaluatePath(path, objectOf(item)) }));
  if (items.length > 0 && keyed.every(({ values }) => values.length === 0)) {
    throw new UserError(
      `error: couldn't find any field with path ${JSON.stringify(bracedPath(path))} in the list of objects`,
    );
  }
  return keyed.toSorted((a, b) => compareFields(a.values[0], b.values[0])).map(({ item }) => item);
}

function bracedPath(path: string): string {
  return `{.${path.replace(/^\{(.*)\}$/s, '$1').replace(/^\./, '')}}`;
}

function compareFields(a: unknown, b: unknown): number {
  if (a === undefined || a === null || b === undefined || b === null)
    return Number(b === undefined || b === null) - Number(a === undefined || a === null);
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (typeof a === 'string' && typeof b === 'string') {
    const [x, y] = [parseQuantity(a), parseQuantity(b)];
    return x !== undefined && y !== undefined ? compareQuantity(x, y) : compareNaturally(a, b);
  }
  throw new UserError(`error: cannot sort by values such as ${JSON.stringify(a)}`);
}

/** As people order names: runs of digits by their value, so that `web-2` comes before `web-10`. */
function compareNaturally(a: string, b: string): number {
  const [left, right] = [chunksOf(a), chunksOf(b)];
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const [x, y] = [left[i]!, right[i]!];
    if (x === y) continue;
    const areNumbers = /^\d/.test(x) && /^\d/.test(y);
    const difference = areNumbers ? Number(BigInt(x) - BigInt(y)) : 0;
    if (difference !== 0) return difference;
    return x < y ? -1 : 1;
  }
  return left.length - right.length;
}

/** Runs of digits, and the characters between them one by one. */
function chunksOf(text: string): readonly string[] {
  return text.match(/\d+|\D/g) ?? [];
}
