/** `coxswain explain pod/NAME`: what every plugin of the scheduler says of every node for one pod. */
import { pods } from '#pkg/api/types/refs.ts';
import { type FlagTable, helpText, parseFlags, text } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { TableLayout } from '#pkg/kubectl/tables.ts';
import type { Explanation, GangExplanation, NodeExplanation } from '#pkg/scheduler/framework/explain.ts';
import { podInfoOf } from '#pkg/scheduler/model/pod-info.ts';
import { readCluster, readDump, withClient } from './cluster-objects.ts';
import { formatted } from './output.ts';
import { schedulingFlags, simulationOf } from './scheduling-flags.ts';
import { checkName, type World } from './world.ts';

const flags = {
  ...schedulingFlags,
  namespace: text({ help: 'Namespace of the pod.', short: 'n', fallback: 'default', placeholder: 'name' }),
  dump: text({
    help: 'A cluster as it was: a snapshot, or the output of "kubectl get nodes,pods,… -A -o json". Default: the cluster as it is.',
    placeholder: 'file',
  }),
} satisfies FlagTable;

const summary = 'Say for every node which plugin refuses a pod and why, or how each plugin rates it.';

/** Runs the command; resolves to 0 when some node takes the pod, else 1. Throws `UserError` where there is no such pod. */
export async function explainPod(world: World, args: readonly string[]): Promise<number> {
  const parsed = parseFlags(flags, args);
  if (!parsed.ok) throw new UserError(`${parsed.message} (see "coxswain explain --help")`);
  if (parsed.help) {
    world.write(helpText(flags, { usage: 'coxswain explain pod/NAME [flags]', summary }));
    return 0;
  }
  const { values, rest } = parsed;
  const name = nameOf(rest);
  checkName(values.name);
  const { simulation, objects } = await simulationOf(world, values);
  if (values.dump === '') {
    const { name: cluster, 'data-dir': dataDir, kubeconfig } = values;
    await withClient(world, { name: cluster, dataDir, kubeconfig }, (client) => readCluster(objects, client));
  } else await readDump(objects, values.dump);
  simulation.load();
  const pod = objects.lister(pods).get(`${values.namespace}/${name}`);
  if (pod === undefined) throw new UserError(`Cannot explain pod "${values.namespace}/${name}" as there is none`);
  const explanation = simulation.explain(podInfoOf(pod));
  const { nodeName } = pod.spec ?? {};
  if (values.output !== '') world.write(await formatted({ ...explanation, isOn: nodeName }, values.output));
  else world.write(textOf(`${values.namespace}/${name}`, explanation, nodeName));
  return explanation.node === undefined || explanation.gang?.message !== undefined ? 1 : 0;
}

function nameOf(rest: readonly string[]): string {
  const [first = '', second, third] = rest;
  const slash = first.indexOf('/');
  const [kind, name] = slash < 0 ? [first, second] : [first.slice(0, slash), first.slice(slash + 1)];
  const unexpected = slash < 0 ? third : second;
  if (unexpected !== undefined)
    throw new UserError(`unexpected argument: ${unexpected} (see "coxswain explain --help")`);
  if (!['pod', 'pods', 'po'].includes(kind) || !name)
    throw new UserError('name a pod, as in "coxswain explain pod/web" (see "coxswain explain --help")');
  return name;
}

function textOf(pod: string, explanation: Explanation, nodeName: string | undefined): string {
  return gangText(pod, explanation.gang) + ofNodes(pod, explanation, nodeName);
}

function gangText(pod: string, gang: GangExplanation | undefined): string {
  if (gang === undefined) return '';
  const { group, waiting, needed, found, message } = gang;
  if (message !== undefined) return `Pod ${pod} waits with its gang: ${message}\nBy itself:\n\n`;
  return `Pod ${pod} is of the gang ${group}: of ${waiting} pods that wait ${needed} need a place at once, and ${found} find one.\nBy itself:\n\n`;
}

function ofNodes(pod: string, { refusedWhole, nodes, node }: Explanation, nodeName: string | undefined): string {
  const where = nodeName ? ` It is on ${nodeName}; this is what would be decided now.` : '';
  if (refusedWhole !== undefined) {
    const by = refusedWhole.plugin === '' ? '' : `${refusedWhole.plugin}: `;
    return `Pod ${pod} is not tried on any node.${where}\n  ${by}${refusedWhole.reasons.join(', ')}\n`;
  }
  if (nodes.length === 0) return `Pod ${pod} has no node to go to, as there are none.\n`;
  const feasible = nodes.filter((one) => 'scores' in one).length;
  const head =
    node === undefined
      ? `No node of ${nodes.length} takes pod ${pod}.${where}`
      : `Pod ${pod} goes to ${node}: ${feasible} of ${nodes.length} nodes take it.${where}`;
  const rows = nodes.map((one) => [one.node, ...cellsOf(one)]);
  return `${head}\n\n${new TableLayout().render([['NODE', 'TOTAL', 'WHY'], ...rows])}`;
}

function cellsOf(one: NodeExplanation): readonly [total: string, why: string] {
  if ('refusedBy' in one) return ['-', `${one.refusedBy}: ${one.reasons.join(', ')}`];
  const scores = one.scores.map(({ plugin, score, weight }) => {
    const times = weight === 1 ? '' : `×${weight}`;
    return `${plugin} ${short(score)}${times}`;
  });
  return [short(one.total), scores.length === 0 ? 'no plugin has a preference' : scores.join(', ')];
}

function short(value: number): string {
  return String(Math.round(value * 100) / 100);
}
