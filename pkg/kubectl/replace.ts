/** `replace`: objects of files in the place of those that are there. Source: kubectl `cmd/replace/replace.go`. */
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import { duration, type FlagTable, type FlagValues, integer, text, toggle } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import {
  dryRunFlag,
  fileFlags,
  type KubectlContext,
  managerFlag,
  printFlags,
  saveConfigFlag,
  validateFlag,
} from './context.ts';
import { waitUntilGone } from './delete.ts';
import { kindName, pathOf } from './discovery.ts';
import { serverError, UsageError } from './errors.ts';
import { lastAppliedText, withLastApplied } from './last-applied.ts';
import { lookUp, withNamespace } from './live-object.ts';
import { checkDryRun, dryRunQuery, drySuffix, fieldValidation, ResultPrinter } from './printing.ts';
import { postRaw } from './raw.ts';
import { parseTargets, type Target, targetOptions } from './targets.ts';

/** The flags of the command. */
export const replaceFlags = {
  ...fileFlags,
  ...printFlags,
  'dry-run': dryRunFlag,
  'field-manager': managerFlag('kubectl-replace'),
  'save-config': saveConfigFlag,
  validate: validateFlag,
  subresource: text({ help: 'Subresource to replace.', placeholder: 'name' }),
  raw: text({ help: 'Send the file to this path of the server as it is.', placeholder: 'path' }),
  force: toggle({ help: 'Delete the objects, and create them again.' }),
  'grace-period': integer({ help: "Seconds of grace; -1 for the object's own.", fallback: -1, min: -1 }),
  timeout: duration({ help: 'Longest wait for the objects to go; 0s for no limit.', fallback: 0 }),
  wait: toggle({ help: 'Taken and not used: objects are always waited for.' }),
  cascade: text({
    help: 'What becomes of dependents.',
    fallback: 'background',
    allowed: ['background', 'foreground', 'orphan'],
  }),
} satisfies FlagTable;

type Values = FlagValues<typeof replaceFlags> & { readonly namespace: string };

/** Runs the command; resolves to its exit code. */
export async function replace(context: KubectlContext, values: Values, args: readonly string[]): Promise<number> {
  const printer = new ResultPrinter(context, values);
  checkDryRun(values['dry-run']);
  if (args.length > 0) throw new UsageError(`error: Unexpected args: [${args.join(' ')}]`);
  if (values.raw !== '') return postRaw(context, { path: values.raw, files: values.filename, method: 'PUT' });
  if (values.filename.length === 0 && values.kustomize === '')
    throw new UserError('error: must specify one of -f and -k');
  if (values['grace-period'] >= 0 && !values.force)
    throw new UserError('error: --grace-period must have --force specified');
  if (values.timeout !== 0 && !values.force) throw new UserError('error: --timeout must have --force specified');
  const targets = await parseTargets(context, [], targetOptions(values));
  if (values.force) for (const target of targets) await removeOne(context, values, target);
  let code = 0;
  for (const target of targets) code = Math.max(code, await replaceOne(context, values, { target, printer }));
  return code;
}

async function removeOne(context: KubectlContext, values: Values, target: Target): Promise<void> {
  const names = { background: 'Background', foreground: 'Foreground', orphan: 'Orphan' };
  const policy = new Map(Object.entries(names)).get(values.cascade);
  const grace = values['grace-period'];
  try {
    await context.api.call({
      method: 'DELETE',
      path: pathOf(target.mapping, target.namespace, target.name),
      body: {
        apiVersion: 'v1',
        kind: 'DeleteOptions',
        propagationPolicy: policy,
        ...(grace < 0 ? {} : { gracePeriodSeconds: grace }),
      },
    });
  } catch (error) {
    if (error instanceof StatusError && error.reason === 'NotFound') return;
    throw error;
  }
  const where = target.namespace === undefined ? '' : ` from ${target.namespace} namespace`;
  const forced = grace === 0 ? 'force deleted' : 'deleted';
  context.print(`${kindName(target.mapping)} "${target.name}" ${forced}${where}\n`);
  await waitUntilGone(context, target, values.timeout);
}

async function replaceOne(
  context: KubectlContext,
  values: Values,
  { target, printer }: { readonly target: Target; readonly printer: ResultPrinter },
): Promise<number> {
  const path = pathOf(target.mapping, target.namespace, target.name, values.subresource || undefined);
  const plain = withNamespace(target.document ?? {}, target);
  const dryRun = values['dry-run'];
  const done = `replaced${drySuffix(dryRun)}`;
  try {
    const before = values.force ? undefined : await lookUp(context, path);
    const keeps = values['save-config'] || (before !== undefined && lastAppliedText(before) !== '');
    const body = keeps ? withLastApplied(plain) : plain;
    if (dryRun === 'client') {
      printer.print(target, body, done);
      return 0;
    }
    const { object } = await context.api.call({
      method: values.force ? 'POST' : 'PUT',
      path: values.force ? pathOf(target.mapping, target.namespace) : path,
      query: {
        fieldManager: values['field-manager'],
        fieldValidation: fieldValidation(values.validate),
        dryRun: dryRunQuery(dryRun),
      },
      body,
    });
    printer.print(target, object, done);
    return 0;
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    context.complain(serverError(error, `error when replacing "${target.source}"`));
    return 1;
  }
}
