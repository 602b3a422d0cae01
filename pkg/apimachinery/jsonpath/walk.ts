/**
 * The values that a path leads to. A key that is missing is no error and finds nothing; an index beyond the end is one.
 * Source: client-go `util/jsonpath/jsonpath.go`.
 */
import { JsonPathError } from './error.ts';
import type { Path, Step } from './parser.ts';

/** What a value does not have that a path asks for, and that is not just missing. */
export class ExecutionError extends JsonPathError {}

/** All values at a path, from each of the roots. Throws `ExecutionError`. */
export function walk(path: Path, roots: readonly unknown[]): readonly unknown[] {
  let values = roots;
  for (const step of path)
    values = step.kind === 'union' ? union(step.branches, values) : values.flatMap((value) => advance(step, value));
  return values;
}

function union(branches: readonly Path[], values: readonly unknown[]): readonly unknown[] {
  return branches.flatMap((branch) => walk(branch, values));
}

function advance(step: Exclude<Step, { kind: 'union' }>, value: unknown): readonly unknown[] {
  if (step.kind === 'literal') return [step.value];
  if (typeof value !== 'object' || value === null) return [];
  switch (step.kind) {
    case 'field':
      return !Array.isArray(value) && Object.hasOwn(value, step.name)
        ? [(value as Record<string, unknown>)[step.name]]
        : [];
    case 'all':
      return Object.values(value);
    case 'descend':
      return descend(value);
    case 'index':
      return slice(value, { from: step.index, to: step.index + 1 || undefined, by: 1 });
    case 'slice':
      return slice(value, step);
    case 'filter':
      if (!Array.isArray(value)) throw notList(' and cannot be filtered');
      return value.filter((item: unknown) => passes(step, item));
  }
}

function descend(value: object): readonly unknown[] {
  const inner = Object.values(value);
  if (inner.length === 0) return [];
  return [value, ...inner.flatMap((item: unknown) => (typeof item === 'object' && item !== null ? descend(item) : []))];
}

function slice(
  value: object,
  { from, to, by }: { readonly from?: number | undefined; readonly to?: number | undefined; readonly by: number },
): readonly unknown[] {
  if (!Array.isArray(value)) throw notList();
  const { length } = value;
  const fromEnd = (index: number): number => (index < 0 ? index + length : index);
  const [first, end] = [fromEnd(from ?? 0), fromEnd(to ?? length)];
  if (first !== end) {
    if (first >= length || first < 0)
      throw new ExecutionError(`error: array index out of bounds: index ${first}, length ${length}`);
    if (end > length) throw new ExecutionError(`error: array index out of bounds: index ${end - 1}, length ${length}`);
  }
  return value.slice(first, end).filter((_, index) => index % by === 0);
}

function notList(more = ''): ExecutionError {
  return new ExecutionError(`error: map[string]interface {} is not array or slice${more}`);
}

function passes(filter: Extract<Step, { kind: 'filter' }>, item: unknown): boolean {
  const lefts = walk(filter.left, [item]);
  if (filter.operator === '') return lefts.length > 0;
  const rights = walk(filter.right, [item]);
  if (lefts.length !== 1 || rights.length !== 1) return false;
  const [left, right] = [lefts[0], rights[0]] as [number, number];
  switch (filter.operator) {
    case '==':
      return left === right;
    case '!=':
      return left !== right;
    case '<':
      return left < right;
    case '<=':
      return left <= right;
    case '>':
      return left > right;
    default:
      return left >= right;
  }
}
