/** `get`: one or many objects, as the server's own table or as whole objects; `-w` goes on with every change. */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import { type FlagTable, type FlagValues, list, toggle } from '#pkg/component/flags.ts';
import { dig, digList, digText, linesOf } from './api.ts';
import {
  allNamespacesFlag,
  checkOutput,
  fieldSelectorFlag,
  type KubectlContext,
  outputFlag,
  selectorFlag,
} from './context.ts';
import { groupVersion, kindName, pathOf } from './discovery.ts';
import { listOf, renderName, renderObject, withoutManagedFields } from './output.ts';
import { TableLayout } from './tables.ts';
import { getObject, listObjects, parseTargets, selectionQuery, type Target } from './targets.ts';

export const getFlags = {
  output: outputFlag,
  selector: selectorFlag,
  'field-selector': fieldSelectorFlag,
  'all-namespaces': allNamespacesFlag,
  watch: toggle({ help: 'Show changes as they come, after the list.', short: 'w' }),
  'watch-only': toggle({ help: 'Show changes only.' }),
  'no-headers': toggle({ help: 'Leave out the line of headers.' }),
  'show-labels': toggle({ help: 'Add a column of labels.' }),
  'show-managed-fields': toggle({ help: 'Keep managedFields in json and yaml.' }),
  'ignore-not-found': toggle({ help: 'Say nothing about objects that do not exist.' }),
  filename: list({ help: 'Files that name the objects.', short: 'f', placeholder: 'file' }),
} satisfies FlagTable;

type Values = FlagValues<typeof getFlags>;

const tableAccept = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json';

export async function get(
  context: KubectlContext,
  values: Values & { namespace: string },
  args: readonly string[],
): Promise<number> {
  checkOutput(values.output, ['json', 'yaml', 'name', 'wide', 'jsonpath']);
  const targets = await parseTargets(context, args, {
    ...(values.namespace === '' ? {} : { namespace: values.namespace }),
    files: values.filename,
  });
  if (values.output === '' || values.output === 'wide') return getTables(context, values, targets);
  return getObjects(context, values, targets);
}

function selectionOf(values: Values) {
  return {
    selector: values.selector,
    fieldSelector: values['field-selector'],
    allNamespaces: values['all-namespaces'],
  };
}

async function getObjects(context: KubectlContext, values: Values, targets: readonly Target[]): Promise<number> {
  const found: { target: Target; object: JsonObject }[] = [];
  let failed = false;
  for (const target of targets) {
    try {
      const objects =
        target.name === undefined
          ? await listObjects(context, target, selectionOf(values))
          : [await getObject(context, target)];
      found.push(...objects.map((object) => ({ target, object })));
    } catch (error) {
      failed = tolerate(context, values, error) || failed;
    }
  }
  if (values.output === 'name') {
    for (const { target, object } of found) context.print(renderName(target.mapping, object));
  } else {
    const shown = values['show-managed-fields']
      ? found.map((one) => one.object)
      : found.map((one) => withoutManagedFields(one.object));
    const single = targets.length === 1 && targets[0]!.name !== undefined;
    if (!single || shown.length > 0) context.print(renderObject(values.output, single ? shown[0]! : listOf(shown)));
  }
  if (values.watch && targets.length === 1) {
    await watchTarget(context, values, targets[0]!, '', 'application/json', (event) => {
      const object = event.object as JsonObject;
      context.print(
        values.output === 'name'
          ? renderName(targets[0]!.mapping, object)
          : renderObject(values.output, withoutManagedFields(object)),
      );
    });
  }
  return failed ? 1 : 0;
}

/** Reports an error about one object and goes on; true when it counts as a failure. */
function tolerate(context: KubectlContext, values: Values, error: unknown): boolean {
  if (!(error instanceof StatusError)) throw error;
  if (values['ignore-not-found'] && error.reason === 'NotFound') return false;
  context.complain(`Error from server${error.reason === '' ? '' : ` (${error.reason})`}: ${error.message}`);
  return true;
}

/** A block of rows of one resource. */
interface Block {
  readonly target: Target;
  readonly columns: readonly JsonObject[];
  readonly rows: readonly JsonObject[];
  readonly resourceVersion: string;
}

async function getTables(context: KubectlContext, values: Values, targets: readonly Target[]): Promise<number> {
  let failed = false;
  const blocks: Block[] = [];
  if (!values['watch-only']) {
    for (const target of targets) {
      try {
        addBlock(blocks, await fetchBlock(context, values, target));
      } catch (error) {
        failed = tolerate(context, values, error) || failed;
      }
    }
  }
  const types = new Set(targets.map((target) => target.mapping));
  const shown = blocks.filter((block) => block.rows.length > 0);
  const layout = new TableLayout();
  for (const [index, block] of shown.entries()) {
    if (index > 0) context.print('\n');
    const one = types.size === 1 ? layout : new TableLayout();
    context.print(one.render(renderBlock(values, block, { prefix: types.size > 1, headers: !values['no-headers'] })));
  }
  const watching = values.watch || values['watch-only'];
  if (shown.length === 0 && !failed && !watching && !values['ignore-not-found']) {
    const namespaced = targets.some((target) => target.mapping.namespaced) && !values['all-namespaces'];
    context.complain(namespaced ? `No resources found in ${targets[0]!.namespace} namespace.` : 'No resources found');
  }
  if (watching && !failed && targets.length === 1) await watchTable(context, values, targets[0]!, layout, blocks[0]);
  return failed ? 1 : 0;
}

