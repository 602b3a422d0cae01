/**
 * Command-line flags as a table: what a process accepts is data, from which its parser, its `--help` and its configuration
 * file follow. Unknown flags, missing values and values of the wrong kind are refused with one line that says what to write instead.
 *
 * A value comes from the first of: the command line, the configuration file, the table. Upstream counterpart: `component-base/cli/flag`.
 */

import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { parseDurationMs } from '#pkg/apimachinery/time.ts';

/** What came of reading a flag's text. */
export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly message: string };

/** One flag. Its name is its key in the table: kebab-case, without the dashes. */
export interface Flag<T> {
  readonly help: string;
  /** The value when neither the command line nor the configuration file names the flag. */
  readonly fallback: T;
  /** What `--help` shows in place of the value; absent for a switch, which may stand without one. */
  readonly placeholder?: string;
  /** A one-letter name. */
  readonly short?: string;
  /** Kept out of `--help`. */
  readonly hidden?: boolean;
  /** False where the fallback only stands for a flag that is not given: `--help` does not show it. */
  readonly fallbackShown?: boolean;
  /** JSON Schema of the value in a configuration file. */
  readonly schema: JsonObject;
  /** What a value must be, in words that follow the name of its field. */
  readonly expects: string;
  parse(text: string, previous: T | undefined): Parsed<T>;
}

/** Flags by their names, which is the order of `--help`. */
export type FlagTable = Readonly<Record<string, Flag<unknown>>>;

/** The values of a table, under the names of its flags. */
export type FlagValues<T extends FlagTable> = { readonly [K in keyof T]: T[K] extends Flag<infer V> ? V : never };

interface Common {
  readonly help: string;
  readonly short?: string;
  readonly hidden?: boolean;
  readonly fallbackShown?: boolean;
}

function good<T>(value: T): Parsed<T> {
  return { ok: true, value };
}

function bad(message: string): { readonly ok: false; readonly message: string } {
  return { ok: false, message };
}

/** A flag that takes any text, one of `allowed`, or text of which `problem` does not say what it must be. */
export function text(
  options: Common & {
    fallback?: string;
    placeholder?: string;
    allowed?: readonly string[];
    problem?: (value: string) => string | undefined;
  },
): Flag<string> {
  const { allowed, problem } = options;
  return {
    ...options,
    fallback: options.fallback ?? '',
    placeholder: options.placeholder ?? (allowed === undefined ? 'text' : allowed.join('|')),
    schema: { type: 'string', ...(allowed === undefined ? {} : { enum: allowed }) },
    expects: allowed === undefined ? 'must be a string' : oneOf(allowed),
    parse: (value) => {
      const wrong = allowed === undefined || allowed.includes(value) ? problem?.(value) : oneOf(allowed);
      return wrong === undefined ? good(value) : bad(wrong);
    },
  };
}

/** What a value must be; no value at all, where that is allowed, is not worth a word. */
function oneOf(allowed: readonly string[]): string {
  const words = allowed.filter((word) => word !== '');
  return words.length === 1 ? `must be ${words[0]}` : `must be one of ${words.join(', ')}`;
}

/** A switch: `--name`, `--name=true` or `--name=false`. */
export function toggle(options: Common & { fallback?: boolean }): Flag<boolean> {
  return {
    ...options,
    fallback: options.fallback ?? false,
    schema: { type: 'boolean' },
    expects: 'must be true or false',
    parse: (value) => {
      if (value === '' || value === 'true') return good(true);
      return value === 'false' ? good(false) : bad('must be true or false');
    },
  };
}

/** A whole number within limits. */
export function integer(
  options: Common & { fallback: number; min?: number; max?: number; placeholder?: string },
): Flag<number> {
  const min = options.min ?? 0;
  const max = options.max ?? Number.MAX_SAFE_INTEGER;
  const limits = max === Number.MAX_SAFE_INTEGER ? `from ${min}` : `from ${min} to ${max}`;
  const expects = `must be a whole number ${limits}`;
  return {
    ...options,
    placeholder: options.placeholder ?? 'number',
    schema: { type: 'integer', minimum: min, maximum: max },
    expects,
    parse: (value) => {
      const number = /^-?\d+$/.test(value) ? Number(value) : Number.NaN;
      if (number >= min && number <= max) return good(number);
      return bad(expects);
    },
  };
}

/** A flag that may be given several times, or once with commas between the values, each of which `problem` says what it must be. */
export function list(
  options: Common & {
    fallback?: readonly string[];
    placeholder?: string;
    problem?: (value: string) => string | undefined;
  },
): Flag<readonly string[]> {
  return {
    ...options,
    fallback: options.fallback ?? [],
    placeholder: options.placeholder ?? 'a,b',
    schema: { type: ['array', 'string'], items: { type: 'string' } },
    expects: 'must be a list of strings',
    parse: (value, previous) => {
      const values = value.split(',').filter((part) => part !== '');
      const wrong = values.map((one) => options.problem?.(one)).find((problem) => problem !== undefined);
      return wrong === undefined ? good([...(previous ?? []), ...values]) : bad(wrong);
    },
  };
}

