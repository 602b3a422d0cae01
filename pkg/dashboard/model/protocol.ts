/**
 * What the page and its server say to each other, as types alone: requests over HTTP, and messages over the one WebSocket of a page. On that each view that
 * is open has a number of the page's choice. The server only ever says how a view is now and what changed of what it said before, so that a page that reads slowly
 * misses steps and never the state.
 */

/** A resource of the API, as discovery names it. */
export interface ResourceId {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
}

/** A resource that can be listed, with what may be done about it where one has the right. */
export interface ResourceInfo extends ResourceId {
  readonly kind: string;
  readonly namespaced: boolean;
  readonly verbs: readonly string[];
}

/** Who is signed in, or how one can. */
export interface SessionInfo {
  readonly cluster: string;
  readonly user?: { readonly name: string; readonly groups: readonly string[] };
}

/** A refusal, in the API server's own words where it is its own. */
export interface Problem {
  readonly message: string;
  readonly reason?: string;
  /** What is wrong with which field; for conflicts of ownership, who owns it. */
  readonly causes?: readonly { readonly field: string; readonly message: string }[];
}

/** An object to look at and to change. */
export interface ObjectText {
  readonly yaml: string;
  readonly resourceVersion: string;
}

/** A changed document. */
export interface ApplyRequest {
  readonly yaml: string;
  /** Takes over fields that other managers own. */
  readonly force?: boolean;
  /** Only says what would come of it. */
  readonly dryRun?: boolean;
}

/** How many, which and in which order. */
export interface ListQuery {
  readonly kind: 'list';
  readonly resource: ResourceId;
  /** Empty: of all namespaces. */
  readonly namespace?: string;
  /** A label selector in kubectl's form. */
  readonly labels?: string;
  /** Part of a name; of events, of what they say and are about, too. */
  readonly text?: string;
  /** Only the object of that very name. */
  readonly name?: string;
  /** Only pods of a node. */
  readonly node?: string;
  /** Only pods in this phase. */
  readonly phase?: string;
  /** Only what an object with this uid controls. */
  readonly owner?: string;
  /** Only events about `Kind/namespace/name`. */
  readonly about?: string;
  readonly sort?: Sort;
  readonly from: number;
  readonly count: number;
}

/** By a column's index, by name, or by time: of events when they were last seen, of others when they were made. */
export interface Sort {
  readonly by: number | 'name' | 'time';
  readonly descending: boolean;
}

/** How full each node is. */
export interface NodesQuery {
  readonly kind: 'nodes';
}

/** What a container writes. */
export interface LogQuery {
  readonly kind: 'log';
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly previous: boolean;
}

/** A command in a container, with a terminal. */
export interface ExecQuery {
  readonly kind: 'exec';
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly command: readonly string[];
}

/** The time of a cluster that is steered. */
export interface TimeQuery {
  readonly kind: 'time';
}

/** What a view can be of. */
export type ViewQuery = ExecQuery | ListQuery | LogQuery | NodesQuery | TimeQuery;

/** From the page. */
export type PageMessage =
  | { readonly type: 'close'; readonly id: number }
  | { readonly type: 'input'; readonly id: number; readonly text: string }
  | { readonly type: 'open'; readonly id: number; readonly query: ViewQuery }
  | { readonly type: 'resize'; readonly id: number; readonly width: number; readonly height: number }
  | { readonly type: 'window'; readonly id: number; readonly from: number; readonly count: number };

/** A column of a list, as the API server says. */
export interface Column {
  readonly name: string;
  readonly description: string;
  /** Greater than 0: only where there is room. */
  readonly priority: number;
}

/** What the server understands of an object beside its cells; fields are there where they mean something. */
export interface Facts {
  /** Pods: the node. */
  readonly node?: string;
  /** Requests of a pod, what a node can give: thousandths of a core, bytes, pods. */
  readonly cpu?: number;
  readonly memory?: number;
  readonly pods?: number;
  readonly phase?: string;
  /** Nodes: Ready, and not for new pods. */
  readonly ready?: boolean;
  readonly closed?: boolean;
  /** The uid of what controls it. */
  readonly owner?: string;
  /** Events: what they are about, and their type. */
  readonly about?: string;
  readonly warning?: boolean;
  /** Containers of a pod. */
  readonly containers?: readonly string[];
  readonly rollout?: Rollout;
  readonly run?: RunFacts;
  readonly migration?: MigrationFacts;
}

