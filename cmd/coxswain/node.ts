/**
 * `coxswain node list|add|drain|remove`: nodes that come and go while a cluster runs. One that is added is a NodeClaim of its name, and is there again after the cluster was
 * stopped; those of `up --nodes` and of node pools are theirs to add and remove. Laws: a node that cannot be started leaves no claim behind; one that is removed is
 * drained before, unless it is told not to be, and is kept where that fails.
 */
import { runningProcesses } from '#cmd/common/process-files.ts';
import { type NodeClaim, nodeClaims, poolLabel, startedCondition } from '#pkg/api/node-claim.ts';
import type { Node } from '#pkg/api/types/core-v1.ts';
import { nodes, pods } from '#pkg/api/types/refs.ts';
import { findCondition, isConditionTrue } from '#pkg/apimachinery/conditions.ts';
import { StatusError, unlessGone } from '#pkg/apimachinery/status-error.ts';
import { sleep } from '#pkg/base/async.ts';
import type { Client } from '#pkg/client/client.ts';
import { recordOfFlag, taintsOfFlag } from '#pkg/cluster/node-spec.ts';
import {
  commandOverview,
  duration,
  type FlagTable,
  type FlagValues,
  helpText,
  list as listFlag,
  parseFlags,
  text,
  toggle,
} from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { TableLayout } from '#pkg/kubectl/tables.ts';
import { clusterFlags } from './cluster-flags.ts';
import { type ClusterChoice, ofCluster, withClient } from './cluster-objects.ts';
import { ClusterFolder } from './folder.ts';
import { kubectlCommand } from './kubectl.ts';
import { formatted, outputFlag } from './output.ts';
import { checkName, dataFolder, type World } from './world.ts';

/** Between two looks at whether something has come about. */
const lookEveryMs = 100;

/** A cluster that starts nodes says so of a claim within a moment. */
const heardWithinMs = 10_000;

const flags = {
  ...clusterFlags,
  kubeconfig: text({
    help: 'Kubeconfig of another cluster, in place of the one that --name says.',
    placeholder: 'file',
  }),
} satisfies FlagTable;

const listFlags = { ...flags, output: outputFlag } satisfies FlagTable;

const addFlags = {
  ...flags,
  labels: listFlag({ help: 'Labels of the node.', placeholder: 'key=value,…' }),
  taints: listFlag({ help: 'Taints that it begins with.', placeholder: 'key=value:effect,…' }),
  capacity: listFlag({ help: 'What it offers, such as cpu=8,memory=16Gi.', placeholder: 'resource=amount,…' }),
  runtime: text({ help: "Its runtimes, some of the cluster's. Default: all of them.", placeholder: 'name,…' }),
  wait: duration({ help: 'Longest wait until it is Ready.', fallback: 60_000 }),
} satisfies FlagTable;

const drainFlags = {
  ...flags,
  force: toggle({ help: 'Pods that nobody makes again go too.' }),
  timeout: duration({ help: 'Longest wait until its pods are gone.', fallback: 120_000 }),
} satisfies FlagTable;

const removeFlags = {
  ...drainFlags,
  force: toggle({ help: 'Remove it with its pods, without draining it.' }),
} satisfies FlagTable;

interface Call<T extends FlagTable> {
  readonly world: World;
  readonly values: FlagValues<T>;
  readonly name: string;
}

interface NodeCommand {
  readonly summary: string;
  readonly takesName: boolean;
  run(world: World, args: readonly string[]): Promise<number>;
}

const commands: Readonly<Record<string, NodeCommand>> = {
  list: command('list', listFlags, { summary: 'List nodes, and whose they are.', takesName: false, run: list }),
  add: command('add', addFlags, { summary: 'Start a node, and wait until it is Ready.', takesName: true, run: add }),
  drain: command('drain', drainFlags, {
    summary: 'Close a node and evict its pods, as their disruption budgets allow.',
    takesName: true,
    run: async (call) => ((await drain(call)) ? 0 : 1),
  }),
  remove: command('remove', removeFlags, {
    summary: 'Drain a node that was added, and take it away.',
    takesName: true,
    run: remove,
  }),
};

/** Runs the command; resolves to its exit code. Throws `UserError`, also for what the cluster refuses. */
export async function node(world: World, args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    const summary = 'Nodes that come and go while a cluster runs.';
    world.write(commandOverview({ summary, usage: 'coxswain node <command> [flags]', commands }));
    return name === undefined ? 1 : 0;
  }
  const found = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (found === undefined) throw new UserError(`unknown command "node ${name}": "coxswain node --help" lists them`);
  try {
    return await found.run(world, rest);
  } catch (error) {
    if (error instanceof StatusError) throw new UserError(error.message, error);
    throw error;
  }
}

