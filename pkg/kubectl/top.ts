/**
 * `top node` and `top pod`: what nodes and pods use, as `metrics.k8s.io` tells it. Pods of which nothing is known are not shown, nodes are, with
 * `<unknown>`. Source: kubectl `cmd/top`, `metricsutil`.
 */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { parseQuantity, quantityMilliValue, quantityValue } from '#pkg/apimachinery/quantity.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import { type FlagTable, type FlagValues, text, toggle } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { digList, digText } from './api.ts';
import { allNamespacesFlag, fieldSelectorFlag, type KubectlContext, selectorFlag } from './context.ts';
import { TableLayout } from './tables.ts';

/** The flags of `top`. */
export const topFlags = {
  selector: selectorFlag,
  'field-selector': fieldSelectorFlag,
  'all-namespaces': allNamespacesFlag,
  containers: toggle({ help: 'Show the containers of pods.' }),
  sum: toggle({ help: 'Show the sum of all.' }),
  'no-headers': toggle({ help: 'No line of headers.' }),
  'sort-by': text({ help: 'Sort by cpu or memory.', allowed: ['', 'cpu', 'memory'], placeholder: 'resource' }),
} satisfies FlagTable;

type TopValues = FlagValues<typeof topFlags> & { readonly namespace: string };

const metricsPath = '/apis/metrics.k8s.io/v1beta1';
const unknown = '<unknown>';
const kinds: ReadonlyMap<string, 'node' | 'pod'> = new Map([
  ['no', 'node'],
  ['node', 'node'],
  ['nodes', 'node'],
  ['po', 'pod'],
  ['pod', 'pod'],
  ['pods', 'pod'],
]);

interface Amount {
  /** Thousandths of a core. */
  readonly cpu: number;
  readonly memoryBytes: number;
}

/** Runs `top`; resolves to its exit code. */
export async function top(context: KubectlContext, values: TopValues, args: readonly string[]): Promise<number> {
  const [type = '', name, ...others] = args;
  const kind = kinds.get(type);
  if (kind === undefined) throw new UserError('error: you must say what to show: top node or top pod');
  if (others.length > 0) throw new UserError(`error: unexpected argument: ${others[0]}`);
  if (name !== undefined && values.selector !== '') {
    throw new UserError('error: only one of NAME or --selector can be provided');
  }
  return kind === 'node' ? topNodes(context, values, name) : topPods(context, values, name);
}

async function topNodes(context: KubectlContext, values: TopValues, name: string | undefined): Promise<number> {
  const measured = await readAll(context, `${metricsPath}/nodes`, { name, values });
  const nodes = await readAll(context, '/api/v1/nodes', { name, values });
  const usage = new Map(measured.map((one) => [digText(one, 'metadata', 'name'), amountOf(one)]));
  const known = nodes.flatMap((node) => {
    const amount = usage.get(digText(node, 'metadata', 'name'));
    return amount === undefined ? [] : [{ node, amount }];
  });
  const rows = sorted(known, values, ({ node }) => digText(node, 'metadata', 'name')).map(({ node, amount }) => [
    digText(node, 'metadata', 'name'),
    `${amount.cpu}m`,
    share(amount.cpu, milli(digText(node, 'status', 'allocatable', 'cpu'))),
    mebibytes(amount.memoryBytes),
    share(amount.memoryBytes, bytes(digText(node, 'status', 'allocatable', 'memory'))),
  ]);
  const missing = nodes.map((node) => digText(node, 'metadata', 'name')).filter((one) => !usage.has(one));
  const blank = missing.sort().map((one) => [one, unknown, unknown, unknown, unknown]);
  const headers = ['NAME', 'CPU(cores)', 'CPU(%)', 'MEMORY(bytes)', 'MEMORY(%)'];
  show(context, values, { headers, rows: [...rows, ...blank] });
  return 0;
}

