/** The tables of `get`: columns and cells are the server's, to which flags add columns of their own. */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { digList, digMap, digText } from './api.ts';
import type { KubectlContext } from './context.ts';
import { kindName, pathOf } from './discovery.ts';
import { type GetValues, selectionOf } from './get-flags.ts';
import { watchTarget } from './get-watch.ts';
import { sortByPath } from './sorting.ts';
import type { TableLayout } from './tables.ts';
import { listPages, type Target } from './targets.ts';

/** Rows of one resource. */
export interface Block {
  readonly target: Target;
  readonly columns: readonly JsonObject[];
  readonly rows: readonly JsonObject[];
  readonly resourceVersion: string;
}

const tableAccept = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json';

/** The table of what one target names. */
export async function fetchBlock(context: KubectlContext, values: GetValues, target: Target): Promise<Block> {
  // What is sorted by a field needs all of them.
  const accept = values['server-print'] ? tableAccept : 'application/json';
  const query = { includeObject: values['sort-by'] === '' ? 'Metadata' : 'Object' };
  if (target.name !== undefined) {
    const path = pathOf(target.mapping, target.namespace, target.name, values.subresource || undefined);
    return blockOf(target, (await context.api.call({ method: 'GET', path, query, accept })).object);
  }
  const pages: Block[] = [];
  const options = { selection: selectionOf(values), query, accept, chunkSize: values['chunk-size'] };
  for await (const page of listPages(context, target, options)) pages.push(blockOf(target, page));
  const rows = pages.flatMap((page) => page.rows);
  const first = pages[0]!;
  if (values['sort-by'] === '') return { ...first, rows };
  return { ...first, rows: sortByPath(rows, values['sort-by'], (row) => row.object) };
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
      { name: 'Age', type: 'date', priority: 0 },
    ],
    rows: items.map((item) => ({
      cells: [digText(item, 'metadata', 'name'), digText(item, 'metadata', 'creationTimestamp')],
      object: item,
    })),
    resourceVersion,
  };
}

/** What a table is printed with. */
export interface RenderOptions {
  /** Name the type of each object before its name. */
  readonly prefix: boolean;
  readonly headers: boolean;
  /** What `--output-watch-events` says of the rows. */
  readonly event: string;
}

/** The lines of a block as cells. */
export function renderBlock(values: GetValues, block: Block, options: RenderOptions): readonly (readonly string[])[] {
  const shown = block.columns.map((column) => values.output === 'wide' || Number(column.priority ?? 0) === 0);
  const withNamespace = values['all-namespaces'] && block.target.mapping.namespaced;
  const labelKeys = values['label-columns'];
  const before = (event: string, namespace: string): readonly string[] => [
    ...(values['output-watch-events'] ? [event] : []),
    ...(withNamespace ? [namespace] : []),
  ];
  const rows: string[][] = [];
  if (options.headers) {
    const names = block.columns.filter((_, index) => shown[index]).map((column) => digText(column, 'name'));
    const keys = labelKeys.map((key) => key.slice(key.lastIndexOf('/') + 1));
    const headers = [...names, ...keys, ...(values['show-labels'] ? ['labels'] : [])];
    rows.push([...before('EVENT', 'NAMESPACE'), ...headers.map((header) => header.toUpperCase())]);
  }
  for (const row of block.rows) {
    const cells = (row.cells as unknown[]).map((cell) => (cell === null || cell === undefined ? '' : String(cell)));
    if (options.prefix && cells[0] !== undefined) cells[0] = `${kindName(block.target.mapping)}/${cells[0]}`;
    const labels = digMap(row, 'object', 'metadata', 'labels');
    rows.push([
      ...before(options.event, digText(row, 'object', 'metadata', 'namespace')),
      ...cells.filter((_, index) => shown[index]),
      ...labelKeys.map((key) => digText(labels, key)),
      ...(values['show-labels'] ? [labelsText(labels)] : []),
    ]);
  }
  return rows;
}

function labelsText(labels: JsonObject): string {
  const sorted = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  return sorted.map(([key, value]) => `${key}=${String(value)}`).join(',') || '<none>';
}

/** Adds a row below a table for every change. */
export async function watchTable(
  context: KubectlContext,
  values: GetValues,
  from: { readonly target: Target; readonly layout: TableLayout; readonly listed: Block | undefined },
): Promise<void> {
  const { target, layout, listed } = from;
  let columns = listed?.columns ?? [];
  let headers = !values['no-headers'] && (values['watch-only'] || listed === undefined || listed.rows.length === 0);
  const resourceVersion = listed?.resourceVersion ?? '';
  await watchTarget(context, values, { target, resourceVersion, accept: tableAccept }, (event) => {
    const block = blockOf(target, event.object as JsonObject);
    if (block.columns.length > 0) columns = block.columns;
    const options = { prefix: values['show-kind'], headers, event: String(event.type) };
    context.print(layout.render(renderBlock(values, { ...block, columns }, options)));
    headers = false;
  });
}