/** Joins a block to the one before it when both are of the same resource. */
function addBlock(blocks: Block[], block: Block): void {
  const last = blocks.at(-1);
  if (last !== undefined && last.target.mapping === block.target.mapping) {
    blocks[blocks.length - 1] = { ...last, rows: [...last.rows, ...block.rows] };
  } else blocks.push(block);
}

async function fetchBlock(context: KubectlContext, values: Values, target: Target): Promise<Block> {
  const path = pathOf(target.mapping, values['all-namespaces'] ? undefined : target.namespace, target.name);
  const query = {
    ...(target.name === undefined ? selectionQuery(selectionOf(values)) : {}),
    includeObject: 'Metadata',
  };
  const { object } = await context.api.call({ method: 'GET', path, query, accept: tableAccept });
  return blockOf(target, object);
}

/** A server's table, or plain names and ages where it has none. */
function blockOf(target: Target, object: JsonObject): Block {
  const resourceVersion = digText(object, 'metadata', 'resourceVersion');
  if (object.kind === 'Table') {
    return { target, columns: digList(object, 'columnDefinitions'), rows: digList(object, 'rows'), resourceVersion };
  }
  const items = Array.isArray(object.items) ? digList(object, 'items') : [object];
  return {
    target,
    columns: [
      { name: 'Name', type: 'string', priority: 0 },
      { name: 'Created At', type: 'date', priority: 0 },
    ],
    rows: items.map((item) => ({
      cells: [digText(item, 'metadata', 'name'), digText(item, 'metadata', 'creationTimestamp')],
      object: item,
    })),
    resourceVersion,
  };
}

function renderBlock(
  values: Values,
  block: Block,
  options: { prefix: boolean; headers: boolean },
): readonly (readonly string[])[] {
  const shown = block.columns.map((column) => values.output === 'wide' || Number(column.priority ?? 0) === 0);
  const withNamespace = values['all-namespaces'] && block.target.mapping.namespaced;
  const rows: string[][] = [];
  if (options.headers) {
    const headers = block.columns
      .filter((_, index) => shown[index])
      .map((column) => digText(column, 'name').toUpperCase());
    rows.push([...(withNamespace ? ['NAMESPACE'] : []), ...headers, ...(values['show-labels'] ? ['LABELS'] : [])]);
  }
  for (const row of block.rows) {
    const cells = (row.cells as unknown[]).map((cell) => (cell === null || cell === undefined ? '' : String(cell)));
    if (options.prefix && cells[0] !== undefined) cells[0] = `${kindName(block.target.mapping)}/${cells[0]}`;
    const labels = Object.entries((dig(row, 'object', 'metadata', 'labels') as JsonObject | undefined) ?? {}).toSorted(
      ([a], [b]) => (a < b ? -1 : 1),
    );
    rows.push([
      ...(withNamespace ? [digText(row, 'object', 'metadata', 'namespace')] : []),
      ...cells.filter((_, index) => shown[index]),
      ...(values['show-labels'] ? [labels.map(([key, value]) => `${key}=${String(value)}`).join(',') || '<none>'] : []),
    ]);
  }
  return rows;
}

async function watchTable(
  context: KubectlContext,
  values: Values,
  target: Target,
  layout: TableLayout,
  listed: Block | undefined,
): Promise<void> {
  let columns = listed?.columns ?? [];
  let headers = !values['no-headers'] && (listed === undefined || listed.rows.length === 0);
  await watchTarget(context, values, target, listed?.resourceVersion ?? '', tableAccept, (event) => {
    const block = blockOf(target, event.object as JsonObject);
    if (block.columns.length > 0) columns = block.columns;
    context.print(layout.render(renderBlock(values, { ...block, columns }, { prefix: false, headers })));
    headers = false;
  });
}

/** Calls `onEvent` for every change until the signal is aborted; connects again when the server ends the watch. */
async function watchTarget(
  context: KubectlContext,
  values: Values,
  target: Target,
  resourceVersion: string,
  accept: string,
  onEvent: (event: JsonObject) => void,
): Promise<void> {
  const path = pathOf(target.mapping, values['all-namespaces'] ? undefined : target.namespace);
  const fieldSelector = target.name === undefined ? values['field-selector'] : `metadata.name=${target.name}`;
  let version = resourceVersion;
  while (!context.signal.aborted) {
    const query = {
      watch: 'true',
      resourceVersion: version || undefined,
      labelSelector: values.selector || undefined,
      fieldSelector: fieldSelector || undefined,
    };
    try {
      for await (const line of linesOf(
        await context.api.stream({ method: 'GET', path, query, accept, signal: context.signal }),
      )) {
        if (line === '') continue;
        const event = JSON.parse(line) as JsonObject;
        if (event.type === 'ERROR') throw StatusError.from(event.object as never);
        version =
          digText(event, 'object', 'metadata', 'resourceVersion') ||
          digText(event, 'object', 'rows', 0, 'object', 'metadata', 'resourceVersion') ||
          version;
        if (event.type !== 'BOOKMARK') onEvent(event);
      }
    } catch (error) {
      if (context.signal.aborted) return;
      if (!(error instanceof StatusError) || (error.reason !== 'Expired' && error.reason !== 'Gone')) throw error;
      version = '';
    }
  }
}

/** `apps/v1, Kind=Deployment`, for messages. */
export function typeName(target: Target): string {
  return `${groupVersion(target.mapping)}, Kind=${target.mapping.kind}`;
}
