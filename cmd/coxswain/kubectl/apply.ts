/**
 * `apply` and `create` of manifests. Apply is server-side: the fields of the document become this manager's, fields it no longer
 * names are given up, and other managers' claims on the same fields are taken over, as a person applying a file expects.
 */

import { isDeepStrictEqual } from 'node:util';
import { UserError } from '#cmd/common/errors.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import { type FlagTable, type FlagValues, text, toggle } from '#pkg/component/flags.ts';
import { digMap, digText } from './api.ts';
import { checkOutput, fileFlags, type KubectlContext, outputFlag } from './context.ts';
import { pathOf } from './discovery.ts';
import { serverError, UsageError } from './errors.ts';
import { renderName, renderObject, withoutManagedFields } from './output.ts';
import { parseTargets, type Target, targetName, targetOptions } from './targets.ts';

/** Who owns the fields that this command applies. */
export const fieldManager = 'coxswain-kubectl';

const dryRunFlag = text({
  help: 'Only say what would be done: none, server or client.',
  fallback: 'none',
  placeholder: 'none|server|client',
});

export const applyFlags = {
  ...fileFlags,
  output: outputFlag,
  'dry-run': dryRunFlag,
  'server-side': toggle({ help: 'Leave fields of other managers to them: a conflict is an error.' }),
  'force-conflicts': toggle({ help: 'With --server-side, take over fields of other managers.' }),
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
  checkDryRun(values['dry-run']);
  if (args.length > 0) throw new UsageError(`error: Unexpected args: [${args.join(' ')}]`);
  if (values.filename.length === 0) throw new UserError('error: must specify one of -f and -k');
  if (values['force-conflicts'] && !values['server-side'])
    throw new UserError('error: --force-conflicts only works with --server-side');
  const targets = await parseTargets(context, [], targetOptions(values));
  let code = 0;
  for (const target of targets) code = Math.max(code, await applyOne(context, values, target));
  return code;
}

/** Value of `fieldValidation` for a value of `--validate`. */
function fieldValidation(validate: string): string {
  if (validate === 'warn') return 'Warn';
  return validate === 'ignore' || validate === 'false' ? 'Ignore' : 'Strict';
}

async function applyOne(
  context: KubectlContext,
  values: FlagValues<typeof applyFlags>,
  target: Target,
): Promise<number> {
  checkName(target);
  const path = pathOf(target.mapping, target.namespace, target.name);
  const isServerSide = values['server-side'];
  let before: JsonObject | undefined;
  try {
    before = isServerSide ? undefined : await lookUp(context, path);
    const { object } = await context.api.call({
      method: 'PATCH',
      path,
      query: {
        fieldManager: values['field-manager'],
        force: String(!isServerSide || values['force-conflicts']),
        fieldValidation: fieldValidation(values.validate),
        dryRun: values['dry-run'] === 'none' ? undefined : 'All',
      },
      body: withNamespace(target.document!, target),
      contentType: 'application/apply-patch+yaml',
    });
    const done = isServerSide ? 'serverside-applied' : outcome(before, object);
    report(context, values.output, target, object, `${done}${drySuffix(values['dry-run'])}`);
    return 0;
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    if (error.reason === 'Conflict' && error.message.startsWith('Apply failed'))
      context.complain(`error: ${error.message}\n${conflictAdvice}`);
    else {
      const verb = before === undefined && !isServerSide ? 'creating' : 'applying';
      context.complain(serverError(error, `error when ${verb} "${target.source}"`));
    }
    return 1;
  }
}

/** Source: kubectl `cmd/apply/apply.go`. */
const conflictAdvice = `Please review the fields above--they currently have other managers. Here
are the ways you can resolve this warning:
* If you intend to manage all of these fields, please re-run the apply
  command with the \`--force-conflicts\` flag.
* If you do not intend to manage all of the fields, please edit your
  manifest to remove references to the fields that should keep their
  current managers.
* You may co-own fields by updating your manifest to match the existing
  value; in this case, you'll become the manager if the other manager(s)
  stop managing the field (remove it from their configuration).
See https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts`;

/** Only what has a name of its own can be applied. */
function checkName(target: Target): void {
  if (target.name !== undefined) return;
  const generateName = digText(target.document, 'metadata', 'generateName');
  if (generateName !== '') throw new UserError(`error: from ${generateName}: cannot use generate name with apply`);
  const { mapping } = target;
  const scope = `Name: "", Namespace: "${target.namespace ?? ''}"`;
  throw new UserError(
    `error: error when retrieving current configuration of:\nResource: "${mapping.group}/${mapping.version}, Resource=${mapping.resource}", GroupVersionKind: "${mapping.group}/${mapping.version}, Kind=${mapping.kind}"\n${scope}\nfrom server for: "${target.source}": resource name may not be empty`,
  );
}

async function lookUp(context: KubectlContext, path: string): Promise<JsonObject | undefined> {
  try {
    return (await context.api.call({ method: 'GET', path })).object;
  } catch (error) {
    if (error instanceof StatusError && error.reason === 'NotFound') return undefined;
    throw error;
  }
}

/** What is said of a change that was not made. The server is asked either way: it knows best what would come of it. */
function drySuffix(dryRun: string): string {
  if (dryRun === 'none') return '';
  return dryRun === 'client' ? ' (dry run)' : ' (server dry run)';
}

function checkDryRun(value: string): void {
  if (['none', 'server', 'client'].includes(value)) return;
  throw new UserError(`error: Invalid dry-run value (${value}). Must be "none", "server", or "client".`);
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
  ...fileFlags,
  output: outputFlag,
  'dry-run': dryRunFlag,
  validate: applyFlags.validate,
} satisfies FlagTable;

/** `create -f`; `create namespace NAME` is the one form without a file. */
export async function create(
  context: KubectlContext,
  values: FlagValues<typeof createFlags> & { namespace: string },
  args: readonly string[],
): Promise<number> {
  checkOutput(values.output, ['json', 'yaml', 'name']);
  checkDryRun(values['dry-run']);
  if (['namespace', 'ns'].includes(args[0] ?? '')) {
    const names = args.slice(1);
    if (names.length !== 1) throw new UsageError(`error: exactly one NAME is required, got ${names.length}`);
    const [mapping] = await context.discovery.resolve('namespaces');
    const document = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: names[0]! } };
    return createAll(context, values, [{ mapping: mapping!, name: names[0]!, document }]);
  }
  if (values.filename.length === 0) throw new UserError('error: must specify one of -f and -k');
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
        query: {
          fieldManager,
          fieldValidation: fieldValidation(values.validate),
          dryRun: values['dry-run'] === 'none' ? undefined : 'All',
        },
        body: withNamespace(target.document!, target),
      });
      report(context, values.output, target, object, `created${drySuffix(values['dry-run'])}`);
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      const doing = target.source === undefined ? undefined : `error when creating "${target.source}"`;
      context.complain(serverError(error, doing));
      code = 1;
    }
  }
  return code;
}
