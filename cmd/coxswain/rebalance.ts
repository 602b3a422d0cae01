/** `coxswain rebalance`: says which evictions would leave nodes without pods, and makes them where it is told to. */
import { podDisruptionBudgets } from '#pkg/api/types/refs.ts';
import { duration, type FlagTable, helpText, integer, parseFlags, toggle } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { planRebalance, type RebalancePlan } from '#pkg/scheduler/offline/rebalance.ts';
import { readCluster, withClient } from './cluster-objects.ts';
import { formatted } from './output.ts';
import { performRebalance } from './perform-rebalance.ts';
import { schedulingFlags, simulationOf } from './scheduling-flags.ts';
import { checkName, type World } from './world.ts';

const flags = {
  ...schedulingFlags,
  perform: toggle({ help: 'Evict the pods. Default: only say which.' }),
  'evictions-max': integer({ help: 'Most pods that are evicted.', fallback: 100, min: 1, max: 10_000 }),
  wait: duration({
    help: 'Longest wait for each step of a node: until budgets let its pods go, until they are gone, until others took their place.',
    fallback: 60_000,
  }),
} satisfies FlagTable;

const summary = 'Find pods whose eviction leaves nodes empty, within disruption budgets.';

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
    world.write(values.output === '' ? textOf(plan) : await formatted(plan, values.output));
    if (!values.perform) return 0;
    const problem = (text: string): void => world.writeError(`coxswain: ${text}\n`);
    const isWhole = await performRebalance(plan, { client, clock: world.clock, waitMs: values.wait, problem });
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
