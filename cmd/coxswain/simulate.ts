/** `coxswain simulate`: where pods would go, without touching the cluster. */
import { pods } from '#pkg/api/types/refs.ts';
import { type FlagTable, helpText, parseFlags, repeated, text } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { TableLayout } from '#pkg/kubectl/tables.ts';
import { type PodInfo, podInfoOf } from '#pkg/scheduler/model/pod-info.ts';
import { ObjectSet } from '#pkg/scheduler/offline/object-set.ts';
import { type SimulationReport, simulate as simulatePods } from '#pkg/scheduler/offline/simulate.ts';
import { readCluster, readDump, readObjects, withClient } from './cluster-objects.ts';
import { formatted } from './output.ts';
import { schedulingFlags, simulationOf } from './scheduling-flags.ts';
import { checkName, type World } from './world.ts';

const flags = {
  ...schedulingFlags,
  dump: text({
    help: 'A cluster as it was: a snapshot, or the output of "kubectl get nodes,pods,… -A -o json". Default: the cluster as it is.',
    placeholder: 'file',
  }),
  filename: repeated({
    help: 'Pods to place beside those that wait; may be given again.',
    short: 'f',
    placeholder: 'file',
  }),
} satisfies FlagTable;

const summary = 'Say where pods would go, on how many nodes they end, and how many they need at least.';

/** Runs the command; resolves to 0 when every pod has a place, else 1. Throws `UserError` for files that cannot be read, and where there is no cluster. */
export async function simulate(world: World, args: readonly string[]): Promise<number> {
  const parsed = parseFlags(flags, args);
  if (!parsed.ok) throw new UserError(`${parsed.message} (see "coxswain simulate --help")`);
  if (parsed.help) {
    world.write(helpText(flags, { usage: 'coxswain simulate [flags]', summary }));
    return 0;
  }
  const { values, rest } = parsed;
  if (rest.length > 0) throw new UserError(`unexpected argument: ${rest[0]} (see "coxswain simulate --help")`);
  checkName(values.name);
  const further = await podsOf(values.filename);
  const { simulation, objects } = await simulationOf(world, values);
  if (values.dump === '') {
    const { name, 'data-dir': dataDir, kubeconfig } = values;
    await withClient(world, { name, dataDir, kubeconfig }, (client) => readCluster(objects, client));
  } else await readDump(objects, values.dump);
  const report = simulatePods(simulation, further);
  if (report.nodes.total === 0) {
    throw new UserError(
      `Cannot place pods as there are no nodes in ${values.dump === '' ? 'the cluster' : values.dump}`,
    );
  }
  world.write(values.output === '' ? textOf(report) : await formatted(report, values.output));
  return report.unplaced.length === 0 ? 0 : 1;
}

async function podsOf(paths: readonly string[]): Promise<readonly PodInfo[]> {
  const set = new ObjectSet();
  for (const path of paths) {
    for (const object of await readObjects(path)) {
      if (object.kind !== 'Pod' || object.apiVersion !== 'v1')
        throw new UserError(
          `Cannot place what ${path} holds as it is no pod: it is a ${object.apiVersion} ${object.kind}`,
        );
      set.add(pods, object);
    }
  }
  return set.lister(pods).list().map(podInfoOf);
}

/** Refusals that are shown. */
const shownMax = 20;

function textOf({ placed, unplaced, nodes, usage }: SimulationReport): string {
  const lines = [
    `Placed ${placed.length} of ${placed.length + unplaced.length} pods.`,
    `Nodes: ${nodes.used} of ${nodes.total} in use, ${nodes.usedBefore} before; at least ${nodes.lowerBound} are needed (by ${nodes.boundBy}).`,
  ];
  for (const { pod, message } of unplaced.slice(0, shownMax)) lines.push(`  ${pod}: ${message}`);
  if (unplaced.length > shownMax) lines.push(`  and ${unplaced.length - shownMax} more (-o json has them all)`);
  const changed = usage.filter(({ added }) => added > 0);
  if (changed.length === 0) return `${lines.join('\n')}\n`;
  const percent = (share: number): string => `${Math.round(share * 100)}%`;
  const rows = changed
    .slice(0, shownMax)
    .map(({ node, added, pods: count, cpu, memory }) => [node, `${added}`, `${count}`, percent(cpu), percent(memory)]);
  const more = changed.length > shownMax ? `and ${changed.length - shownMax} more nodes (-o json has them all)\n` : '';
  return `${lines.join('\n')}\n\n${new TableLayout().render([['NODE', 'NEW', 'PODS', 'CPU', 'MEMORY'], ...rows])}${more}`;
}
