/** `get`: one or many objects, as the server's own table or as whole objects; `-w` goes on with every change. */

import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { digText } from './api.ts';
import { checkOutput, type KubectlContext, objectForms } from './context.ts';
import { customRows } from './custom-columns.ts';
import { pathOf } from './discovery.ts';
import { serverError, UsageError } from './errors.ts';
import { type GetValues, selectionOf } from './get-flags.ts';
import { type Block, fetchBlock, renderBlock, watchTable } from './get-table.ts';
import { watchTarget } from './get-watch.ts';
import { withTemplate } from './go-template-file.ts';
import { listOf, renderName, renderObject, withoutManagedFields } from './output.ts';
import { sortByPath } from './sorting.ts';
import { TableLayout } from './tables.ts';
import { listAll, parseTargets, type Target } from './targets.ts';

const forms = ['custom-columns', 'custom-columns-file', ...objectForms, 'wide'].toSorted();

/** Runs the command; resolves to its exit code. Throws `UserError` and what the API answers. */
export async function get(context: KubectlContext, flags: GetValues, args: readonly string[]): Promise<number> {
  if (flags.raw !== '') return getRaw(context, flags, args);
  const values = { ...flags, output: withTemplate(flags) };
  checkOutput(values.output, forms);
  const isWatch = values.watch || values['watch-only'];
  if (values['output-watch-events'] && !isWatch)
    throw new UserError('error: --output-watch-events option can only be used with --watch or --watch-only');
  if (args.length === 0 && values.filename.length === 0) throw nothingNamed(context);
  const targets = await parseTargets(context, args, {
    ...(values.namespace === '' ? {} : { namespace: values.namespace }),
    files: values.filename,
  });
  if (values['all-namespaces'] && targets.some((target) => target.name !== undefined && target.document === undefined))
    throw new UserError('error: a resource cannot be retrieved by name across all namespaces');
  if (isWatch && targets.length !== 1) {
    throw new UserError(
      targets.every(({ mapping }) => mapping === targets[0]?.mapping)
        ? 'error: you may only watch a single resource or type of resource at a time'
        : 'error: you may only specify a single resource type',
    );
  }
  if (values.output === '' || values.output === 'wide') return getTables(context, values, targets);
  return getObjects(context, values, targets);
}

function nothingNamed(context: KubectlContext): UserError {
  context.complain(
    'You must specify the type of resource to get. Use "kubectl api-resources" for a complete list of supported resources.\n',
  );
  return new UsageError(
    'error: Required resource not specified.\nUse "kubectl explain <resource>" for a detailed description of that resource (e.g. kubectl explain pods).',
  );
}

async function getRaw(context: KubectlContext, { raw }: GetValues, args: readonly string[]): Promise<number> {
  if (args.length > 0) throw new UserError('error: arguments may not be passed when --raw is specified');
  const { pathname, searchParams } = new URL(raw, 'http://localhost');
  const query = Object.fromEntries(searchParams);
  const decoder = new TextDecoder();
  const chunks = await context.api.stream({ method: 'GET', path: pathname, query, signal: context.signal });
  for await (const chunk of chunks) context.print(decoder.decode(chunk, { stream: true }));
  return 0;
}

interface Found {
  readonly target: Target;
  readonly object: JsonObject;
}

async function getObjects(context: KubectlContext, values: GetValues, targets: readonly Target[]): Promise<number> {
  let found: Found[] = [];
  let failed = false;
  const problems: StatusError[] = [];
  let resourceVersion = '';
  for (const target of targets) {
    try {
      const listed = await fetchObjects(context, values, target);
      found.push(...listed.objects.map((object) => ({ target, object })));
      resourceVersion = listed.resourceVersion;
    } catch (error) {
      failed = tolerate(problems, values, error) || failed;
    }
  }
  if (values['sort-by'] !== '') found = [...sortByPath(found, values['sort-by'], ({ object }) => object)];
  if (values.watch || values['watch-only']) {
    const [target] = targets;
    tell(context, problems);
    if (!failed && target !== undefined) await watchObjects(context, values, { target, found, resourceVersion });
    return failed ? 1 : 0;
  }
  const single = targets.length === 1 && targets[0]?.name !== undefined;
  if (!single || found.length > 0) printObjects(context, values, { found, single });
  tell(context, problems);
  return failed ? 1 : 0;
}

