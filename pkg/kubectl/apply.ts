/**
 * `apply` and `create` of manifests. Apply is server-side: the fields of the document become this manager's, fields it no longer
 * names are given up, and other managers' claims on the same fields are taken over, as a person applying a file expects.
 */

import { isDeepStrictEqual } from 'node:util';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import { type FlagTable, type FlagValues, text, toggle } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { digMap, digText } from './api.ts';
import { checkOutput, fileFlags, type KubectlContext, outputFlag } from './context.ts';
import { pathOf } from './discovery.ts';
import { serverError, UsageError } from './errors.ts';
import { renderObject, withoutManagedFields } from './output.ts';
import { parseTargets, type Target, targetName, targetOptions } from './targets.ts';

/** Who owns the fields that this command applies. */
export const fieldManager = 'coxswain-kubectl';

const dryRunFlag = text({
  help: 'Only say what would be done: none, server or client.',
  fallback: 'none',
  placeholder: 'none|server|client',
});

/** The flags of `apply`. */
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

/** Runs the command; resolves to its exit code. Throws `UserError` and what the API answers. */
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
  if (values['server-side'] && values['dry-run'] === 'client') {
    throw new UserError(
      "error: --dry-run=client doesn't work with --server-side (did you mean --dry-run=server instead?)",
    );
  }
  const targets = await parseTargets(context, [], targetOptions(values));
  const printer = new ResultPrinter(context, values.output);
  let code = 0;
  for (const target of targets) code = Math.max(code, await applyOne({ context, values, printer }, target));
  if (code === 0) printer.printTogether();
  return code;
}

/** Value of `fieldValidation` for a value of `--validate`. */
function fieldValidation(validate: string): string {
  if (validate === 'warn') return 'Warn';
  return validate === 'ignore' || validate === 'false' ? 'Ignore' : 'Strict';
}

interface ApplyRun {
  readonly context: KubectlContext;
  readonly values: FlagValues<typeof applyFlags>;
  readonly printer: ResultPrinter;
}

async function applyOne({ context, values, printer }: ApplyRun, target: Target): Promise<number> {
  checkName(target);
  const path = pathOf(target.mapping, target.namespace, target.name);
  const isServerSide = values['server-side'];
  let before: JsonObject | undefined;
  try {
    before = isServerSide ? undefined : await lookUp(context, path);
    if (values['dry-run'] === 'client') {
      // As kubectl: what is there, or what the file says.
      const done = before === undefined ? 'created' : 'configured';
      printer.add(target, before ?? withNamespace(target.document!, target), `${done} (dry run)`);
      return 0;
    }
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
    printer.add(target, object, `${done}${drySuffix(values['dry-run'])}`);
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

/** What is said of a change that was not made. */
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

/**
 * What the commands say of each object: a line, its name, or the object itself. Source: kubectl `create` and `apply`, of which the first prints
 * objects as it goes, in YAML with `---` between them, and the second prints one `List` of several when all is done.
 */
class ResultPrinter {
  readonly #context: KubectlContext;
  readonly #form: string;
  readonly #objects: JsonObject[] = [];
  #printed = 0;

  constructor(context: KubectlContext, form: string) {
    this.#context = context;
    this.#form = form;
  }

  /** Says what was done to an object, or keeps the object for `printTogether`. */
  add(target: Target, object: JsonObject, done: string): void {
    if (this.#isObjectForm()) this.#objects.push(withoutManagedFields(object));
    else this.#context.print(`${this.#nameLine(target, object, done)}\n`);
  }

  /** As `add`, but prints the object at once. */
  print(target: Target, object: JsonObject, done: string): void {
    this.add(target, object, done);
    for (const one of this.#objects.splice(0)) {
      const separator = this.#form === 'yaml' && this.#printed++ > 0 ? '---\n' : '';
      this.#context.print(`${separator}${renderObject(this.#form, one)}`);
    }
  }

  printTogether(): void {
    const [first, ...others] = this.#objects;
    if (first === undefined) return;
    const all = { apiVersion: 'v1', items: this.#objects, kind: 'List', metadata: {} };
    this.#context.print(renderObject(this.#form, others.length === 0 ? first : all));
  }

  #isObjectForm(): boolean {
    return this.#form !== '' && this.#form !== 'name';
  }

  #nameLine(target: Target, object: JsonObject, done: string): string {
    const name = digText(object, 'metadata', 'name') || '<unknown>';
    const line = targetName({ ...target, name });
    return this.#form === 'name' ? line : `${line} ${done}`;
  }
}

/** The flags of `create`. */
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
    const [, name = ''] = args;
    const names = args.slice(1);
    if (names.length !== 1) throw new UsageError(`error: exactly one NAME is required, got ${names.length}`);
    const [mapping] = await context.discovery.resolve('namespaces');
    const document = { apiVersion: 'v1', kind: 'Namespace', metadata: { name }, spec: {}, status: {} };
    return createAll(context, values, [{ mapping: mapping, name, document }]);
  }
  if (values.filename.length === 0) throw new UserError('error: must specify one of -f and -k');
  return createAll(context, values, await parseTargets(context, args, targetOptions(values)));
}

async function createAll(
  context: KubectlContext,
  values: FlagValues<typeof createFlags>,
  targets: readonly Target[],
): Promise<number> {
  const printer = new ResultPrinter(context, values.output);
  let code = 0;
  for (const target of targets) {
    const body = withNamespace(target.document!, target);
    if (values['dry-run'] === 'client') {
      printer.print(target, body, 'created (dry run)');
      continue;
    }
    try {
      const { object } = await context.api.call({
        method: 'POST',
        path: pathOf(target.mapping, target.namespace),
        query: {
          fieldManager,
          fieldValidation: fieldValidation(values.validate),
          dryRun: values['dry-run'] === 'none' ? undefined : 'All',
        },
        body,
      });
      printer.print(target, object, `created${drySuffix(values['dry-run'])}`);
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      const doing = target.source === undefined ? undefined : `error when creating "${target.source}"`;
      context.complain(serverError(error, doing));
      code = 1;
    }
  }
  return code;
}
