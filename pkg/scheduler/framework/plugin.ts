/**
 * The extension points: one tiny interface each. A plugin implements those it needs; the profile's table says which plugins run, in
 * which order and with which weight.
 *
 * Laws of all plugins: pure and synchronous except `Permit`, `PreBind`, `Bind` and `PostBind`; the same arguments give the same
 * answer; shared objects are never changed. Upstream counterpart: kube-scheduler `framework/interface.go`.
 */

import type { NodeInfo } from '../model/node-info.ts';
import type { PodInfo } from '../model/pod-info.ts';
import type { Room } from '../model/room.ts';
import type { Cycle } from './cycle.ts';
import type { EventRegistration } from './events.ts';
import type { Refusals } from './refusals.ts';
import type { Status } from './status.ts';

/** What every plugin has: a name, unique in its profile, and what wakes the pods it refused. */
export interface Plugin {
  readonly name: string;
  /** Which events may make a pod pass that this plugin refused. Absent: every event may. */
  readonly events?: readonly EventRegistration[];
}

/** Decides whether a pod may be tried at all. */
export interface PreEnqueuePlugin extends Plugin {
  preEnqueue(pod: PodInfo): Status;
}

/** A pod in the queue, as far as sorting reads it. */
export interface Sortable {
  readonly pod: PodInfo;
  /** When the pod came into the queue this time, milliseconds. */
  readonly enqueuedMs: number;
}

/** The order of the active queue; a profile has exactly one. */
export interface QueueSortPlugin extends Plugin {
  /** Negative when `a` comes first. */
  compare(a: Sortable, b: Sortable): number;
}

/** What a pre-filter found: a refusal of the pod as a whole, or the only nodes worth a look. */
export interface PreFilterResult {
  readonly status: Status;
  readonly nodeNames?: ReadonlySet<string>;
}

/** Looks at the pod and the whole cluster once, before the nodes one by one. */
export interface PreFilterPlugin extends Plugin {
  preFilter(cycle: Cycle): PreFilterResult;
}

/**
 * Says that an answer for a node depends on nothing but the node and the part of the pod that `sign` writes down, so that the
 * framework may keep answers and ask again only about nodes that have changed.
 */
export interface Memo {
  /** `node`: only what the node says of itself. `pods`: also the pods on it. */
  readonly dependsOn: 'node' | 'pods';
  /** Equal for pods that get equal answers. */
  sign(pod: PodInfo): string;
}

/** Passes or refuses one node for the pod of the cycle it was made in. */
export type NodeCheck = (node: NodeInfo) => Status;

/** Passes or refuses the node in a slot. */
export type SlotCheck = (slot: number) => boolean;

/** Decides, node by node, where the pod can run. */
export interface FilterPlugin extends Plugin {
  readonly filterMemo?: Memo;
  /** The check of one node for this cycle's pod, or undefined when there is nothing to check. */
  filter(cycle: Cycle): NodeCheck | undefined;
  /** The same check by what the nodes have, where that is all it looks at for this cycle's pod: it passes exactly the same nodes. */
  filterByRoom?(cycle: Cycle, room: Room): SlotCheck | undefined;
}

/** How much has happened to nodes, the pods on them and what was promised to pods. */
export interface ChangePosition {
  readonly pods: number;
  readonly promises: number;
}

/** What has changed since a position, but for nodes that are gone. */
export interface ChangedNodes {
  /** The position now. */
  readonly at: ChangePosition;
  /** Undefined when it is not known: all may have. */
  readonly nodes: ReadonlySet<NodeInfo> | undefined;
}

/** What a post-filter may look at to make room. */
export interface PostFilterContext {
  readonly cycle: Cycle;
  readonly refusals: Refusals;
  /** What all filters say with this node in place of the one of its name, pods that were promised it counted in. */
  readonly fits: NodeCheck;
  /** Equal for pods about which `fits` says the same of a node that was promised to the same pods; absent where it looks at other nodes too. */
  readonly signature?: string | undefined;
  /** The pods that were promised a node and that `fits` counts in. */
  promisedOn(node: NodeInfo): readonly PodInfo[];
  /** About which nodes `fits` may say something else than it did at a position. */
  changedSince(position: ChangePosition | undefined): ChangedNodes;
  /** The node that an earlier attempt promised to the pod. */
  readonly nominatedNodeName: string | undefined;
}

