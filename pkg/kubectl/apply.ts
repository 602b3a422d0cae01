/**
 * `apply` of manifests, as kubectl does it: the file's changes since it was last applied are sent as a patch, and what it then was is noted on the
 * object. With `--server-side` the server does all of that. Source: kubectl `cmd/apply/apply.go`, `patcher.go`.
 */

import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { digText } from './api.ts';
import { type Applied, type ApplyRun, type ApplyValues, clientSideManager } from './apply-flags.ts';
import { serverSideApply } from './apply-server-side.ts';
import type { KubectlContext } from './context.ts';
import { pathOf, type UnknownKindError } from './discovery.ts';
import { serverError, UsageError } from './errors.ts';
import { lastApplied, lastAppliedText, patchType, schemaOf, withLastApplied } from './last-applied.ts';
import { lookUp, withNamespace } from './live-object.ts';
import { postObject } from './post-object.ts';
import { checkDryRun, dryRunQuery, drySuffix, fieldValidation, ResultPrinter } from './printing.ts';
import { prune } from './prune.ts';
import { recreate } from './recreate.ts';
import { parseTargets, type Target, targetOptions } from './targets.ts';
import { threeWayPatch } from './three-way.ts';

/** Times that a patch is made anew because somebody else was faster. Source: kubectl `cmd/apply/patcher.go` `maxPatchRetry`. */
const attemptsMax = 5;

/** Runs the command; resolves to its exit code. Throws `UserError` and what the API answers. */
export async function apply(context: KubectlContext, values: ApplyValues, args: readonly string[]): Promise<number> {
  const printer = new ResultPrinter(context, values);
  checkValues(values, args);
  const unknown: UnknownKindError[] = [];
  const given = { ...targetOptions(values), onUnknownKind: (error: UnknownKindError) => void unknown.push(error) };
  const targets = (await parseTargets(context, [], given)).filter((target) => holdsLabels(target, values.selector));
  const applied: Applied[] = [];
  let code = 0;
  for (const target of targets) {
    const object = await applyOne({ context, values, printer }, target);
    if (object === undefined) code = 1;
    else applied.push({ target, object });
  }
  for (const { message } of unknown) {
    context.complain(message);
    code = 1;
  }
  if (code === 0 && values.prune) await prune({ context, values, printer }, applied);
  if (code === 0) printer.printTogether();
  return code;
}

function checkValues(values: ApplyValues, args: readonly string[]): void {
  checkDryRun(values['dry-run']);
  if (args.length > 0) throw new UsageError(`error: Unexpected args: [${args.join(' ')}]`);
  if (values.filename.length === 0 && values.kustomize === '')
    throw new UserError('error: must specify one of -f and -k');
  if (values['force-conflicts'] && !values['server-side'])
    throw new UserError('error: --force-conflicts only works with --server-side');
  if (values['server-side'] && values['dry-run'] === 'client') {
    throw new UserError(
      "error: --dry-run=client doesn't work with --server-side (did you mean --dry-run=server instead?)",
    );
  }
  if (values['server-side'] && values.force) throw new UserError('error: --force cannot be used with --server-side');
  if (values['dry-run'] === 'server' && values.force)
    throw new UserError('error: --dry-run=server cannot be used with --force');
  if (values.prune && !values.all && values.selector === '') {
    throw new UserError(
      'error: all resources selected for prune without explicitly passing --all. To prune all resources, pass the --all flag. If you did not mean to prune all resources, specify a label selector',
    );
  }
}

/** Whether the labels of a document are what `-l key=value,…` asks for. */
function holdsLabels({ document }: Target, selector: string): boolean {
  if (selector === '') return true;
  return selector.split(',').every((part) => {
    const [key = '', value = ''] = part.split(/==?/);
    return digText(document, 'metadata', 'labels', key) === value;
  });
}

