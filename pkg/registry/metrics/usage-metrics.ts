/**
 * `metrics.k8s.io`: what nodes and pods use, worked out from what their kubelets say (`/stats/summary`) when somebody asks. Invariant: a number is one
 * that a kubelet measured; nodes and pods of which nothing is known are left out, never made up.
 * Upstream counterpart: the metrics server (`kubernetes-sigs/metrics-server`), which asks every 15 s; kubelets here keep their last measure for some
 * seconds themselves.
 */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import type { NodeMetrics, PodMetrics } from '#pkg/api/types/metrics-v1beta1.ts';
import { nodeMetrics, nodes, podMetrics, pods } from '#pkg/api/types/refs.ts';
import type { ResponseBody } from '#pkg/apimachinery/http.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import type { Scope } from '#pkg/apiserver/endpoints/scope.ts';
import { readAll, readOne, rulesOf, type Strategy, type TableColumn } from '#pkg/apiserver/strategy.ts';
import { formatTimestamp } from '#pkg/base/clock.ts';
import { ageColumn, column, nameColumn } from '../printing/columns.ts';

/** Kubelets asked at the same time: enough to keep a machine busy, few enough for its sockets. */
const askedMax = 64;
/** Bytes of a kubelet's answer that are read; a kubelet that says more is passed over. 110 pods take some 60 KB. */
const summaryBytesMax = 8 * 1024 * 1024;

/** What rates of cadvisor are taken over: a kubelet that does not say has it. Source: cadvisor's housekeeping interval. */
const windowMsDefault = 10_000;

/** What is read of a summary. Source: `k8s.io/kubelet/pkg/apis/stats/v1alpha1`. */
interface Stats {
  readonly cpu?: { readonly time?: string; readonly usageNanoCores?: number; readonly windowNanoSeconds?: number };
  readonly memory?: { readonly workingSetBytes?: number };
}

interface ContainerStats extends Stats {
  readonly name?: string;
}

interface Summary {
  readonly node?: Stats;
  readonly pods?: readonly {
    readonly podRef?: { readonly uid?: string };
    readonly containers?: readonly ContainerStats[];
  }[];
}

/** Whether it is one as far as lists and objects go; numbers are looked at where they are used. */
function isSummary(value: unknown): value is Summary {
  if (!isObject(value) || (value.node !== undefined && !isObject(value.node))) return false;
  const { pods: all = [] } = value;
  if (!Array.isArray(all)) return false;
  return all.every((pod) => isObject(pod) && (pod.containers === undefined || isObjects(pod.containers)));
}

function isObjects(value: unknown): boolean {
  return Array.isArray(value) && value.every(isObject);
}

interface Usage {
  readonly timeMs: number;
  readonly windowMs: number;
  readonly usage: Readonly<Record<string, string>>;
}

const columns: readonly TableColumn[] = [nameColumn, column('Cpu'), column('Memory'), column('Window'), ageColumn];

/** The rules of both resources. */
export const usageMetricsStrategies: readonly Strategy[] = [
  rulesOf(nodeMetrics, {
    computed: {
      notFoundAs: 'nodemetrics',
      get: async (scope, { name }) => {
        const node = await readOne(scope.core.reader, nodes, { namespace: '', name });
        return node === undefined ? undefined : (await metricsOfNodes(scope, [node]))[0];
      },
      list: async (scope, { matches }) => {
        const all = await readAll(scope.core.reader, nodes);
        return metricsOfNodes(scope, all.filter(matches));
      },
    },
    table: usageTable<NodeMetrics>(({ usage }) => usage),
  }),
  rulesOf(podMetrics, {
    computed: {
      notFoundAs: 'podmetrics',
      get: async (scope, { namespace, name }) => {
        const pod = await readOne(scope.core.reader, pods, { namespace, name });
        return pod === undefined ? undefined : (await metricsOfPods(scope, [pod]))[0];
      },
      list: async (scope, { namespace, matches }) => {
        const all = await readAll(scope.core.reader, pods, namespace === '' ? undefined : namespace);
        return metricsOfPods(scope, all.filter(matches));
      },
    },
    table: usageTable<PodMetrics>(({ containers = [] }) => sumOf(containers.map(({ usage }) => usage))),
  }),
];

async function metricsOfNodes(scope: Scope, all: readonly KubeObject[]): Promise<readonly KubeObject[]> {
  const summaries = await summariesOf(
    scope,
    all.map((node) => node.metadata?.name ?? ''),
  );
  return all.flatMap((node) => {
    const { name = '', labels } = node.metadata ?? {};
    const usage = usageIn(summaries.get(name)?.node);
    if (usage === undefined) return [];
    return [{ ...headOf(scope, { name, ...(labels === undefined ? {} : { labels }) }, usage), usage: usage.usage }];
  });
}

