/**
 * What every plugin says of every node for one pod: who refuses it, or how each rates it. Slow and plain: nothing is kept, and each plugin is asked, as it would
 * be without any short cut. It changes nothing.
 */
import type { Nominator } from '../cache/nominator.ts';
import type { NodeInfo } from '../model/node-info.ts';
import { type Cycle, CycleState } from './cycle.ts';
import type { Profile } from './profile.ts';
import { isRejected, type Status, success } from './status.ts';
import { checkWith } from './what-if.ts';

/** How one plugin rates a node. */
export interface ExplainedScore {
  readonly plugin: string;
  /** Of 0 to 100. */
  readonly score: number;
  readonly weight: number;
}

/** One node. */
export type NodeExplanation =
  | { readonly node: string; readonly refusedBy: string; readonly reasons: readonly string[] }
  | { readonly node: string; readonly scores: readonly ExplainedScore[]; readonly total: number };

/** One pod. */
export interface Explanation {
  /** Which plugin holds the pod back from being tried, or refuses it as a whole, and why. */
  readonly refusedWhole?: { readonly plugin: string; readonly reasons: readonly string[] };
  /** Best first, then those that refuse, in the order of the cluster. */
  readonly nodes: readonly NodeExplanation[];
  /** The best node; of equal ones the first. Absent where there is none. */
  readonly node?: string;
}

/** By what is explained. */
export interface ExplainOptions {
  readonly profile: Profile;
  readonly nominator: Nominator;
}

/** Explains the pod of `cycle`. */
export function explain({ pod, cluster }: Pick<Cycle, 'cluster' | 'pod'>, options: ExplainOptions): Explanation {
  const { profile } = options;
  for (const plugin of profile.preEnqueue) {
    const { code, reasons } = plugin.preEnqueue(pod);
    if (code !== 'Success') return { refusedWhole: { plugin: plugin.name, reasons }, nodes: [] };
  }
  const cycle: Cycle = { pod, cluster, state: new CycleState() };
  const limits: { readonly plugin: string; readonly names: ReadonlySet<string> }[] = [];
  for (const plugin of profile.preFilter) {
    const { status, nodeNames } = plugin.preFilter(cycle);
    if (isRejected(status) || status.code === 'Error')
      return { refusedWhole: { plugin: plugin.name, reasons: status.reasons }, nodes: [] };
    if (nodeNames !== undefined) limits.push({ plugin: plugin.name, names: nodeNames });
  }
  const refused: NodeExplanation[] = [];
  const feasible: NodeInfo[] = [];
  for (const node of cluster.nodes()) {
    const limit = limits.find(({ names }) => !names.has(node.name));
    const limited = 'the pod may not be on this node';
    const status: Status =
      limit === undefined
        ? verdict(cycle, node, options)
        : { code: 'UnschedulableAndUnresolvable', reasons: [limited], plugin: limit.plugin };
    if (status === success) feasible.push(node);
    else refused.push({ node: node.name, refusedBy: status.plugin ?? '', reasons: status.reasons });
  }
  const rated = ratings(cycle, feasible, profile);
  const best = rated.reduce<(typeof rated)[number] | undefined>(
    (first, one) => (first === undefined || one.total > first.total ? one : first),
    undefined,
  );
  const nodes = [...rated.toSorted((a, b) => b.total - a.total), ...refused];
  return { nodes, ...(best === undefined ? {} : { node: best.node }) };
}

/** Alone, and with the pods counted in that were promised the node. */
function verdict(cycle: Cycle, node: NodeInfo, { profile, nominator }: ExplainOptions): Status {
  const ahead = nominator.ahead(cycle.pod, node.name);
  if (ahead.length > 0) {
    const crowded = node.clone();
    for (const pod of ahead) crowded.addPod(pod);
    const status = checkWith(profile.filter, cycle, crowded);
    if (status !== success) return status;
  }
  for (const plugin of profile.filter) {
    const status = plugin.filter(cycle)?.(node) ?? success;
    if (status !== success) return { ...status, plugin: plugin.name };
  }
  return success;
}

function ratings(cycle: Cycle, nodes: readonly NodeInfo[], profile: Profile) {
  const scores: ExplainedScore[][] = nodes.map(() => []);
  if (nodes.length > 0) for (const plugin of profile.preScore) plugin.preScore(cycle, nodes);
  for (const { plugin, weight } of profile.score) {
    const score = plugin.score(cycle);
    if (score === undefined) continue;
    const values = Float64Array.from(nodes, score);
    plugin.normalize?.(values, cycle);
    for (const [index, value] of values.entries()) scores[index]?.push({ plugin: plugin.name, score: value, weight });
  }
  return nodes.map(({ name }, index) => {
    const own = scores[index] ?? [];
    return { node: name, scores: own, total: own.reduce((sum, { score, weight }) => sum + weight * score, 0) };
  });
}