/** A flag that may be given several times, each time with one value, of which `problem` says what it must be. */
export function repeated(
  options: Common & { placeholder: string; problem?: (value: string) => string | undefined },
): Flag<readonly string[]> {
  return {
    ...options,
    fallback: [],
    schema: { type: 'array', items: { type: 'string' } },
    expects: 'must be a list of strings',
    parse: (value, previous) => {
      const wrong = options.problem?.(value);
      return wrong === undefined ? good([...(previous ?? []), value]) : bad(wrong);
    },
  };
}

/** A length of time; the value is in milliseconds. */
export function duration(options: Common & { fallback: number }): Flag<number> {
  const expects = 'must be a duration such as 500ms, 30s or 1m30s';
  return {
    ...options,
    placeholder: 'duration',
    schema: { type: 'string' },
    expects,
    parse: (value) => {
      const ms = parseDurationMs(value);
      return ms === undefined ? bad(expects) : good(ms);
    },
  };
}

/** What came of reading arguments. A refusal is one line that says what to write instead. */
export type FlagResult<T extends FlagTable> =
  | {
      readonly ok: true;
      readonly values: FlagValues<T>;
      /** Names of the flags that the command line or the configuration file set. */
      readonly given: ReadonlySet<string>;
      /** Arguments that are not flags, in order; after `--` everything. */
      readonly rest: readonly string[];
      /** `--help` or `-h` was among the arguments. */
      readonly help: boolean;
    }
  | { readonly ok: false; readonly message: string; readonly problem?: FlagProblem };

/** What is wrong with an argument, for those who have words of their own for it. */
export type FlagProblem =
  /** `written` as it stands on the command line: `--name`, or `-n` at the head of `argument`. */
  | { readonly kind: 'unknown'; readonly written: string; readonly argument: string }
  | { readonly kind: 'missing'; readonly written: string; readonly argument: string }
  | { readonly kind: 'invalid'; readonly flag: string; readonly value: string; readonly placeholder: string };

/** What is read beside the arguments. */
export interface ParseOptions {
  /** The parsed configuration file, which `configProblem` has nothing to say of: keys are flag names in camelCase. */
  readonly config?: JsonObject;
}

/** Reads arguments (without the program's own name) by a table. */
export function parseFlags<T extends FlagTable>(
  table: T,
  args: readonly string[],
  options: ParseOptions = {},
): FlagResult<T> {
  const flags: FlagTable = table;
  const values = new Map<string, unknown>();
  const rest: string[] = [];
  let help = false;
  const byShort = new Map(
    Object.entries(flags).flatMap(([name, flag]) => (flag.short ? [[flag.short, name] as const] : [])),
  );

  for (let i = 0; i < args.length; i++) {
    const argument = args[i]!;
    if (argument === '--') {
      rest.push(...args.slice(i + 1));
      break;
    }
    if (argument === '--help' || argument === '-h') {
      help = true;
      continue;
    }
    if (!argument.startsWith('-') || argument === '-') {
      rest.push(argument);
      continue;
    }
    for (const split of splitArgument(argument, byShort, flags)) {
      const failure = takeFlag(flags, split, { values, next: () => args[++i] });
      if (failure !== undefined) return failure;
    }
  }

  const configured = fromConfig(flags, options.config ?? {}, values);
  if (configured !== undefined) return bad(configured);
  const given = new Set(values.keys());
  for (const [name, flag] of Object.entries(flags)) if (!values.has(name)) values.set(name, flag.fallback);
  return { ok: true, values: Object.fromEntries(values) as FlagValues<T>, given, rest, help };
}

/** Reads one flag into `values`, with the next argument for its value where it needs one; gives what is wrong with it, if anything. */
function takeFlag(
  flags: FlagTable,
  { name, written, argument, value: attached }: SplitArgument,
  from: { readonly values: Map<string, unknown>; next(): string | undefined },
): Extract<FlagResult<FlagTable>, { ok: false }> | undefined {
  const { values } = from;
  const flag = Object.hasOwn(flags, name) ? flags[name] : undefined;
  if (flag === undefined) {
    const message = `unknown flag: ${written}${suggestion(name, Object.keys(flags))}`;
    return { ok: false, message, problem: { kind: 'unknown', written, argument } };
  }
  const { placeholder, short } = flag;
  const value = attached ?? (placeholder === undefined ? '' : from.next());
  if (value === undefined) {
    const message = `flag needs a value: ${written} ${placeholder}`;
    return { ok: false, message, problem: { kind: 'missing', written, argument } };
  }
  const parsed = flag.parse(value, values.get(name));
  if (!parsed.ok) {
    const names = short === undefined ? `--${name}` : `-${short}, --${name}`;
    const message = `invalid value "${value}" for --${name}: ${parsed.message}`;
    return { ok: false, message, problem: { kind: 'invalid', flag: names, value, placeholder: placeholder ?? '' } };
  }
  values.set(name, parsed.value);
  return undefined;
}

