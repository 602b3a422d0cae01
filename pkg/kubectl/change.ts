/** `label`, `annotate` and `scale`: small changes to objects that exist. */

import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import { type FlagTable, type FlagValues, integer, list, toggle } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { digMap, digNumber } from './api.ts';

import { allNamespacesFlag, type KubectlContext, selectorFlag } from './context.ts';
import { pathOf } from './discovery.ts';
import { serverError } from './errors.ts';
import { parseTargets, resolveObjects, type Target, targetName, targetOptions } from './targets.ts';

/** The flags of `label` and `annotate`. */
export const labelFlags = {
  filename: list({ help: 'Files that name the objects.', short: 'f', placeholder: 'file' }),
  selector: selectorFlag,
  all: toggle({ help: 'All objects of the resource in the namespace.' }),
  'all-namespaces': allNamespacesFlag,
  overwrite: toggle({ help: 'Replace values that are there.' }),
  list: toggle({ help: 'Show what the objects have.' }),
} satisfies FlagTable;

type LabelValues = FlagValues<typeof labelFlags> & { namespace: string };

/** Runs `label`; resolves to its exit code. */
export const label = changer('labels', 'labeled');
/** Runs `annotate`; resolves to its exit code. */
export const annotate = changer('annotations', 'annotated');

function changer(field: 'annotations' | 'labels', done: string) {
  return async (context: KubectlContext, values: LabelValues, args: readonly string[]): Promise<number> => {
    const isChange = (argument: string): boolean =>
      argument.includes('=') || (argument.endsWith('-') && argument.length > 1);
    const words = args.filter((argument) => !isChange(argument));
    if (words.length === 0 && values.filename.length === 0)
      throw new UserError('error: one or more resources must be specified as <resource> <name> or <resource>/<name>');
    const changes = parseChanges(args.filter(isChange), field);
    if (changes.size === 0 && !values.list)
      throw new UserError(`error: at least one ${field.slice(0, -1)} update is required`);
    const targets = await parseTargets(context, words, targetOptions(values));
    if (targets.some((target) => target.name === undefined) && !values.all && values.selector === '') {
      throw new UserError('error: resource(s) were provided, but no name was specified');
    }
    let code = 0;
    const found = await resolveObjects(context, targets, {
      selector: values.selector,
      allNamespaces: values['all-namespaces'],
    });
    for (const { target, object } of found)
      code = Math.max(code, await changeOne(context, values, { field, done, changes }, target, object));
    return code;
  };
}

interface Change {
  readonly field: 'annotations' | 'labels';
  readonly done: string;
  /** A value, or null to remove. */
  readonly changes: ReadonlyMap<string, string | null>;
}

function parseChanges(args: readonly string[], field: string): ReadonlyMap<string, string | null> {
  const name = field.slice(0, -1);
  const changes = new Map<string, string | null>();
  for (const argument of args) {
    const equals = argument.indexOf('=');
    const key = equals < 0 ? argument.slice(0, -1) : argument.slice(0, equals);
    if (key === '') throw new UserError(`error: at least one ${name} update is required`);
    const value = equals < 0 ? null : argument.slice(equals + 1);
    if (name === 'label' && value?.includes('=') === true)
      throw new UserError(`error: invalid label spec: ${argument}`);
    if (changes.has(key) && (value === null) !== (changes.get(key) === null))
      throw new UserError(
        `error: can not both modify and remove ${name === 'label' ? 'a label' : 'an annotation'} in the same command`,
      );
    changes.set(key, value);
  }
  return changes;
}

async function changeOne(
  context: KubectlContext,
  values: LabelValues,
  change: Change,
  target: Target,
  object: JsonObject,
): Promise<number> {
  const current = digMap(object, 'metadata', change.field);
  if (values.list) {
    for (const [key, value] of Object.entries(current)) context.print(`${key}=${String(value)}\n`);
    if (change.changes.size === 0) return 0;
  }
  for (const [key, value] of change.changes) {
    const now = Object.hasOwn(current, key) ? String(current[key]) : undefined;
    if (value !== null && now !== undefined && now !== value && !values.overwrite) {
      context.complain(
        change.field === 'labels'
          ? `error: '${key}' already has a value (${now}), and --overwrite is false`
          : `error: --overwrite is false but found the following declared annotation(s): '${key}' already has a value (${now})`,
      );
      return 1;
    }
    if (value === null && now === undefined) context.print(`${change.field.slice(0, -1)} "${key}" not found.\n`);
  }
  const differs = [...change.changes].some(([key, value]) =>
    value === null ? Object.hasOwn(current, key) : current[key] !== value,
  );
  if (!differs) {
    context.print(`${targetName(target)} not ${change.done}\n`);
    return 0;
  }
  try {
    await context.api.call({
      method: 'PATCH',
      path: pathOf(target.mapping, target.namespace, target.name),
      query: { fieldManager: `kubectl-${change.field === 'labels' ? 'label' : 'annotate'}` },
      body: { metadata: { [change.field]: Object.fromEntries(change.changes) } },
      contentType: 'application/merge-patch+json',
    });
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    context.complain(serverError(error));
    return 1;
  }
  const removing = [...change.changes.values()].every((value) => value === null);
  context.print(`${targetName(target)} ${removing && change.field === 'labels' ? 'unlabeled' : change.done}\n`);
  return 0;
}

/** `--replicas` when the command line does not name it; not a number that anyone would. */
const notGiven = Number.MIN_SAFE_INTEGER;

/** The flags of `scale`. */
export const scaleFlags = {
  filename: list({ help: 'Files that name the objects.', short: 'f', placeholder: 'file' }),
  selector: selectorFlag,
  all: toggle({ help: 'All objects of the resource in the namespace.' }),
  replicas: integer({ help: 'How many there are to be.', fallback: notGiven, fallbackShown: false, min: notGiven }),
  'current-replicas': integer({ help: 'Only when there are that many now; -1 for any.', fallback: -1, min: -1 }),
} satisfies FlagTable;

/** Runs the command; resolves to its exit code. */
export async function scale(
  context: KubectlContext,
  values: FlagValues<typeof scaleFlags> & { namespace: string },
  args: readonly string[],
): Promise<number> {
  if (values.replicas === notGiven) throw new UserError('error: required flag(s) "replicas" not set');
  if (values.replicas < 0)
    throw new UserError('error: The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0');
  const targets = await parseTargets(context, args, targetOptions(values));
  if (targets.some((target) => target.name === undefined) && !values.all && values.selector === '')
    throw new UserError('error: resource(s) were provided, but no name was specified');
  for (const { target } of await resolveObjects(context, targets, { selector: values.selector })) {
    const path = pathOf(target.mapping, target.namespace, target.name, 'scale');
    if (values['current-replicas'] >= 0) {
      const { object } = await context.api.call({ method: 'GET', path });
      const now = digNumber(object, ['spec', 'replicas']);
      if (now !== values['current-replicas']) {
        throw new UserError(`error: Expected replicas to be ${values['current-replicas']}, was ${now}`);
      }
    }
    await context.api.call({
      method: 'PATCH',
      path,
      query: { fieldManager: 'kubectl' },
      body: { spec: { replicas: values.replicas } },
      contentType: 'application/merge-patch+json',
    });
    context.print(`${targetName(target)} scaled\n`);
  }
  return 0;
}
