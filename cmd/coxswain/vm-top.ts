/** `coxswain vm top`, its second part: what a machine's pages take of its node and what its harts and devices did since it was started, which its kubelet has in `/stats/summary`. */
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import { bytesText } from '#pkg/base/bytes-text.ts';
import type { Client } from '#pkg/client/client.ts';
import { getJson } from '#pkg/client/discovery.ts';
import { TableLayout } from '#pkg/kubectl/tables.ts';
import type { World } from './world.ts';

/** Counters by their names there, and what they are called here. */
const names = [
  ['instructions', 'INSTRUCTIONS'],
  ['traps', 'TRAPS'],
  ['interrupts', 'INTERRUPTS'],
  ['tlbMisses', 'TLB MISSES'],
  ['pageWalks', 'PAGE WALKS'],
  ['walkReferences', 'REFERENCES'],
  ['deviceAccesses', 'DEVICE ACCESSES'],
  ['blocksCompiled', 'BLOCKS COMPILED'],
] as const;

/** The same of a monitor, where there is one. */
const monitorNames = [
  ['monitor.monitorReferences', 'REFERENCES BY MONITOR'],
  ['monitor.interpreted', 'INTERPRETED'],
  ['monitor.updatesAsked', 'UPDATES ASKED'],
  ['monitor.blocksTranslated', 'BLOCKS TRANSLATED'],
  ['monitor.blocksChained', 'CHAINED'],
  ['monitor.cacheFlushes', 'CACHE FLUSHES'],
  ['monitor.storesLogged', 'STORES LOGGED'],
] as const;

/** Where the machine's pages are, by the names of those amounts there. */
const amounts = [
  ['ownBytes', 'OWN PAGES'],
  ['sharedBytes', 'SHARED PAGES'],
  ['sharedPartBytes', 'ITS PART OF THEM'],
  ['zeroBytes', 'ZERO PAGES'],
  ['balloonBytes', 'BALLOON'],
] as const;

/** What went through its network and its disk, by names of counters: amounts in bytes, and counts. */
const deviceNames = [
  ['networkInBytes', 'NETWORK IN', bytesText],
  ['networkOutBytes', 'NETWORK OUT', bytesText],
  ['framesLost', 'FRAMES LOST', String],
  ['diskReadBytes', 'DISK READ', bytesText],
  ['diskWrittenBytes', 'DISK WRITTEN', bytesText],
  ['diskRequests', 'DISK REQUESTS', String],
  ['diskRequestsHeld', 'HELD BACK', String],
] as const;

interface Summary {
  readonly pods?: readonly {
    readonly podRef: { readonly name: string; readonly namespace: string };
    readonly containers?: readonly {
      readonly userDefinedMetrics?: readonly { readonly name: string; readonly value: number }[];
    }[];
  }[];
}

/** Before the reasons for which a monitor was called, in names of counters. */
const exitsPrefix = 'exits.';

/** Whether the processor time and memory of a pod are known: they are measured now and then, and first a while after it began. */
export async function isMeasured(
  client: Client,
  { pod, namespace }: { readonly pod: string; readonly namespace: string },
): Promise<boolean> {
  const path = `/apis/metrics.k8s.io/v1beta1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(pod)}`;
  try {
    await getJson(client, path, undefined);
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}

/** Prints the figures of the machine that a pod is, and the exits of one under a monitor; nothing where its kubelet has none. */
export async function printCounters(
  world: World,
  client: Client,
  { node, pod, namespace }: { readonly node: string; readonly pod: string; readonly namespace: string },
): Promise<void> {
  const path = `/api/v1/nodes/${encodeURIComponent(node)}/proxy/stats/summary`;
  const { pods = [] } = await getJson<Summary>(client, path, undefined);
  const found = pods.find(({ podRef }) => podRef.name === pod && podRef.namespace === namespace);
  const metrics = (found?.containers ?? []).flatMap(({ userDefinedMetrics = [] }) => userDefinedMetrics);
  if (metrics.length === 0) return;
  const amountOf = (name: string): number => metrics.find((metric) => metric.name === name)?.value ?? 0;
  const exits = metrics
    .filter(({ name, value }) => name.startsWith(exitsPrefix) && value > 0)
    .toSorted((one, other) => other.value - one.value)
    .map(({ name, value }) => [name.slice(exitsPrefix.length), String(value)]);
  const tables = [
    [amounts.map(([, heading]) => heading), amounts.map(([name]) => bytesText(amountOf(name)))],
    countersTable(names, amountOf),
    ...(metrics.some(({ name }) => name === deviceNames[0][0])
      ? [[deviceNames.map(([, heading]) => heading), deviceNames.map(([name, , text]) => text(amountOf(name)))]]
      : []),
    ...(metrics.some(({ name }) => name === monitorNames[0][0]) ? [countersTable(monitorNames, amountOf)] : []),
    ...(exits.length === 0 ? [] : [[['EXITED FOR', 'TIMES'], ...exits]]),
  ];
  for (const rows of tables) world.write(`\n${new TableLayout().render(rows)}`);
}

function countersTable(
  counters: readonly (readonly [name: string, heading: string])[],
  amountOf: (name: string) => number,
): readonly (readonly string[])[] {
  return [counters.map(([, heading]) => heading), counters.map(([name]) => String(amountOf(name)))];
}