async function topPods(context: KubectlContext, values: TopValues, name: string | undefined): Promise<number> {
  const where = values['all-namespaces'] ? '' : `/namespaces/${encodeURIComponent(values.namespace)}`;
  const pods = await readAll(context, `${metricsPath}${where}/pods`, { name, values });
  if (pods.length === 0) {
    const place = values['all-namespaces'] ? '' : ` in ${values.namespace} namespace`;
    context.complain(`No resources found${place}.`);
    return 0;
  }
  const all = pods.map((pod) => {
    const containers = digList(pod, 'containers').map((one) => ({ name: digText(one, 'name'), amount: amountOf(one) }));
    return { pod, containers, amount: sum(containers.map(({ amount }) => amount)) };
  });
  const keyOf = ({ pod }: { pod: JsonObject }) =>
    `${digText(pod, 'metadata', 'namespace')}/${digText(pod, 'metadata', 'name')}`;
  const rows = sorted(all, values, keyOf).flatMap(({ pod, containers, amount }) => {
    const own = digText(pod, 'metadata', 'name');
    const begin = values['all-namespaces'] ? [digText(pod, 'metadata', 'namespace'), own] : [own];
    if (!values.containers) return [[...begin, `${amount.cpu}m`, mebibytes(amount.memoryBytes)]];
    return containers.map((one) => [...begin, one.name, `${one.amount.cpu}m`, mebibytes(one.amount.memoryBytes)]);
  });
  if (values.sum) {
    const blanks = (values['all-namespaces'] ? 1 : 0) + (values.containers ? 1 : 0);
    const { cpu, memoryBytes } = sum(all.map(({ amount }) => amount));
    rows.push([...Array.from({ length: blanks + 1 }, () => ''), '________', '________']);
    rows.push([...Array.from({ length: blanks }, () => ''), '', `${cpu}m`, mebibytes(memoryBytes)]);
  }
  const headers = [
    ...(values['all-namespaces'] ? ['NAMESPACE'] : []),
    ...(values.containers ? ['POD', 'NAME'] : ['NAME']),
    'CPU(cores)',
    'MEMORY(bytes)',
  ];
  show(context, values, { headers, rows });
  return 0;
}

/** One object, or those that the selectors select. */
async function readAll(
  { api }: KubectlContext,
  path: string,
  { name, values }: { readonly name: string | undefined; readonly values: TopValues },
): Promise<readonly JsonObject[]> {
  try {
    if (name !== undefined)
      return [(await api.call({ method: 'GET', path: `${path}/${encodeURIComponent(name)}` })).object];
    const query = {
      ...(values.selector === '' ? {} : { labelSelector: values.selector }),
      ...(values['field-selector'] === '' ? {} : { fieldSelector: values['field-selector'] }),
    };
    return digList((await api.call({ method: 'GET', path, query })).object, 'items');
  } catch (error) {
    // A group that nobody serves answers without saying what is missing.
    const isUnserved = isNotFound(error) && name === undefined;
    if (isUnserved) throw new UserError('error: Metrics API not available');
    throw error;
  }
}

function show(
  context: KubectlContext,
  values: TopValues,
  { headers, rows }: { readonly headers: readonly string[]; readonly rows: readonly (readonly string[])[] },
): void {
  // kubectl ends every cell with a tab, the last one too.
  const all = (values['no-headers'] ? rows : [headers, ...rows]).map((row) => [...row, '']);
  context.print(new TableLayout().render(all));
}

function sorted<T extends { readonly amount: Amount }>(
  items: readonly T[],
  values: TopValues,
  keyOf: (item: T) => string,
): readonly T[] {
  const byName = [...items].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  if (values['sort-by'] === 'cpu') return byName.sort((a, b) => b.amount.cpu - a.amount.cpu);
  if (values['sort-by'] === 'memory') return byName.sort((a, b) => b.amount.memoryBytes - a.amount.memoryBytes);
  return byName;
}

function amountOf(measured: JsonObject): Amount {
  return {
    cpu: milli(digText(measured, 'usage', 'cpu')) ?? 0,
    memoryBytes: bytes(digText(measured, 'usage', 'memory')) ?? 0,
  };
}

function sum(amounts: readonly Amount[]): Amount {
  return {
    cpu: amounts.reduce((all, { cpu }) => all + cpu, 0),
    memoryBytes: amounts.reduce((all, { memoryBytes }) => all + memoryBytes, 0),
  };
}

function milli(quantity: string): number | undefined {
  const parsed = parseQuantity(quantity);
  return parsed === undefined ? undefined : quantityMilliValue(parsed);
}

function bytes(quantity: string): number | undefined {
  const parsed = parseQuantity(quantity);
  return parsed === undefined ? undefined : quantityValue(parsed);
}

function mebibytes(amount: number): string {
  return `${Math.floor(amount / 1_048_576)}Mi`;
}

function share(used: number, of: number | undefined): string {
  return of === undefined || of === 0 ? unknown : `${Math.floor((used * 100) / of)}%`;
}
