/** `delete`: of objects by name, by selector or by the files that name them. */

import { StatusError } from '#pkg/apimachinery/status-error.ts';
import { sleep } from '#pkg/base/async.ts';
import { duration, type FlagTable, type FlagValues, integer, text, toggle } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { dig, digText } from './api.ts';
import {
  allNamespacesFlag,
  checkOutput,
  dryRunFlag,
  fieldSelectorFlag,
  fileFlags,
  type KubectlContext,
  outputFlag,
  selectorFlag,
} from './context.ts';
import { kindName, pathOf, type UnknownKindError } from './discovery.ts';
import { serverError } from './errors.ts';
import { checkDryRun, dryRunQuery, drySuffix } from './printing.ts';
import { parseTargets, resolveObjects, type Target, targetName, targetOptions } from './targets.ts';

/** The flags of `delete`. */
export const deleteFlags = {
  ...fileFlags,
  output: outputFlag,
  'dry-run': dryRunFlag,
  selector: selectorFlag,
  'field-selector': fieldSelectorFlag,
  'all-namespaces': allNamespacesFlag,
  all: toggle({ help: 'All objects of the resource in the namespace.' }),
  cascade: text({
    help: 'What becomes of dependents.',
    fallback: 'background',
    allowed: ['background', 'foreground', 'orphan'],
  }),
  force: toggle({ help: 'Delete at once, without waiting for what runs to end.' }),
  'grace-period': integer({ help: "Seconds of grace; -1 for the object's own.", fallback: -1, min: -1 }),
  now: toggle({ help: 'The same as --grace-period=1.' }),
  'ignore-not-found': toggle({ help: 'An object that does not exist is no error.' }),
  timeout: duration({ help: 'Longest wait for the objects to go; 0s for no limit.', fallback: 0 }),
  wait: toggle({ help: 'Wait until the objects are gone.', fallback: true }),
} satisfies FlagTable;

/** Interval between looks at an object that is being deleted. */
const goneIntervalMs = 200;

/** Runs `delete`; resolves to its exit code. Throws `UserError` and what the API answers. */
export async function remove(
  context: KubectlContext,
  values: FlagValues<typeof deleteFlags> & { namespace: string },
  args: readonly string[],
): Promise<number> {
  checkOutput(values.output, ['name']);
  checkDryRun(values['dry-run']);
  checkCombination(values);
  const unknown: UnknownKindError[] = [];
  const onUnknownKind = (error: UnknownKindError) => void unknown.push(error);
  const targets = await parseTargets(context, args, { ...targetOptions(values), onUnknownKind });
  const byName = targets.every((target) => target.name !== undefined);
  const selected = values.all || values.selector !== '' || values['field-selector'] !== '';
  if (!byName && !selected) throw new UserError('error: resource(s) were provided, but no name was specified');
  if (selected && targets.some((target) => target.name !== undefined && target.document === undefined))
    throw new UserError('error: name cannot be provided when a selector is specified');
  if (values.force)
    context.complain(
      'Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated. The resource may continue to run on the cluster indefinitely.',
    );
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
      if ((values['ignore-not-found'] || selected) && error.reason === 'NotFound') continue;
      if (target.source !== undefined) context.complain(serverError(error, `error when deleting "${target.source}"`));
      else context.complain(serverError(error));
      code = 1;
    }
  }
  for (const { message } of unknown) context.complain(message);
  if (unknown.length > 0) code = 1;
  if (going.length === 0 && code === 0 && !byName) context.print('No resources found\n');
  if (values.wait && values['dry-run'] === 'none')
    for (const target of going) if (!(await waitUntilGone(context, target, values.timeout))) code = 1;
  return code;
}

/** Refuses flags that contradict each other. Source: kubectl `cmd/delete/delete.go`. */
function checkCombination(values: FlagValues<typeof deleteFlags>): void {
  const grace = values['grace-period'];
  if (values.all && (values.selector !== '' || values['field-selector'] !== ''))
    throw new UserError("error: setting 'all' parameter but found a non empty selector. ");
  if (values.now && grace >= 0) throw new UserError('error: --now and --grace-period cannot be specified together');
  if (values.force && grace > 0)
    throw new UserError('error: --force and --grace-period greater than 0 cannot be specified together');
}

/** An object that is being deleted. */
export interface Going extends Target {
  readonly uid?: string;
}

function lookAt(context: KubectlContext, target: Target) {
  return context.api.call({ method: 'GET', path: pathOf(target.mapping, target.namespace, target.name) });
}

async function deleteOne(
  context: KubectlContext,
  values: FlagValues<typeof deleteFlags>,
  target: Target,
): Promise<Going> {
  const policies = { background: 'Background', foreground: 'Foreground', orphan: 'Orphan' } as const;
  const grace = values.now ? 1 : values.force && values['grace-period'] < 0 ? 0 : values['grace-period'];
  const { object } = await (values['dry-run'] === 'client'
    ? lookAt(context, target)
    : context.api.call({
        method: 'DELETE',
        path: pathOf(target.mapping, target.namespace, target.name),
        query: { dryRun: dryRunQuery(values['dry-run']) },
        body: {
          apiVersion: 'v1',
          kind: 'DeleteOptions',
          propagationPolicy: policies[values.cascade as keyof typeof policies],
          ...(grace < 0 ? {} : { gracePeriodSeconds: grace }),
        },
      }));
  if (values.output === 'name') context.print(`${targetName(target)}\n`);
  else {
    const where = target.namespace === undefined ? '' : ` from ${target.namespace} namespace`;
    context.print(
      `${kindName(target.mapping)} "${target.name}" ${values.force ? 'force deleted' : 'deleted'}${where}${drySuffix(values['dry-run'])}\n`,
    );
  }
  const uid = digText(object, 'metadata', 'uid') || digText(object, 'details', 'uid');
  return { ...target, ...(uid === '' ? {} : { uid }) };
}

/** Waits until the object of that uid is gone; false when the time is up. */
export async function waitUntilGone(context: KubectlContext, target: Going, timeoutMs: number): Promise<boolean> {
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
