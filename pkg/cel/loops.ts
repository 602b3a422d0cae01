/** Compiles the loops that macros make. What only gathers items adds to one array, where the written-out form would copy it each time. */
import { accuName, type Comprehension, type Expr } from './ast.ts';
import { listCost } from './costs.ts';
import type { Code, Frame, PartCompiler } from './frame.ts';
import { EvaluationError, ListValue, listValue, MapValue, type Value } from './values.ts';

/** The code of a loop, whose names are places of the compiler's while its parts are compiled. */
export function compileLoop(compiler: PartCompiler, expr: Comprehension): Code {
  const range = compiler.compile(expr.range);
  const init = compiler.compile(expr.init);
  const accu = compiler.declare(expr.accu);
  const [first, second] = expr.names;
  const one = compiler.declare(first);
  const two = second === undefined ? undefined : compiler.declare(second);
  const gathers = gatheringOf(compiler, expr);
  const condition = compiler.compile(expr.condition);
  const step = gathers === undefined ? compiler.compile(expr.step) : undefined;
  compiler.drop(expr.names.length);
  const result = compiler.compile(expr.result);
  compiler.drop(1);
  return (frame) => {
    const items = range(frame);
    frame.places[accu] = init(frame);
    const isList = items instanceof ListValue;
    const hasKeys = two !== undefined || !isList;
    const setNames = (key: Value, item: Value): void => {
      frame.places[one] = hasKeys ? key : item;
      if (two !== undefined) frame.places[two] = item;
    };
    if (gathers !== undefined) {
      const gathered: Value[] = [];
      eachOf(items, hasKeys, (key, item) => {
        setNames(key, item);
        gathers(frame, gathered);
        return true;
      });
      frame.places[accu] = listValue(gathered);
    } else if (step !== undefined) {
      eachOf(items, hasKeys, (key, item) => {
        setNames(key, item);
        if (condition(frame) === false) return false;
        frame.places[accu] = softly(step, frame);
        return true;
      });
    }
    return result(frame);
  };
}

/** A step of `all` or `exists` that fails is kept, as a later one may still decide. */
function softly(step: Code, frame: Frame): Value | EvaluationError {
  try {
    return step(frame);
  } catch (error) {
    if (!(error instanceof EvaluationError) || error.isFinal) throw error;
    return error;
  }
}

/** Adds what one step of a loop has to say. */
type Gather = (frame: Frame, into: Value[]) => void;

/** The step of a loop that only adds to a list: `@result + [item]`, on its own or behind a test. Undefined for others. */
function gatheringOf(compiler: PartCompiler, { step, init, result }: Comprehension): Gather | undefined {
  if (init.kind !== 'list' || init.items.length > 0 || !isAccu(result)) return undefined;
  const [test, added, otherwise] =
    step.kind === 'call' && step.fn === '_?_:_' ? step.args : [undefined, step, undefined];
  const item = appendedBy(added);
  if (item === undefined || (otherwise !== undefined && !isAccu(otherwise))) return undefined;
  const isTaken = test === undefined ? undefined : compiler.compile(test);
  const code = compiler.compile(item);
  return (frame, into) => {
    frame.meter.charge(1);
    const taken = isTaken === undefined || isTaken(frame);
    if (typeof taken !== 'boolean') throw new EvaluationError('no such overload');
    if (!taken) return;
    // The list of one and the sum, which are not made here.
    frame.meter.charge(listCost + 1);
    into.push(code(frame));
  };
}

function isAccu(expr: Expr): boolean {
  return expr.kind === 'ident' && expr.name === accuName;
}

function appendedBy(expr: Expr | undefined): Expr | undefined {
  if (expr?.kind !== 'call' || expr.fn !== '_+_') return undefined;
  const [list, items] = expr.args;
  if (list === undefined || !isAccu(list) || items?.kind !== 'list' || items.optional.size > 0) return undefined;
  return items.items.length === 1 ? items.items[0] : undefined;
}

/** Goes through keys and values of a map, or indices and items of a list, until told to stop. Indices are null where nobody looks at them. */
function eachOf(items: Value, hasKeys: boolean, visit: (key: Value, item: Value) => boolean): void {
  if (items instanceof ListValue) {
    for (let index = 0; index < items.size; index++)
      if (!visit(hasKeys ? BigInt(index) : null, items.at(index))) return;
  } else if (items instanceof MapValue) {
    for (const key of items.keys()) if (!visit(key, items.find(key) ?? null)) return;
  } else throw new EvaluationError('no such overload');
}
