/**
 * Go templates as `-o go-template` has them: actions, `range`, `if`, `with`, variables, pipelines and the functions that templates of kubectl use.
 * A key that is missing is `<no value>`. No template calls another. Source: Go `text/template`, kubectl `pkg/util/templates`.
 */
import { isObject } from '#pkg/apimachinery/json.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { type Action, type Block, type Pipeline, parseActions, type Term } from './go-template-parser.ts';
import { sortedJson } from './sorted-json.ts';

/** The text of a template for an object. Throws `UserError` for a template that is none or does not fit. */
export function renderGoTemplate(template: string, root: unknown): string {
  const variables = new Map<string, unknown>([['$', root]]);
  return new Run().actions(parseActions(template), { dot: root, variables });
}

interface Scope {
  readonly dot: unknown;
  readonly variables: Map<string, unknown>;
}

type Callable = (args: readonly unknown[]) => unknown;

const functions: Readonly<Record<string, Callable>> = {
  and: (args) => args.find((one) => !isTrue(one)) ?? args.at(-1),
  or: (args) => args.find(isTrue) ?? args.at(-1),
  not: ([one]) => !isTrue(one),
  len: ([one]) =>
    typeof one === 'string' || Array.isArray(one) ? one.length : isObject(one) ? Object.keys(one).length : 0,
  index: ([value, ...keys]) => keys.reduce(indexOf, value),
  slice: ([value, from, to]) =>
    typeof value === 'string' || Array.isArray(value)
      ? value.slice(Number(from ?? 0), to === undefined ? undefined : Number(to))
      : value,
  eq: ([first, ...rest]) => rest.some((one) => one === first),
  ne: ([a, b]) => a !== b,
  lt: ([a, b]) => compare(a, b) < 0,
  le: ([a, b]) => compare(a, b) <= 0,
  gt: ([a, b]) => compare(a, b) > 0,
  ge: ([a, b]) => compare(a, b) >= 0,
  print: (args) => args.map(goText).join(''),
  println: (args) => `${args.map(goText).join(' ')}\n`,
  printf: ([format, ...args]) => printf(String(format), args),
  html: (args) => args.map(goText).join('').replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;'),
  js: (args) => JSON.stringify(args.map(goText).join('')).slice(1, -1),
  urlquery: (args) => encodeURIComponent(args.map(goText).join('')),
  base64decode: ([text]) => Buffer.from(String(text), 'base64').toString('utf8'),
  exists: ([value, ...keys]) => keys.reduce(indexOf, value) !== undefined,
};

class Run {
  actions(actions: readonly Action[], scope: Scope): string {
    return actions.map((action) => this.action(action, scope)).join('');
  }

  action(action: Action, scope: Scope): string {
    switch (action.kind) {
      case 'text':
        return action.text;
      case 'print': {
        const value = this.pipeline(action.pipeline, scope);
        if (action.pipeline.declares.length > 0) return '';
        return goText(value);
      }
      case 'if': {
        const inner = { ...scope, variables: new Map(scope.variables) };
        return this.actions(isTrue(this.pipeline(action.pipeline, inner)) ? action.body : action.otherwise, inner);
      }
      case 'with': {
        const inner = { ...scope, variables: new Map(scope.variables) };
        const value = this.pipeline(action.pipeline, inner);
        if (!isTrue(value)) return this.actions(action.otherwise, inner);
        return this.actions(action.body, { ...inner, dot: value });
      }
      case 'range':
        return this.#range(action, scope);
    }
  }

