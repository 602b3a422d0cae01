/**
 * What every plugin says of every node for one pod: who refuses it, or how each rates it. Slow and plain: nothing is kept, and each plugin is asked, as it would
 * be without any short cut. It changes nothing.
 */
import type { Nominator } from '../cache/nominator.ts';
import type { NodeInfo } from '../model/node-info.ts';
import { type Cycle, CycleState } from './cycle.ts';
import type { Profile } from './profile.ts';
import type { NodeRefusal } from './refusals.ts';
import { isRejected, type Status, success, unresolvable } from './status.ts';
import { whatIf } from './what-if.ts';

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

/** The gang of a pod that waits. */
export interface GangExplanation {
  /** `namespace/name`. */
  readonly group: string;
  /** How many of its pods wait, with this one. */
  readonly waiting: number;
  /** How many of these need a place at once, and how many find one. */
  readonly needed: number;
  readonly found: number;
  /** Why none of them is bound; absent where they would be. */
  readonly message?: string;
}

/** One pod. */
export interface Explanation {
  /** Which plugin holds the pod back from being tried, or refuses it as a whole, and why. */
  readonly refusedWhole?: { readonly plugin: string; readonly reasons: readonly string[] };
  /** Best first, then those that refuse, in the order of the cluster. */
  readonly nodes: readonly NodeExplanation[];
  /** The best node; of equal ones the first. Absent where there is none. */
  readonly node?: string;
  /** Of a pod of a gang that has no node; the nodes are those that would take the pod alone. */
  readonly gang?: GangExplanation;
}

/** By what is explained. */
export interface ExplainOptions {
  readonly profile: Profile;
  readonly nominator: Nominator;
}

/** Explains the pod of `cycle`. */
export function explain({ pod, cluster }: Pick<Cycle, 'cluster' | 'pod'>, options: ExplainOptions): Explanation {
  for (const plugin of options.profile.preEnqueue) {
    const { code, reasons } = plugin.preEnqueue(pod);
    if (code !== 'Success') return { refusedWhole: { plugin: plugin.name, reasons }, nodes: [] };
  }
  const { refusedWhole, rated, refused } = assess({ pod, cluster, state: new CycleState() }, options);
  if (refusedWhole !== undefined) {
    const { plugin = '', reasons } = refusedWhole;
    return { refusedWhole: { plugin, reasons }, nodes: [] };
  }
  const [best] = bestFirst(rated);
  const nodes = [
    ...bestFirst(rated).map(({ node, scores, total }) => ({ node: node.name, scores, total })),
    ...refused.map(({ node, status }) => ({
      node: node.name,
      refusedBy: status.plugin ?? '',
      reasons: status.reasons,
    })),
  ];
  return { nodes, ...(best === undefined ? {} : { node: best.node.name }) };
}

/** A node that takes the pod. */
export interface RatedNode {
  readonly node: NodeInfo;
  readonly scores: readonly ExplainedScore[];
  readonly total: number;
}

/** What is said of all nodes. */
export interface Assessment {
  /** With the name of its plugin; the nodes were not looked at then. */
  readonly refusedWhole?: Status;
  /** In the order of the cluster. */
  readonly rated: readonly RatedNode[];
  /** Each with the name of the plugin. */
  readonly refused: readonly NodeRefusal[];
}

/** By total, the highest first; of equal ones the first of the cluster. */
function bestFirst(rated: readonly RatedNode[]): readonly RatedNode[] {
  return rated.toSorted((a, b) => b.total - a.total);
}

/** Asks all plugins of a pod that may be tried. */
export function assess(cycle: Cycle, options: ExplainOptions): Assessment {
  const { profile } = options;
  const limits: { readonly plugin: string; readonly names: ReadonlySet<string> }[] = [];
  for (const plugin of profile.preFilter) {
    const { status, nodeNames } = plugin.preFilter(cycle);
    if (isRejected(status) || status.code === 'Error')
      return { refusedWhole: { ...status, plugin: plugin.name }, rated: [], refused: [] };
    if (nodeNames !== undefined) limits.push({ plugin: plugin.name, names: nodeNames });
  }
  const refused: NodeRefusal[] = [];
  const feasible: NodeInfo[] = [];
  const names = limits.map(({ plugin }) => plugin).join(' ');
  for (const node of cycle.cluster.nodes()) {
    const limit = limits.find((one) => !one.names.has(node.name));
    const status: Status =
      limit === undefined
        ? verdict(cycle, node, options)
        : { ...unresolvable(`node(s) didn't satisfy plugin(s) [${names}]`), plugin: limit.plugin };
    if (status === success) feasible.push(node);
    else refused.push({ node, status });
  }
  return { rated: ratings(cycle, feasible, profile), refused };
}

/** Alone, and with the pods counted in that were promised the node. */
function verdict(cycle: Cycle, node: NodeInfo, { profile, nominator }: ExplainOptions): Status {
  const ahead = nominator.ahead(cycle.pod, node.name);
  if (ahead.length > 0) {
    const crowded = node.clone();
    for (const pod of ahead) crowded.addPod(pod);
    const status = whatIf(profile.filter, cycle)(crowded);
    if (status !== success) return status;
  }
  for (const plugin of profile.filter) {
    const status = plugin.filter(cycle)?.(node) ?? success;
    if (status !== success) return { ...status, plugin: plugin.name };
  }
  return success;
}

function ratings(cycle: Cycle, nodes: readonly NodeInfo[], profile: Profile): readonly RatedNode[] {
  const scores: ExplainedScore[][] = nodes.map(() => []);
  if (nodes.length > 0) for (const plugin of profile.preScore) plugin.preScore(cycle, nodes);
  for (const { plugin, weight } of profile.score) {
    const score = plugin.score(cycle);
    if (score === undefined) continue;
    const values = Float64Array.from(nodes, score);
    plugin.normalize?.(values, cycle);
    for (const [index, value] of values.entries()) scores[index]?.push({ plugin: plugin.name, score: value, weight });
  }
  return nodes.map((node, index) => {
    const own = scores[index] ?? [];
    return { node, scores: own, total: own.reduce((sum, { score, weight }) => sum + weight * score, 0) };
  });
}