async function metricsOfPods(scope: Scope, all: readonly Pod[]): Promise<readonly KubeObject[]> {
  const running = all.filter(({ status }) => status?.phase === 'Running');
  const summaries = await summariesOf(
    scope,
    running.map(({ spec }) => spec?.nodeName ?? ''),
  );
  const known = new Map<string, readonly ContainerStats[]>();
  for (const summary of summaries.values())
    for (const { podRef, containers = [] } of summary.pods ?? []) known.set(podRef?.uid ?? '', containers);
  return running.flatMap((pod) => {
    const { name = '', namespace = '', uid = '', labels } = pod.metadata ?? {};
    const containers = (known.get(uid) ?? []).flatMap((container) => {
      const usage = usageIn(container);
      return usage === undefined ? [] : [{ name: container.name ?? '', ...usage }];
    });
    const [first] = containers;
    if (first === undefined) return [];
    const head = headOf(scope, { name, namespace, ...(labels === undefined ? {} : { labels }) }, first);
    return [{ ...head, containers: containers.map(({ name: container, usage }) => ({ name: container, usage })) }];
  });
}

function headOf({ core }: Scope, metadata: NonNullable<KubeObject['metadata']>, { timeMs, windowMs }: Usage) {
  const creationTimestamp = formatTimestamp(core.clock.nowMs());
  return {
    metadata: { ...metadata, creationTimestamp },
    timestamp: formatTimestamp(timeMs),
    window: `${windowMs / 1_000}s`,
  };
}

/** What the kubelets of these nodes say, by node; those that do not answer are not there. */
async function summariesOf(scope: Scope, names: readonly string[]): Promise<ReadonlyMap<string, Summary>> {
  const left = [...new Set(names)].filter((name) => name !== '');
  const summaries = new Map<string, Summary>();
  const lane = async (): Promise<void> => {
    for (let name = left.pop(); name !== undefined; name = left.pop()) {
      const summary = await summaryOf(scope, name).catch(() => undefined);
      if (summary !== undefined) summaries.set(name, summary);
    }
  };
  await Promise.all(Array.from({ length: Math.min(askedMax, left.length) }, lane));
  return summaries;
}

async function summaryOf({ core, request }: Scope, nodeName: string): Promise<Summary | undefined> {
  const handler = core.kubelet?.(nodeName);
  if (handler === undefined) return undefined;
  const { status, body } = await handler({
    method: 'GET',
    path: '/stats/summary',
    query: '',
    headers: { accept: 'application/json' },
    peer: { address: '' },
    signal: request.signal,
  });
  if (status !== 200) return undefined;
  const object: unknown = body.kind === 'object' ? body.object : JSON.parse(await textOf(body));
  return isSummary(object) ? object : undefined;
}

async function textOf(body: ResponseBody): Promise<string> {
  if (body.kind === 'bytes') return new TextDecoder().decode(body.bytes);
  if (body.kind !== 'stream') return '';
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of body.chunks) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > summaryBytesMax) throw new Error('Cannot read the summary of a kubelet as it is too long');
  }
  return text;
}

/** Processor and memory of a node or a container, as the metrics server writes them; undefined where one of them is not known. */
function usageIn(stats: Stats | undefined): Usage | undefined {
  const { usageNanoCores: cores, time = '', windowNanoSeconds } = stats?.cpu ?? {};
  const { workingSetBytes: bytes } = stats?.memory ?? {};
  if (typeof cores !== 'number' || typeof bytes !== 'number') return undefined;
  const timeMs = Date.parse(time);
  const usage = { cpu: cores === 0 ? '0' : `${cores}n`, memory: bytes === 0 ? '0' : `${Math.ceil(bytes / 1024)}Ki` };
  const windowMs = windowNanoSeconds === undefined ? windowMsDefault : Math.round(windowNanoSeconds / 1e6);
  return { timeMs: Number.isNaN(timeMs) ? 0 : timeMs, windowMs, usage };
}

/** Amounts are all of the two forms above. */
function sumOf(amounts: readonly Readonly<Record<string, string>>[]): Readonly<Record<string, string>> {
  const sum = (name: string): number =>
    amounts.reduce((all, usage) => all + Number.parseInt(usage[name] ?? '0', 10), 0);
  return { cpu: `${sum('cpu')}n`, memory: `${sum('memory')}Ki` };
}

function usageTable<T extends { readonly metadata?: { readonly name?: string }; readonly window: string }>(
  usageOf: (object: T) => Readonly<Record<string, string>> | undefined,
) {
  return {
    columns,
    cells: (object: T) => {
      const { cpu = '', memory = '' } = usageOf(object) ?? {};
      return [object.metadata?.name ?? '', cpu, memory, object.window ?? '', '0s'];
    },
  };
}
