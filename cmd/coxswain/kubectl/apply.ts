/**
 * `apply`, `create` and `delete` of manifests. Apply is server-side: the fields of the document become this manager's, fields it no longer
 * names are given up, and other managers' claims on the same fields are taken over, as a person applying a file expects.
 */

import { isDeepStrictEqual } from 'node:util';
import { UserError } from '#cmd/common/errors.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import { sleep } from '#pkg/base/async.ts';
import { duration, type FlagTable, type FlagValues, integer, list, text, toggle } from '#pkg/component/flags.ts';
import { dig, digMap, digText } from './api.ts';
import {
  allNamespacesFlag,
  checkOutput,
  fieldSelectorFlag,
  type KubectlContext,
  outputFlag,
  selectorFlag,
} from './context.ts';
import { kindName, pathOf } from './discovery.ts';
import { serverError } from './errors.ts';
import { renderName, renderObject, withoutManagedFields } from './output.ts';
import { parseTargets, resolveObjects, type Target, targetName } from './targets.ts';

/** Who owns the fields that this command applies. */
export const fieldManager = 'coxswain-kubectl';

const fileFlag = list({ help: 'Files, folders or addresses; - for standard input.', short: 'f', placeholder: 'file' });
const recursiveFlag = toggle({ help: 'Folders within folders too.', short: 'R' });

export const applyFlags = {
  filename: fileFlag,
  recursive: recursiveFlag,
  output: outputFlag,
  'dry-run': text({
    help: 'Only say what would be done: none or server.',
    fallback: 'none',
    allowed: ['none', 'server'],
  }),
  'server-side': toggle({ help: 'Always so; taken for compatibility.', fallback: true }),
  'force-conflicts': toggle({ help: 'Take over fields of other managers.', fallback: true }),
  'field-manager': text({ help: 'Name that owns the applied fields.', fallback: fieldManager, placeholder: 'name' }),
  validate: text({
    help: 'What unknown fields do: strict, warn or ignore.',
    fallback: 'strict',
    allowed: ['strict', 'warn', 'ignore', 'true', 'false'],
  }),
} satisfies FlagTable;

export async function apply(
  context: KubectlContext,
  values: FlagValues<typeof applyFlags> & { namespace: string },
  args: readonly string[],
): Promise<number> {
  checkOutput(values.output, ['json', 'yaml', 'name']);
  if (values.filename.length === 0) throw new UserError('error: must specify one of -f');
  if (args.length > 0) throw new UserError(`error: Unexpected args: [${args.join(' ')}]`);
  const targets = await parseTargets(context, [], targetOptions(values));
  let code = 0;
  for (const target of targets) {
    try {
      await applyOne(context, values, target);
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      context.complain(serverError(error, `error when applying "${target.source}"`));
      code = 1;
    }
  }
  return code;
}

function targetOptions(values: { filename: readonly string[]; recursive: boolean; namespace: string }) {
  return {
    files: values.filename,
    recursive: values.recursive,
    ...(values.namespace === '' ? {} : { namespace: values.namespace }),
  };
}

/** Value of `fieldValidation` for a value of `--validate`. */
function fieldValidation(validate: string): string {
  if (validate === 'warn') return 'Warn';
  return validate === 'ignore' || validate === 'false' ? 'Ignore' : 'Strict';
}

async function applyOne(context: KubectlContext, values: FlagValues<typeof applyFlags>, target: Target): Promise<void> {
  const document = target.document!;
  if (target.name === undefined)
    throw new UserError(
      `error: error when retrieving current configuration: resource name may not be empty in "${target.source}"`,
    );
  const path = pathOf(target.mapping, target.namespace, target.name);
  const before = await context.api.call({ method: 'GET', path }).then(
    (answer) => answer.object,
    (error: unknown) => {
      if (error instanceof StatusError && error.reason === 'NotFound') return undefined;
      throw error;
    },
  );
  const answer = await context.api.call({
    method: 'PATCH',
    path,
    query: {
      fieldManager: values['field-manager'],
      force: String(values['force-conflicts']),
      fieldValidation: fieldValidation(values.validate),
      dryRun: values['dry-run'] === 'server' ? 'All' : undefined,
    },
    body: withNamespace(document, target),
    contentType: 'application/apply-patch+yaml',
  });
  const suffix = values['dry-run'] === 'server' ? ' (server dry run)' : '';
  report(context, values.output, target, answer.object, `${outcome(before, answer.object)}${suffix}`);
}