/** One way of making room. */
export interface RoomCandidate {
  readonly nodeName: string;
  readonly victims: readonly PodInfo[];
  /** How many of the victims a disruption budget protects. */
  readonly violations: number;
}

/** Whether there will be room, where, and who has to go for it. */
export interface PostFilterResult {
  /** `Success`: there will be room. */
  readonly status: Status;
  /** The node that will take the pod once its victims are gone; `''` takes an earlier promise back. */
  readonly nominatedNodeName?: string;
  /** The pods to evict. */
  readonly victims?: readonly PodInfo[];
  /** All ways of making room that were found: who else has a say may take some away or change their victims. Absent: there is one. */
  readonly candidates?: readonly RoomCandidate[];
  /** The one of them that costs least. */
  choose?(candidates: readonly RoomCandidate[]): RoomCandidate | undefined;
}

/** Runs when no node passed; may choose how to make room. */
export interface PostFilterPlugin extends Plugin {
  postFilter(context: PostFilterContext): PostFilterResult;
}

/**
 * Looks once at the nodes that passed, before they are scored. A cluster has many: a plugin with nothing to do does not go through them. Where all scores depend on
 * their memos alone it is shown no node.
 */
export interface PreScorePlugin extends Plugin {
  preScore(cycle: Cycle, nodes: Iterable<NodeInfo>): Status;
  /** The same of the nodes in these slots by what the nodes have, where that is all it looks at. */
  preScoreByRoom?(cycle: Cycle, slots: Int32Array, room: Room): Status;
}

/** Rates one node for the pod of the cycle it was made in. */
export type NodeScore = (node: NodeInfo) => number;

/** Rates the node in a slot. */
export type SlotScore = (slot: number) => number;

/** Rates the nodes that passed. */
export interface ScorePlugin extends Plugin {
  readonly scoreMemo?: Memo;
  /** The rating of one node, higher is better; undefined when this plugin has no preference for this pod. */
  score(cycle: Cycle): NodeScore | undefined;
  /** The same rating by what the nodes have, where that is all it looks at for this cycle's pod. */
  scoreByRoom?(cycle: Cycle, room: Room): SlotScore | undefined;
}

/** Brings raw scores of the nodes that passed into 0 to 100, in place. Without it a plugin's scores must be in that range already. */
export interface NormalizeScorePlugin extends Plugin {
  normalize(scores: Float64Array, cycle: Cycle): void;
}

/** Keeps something for the pod on its node until it is bound. */
export interface ReservePlugin extends Plugin {
  reserve(cycle: Cycle, nodeName: string): Status;
  /** Takes back `reserve`; also called when it failed. Idempotent. */
  unreserve(cycle: Cycle, nodeName: string): void;
}

/** Lets a pod wait before it is bound. */
export interface PermitPlugin extends Plugin {
  /** Resolves with a `Success`, or with a refusal. Ends promptly when the signal is aborted. */
  permit(cycle: Cycle, nodeName: string, signal: AbortSignal): Promise<Status>;
}

/** Prepares the node's side of the binding, such as a volume. */
export interface PreBindPlugin extends Plugin {
  preBind(cycle: Cycle, nodeName: string, signal: AbortSignal): Promise<Status>;
}

/** Tells the API server; the first that does not skip decides. */
export interface BindPlugin extends Plugin {
  bind(cycle: Cycle, nodeName: string, signal: AbortSignal): Promise<Status>;
}

/** Is told of a binding that was made. */
export interface PostBindPlugin extends Plugin {
  postBind(cycle: Cycle, nodeName: string): void;
}

/** A plugin with whichever extension points it has. */
export type AnyPlugin = Plugin &
  Partial<
    BindPlugin &
      FilterPlugin &
      NormalizeScorePlugin &
      PermitPlugin &
      PostBindPlugin &
      PostFilterPlugin &
      PreBindPlugin &
      PreEnqueuePlugin &
      PreFilterPlugin &
      PreScorePlugin &
      QueueSortPlugin &
      ReservePlugin &
      ScorePlugin
  >;

/** The best score a plugin gives. */
export const scoreMax = 100;