interface SplitArgument {
  readonly name: string;
  /** What is left of the argument from this flag on. */
  readonly argument: string;
  readonly written: string;
  readonly value: string | undefined;
}

/** The flags of one argument: one, but for short switches that stand together, such as `-Aw`. */
function splitArgument(
  argument: string,
  byShort: ReadonlyMap<string, string>,
  flags: FlagTable,
): readonly SplitArgument[] {
  if (argument.startsWith('--')) {
    const equals = argument.indexOf('=');
    const name = equals < 0 ? argument.slice(2) : argument.slice(2, equals);
    return [{ name, argument, written: `--${name}`, value: equals < 0 ? undefined : argument.slice(equals + 1) }];
  }
  const [, letter = '', ...more] = argument;
  const name = byShort.get(letter) ?? letter;
  const flag = { name, argument, written: `-${letter}` };
  if (more.length === 0) return [{ ...flag, value: undefined }];
  if (more[0] === '=') return [{ ...flag, value: more.slice(1).join('') }];
  if (flags[name]?.placeholder !== undefined) return [{ ...flag, value: more.join('') }];
  return [{ ...flag, value: undefined }, ...splitArgument(`-${more.join('')}`, byShort, flags)];
}

/** Fills in what the command line did not say; returns what is wrong with the file, if anything. */
function fromConfig(flags: FlagTable, config: JsonObject, values: Map<string, unknown>): string | undefined {
  for (const [field, raw] of Object.entries(config)) {
    if (field === 'apiVersion' || field === 'kind') continue;
    const name = flagOf(field);
    const flag = Object.hasOwn(flags, name) ? flags[name] : undefined;
    if (flag === undefined) return `${field}: unknown field`;
    if (values.has(name)) continue;
    const texts: readonly unknown[] = Array.isArray(raw) ? raw : [raw];
    let value: unknown = [];
    for (const [index, text] of texts.entries()) {
      const parsed = flag.parse(String(text), index === 0 ? undefined : value);
      if (!parsed.ok) return `${field}: ${parsed.message}`;
      value = parsed.value;
    }
    values.set(name, value);
  }
  return undefined;
}

/** The flag of a field of a configuration file: `data-dir` of `dataDir`. */
export function flagOf(field: string): string {
  return field.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** The field of a flag in a configuration file: `dataDir` of `data-dir`. */
export function fieldOf(flag: string): string {
  return flag.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** ` (did you mean --x?)` when a known name is close. */
function suggestion(name: string, known: readonly string[]): string {
  const near = nearest(name, known);
  return near === undefined ? '' : ` (did you mean --${near}?)`;
}

/** The word of `known` that differs from `word` in at most two letters, if there is one. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = 3;
  for (const candidate of known) {
    const distance = editDistance(word, candidate);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}

/** Widest column of flags in `--help` before the text moves to a line of its own. */
const flagColumnMax = 36;

/** The text of `--help`: how it is called, what it does, and its flags in the order of the table. */
export function helpText(table: FlagTable, about: { readonly usage: string; readonly summary: string }): string {
  const lines = [about.summary, '', `Usage: ${about.usage}`, '', 'Flags:'];
  const rows = Object.entries(table)
    .filter(([, flag]) => flag.hidden !== true)
    .map(([name, flag]) => {
      const short = flag.short === undefined ? '    ' : `-${flag.short}, `;
      return { left: `  ${short}--${name}${flag.placeholder === undefined ? '' : ` ${flag.placeholder}`}`, flag };
    });
  rows.push({ left: '  -h, --help', flag: toggle({ help: 'Print this text.' }) });
  const width = Math.min(flagColumnMax, Math.max(...rows.map((row) => row.left.length))) + 2;
  for (const { left, flag } of rows) {
    const right = `${flag.help}${shownDefault(flag)}`;
    if (left.length > width - 2) lines.push(left, `${' '.repeat(width)}${right}`);
    else lines.push(left.padEnd(width) + right);
  }
  return `${lines.join('\n')}\n`;
}

/** The text of `--help` of a program that has subcommands: one line for each. */
export function commandOverview(about: {
  readonly summary: string;
  readonly usage: string;
  readonly commands: Readonly<Record<string, { readonly summary: string }>>;
}): string {
  const width = Math.max(...Object.keys(about.commands).map((name) => name.length)) + 2;
  const rows = Object.entries(about.commands).map(([name, { summary }]) => `  ${name.padEnd(width)}${summary}`);
  const lines = [about.summary, '', `Usage: ${about.usage}`, '', 'Commands:', ...rows, '', 'Each has --help.'];
  return `${lines.join('\n')}\n`;
}

function shownDefault(flag: Flag<unknown>): string {
  const { fallback } = flag;
  if (flag.fallbackShown === false) return '';
  if (fallback === '' || fallback === false || (Array.isArray(fallback) && fallback.length === 0)) return '';
  if (flag.placeholder === 'duration') return ` (default ${Number(fallback) / 1000}s)`;
  return ` (default ${String(fallback)})`;
}