async function fetchObjects(
  context: KubectlContext,
  values: GetValues,
  target: Target,
): Promise<{ readonly objects: readonly JsonObject[]; readonly resourceVersion: string }> {
  if (target.name === undefined) {
    const { objects, resourceVersion } = await listAll(context, target, selectionOf(values), values['chunk-size']);
    return { objects: objects.map((object) => shownOf(values, object)), resourceVersion };
  }
  const path = pathOf(target.mapping, target.namespace, target.name, values.subresource || undefined);
  const { object } = await context.api.call({ method: 'GET', path });
  return { objects: [shownOf(values, object)], resourceVersion: digText(object, 'metadata', 'resourceVersion') };
}

function shownOf(values: GetValues, object: JsonObject): JsonObject {
  return values['show-managed-fields'] ? object : withoutManagedFields(object);
}

/** Prints object after object, never a list of them: what is there and then what changes. */
async function watchObjects(
  context: KubectlContext,
  values: GetValues,
  from: { readonly target: Target; readonly found: readonly Found[]; readonly resourceVersion: string },
): Promise<void> {
  const { target, resourceVersion } = from;
  let printed = 0;
  const print = (object: JsonObject): void => {
    if (values.output === 'yaml' && printed > 0) context.print('---\n');
    printObjects(context, values, { found: [{ target, object }], single: true });
    printed++;
  };
  if (!values['watch-only']) for (const { object } of from.found) print(object);
  await watchTarget(context, values, { target, resourceVersion, accept: 'application/json' }, (event) =>
    print(shownOf(values, event.object as JsonObject)),
  );
}

function printObjects(
  context: KubectlContext,
  values: GetValues,
  { found, single }: { readonly found: readonly Found[]; readonly single: boolean },
): void {
  const objects = found.map(({ object }) => object);
  if (values.output === 'name') {
    for (const { target, object } of found) context.print(renderName(target.mapping, object));
  } else if (values.output.startsWith('custom-columns=')) {
    const spec = values.output.slice('custom-columns='.length);
    context.print(new TableLayout().render(customRows(spec, objects, { headers: !values['no-headers'] })));
  } else context.print(renderObject(values.output, (single ? objects[0] : undefined) ?? listOf(objects)));
}

/** Keeps an error about one object, to be told after what was found; true when it counts as a failure. */
function tolerate(problems: StatusError[], values: GetValues, error: unknown): boolean {
  if (!(error instanceof StatusError)) throw error;
  if (values['ignore-not-found'] && error.reason === 'NotFound') return false;
  problems.push(error);
  return true;
}

function tell(context: KubectlContext, problems: readonly StatusError[]): void {
  for (const problem of problems) context.complain(serverError(problem));
}

async function getTables(context: KubectlContext, values: GetValues, targets: readonly Target[]): Promise<number> {
  let failed = false;
  const problems: StatusError[] = [];
  const blocks: Block[] = [];
  for (const target of targets) {
    try {
      addBlock(blocks, await fetchBlock(context, values, target));
    } catch (error) {
      failed = tolerate(problems, values, error) || failed;
    }
  }
  const types = new Set(targets.map((target) => target.mapping));
  const shown = values['watch-only'] ? [] : blocks.filter((block) => block.rows.length > 0);
  const layout = new TableLayout();
  for (const [index, block] of shown.entries()) {
    if (index > 0) context.print('\n');
    const one = types.size === 1 ? layout : new TableLayout();
    const prefix = types.size > 1 || values['show-kind'];
    context.print(one.render(renderBlock(values, block, { prefix, headers: !values['no-headers'], event: 'ADDED' })));
  }
  const isWatch = values.watch || values['watch-only'];
  if (shown.length === 0 && !failed && !isWatch && !values['ignore-not-found']) {
    const namespaced = targets.some((target) => target.mapping.namespaced) && !values['all-namespaces'];
    context.complain(namespaced ? `No resources found in ${targets[0]?.namespace} namespace.` : 'No resources found');
  }
  tell(context, problems);
  const [target] = targets;
  if (isWatch && !failed && target !== undefined)
    await watchTable(context, values, { target, layout, listed: blocks[0] });
  return failed ? 1 : 0;
}

/** Joins a block to the one before it when both are of the same resource. */
function addBlock(blocks: Block[], block: Block): void {
  const last = blocks.at(-1);
  if (last !== undefined && last.target.mapping === block.target.mapping) {
    blocks[blocks.length - 1] = { ...last, rows: [...last.rows, ...block.rows] };
  } else blocks.push(block);
}
