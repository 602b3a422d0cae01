/** `wait`: until objects meet a condition, have a value, exist or are gone. */

import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import { sleep } from '#pkg/base/async.ts';
import { duration, type FlagTable, type FlagValues, list, text, toggle } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { digList, digText } from './api.ts';
import { allNamespacesFlag, fieldSelectorFlag, type KubectlContext, printFlags, selectorFlag } from './context.ts';
import { evaluatePath } from './jsonpath.ts';
import { ResultPrinter } from './printing.ts';
import { getObject, parseTargets, resolveObjects, type Target, targetOptions } from './targets.ts';

/** The flags of `wait`. */
export const waitFlags = {
  ...printFlags,
  for: text({ help: 'condition=NAME[=VALUE], jsonpath={PATH}[=VALUE], create or delete.', placeholder: 'what' }),
  timeout: duration({ help: 'Longest wait; 0s looks once.', fallback: 30_000 }),
  filename: list({ help: 'Files that name the objects.', short: 'f', placeholder: 'file' }),
  selector: selectorFlag,
  'field-selector': fieldSelectorFlag,
  all: toggle({ help: 'All objects of the resource in the namespace.' }),
  'all-namespaces': allNamespacesFlag,
} satisfies FlagTable;

type Values = FlagValues<typeof waitFlags> & { namespace: string };

/** Interval between looks at an object. */
const lookIntervalMs = 150;
/** The wait without a limit, for `--timeout` below zero. Source: kubectl reference, `wait`. */
const weekMs = 7 * 24 * 3_600_000;

/** What is waited for; `object` is undefined when it does not exist. */
type Goal = (object: JsonObject | undefined) => boolean;

/** Runs the command; resolves to its exit code, 1 when the time is over. */
export async function wait(context: KubectlContext, values: Values, args: readonly string[]): Promise<number> {
  const goal = parseGoal(values.for);
  const timeoutMs = values.timeout < 0 ? weekMs : values.timeout;
  const endMs = context.clock.monotonicMs() + timeoutMs;
  const targets = await parseTargets(context, args, targetOptions(values));
  const selection = {
    selector: values.selector,
    fieldSelector: values['field-selector'],
    allNamespaces: values['all-namespaces'],
  };
  const selected: Target[] = [];
  for (const target of targets) {
    if (target.name !== undefined) selected.push(target);
    else if (!values.all && values.selector === '' && values['field-selector'] === '') {
      throw new UserError('error: resource(s) were provided, but no name was specified');
    } else selected.push(...(await resolveObjects(context, [target], selection)).map((one) => one.target));
  }
  if (selected.length === 0) {
    if (values.for === 'delete') return 0;
    throw new UserError('error: no matching resources found');
  }
  const printer = new ResultPrinter(context, values);
  const results = await Promise.all(
    selected.map((target) => waitOne(context, target, { goal, endMs, what: values.for, printer })),
  );
  return results.every(Boolean) ? 0 : 1;
}

async function waitOne(
  context: KubectlContext,
  target: Target,
  options: { goal: Goal; endMs: number; what: string; printer: ResultPrinter },
): Promise<boolean> {
  for (let looks = 0; ; looks++) {
    const object = await lookUp(context, target);
    // Nothing is said of what was not there to begin with.
    if (looks === 0 && object === undefined && options.what === 'delete') return true;
    if (object === undefined && options.what !== 'delete' && options.what !== 'create') {
      throw new UserError(
        `Error from server (NotFound): ${target.mapping.resource}${target.mapping.group === '' ? '' : `.${target.mapping.group}`} "${target.name}" not found`,
      );
    }
    if (options.goal(object)) {
      options.printer.print(target, object ?? { metadata: { name: target.name } }, 'condition met');
      return true;
    }
    if (context.clock.monotonicMs() >= options.endMs) {
      const what = options.what === 'create' ? '' : ` on ${target.mapping.resource}/${target.name}`;
      context.complain(`error: timed out waiting for the condition${what}`);
      return false;
    }
    if (!(await sleep(context.clock, lookIntervalMs, context.signal))) return false;
  }
}

async function lookUp(context: KubectlContext, target: Target): Promise<JsonObject | undefined> {
  try {
    return await getObject(context, target);
  } catch (error) {
    if (error instanceof StatusError && error.reason === 'NotFound') return undefined;
    throw error;
  }
}

function parseGoal(what: string): Goal {
  if (what === 'delete') return (object) => object === undefined;
  if (what === 'create') return (object) => object !== undefined;
  if (what.startsWith('condition=')) {
    const [type, ...rest] = what.slice('condition='.length).split('=');
    const value = (rest.length === 0 ? 'true' : rest.join('=')).toLowerCase();
    return (object) => holdsCondition(object, type!.toLowerCase(), value);
  }
  const match = /^jsonpath=(\{.*\}|[^=]+)(?:=(.*))?$/s.exec(what);
  if (match !== null) {
    const path = unquote(match[1] ?? '');
    const wanted = match[2] === undefined ? undefined : unquote(match[2]);
    evaluatePath(path, {});
    return (object) => {
      const found = evaluatePath(path, object);
      return wanted === undefined ? found.length > 0 : found.length === 1 && String(found[0]) === wanted;
    };
  }
  throw new UserError(`error: unrecognized condition: "${what}"`);
}

function unquote(text: string): string {
  return /^(['"]).*\1$/s.test(text) ? text.slice(1, -1) : text;
}

/** A condition of the object's present generation that has the value. */
function holdsCondition(object: JsonObject | undefined, type: string, value: string): boolean {
  const condition = digList(object, 'status', 'conditions').find((one) => digText(one, 'type').toLowerCase() === type);
  if (condition === undefined) return false;
  const generation = Number(digText(object, 'metadata', 'generation') || 0);
  const observed = condition.observedGeneration ?? digText(object, 'status', 'observedGeneration');
  if (observed !== '' && observed !== undefined && Number(observed) < generation) return false;
  return digText(condition, 'status').toLowerCase() === value;
}
