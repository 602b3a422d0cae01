/** `coxswain rebalance`: says which evictions would leave nodes without pods, and makes them where it is told to. */
import { nodes, podDisruptionBudgets, pods } from '#pkg/api/types/refs.ts';
import { splitKey } from '#pkg/apimachinery/object.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import { sleep } from '#pkg/base/async.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { Client } from '#pkg/client/client.ts';
import { duration, type FlagTable, helpText, integer, parseFlags, toggle } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { type PlannedEviction, planRebalance, type RebalancePlan } from '#pkg/scheduler/offline/rebalance.ts';
import { readCluster, withClient } from './cluster-objects.ts';
import { schedulingFlags, simulationOf } from './scheduling-flags.ts';
import { checkName, type World } from './world.ts';

const flags = {
  ...schedulingFlags,
  perform: toggle({ help: 'Evict the pods. Default: only say which.' }),
  'evictions-max': integer({ help: 'Most pods that are evicted.', fallback: 100, min: 1, max: 10_000 }),
  wait: duration({ help: 'Longest wait, for each node, until its pods are gone.', fallback: 60_000 }),
} satisfies FlagTable;

const summary = 'Find pods whose eviction leaves nodes empty, within disruption budgets.';

/** How often it is looked whether the pods of a node are gone. */
const lookEveryMs = 500;

/** Runs the command; resolves to 0, or to 1 when something that was to be evicted was not. Throws `UserError` where there is no cluster. */
export async function rebalance(world: World, args: readonly string[]): Promise<number> {
  const parsed = parseFlags(flags, args);
  if (!parsed.ok) throw new UserError(`${parsed.message} (see "coxswain rebalance --help")`);
  if (parsed.help) {
    world.write(helpText(flags, { usage: 'coxswain rebalance [flags]', summary }));
    return 0;
  }
  const { values, rest } = parsed;
  if (rest.length > 0) throw new UserError(`unexpected argument: ${rest[0]} (see "coxswain rebalance --help")`);
  checkName(values.name);
  const { name, 'data-dir': dataDir, kubeconfig } = values;
  return withClient(world, { name, dataDir, kubeconfig }, async (client) => {
    const { simulation, objects } = await simulationOf(world, values);
    const budgets = objects.lister(podDisruptionBudgets);
    await readCluster(objects, client);
    const plan = planRebalance(simulation, { budgets: budgets.list(), evictionsMax: values['evictions-max'] });
    world.write(values.output === 'json' ? `${JSON.stringify(plan, null, 2)}\n` : textOf(plan));
    if (!values.perform) return 0;
    let isWhole = true;
    for (const node of plan.emptied) {
      const evictions = plan.evictions.filter(({ from }) => from === node);
      isWhole = (await empty(world, client, { node, evictions, waitMs: values.wait })) && isWhole;
    }
    return isWhole ? 0 : 1;
  });
}

function textOf({ evictions, emptied, kept, usedBefore, usedAfter, lowerBound }: RebalancePlan): string {
  const lines = [`Nodes: ${usedBefore} in use, ${usedAfter} after that; at least ${lowerBound} are needed.`];
  if (emptied.length === 0) lines.push('There is no node that can be emptied.');
  for (const { pod, from, to } of evictions) lines.push(`  evict ${pod} from ${from}; there is room on ${to}`);
  for (const { node, why } of kept) lines.push(`  keep ${node}: ${why}`);
  return `${lines.join('\n')}\n`;
}

interface Emptying {
  readonly node: string;
  readonly evictions: readonly PlannedEviction[];
  readonly waitMs: number;
}

/** Closes a node, evicts its pods, waits until they are gone, and opens it again. Returns whether all went. */
async function empty(world: World, client: Client, { node, evictions, waitMs }: Emptying): Promise<boolean> {
  const setClosed = (unschedulable: boolean | null): Promise<unknown> =>
    client.resource(nodes).patch(node, { spec: { unschedulable } }, { type: 'merge' });
  await setClosed(true);
  try {
    let isWhole = true;
    for (const { pod } of evictions) {
      const why = await evict(client, pod);
      if (why === undefined) continue;
      world.writeError(`coxswain: ${pod} was not evicted: ${why}\n`);
      isWhole = false;
    }
    // Its successor might come to where it still is.
    const gone = await areGone(world, client, { node, evictions, waitMs });
    if (!gone) world.writeError(`coxswain: not all pods of ${node} were gone in time\n`);
    return isWhole && gone;
  } finally {
    await setClosed(null);
  }
}

/** Why it was not evicted, such as a budget that has none left by now. */
async function evict(client: Client, key: string): Promise<string | undefined> {
  const { namespace, name } = splitKey(key);
  const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace } };
  try {
    await client.resource(pods).createSubresource(name, 'eviction', eviction, { namespace });
    return undefined;
  } catch (error) {
    return isNotFound(error) ? undefined : errorText(error);
  }
}

async function areGone({ clock }: World, client: Client, { node, evictions, waitMs }: Emptying): Promise<boolean> {
  const keys = new Set(evictions.map(({ pod }) => pod));
  const untilMs = clock.monotonicMs() + waitMs;
  for (;;) {
    const { items } = await client.resource(pods).list({ fieldSelector: `spec.nodeName=${node}` });
    if (!items.some(({ metadata }) => keys.has(`${metadata?.namespace}/${metadata?.name}`))) return true;
    if (clock.monotonicMs() >= untilMs) return false;
    await sleep(clock, lookEveryMs);
  }
}
