/**
 * Finds values by kubectl's JSONPath and writes them as its templates do. A key that is missing is no error and finds nothing; an index
 * beyond the end is one. Source: client-go `util/jsonpath/jsonpath.go`.
 */
import { UserError } from '#pkg/component/user-error.ts';
import { type Part, type Path, parseRelaxedPath, parseTemplate, type Step } from './jsonpath-parser.ts';
import { sortedJson } from './output.ts';

/** All values at a path whose braces and leading dot may be left out. */
export function evaluatePath(path: string, root: unknown): readonly unknown[] {
  return walk(parseRelaxedPath(path), [root]);
}

/** The text of a template for an object; several values of one path are separated by spaces. */
export function renderTemplate(template: string, root: unknown): string {
  return templateValues(template, root)
    .map((values) => values.map(valueText).join(' '))
    .join('');
}

/** The values of each part of a template, in the order they are written. */
export function templateValues(template: string, root: unknown): readonly (readonly unknown[])[] {
  return executed(template, () => parseTemplate(template).flatMap((part) => partValues(part, root)));
}

/** What an object does not have that a path asks for, and that is not just missing. */
class ExecutionError extends UserError {}

function executed<T>(template: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof ExecutionError)) throw error;
    const lead = `error executing jsonpath ${JSON.stringify(template)}: Error executing template`;
    throw new UserError(`error: ${lead}: ${error.message.replace(/^error: /, '')}`, error);
  }
}

function partValues(part: Part, root: unknown): readonly (readonly unknown[])[] {
  switch (part.kind) {
    case 'text':
      return [[part.text]];
    case 'path':
      return [walk(part.path, [root])];
    case 'range':
      return walk(part.path, [root]).flatMap((item) => part.body.flatMap((inner) => partValues(inner, item)));
  }
}

function valueText(value: unknown): string {
  return typeof value === 'object' && value !== null ? sortedJson(value) : String(value);
}

function walk(path: Path, roots: readonly unknown[]): readonly unknown[] {
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