/** A virtual machine on its way to another node. */
export interface MigrationFacts {
  readonly machine: string;
  /** `pre-copy`, `post-copy` and so on. */
  readonly mode: string;
  /** Names of nodes; empty while they are not known. */
  readonly from: string;
  readonly to: string;
  /** Why it is where it is; empty where there is nothing to say. */
  readonly why: string;
  readonly hasEnded: boolean;
  /** Milliseconds since the epoch; 0 for not yet. */
  readonly started: number;
  readonly ended: number;
  /** The latest, in order. */
  readonly rounds: readonly MigrationRound[];
  readonly sentBytes: number;
  /** Bytes a second, as it was measured last. */
  readonly bandwidth: number;
  /** What part of the time the machine may run, so that it writes less; 1 for all. */
  readonly throttle: number;
  /** How long the machine stood still; -1 while that is not known. */
  readonly downtimeMs: number;
  /** Pages that the machine waited for at its new place, and that came before it asked. */
  readonly faults: number;
  readonly pushed: number;
}

/** Pages that were sent, and those that the machine wrote meanwhile. */
export interface MigrationRound {
  readonly round: number;
  readonly pages: number;
  readonly bytes: number;
  readonly durationMs: number;
  readonly dirtied: number;
}

/** One commit on its way through a pipeline. */
export interface RunFacts {
  readonly pipeline: string;
  /** The branch or tag. */
  readonly ref: string;
  readonly commit: string;
  readonly author: string;
  /** Why it is where it is. */
  readonly message: string;
  readonly hasEnded: boolean;
  readonly steps: readonly StepFacts[];
}

/** A step of it; texts are empty where there is nothing to say. */
export interface StepFacts {
  readonly name: string;
  readonly kind: 'build' | 'checkout' | 'deploy' | 'run';
  /** Names of the steps that it waits for. */
  readonly after: readonly string[];
  readonly phase: string;
  readonly reason: string;
  readonly message: string;
  /** Milliseconds since the epoch; 0 for not yet. */
  readonly started: number;
  readonly ended: number;
  /** Whose logs are the step's. */
  readonly pod: string;
  /** What a build has made, or a deploy step put in place. */
  readonly image: string;
  /** The Deployment of a deploy step. */
  readonly target: { readonly namespace: string; readonly name: string };
}

/** How far a Deployment or the like has come, or what a replica set of one has. */
export interface Rollout {
  readonly desired: number;
  readonly updated: number;
  readonly ready: number;
  readonly total: number;
  readonly revision: string;
  readonly paused: boolean;
  readonly images: readonly string[];
  /** What its condition Progressing says. */
  readonly message: string;
}

/** One object of a list. */
export interface Row {
  /** `namespace/name`. */
  readonly key: string;
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly cells: readonly (string | number | boolean | null)[];
  /** Milliseconds since the epoch. */
  readonly created: number;
  readonly time: number;
  readonly deleting: boolean;
  readonly facts: Facts;
}

/** Part of a list as it is now: all its keys, and those rows that were not said before. */
export interface RowsMessage {
  readonly type: 'rows';
  readonly id: number;
  readonly from: number;
  /** Rows that match. */
  readonly total: number;
  /** Rows of the resource that the server knows, of how many: it reads them bit by bit. */
  readonly known: number;
  readonly expected: number;
  readonly columns?: readonly Column[];
  readonly keys: readonly string[];
  readonly rows: readonly Row[];
}

/** A node: name, ready, closed, then of CPU, memory and pods what it has and what is taken. */
export type NodeTotals = readonly [
  name: string,
  ready: boolean,
  closed: boolean,
  cpu: number,
  cpuTaken: number,
  memory: number,
  memoryTaken: number,
  pods: number,
  podsTaken: number,
];

/** Nodes that changed, and names of those that are gone. */
export interface NodesMessage {
  readonly type: 'nodes';
  readonly id: number;
  readonly isComplete: boolean;
  readonly nodes: readonly NodeTotals[];
  readonly gone: readonly string[];
  /** Pods that are on no node. */
  readonly pending: number;
}

/** Time under somebody's hand. */
export interface TimeInfo {
  /** RFC 3339. */
  readonly now: string;
  readonly paused: boolean;
  /** A number, or `max`. */
  readonly speed: string;
  /** Where the steps under way end. */
  readonly stepsTo?: string;
}

/** To the page. */
export type ServerMessage =
  | NodesMessage
  | RowsMessage
  | { readonly type: 'time'; readonly id: number; readonly time: TimeInfo }
  /** The view has ended; without `problem` as it should. */
  | { readonly type: 'end'; readonly id: number; readonly problem?: string; readonly code?: number }
  /** It goes on, but not now. */
  | { readonly type: 'problem'; readonly id: number; readonly problem: string }
  | { readonly type: 'text'; readonly id: number; readonly text: string };

/** Where pods would go, as the scheduler explains it. */
export interface PlacementText {
  readonly node?: string;
  readonly refusedWhole?: { readonly plugin: string; readonly reasons: readonly string[] };
  readonly nodes: readonly (
    | { readonly node: string; readonly refusedBy: string; readonly reasons: readonly string[] }
    | {
        readonly node: string;
        readonly scores: readonly { readonly plugin: string; readonly score: number; readonly weight: number }[];
        readonly total: number;
      }
  )[];
}