async function applyOne(run: ApplyRun, target: Target): Promise<JsonObject | undefined> {
  const { context, values, printer } = run;
  checkName(target);
  let before: JsonObject | undefined;
  try {
    if (values['server-side']) return await serverSideApply(run, target);
    before = await lookUp(context, pathOf(target.mapping, target.namespace, target.name));
    if (before === undefined) return await createApplied(run, target);
    const { object, done } = await patchApplied(run, target, before);
    printer.add(target, object, done);
    return object;
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    if (error.reason === 'Conflict' && error.message.startsWith('Apply failed'))
      context.complain(`error: ${error.message}\n${conflictAdvice}`);
    else context.complain(serverError(error, doing(target, before, values['server-side'])));
    return undefined;
  }
}

function doing(target: Target, before: JsonObject | undefined, isServerSide: boolean): string {
  if (isServerSide) return `error when applying patch:\n${target.source}`;
  if (before === undefined) return `error when creating "${target.source}"`;
  const { mapping } = target;
  const type = `Resource: "${mapping.group}/${mapping.version}, Resource=${mapping.resource}", GroupVersionKind: "${mapping.group}/${mapping.version}, Kind=${mapping.kind}"`;
  return `error when applying patch to:\n${type}\nName: "${target.name}", Namespace: "${target.namespace ?? ''}"\nfor: "${target.source}": error when patching "${target.source}"`;
}

async function createApplied({ context, values, printer }: ApplyRun, target: Target): Promise<JsonObject> {
  const body = withLastApplied(withNamespace(target.document ?? {}, target));
  const object = await postObject(context, values, { mapping: target.mapping, namespace: target.namespace, body });
  printer.add(target, object, `created${drySuffix(values['dry-run'])}`);
  return object;
}

/** What a patch made of an object, and what is said of it. */
interface Outcome {
  readonly object: JsonObject;
  readonly done: string;
}

async function patchApplied(run: ApplyRun, target: Target, before: JsonObject): Promise<Outcome> {
  const { context, values } = run;
  const dryRun = values['dry-run'];
  if (lastAppliedText(before) === '') {
    context.complain(
      `Warning: resource ${target.mapping.resource}/${target.name} is missing the kubectl.kubernetes.io/last-applied-configuration annotation which is required by kubectl apply. kubectl apply should only be used on resources created declaratively by either kubectl create --save-config or kubectl apply. The missing annotation will be patched automatically.`,
    );
  }
  if (dryRun === 'client') return { object: before, done: `configured${drySuffix(dryRun)}` };
  for (let attempt = 1, current = before; ; attempt++) {
    try {
      return await sendPatch(run, target, current);
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      if (values.force && (error.reason === 'Conflict' || error.reason === 'Invalid')) {
        const body = withLastApplied(withNamespace(target.document ?? {}, target));
        return { object: await recreate(context, { target, body, manager: clientSideManager }), done: 'configured' };
      }
      if (error.reason !== 'Conflict' || attempt === attemptsMax) throw error;
      current = (await lookUp(context, pathOf(target.mapping, target.namespace, target.name))) ?? current;
    }
  }
}

async function sendPatch({ context, values }: ApplyRun, target: Target, current: JsonObject): Promise<Outcome> {
  const dryRun = values['dry-run'];
  const { patch, contentType } = await applyPatch(target, current);
  if (Object.keys(patch).length === 0) return { object: current, done: `unchanged${drySuffix(dryRun)}` };
  const { object } = await context.api.call({
    method: 'PATCH',
    path: pathOf(target.mapping, target.namespace, target.name),
    query: {
      fieldManager: values['field-manager'],
      fieldValidation: fieldValidation(values.validate),
      dryRun: dryRunQuery(dryRun),
    },
    body: patch,
    contentType,
  });
  return { object, done: `configured${drySuffix(dryRun)}` };
}

/** The patch that applies the document of a target to what is there. */
export async function applyPatch(
  target: Target,
  current: JsonObject,
): Promise<{ readonly patch: JsonObject; readonly contentType: string }> {
  const modified = withLastApplied(withNamespace(target.document ?? {}, target));
  const schema = await schemaOf(target.mapping);
  const patch = threeWayPatch({ original: lastApplied(current), modified, current }, schema);
  return { patch, contentType: patchType(schema) };
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
