/**
 * The macros: calls that are loops or tests in truth, written out when the text is read. Each looks at the shape of a call and leaves others alone.
 * Pure. Source: cel-spec `langdef.md#macros`; cel-go `parser/macro.go`, `ext/comprehensions.go`, `ext/lists.go`, `cel/library.go`.
 */
import { accuName, type Call, type Comprehension, type Expr, type Ident } from './ast.ts';
import { SyntaxIssue } from './lexer.ts';
import type { Value } from './values.ts';

type Names = Comprehension['names'];

/** What a call stands for; undefined when it is no macro. Throws a `SyntaxIssue` for one that is used wrongly. */
export function expandMacro(call: Call): Expr | undefined {
  const { fn, target, args } = call;
  if (target === undefined) return fn === 'has' && args.length === 1 ? hasMacro(call) : undefined;
  const macro = Object.hasOwn(receiverMacros, fn) ? receiverMacros[fn] : undefined;
  return macro?.(call, target, args);
}

type Macro = (call: Call, target: Expr, args: readonly Expr[]) => Expr | undefined;

function hasMacro({ args: [field] }: Call): Expr | undefined {
  if (field?.kind === 'select' && !field.isTest) return { ...field, isTest: true };
  throw new SyntaxIssue(field?.at ?? 0, 'invalid argument to has() macro');
}

/** Makes nodes where a macro stands. */
function nodesAt(at: number) {
  const literal = (value: Value): Expr => ({ kind: 'literal', at, value });
  const ident = (name: string): Ident => ({ kind: 'ident', at, name });
  const call = (fn: string, ...args: readonly Expr[]): Expr => ({ kind: 'call', at, fn, target: undefined, args });
  return {
    literal,
    ident,
    accu: ident(accuName),
    call,
    method: (target: Expr, fn: string, ...args: readonly Expr[]): Expr => ({ kind: 'call', at, fn, target, args }),
    list: (...items: readonly Expr[]): Expr => ({ kind: 'list', at, items, optional: new Set<number>() }),
    map: (): Expr => ({ kind: 'map', at, entries: [] }),
    loop: (
      range: Expr,
      names: Names,
      parts: Omit<Comprehension, 'accu' | 'at' | 'kind' | 'names' | 'range'>,
    ): Expr => ({
      kind: 'comprehension',
      at,
      range,
      names,
      accu: accuName,
      ...parts,
    }),
  };
}

/** The names of a loop: the first `count` arguments, which have to be simple ones. */
function namesOf(args: readonly Expr[], count: 1 | 2): Names {
  const [first, second] = args.slice(0, count).map((arg) => {
    if (arg.kind !== 'ident' || arg.name.startsWith('.'))
      throw new SyntaxIssue(arg.at, 'argument must be a simple name');
    if (arg.name === accuName) throw new SyntaxIssue(arg.at, 'iteration variable overwrites accumulator variable');
    return arg;
  });
  if (first === undefined) throw new SyntaxIssue(0, 'argument must be a simple name');
  if (second === undefined) return [first.name];
  if (first.name === second.name) {
    throw new SyntaxIssue(second.at, `duplicate variable name: ${second.name}`);
  }
  return [first.name, second.name];
}

/** A macro whose last argument says something of each element, with one name or two before it. */
function predicate(
  make: (at: number, test: Expr) => Omit<Comprehension, 'accu' | 'at' | 'kind' | 'names' | 'range'>,
): Macro {
  return ({ at }, target, args) => {
    const test = args.at(-1);
    if (test === undefined || (args.length !== 2 && args.length !== 3)) return undefined;
    return nodesAt(at).loop(target, namesOf(args, args.length === 2 ? 1 : 2), make(at, test));
  };
}

const all = predicate((at, test) => {
  const { literal, accu, call } = nodesAt(at);
  return {
    init: literal(true),
    condition: call('@not_strictly_false', accu),
    step: call('_&&_', accu, test),
    result: accu,
  };
});

