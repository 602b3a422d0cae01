/**
 * The part of kubectl's JSONPath that people write: fields, indexes, `[*]`, and filters `[?(@.type=="Ready")]`, between literal text.
 * What is not supported is refused. Source: client-go `util/jsonpath`, kubectl reference "JSONPath Support".
 */
import { UserError } from '#cmd/common/errors.ts';

type Step =
  | { readonly kind: 'field'; readonly name: string }
  | { readonly kind: 'index'; readonly index: number }
  | { readonly kind: 'all' }
  | { readonly kind: 'filter'; readonly path: readonly Step[]; readonly operator: string; readonly value: unknown };

/** All values at a path such as `{.status.conditions[?(@.type=="Ready")].status}`; braces and the leading dot may be left out. */
export function evaluatePath(path: string, root: unknown): readonly unknown[] {
  const inner = path
    .trim()
    .replace(/^\{(.*)\}$/s, '$1')
    .trim()
    .replace(/^\$/, '');
  return walk(
    parseSteps(inner.startsWith('.') || inner.startsWith('[') || inner === '' ? inner : `.${inner}`, path),
    root,
  );
}

/** A template: literal text with paths in braces; several values of one path are separated by spaces. */
export function renderTemplate(template: string, root: unknown): string {
  let out = '';
  for (const part of template.split(/(\{[^{}]*(?:"[^"]*"[^{}]*)*\})/)) {
    if (!part.startsWith('{')) out += part;
    else if (/^\{\s*(".*"|'.*')\s*\}$/s.test(part)) out += unquote(part.slice(1, -1).trim());
    else
      out += evaluatePath(part, root)
        .map((value) => (typeof value === 'object' ? JSON.stringify(value) : String(value)))
        .join(' ');
  }
  return out;
}

function unquote(text: string): string {
  return text.slice(1, -1).replaceAll('\\n', '\n').replaceAll('\\t', '\t');
}

function walk(steps: readonly Step[], root: unknown): readonly unknown[] {
  let values: readonly unknown[] = [root];
  for (const step of steps) values = values.flatMap((value) => advance(step, value));
  return values;
}

function advance(step: Step, value: unknown): readonly unknown[] {
  if (typeof value !== 'object' || value === null) return [];
  switch (step.kind) {
    case 'field':
      return Object.hasOwn(value, step.name) ? [(value as Record<string, unknown>)[step.name]] : [];
    case 'index': {
      if (!Array.isArray(value)) return [];
      const item: unknown = value.at(step.index);
      return item === undefined ? [] : [item];
    }
    case 'all':
      return Object.values(value);
    case 'filter':
      return Object.values(value).filter((item) => walk(step.path, item).some((found) => compare(found, step)));
  }
}

function compare(found: unknown, filter: Extract<Step, { kind: 'filter' }>): boolean {
  const { operator, value } = filter;
  switch (operator) {
    case '':
      return true;
    case '==':
      return found === value;
    case '!=':
      return found !== value;
    case '<':
      return (found as number) < (value as number);
    case '<=':
      return (found as number) <= (value as number);
    case '>':
      return (found as number) > (value as number);
    default:
      return (found as number) >= (value as number);
  }
}

const fieldPattern = /^\.((?:[^.[\]\\]|\\.)+)/;
const indexPattern = /^\[(-?\d+)\]/;
const allPattern = /^(?:\[\*\]|\.\*)/;
const quotedPattern = /^\[(?:'([^']*)'|"([^"]*)")\]/;
const filterPattern =
  /^\[\?\(\s*@((?:\.[^=!<>\s)]+|\[[^\]]*\])+)\s*(?:(==|!=|<=|>=|<|>)\s*("[^"]*"|'[^']*'|[^)\s]+)\s*)?\)\]/;

function parseSteps(text: string, whole: string): readonly Step[] {
  const steps: Step[] = [];
  let rest = text;
  while (rest !== '' && rest !== '.') {
    const all = allPattern.exec(rest);
    const index = indexPattern.exec(rest);
    const quoted = quotedPattern.exec(rest);
    const filter = filterPattern.exec(rest);
    const field = fieldPattern.exec(rest);
    const match = all ?? index ?? quoted ?? filter ?? field;
    if (match === null || match === undefined)
      throw new UserError(`error: error parsing jsonpath ${whole}: this form is not supported`);
    if (all !== null) steps.push({ kind: 'all' });
    else if (index !== null) steps.push({ kind: 'index', index: Number(index[1]) });
    else if (quoted !== null) steps.push({ kind: 'field', name: quoted[1] ?? quoted[2]! });
    else if (filter !== null) {
      steps.push({
        kind: 'filter',
        path: parseSteps(filter[1]!, whole),
        operator: filter[2] ?? '',
        value: literal(filter[3] ?? ''),
      });
    } else steps.push({ kind: 'field', name: field![1]!.replaceAll(/\\(.)/g, '$1') });
    rest = rest.slice(match[0].length);
  }
  return steps;
}

function literal(text: string): unknown {
  if (/^["']/.test(text)) return text.slice(1, -1);
  if (text === 'true' || text === 'false') return text === 'true';
  return text !== '' && !Number.isNaN(Number(text)) ? Number(text) : text;
}