  #range(action: Block, scope: Scope): string {
    const { declares } = action.pipeline;
    const value = this.pipeline({ ...action.pipeline, declares: [] }, scope);
    const entries = entriesOf(value);
    if (entries.length === 0) return this.actions(action.otherwise, scope);
    return entries
      .map(([key, one]) => {
        const variables = new Map(scope.variables);
        if (declares.length === 1) variables.set(declares[0] ?? '', one);
        if (declares.length === 2) variables.set(declares[0] ?? '', key).set(declares[1] ?? '', one);
        return this.actions(action.body, { dot: one, variables });
      })
      .join('');
  }

  pipeline({ commands, declares }: Pipeline, scope: Scope): unknown {
    let value: unknown;
    for (const [index, terms] of commands.entries()) value = this.#command(terms, scope, index === 0 ? [] : [value]);
    for (const name of declares) scope.variables.set(name, value);
    return value;
  }

  #command(terms: readonly Term[], scope: Scope, piped: readonly unknown[]): unknown {
    const [first, ...rest] = terms;
    if (first?.kind === 'word') {
      const called = Object.hasOwn(functions, first.name) ? functions[first.name] : undefined;
      if (called === undefined)
        throw new UserError(`error: error parsing template: function ${JSON.stringify(first.name)} not defined`);
      return called([...rest.map((term) => this.#term(term, scope)), ...piped]);
    }
    return first === undefined ? piped[0] : this.#term(first, scope);
  }

  #term(term: Term, scope: Scope): unknown {
    switch (term.kind) {
      case 'value':
        return term.value;
      case 'word':
        return this.#command([term], scope, []);
      case 'path':
        return term.fields.reduce(
          fieldOf,
          term.variable === undefined ? scope.dot : scope.variables.get(term.variable),
        );
      case 'group':
        return term.fields.reduce(fieldOf, this.pipeline(term.pipeline, scope));
    }
  }
}

function fieldOf(value: unknown, name: string): unknown {
  if (value === undefined || value === null) return undefined;
  if (!isObject(value)) {
    throw new UserError(`error: error executing template: can't evaluate field ${name} in type ${typeof value}`);
  }
  return value[name];
}

function indexOf(value: unknown, key: unknown): unknown {
  if (Array.isArray(value)) {
    const at = Number(key);
    if (at < 0 || at >= value.length) throw new UserError(`error: error executing template: index out of range: ${at}`);
    return value[at];
  }
  return isObject(value) ? value[String(key)] : undefined;
}

function entriesOf(value: unknown): readonly (readonly [unknown, unknown])[] {
  if (Array.isArray(value)) return value.map((one, index) => [index, one]);
  if (!isObject(value)) return [];
  return Object.keys(value)
    .toSorted()
    .map((key) => [key, value[key]]);
}

function isTrue(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (isObject(value)) return Object.keys(value).length > 0;
  return value !== undefined && value !== null && value !== false && value !== 0 && value !== '';
}

function compare(a: unknown, b: unknown): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return String(a) < String(b) ? -1 : String(a) === String(b) ? 0 : 1;
}

/** As Go prints a value. */
function goText(value: unknown): string {
  if (value === undefined || value === null) return '<no value>';
  if (Array.isArray(value)) return `[${value.map(goText).join(' ')}]`;
  if (isObject(value))
    return `map[${Object.keys(value)
      .toSorted()
      .map((key) => `${key}:${goText(value[key])}`)
      .join(' ')}]`;
  return String(value);
}

function printf(format: string, args: readonly unknown[]): string {
  let at = 0;
  return format.replaceAll(
    /%([-+ 0#]*)(\d*)(?:\.(\d+))?([a-zA-Z%])/g,
    (_, flags: string, width: string, digits: string, verb: string) => {
      if (verb === '%') return '%';
      const value = args[at++];
      const text =
        verb === 'q'
          ? JSON.stringify(String(value))
          : verb === 'f'
            ? Number(value).toFixed(Number(digits ?? 6))
            : verb === 'T'
              ? typeof value
              : verb === 'j'
                ? sortedJson(value)
                : goText(value);
      const size = Number(width || 0);
      return flags.includes('-') ? text.padEnd(size) : text.padStart(size, flags.includes('0') ? '0' : ' ');
    },
  );
}