const exists = predicate((at, test) => {
  const { literal, accu, call } = nodesAt(at);
  return {
    init: literal(false),
    condition: call('@not_strictly_false', call('!_', accu)),
    step: call('_||_', accu, test),
    result: accu,
  };
});

const existsOne = predicate((at, test) => {
  const { literal, accu, call } = nodesAt(at);
  return {
    init: literal(0n),
    condition: literal(true),
    step: call('_?_:_', test, call('_+_', accu, literal(1n)), accu),
    result: call('_==_', accu, literal(1n)),
  };
});

/** Gathers what the last argument says, of those that an argument before it takes. */
function gather(names: 1 | 2): Macro {
  return ({ at }, target, args) => {
    const item = args.at(-1);
    if (item === undefined || (args.length !== names + 1 && args.length !== names + 2)) return undefined;
    const { literal, accu, call, list, loop } = nodesAt(at);
    const append = call('_+_', accu, list(item));
    const test = args.length === names + 2 ? args[names] : undefined;
    const step = test === undefined ? append : call('_?_:_', test, append, accu);
    return loop(target, namesOf(args, names), { init: list(), condition: literal(true), step, result: accu });
  };
}

const filter: Macro = ({ at }, target, args) => {
  const test = args[1];
  if (test === undefined || args.length !== 2) return undefined;
  const { literal, ident, accu, call, list, loop } = nodesAt(at);
  const names = namesOf(args, 1);
  const step = call('_?_:_', test, call('_+_', accu, list(ident(names[0]))), accu);
  return loop(target, names, { init: list(), condition: literal(true), step, result: accu });
};

/** Makes a map: of values under the keys that there are, or of entries. */
function transform(insert: 'entries' | 'values'): Macro {
  return ({ at }, target, args) => {
    const value = args.at(-1);
    if (value === undefined || (args.length !== 3 && args.length !== 4)) return undefined;
    const { literal, ident, accu, call, map, loop } = nodesAt(at);
    const names = namesOf(args, 2);
    const add =
      insert === 'values' ? call('cel.@mapInsert', accu, ident(names[0]), value) : call('cel.@mapInsert', accu, value);
    const test = args.length === 4 ? args[2] : undefined;
    const step = test === undefined ? add : call('_?_:_', test, add, accu);
    return loop(target, names, { init: map(), condition: literal(true), step, result: accu });
  };
}

/** `e.optMap(v, f)`: f of the value that there is, or none. */
function optional(isFlat: boolean): Macro {
  return ({ at }, target, args) => {
    const [name, value] = args;
    if (name === undefined || value === undefined || args.length !== 2) return undefined;
    const names = namesOf([name], 1);
    const { literal, call, list, method } = nodesAt(at);
    const bound: Expr = {
      kind: 'comprehension',
      at,
      range: list(),
      names: ['#unused'],
      accu: names[0],
      init: method(target, 'value'),
      condition: literal(false),
      step: { kind: 'ident', at, name: names[0] },
      result: value,
    };
    const present = isFlat ? bound : call('optional.of', bound);
    return call('_?_:_', method(target, 'hasValue'), present, call('optional.none'));
  };
}

const sortBy: Macro = ({ at }, target, args) => {
  const [name, key] = args;
  if (name === undefined || key === undefined || args.length !== 2) return undefined;
  const { literal, accu, call, list, loop, method } = nodesAt(at);
  const keys = loop(target, namesOf([name], 1), {
    init: list(),
    condition: literal(true),
    step: call('_+_', accu, list(key)),
    result: accu,
  });
  return method(target, '@sortByAssociatedKeys', keys);
};

const receiverMacros: Readonly<Record<string, Macro>> = {
  all,
  exists,
  exists_one: existsOne,
  existsOne,
  filter,
  map: gather(1),
  transformList: gather(2),
  transformMap: transform('values'),
  transformMapEntry: transform('entries'),
  optMap: optional(false),
  optFlatMap: optional(true),
  sortBy,
};