/** What an apply did: others may have written the status meanwhile, which is no change of ours. */
function outcome(before: JsonObject | undefined, after: JsonObject): string {
  if (before === undefined) return 'created';
  const applied = (object: JsonObject): JsonObject => {
    const { status: _, ...rest } = object;
    const {
      resourceVersion: _version,
      generation: _generation,
      managedFields: _fields,
      ...metadata
    } = digMap(object, 'metadata');
    return { ...rest, metadata };
  };
  return isDeepStrictEqual(applied(before), applied(after)) ? 'unchanged' : 'configured';
}

function withNamespace(document: JsonObject, target: Target): JsonObject {
  if (target.namespace === undefined) return document;
  return { ...document, metadata: { ...(document.metadata as JsonObject | undefined), namespace: target.namespace } };
}

function report(context: KubectlContext, form: string, target: Target, object: JsonObject, done: string): void {
  if (form === 'name') context.print(renderName(target.mapping, object));
  else if (form !== '') context.print(renderObject(form, withoutManagedFields(object)));
  else context.print(`${targetName({ ...target, name: digText(object, 'metadata', 'name') })} ${done}\n`);
}

export const createFlags = {
  filename: fileFlag,
  recursive: recursiveFlag,
  output: outputFlag,
  validate: applyFlags.validate,
} satisfies FlagTable;

/** `create -f`; `create namespace NAME` is the one form without a file. */
export async function create(
  context: KubectlContext,
  values: FlagValues<typeof createFlags> & { namespace: string },
  args: readonly string[],
): Promise<number> {
  checkOutput(values.output, ['json', 'yaml', 'name']);
  if (args.length === 2 && ['namespace', 'ns'].includes(args[0]!)) {
    const [mapping] = await context.discovery.resolve('namespaces');
    const document = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: args[1]! } };
    return createAll(context, values, [{ mapping: mapping!, name: args[1]!, document, source: 'STDIN' }]);
  }
  if (values.filename.length === 0) throw new UserError('error: must specify one of -f, or "create namespace NAME"');
  return createAll(context, values, await parseTargets(context, args, targetOptions(values)));
}

async function createAll(
  context: KubectlContext,
  values: FlagValues<typeof createFlags>,
  targets: readonly Target[],
): Promise<number> {
  let code = 0;
  for (const target of targets) {
    try {
      const { object } = await context.api.call({
        method: 'POST',
        path: pathOf(target.mapping, target.namespace),
        query: { fieldManager, fieldValidation: fieldValidation(values.validate) },
        body: withNamespace(target.document!, target),
      });
      report(context, values.output, target, object, 'created');
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      context.complain(serverError(error, `error when creating "${target.source}"`));
      code = 1;
    }
  }
  return code;
}

export const deleteFlags = {
  filename: fileFlag,
  recursive: recursiveFlag,
  output: outputFlag,
  selector: selectorFlag,
  'field-selector': fieldSelectorFlag,
  'all-namespaces': allNamespacesFlag,
  all: toggle({ help: 'All objects of the resource in the namespace.' }),
  cascade: text({
    help: 'What becomes of dependents.',
    fallback: 'background',
    allowed: ['background', 'foreground', 'orphan'],
  }),
  force: toggle({ help: 'Do not wait for the end of grace periods that are 0.' }),
  'grace-period': integer({ help: "Seconds of grace; -1 for the object's own.", fallback: -1, min: -1 }),
  now: toggle({ help: 'The same as --grace-period=1.' }),
  'ignore-not-found': toggle({ help: 'An object that does not exist is no error.' }),
  timeout: duration({ help: 'Longest wait for the objects to go; 0s for no limit.', fallback: 0 }),
  wait: toggle({ help: 'Wait until the objects are gone.', fallback: true }),
} satisfies FlagTable;