function command<T extends typeof flags>(
  name: string,
  table: T,
  { summary, takesName, run }: { summary: string; takesName: boolean; run(call: Call<T>): Promise<number> },
): NodeCommand {
  const hint = `(see "coxswain node ${name} --help")`;
  return {
    summary,
    takesName,
    run: async (world, args) => {
      const parsed = parseFlags(table, args);
      if (!parsed.ok) throw new UserError(`${parsed.message} ${hint}`);
      if (parsed.help) {
        world.write(helpText(table, { usage: `coxswain node ${name}${takesName ? ' NODE' : ''} [flags]`, summary }));
        return 0;
      }
      const { rest, values } = parsed;
      const count = takesName ? 1 : 0;
      if (rest.length < count) throw new UserError(`say NODE ${hint}`);
      if (rest.length > count) throw new UserError(`unexpected argument: ${rest[count]} ${hint}`);
      return run({ world, values, name: rest[0] ?? '' });
    },
  };
}

function choiceOf({ values }: Pick<Call<typeof flags>, 'values'>): ClusterChoice {
  checkName(values.name);
  return { name: values.name, dataDir: values['data-dir'], kubeconfig: values.kubeconfig };
}

/** One node, as it is told to programs. */
interface ListedNode {
  readonly name: string;
  /** `Ready`, `NotReady`, or `Unknown` when nobody hears of it, `Starting` before it is there; with `SchedulingDisabled` when it is closed. */
  readonly status: string;
  /** `cluster`: of those it was started with, or joined; `claim`: added; else the node pool. */
  readonly from: string;
  /** Its runtimes; none until it is there. */
  readonly runtimes: readonly string[];
  /** Pods that have not ended. */
  readonly pods: number;
  /** Why a claim has no node; absent where it has one. */
  readonly problem?: string;
}

async function list(call: Call<typeof listFlags>): Promise<number> {
  const { world, values } = call;
  const listed = await withClient(world, choiceOf(call), async (client) => {
    const [all, claims, ofNodes] = await Promise.all([
      client.resource(nodes).list(),
      client.resource(nodeClaims).list(),
      client.resource(pods).list({ fieldSelector: 'status.phase!=Succeeded,status.phase!=Failed' }),
    ]);
    const counts = Map.groupBy(ofNodes.items, ({ spec }) => spec?.nodeName ?? '');
    const count = (name: string): number => counts.get(name)?.length ?? 0;
    const there = new Set(all.items.map(({ metadata }) => metadata?.name));
    const claimed = new Map(claims.items.map((claim) => [claim.metadata?.name, claim]));
    const coming = claims.items.filter(({ metadata }) => !there.has(metadata?.name));
    return [
      ...all.items.map((one) => listedNode(one, claimed.get(one.metadata?.name), count(one.metadata?.name ?? ''))),
      ...coming.map(listedClaim),
    ];
  });
  if (values.output !== '') world.write(await formatted(listed, values.output));
  else {
    const rows = listed.map(({ name, status, from, runtimes, pods: count }) => [
      name,
      status,
      from,
      runtimes.join(',') || '<none>',
      String(count),
    ]);
    world.write(new TableLayout().render([['NAME', 'STATUS', 'FROM', 'RUNTIMES', 'PODS'], ...rows]));
  }
  return 0;
}

function listedNode({ metadata, spec, status }: Node, claim: NodeClaim | undefined, count: number): ListedNode {
  const ready = findCondition(status?.conditions, 'Ready')?.status;
  const state = ready === 'True' ? 'Ready' : ready === 'Unknown' ? 'Unknown' : 'NotReady';
  return {
    name: metadata?.name ?? '',
    status: spec?.unschedulable === true ? `${state},SchedulingDisabled` : state,
    from: fromOf(claim),
    runtimes: (status?.runtimeHandlers ?? []).flatMap((handler) => handler.name || []),
    pods: count,
  };
}

function listedClaim(claim: NodeClaim): ListedNode {
  const problem = problemOf(claim);
  return {
    name: claim.metadata?.name ?? '',
    status: problem === undefined ? 'Starting' : 'NotReady',
    from: fromOf(claim),
    runtimes: [],
    pods: 0,
    ...(problem === undefined ? {} : { problem }),
  };
}

function fromOf(claim: NodeClaim | undefined): string {
  if (claim === undefined) return 'cluster';
  return claim.metadata?.labels?.[poolLabel] ?? 'claim';
}

function problemOf({ status }: NodeClaim): string | undefined {
  const started = findCondition(status?.conditions, startedCondition);
  return started?.status === 'False' ? (started.message ?? started.reason) : undefined;
}