/** Interval between looks at an object that is being deleted. */
const goneIntervalMs = 200;

export async function remove(
  context: KubectlContext,
  values: FlagValues<typeof deleteFlags> & { namespace: string },
  args: readonly string[],
): Promise<number> {
  checkOutput(values.output, ['name']);
  const targets = await parseTargets(context, args, targetOptions(values));
  const byName = targets.every((target) => target.name !== undefined);
  const selected = values.all || values.selector !== '' || values['field-selector'] !== '';
  if (!byName && !selected) throw new UserError('error: resource(s) were provided, but no name was specified');
  let code = 0;
  const going: Target[] = [];
  for (const target of targets) {
    try {
      const found =
        target.name !== undefined
          ? [target]
          : (
              await resolveObjects(context, [target], {
                selector: values.selector,
                fieldSelector: values['field-selector'],
                allNamespaces: values['all-namespaces'],
              })
            ).map((one) => one.target);
      for (const one of found) going.push(await deleteOne(context, values, one));
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      if (values['ignore-not-found'] && error.reason === 'NotFound') continue;
      if (target.source !== undefined) context.complain(serverError(error, `error when deleting "${target.source}"`));
      else context.complain(serverError(error));
      code = 1;
    }
  }
  if (going.length === 0 && code === 0 && !byName) context.print('No resources found\n');
  if (values.wait) for (const target of going) if (!(await gone(context, target, values.timeout))) code = 1;
  return code;
}

interface Going extends Target {
  readonly uid?: string;
}

async function deleteOne(
  context: KubectlContext,
  values: FlagValues<typeof deleteFlags>,
  target: Target,
): Promise<Going> {
  const policies = { background: 'Background', foreground: 'Foreground', orphan: 'Orphan' } as const;
  const grace = values.now ? 1 : values.force && values['grace-period'] < 0 ? 0 : values['grace-period'];
  const { object } = await context.api.call({
    method: 'DELETE',
    path: pathOf(target.mapping, target.namespace, target.name),
    body: {
      apiVersion: 'v1',
      kind: 'DeleteOptions',
      propagationPolicy: policies[values.cascade as keyof typeof policies],
      ...(grace < 0 ? {} : { gracePeriodSeconds: grace }),
    },
  });
  if (values.output === 'name') context.print(`${targetName(target)}\n`);
  else {
    const where = target.namespace === undefined ? '' : ` from ${target.namespace} namespace`;
    context.print(
      `${kindName(target.mapping)} "${target.name}" ${values.force ? 'force deleted' : 'deleted'}${where}\n`,
    );
  }
  const uid = digText(object, 'metadata', 'uid') || digText(object, 'details', 'uid');
  return { ...target, ...(uid === '' ? {} : { uid }) };
}

/** Waits until the object of that uid is gone; false when the time is up. */
async function gone(context: KubectlContext, target: Going, timeoutMs: number): Promise<boolean> {
  const endMs = timeoutMs > 0 ? context.clock.monotonicMs() + timeoutMs : Number.POSITIVE_INFINITY;
  const path = pathOf(target.mapping, target.namespace, target.name);
  for (;;) {
    try {
      const { object } = await context.api.call({ method: 'GET', path, signal: context.signal });
      if (target.uid !== undefined && dig(object, 'metadata', 'uid') !== target.uid) return true;
    } catch (error) {
      if (error instanceof StatusError && error.reason === 'NotFound') return true;
      throw error;
    }
    if (context.clock.monotonicMs() >= endMs) {
      context.complain(`error: timed out waiting for the condition on ${target.mapping.resource}/${target.name}`);
      return false;
    }
    if (!(await sleep(context.clock, goneIntervalMs, context.signal))) return false;
  }
}