async function add(call: Call<typeof addFlags>): Promise<number> {
  const { world, values, name } = call;
  const spec = {
    labels: recordOfFlag('labels', values.labels),
    taints: taintsOfFlag('taints', values.taints),
    capacity: recordOfFlag('capacity', values.capacity),
    ...(values.runtime === '' ? {} : { runtime: values.runtime }),
  };
  await checkStarter(call);
  return withClient(world, choiceOf(call), async (client) => {
    if ((await unlessGone(client.resource(nodes).get(name))) !== undefined)
      throw new UserError(`there is a node ${JSON.stringify(name)} already`);
    await client.resource(nodeClaims).create({ metadata: { name }, spec });
    const why = await whyNotReady(client, world, { name, waitMs: values.wait });
    if (why === undefined) {
      world.write(`Node ${name} is Ready\n`);
      return 0;
    }
    await unlessGone(client.resource(nodeClaims).delete(name));
    throw new UserError(`Cannot add a node ${JSON.stringify(name)}: ${why}`);
  });
}

const nobodyStarts =
  'nobody in this cluster starts nodes: those of --processes and of other machines come with "coxswain up --nodes" and "coxswain join"';

/** Throws `UserError` for a cluster of this machine whose components are processes of their own, none of which starts nodes. */
async function checkStarter({ world, values, name }: Call<typeof addFlags>): Promise<void> {
  if (values.kubeconfig !== '') return;
  const folder = new ClusterFolder(dataFolder(world, { name: values.name, dataDir: values['data-dir'] }));
  const running = await runningProcesses(folder.run);
  if (running.some((one) => one.name.startsWith('kube-apiserver')))
    throw new UserError(`Cannot add a node ${JSON.stringify(name)}: ${nobodyStarts}`);
}

/** Waits for a node that was claimed; what is in its way, or undefined once it is Ready. */
async function whyNotReady(
  client: Client,
  { clock }: World,
  { name, waitMs }: { readonly name: string; readonly waitMs: number },
): Promise<string | undefined> {
  const beganMs = clock.monotonicMs();
  for (;;) {
    const claim = await unlessGone(client.resource(nodeClaims).get(name));
    if (claim === undefined) return 'its claim was deleted';
    const problem = problemOf(claim);
    if (problem !== undefined) return problem;
    const { status } = (await unlessGone(client.resource(nodes).get(name))) ?? {};
    if (isConditionTrue(status?.conditions, 'Ready')) return undefined;
    const passedMs = clock.monotonicMs() - beganMs;
    const isHeard = (claim.metadata?.finalizers ?? []).length > 0;
    if (!isHeard && passedMs >= Math.max(heardWithinMs, waitMs)) return nobodyStarts;
    if (isHeard && passedMs >= waitMs) return `it is not Ready after ${waitMs / 1_000} s`;
    await sleep(clock, lookEveryMs);
  }
}

/** Empties a node as `kubectl drain` does; what is in the way is printed. */
async function drain({ world, values, name }: Call<typeof drainFlags>): Promise<boolean> {
  const args = ['drain', name, '--ignore-daemonsets', '--delete-emptydir-data', `--timeout=${values.timeout}ms`];
  const code = await kubectlCommand(ofCluster(world, choiceOf({ values })), values.force ? [...args, '--force'] : args);
  return code === 0;
}

async function remove(call: Call<typeof removeFlags>): Promise<number> {
  const { world, values, name } = call;
  return withClient(world, choiceOf(call), async (client) => {
    await checkRemovable(client, name);
    if (!values.force && !(await drain(call)))
      throw new UserError(`Node ${name} is still there, and closed: --force removes it with its pods`);
    await unlessGone(client.resource(nodeClaims).delete(name));
    const endMs = world.clock.monotonicMs() + values.timeout;
    while ((await unlessGone(client.resource(nodeClaims).get(name))) !== undefined) {
      if (world.clock.monotonicMs() >= endMs)
        throw new UserError(`Node ${name} is being removed, and is still there after ${values.timeout / 1_000} s`);
      await sleep(world.clock, lookEveryMs);
    }
    world.write(`Node ${name} is removed\n`);
    return 0;
  });
}

/** Throws `UserError` for a node that is not one that was added. */
async function checkRemovable(client: Client, name: string): Promise<void> {
  const claim = await unlessGone(client.resource(nodeClaims).get(name));
  if (claim === undefined) {
    if ((await unlessGone(client.resource(nodes).get(name))) === undefined)
      throw new UserError(`there is no node ${JSON.stringify(name)}`);
    throw new UserError(
      `Cannot remove ${name} as the cluster was started with it, or it has joined: "coxswain node drain" empties it`,
    );
  }
  const pool = claim.metadata?.labels?.[poolLabel];
  if (pool !== undefined)
    throw new UserError(`Cannot remove ${name} as the node pool ${pool} would make another: make that smaller`);
}
