/**
 * Faults on demand as data. A rule says what goes wrong (`fault`), for whom (its selection), how often (`share`, `times`) and when (`after`, `for`).
 *
 * Laws:
 * - The first rule that selects a request and has its turn decides about it; no other rule is asked.
 * - Which of the selected requests are hit follows from the seed, the rule's name and the order of these requests alone: rules do not change
 *   each other's chance, and the same run has the same faults.
 * - Time is that of the cluster's clock, virtual or real, from when the rule was added.
 * - Requests of the API server itself (`system:apiserver`) are left alone unless a rule names this user.
 * - A rule that cannot be read is refused with all that is wrong with it, by field, and none of the rules that came with it holds.
 */

import type { StatusReason } from '#pkg/apimachinery/status-error.ts';

/** Where the kinds of faults act. `server`: where the API server has authorized a request. `store`: at its store. `cluster`: in clusters for tests, whose clock and nodes are in reach. */
export type FaultPlace = 'cluster' | 'server' | 'store';

/** How the value of a field is written. */
export type FieldForm = 'code' | 'count' | 'duration' | 'jump' | 'share' | 'text' | 'words';

/** What goes wrong. */
export type FaultKind =
  | 'clock-jump'
  | 'conflict'
  | 'delay'
  | 'disk-full'
  | 'error'
  | 'expired'
  | 'lost-answer'
  | 'lost-leader'
  | 'lost-request'
  | 'node-silence'
  | 'probe-failure'
  | 'watch-delay'
  | 'watch-end';

/** One rule. Durations are texts such as `1.5s`. */
export interface FaultRule {
  /** Unique among the rules that hold. */
  readonly name: string;
  readonly fault: FaultKind;
  /** `create`, `get`, `list`, `watch`, `update`, `patch`, `delete`, `deletecollection`, or `*`. */
  readonly verbs?: readonly string[];
  /** `pods`, `deployments.apps`, `pods/status`, `pods/*`, or `*` for everything. */
  readonly resources?: readonly string[];
  /** Default: all. */
  readonly namespaces?: readonly string[];
  /** Names of the objects. Default: all. Requests without a name, such as lists and most creations, are selected only where this is absent. */
  readonly objects?: readonly string[];
  /** Names of users, such as `system:kube-scheduler`. Default: all but the API server itself. */
  readonly users?: readonly string[];
  readonly nodes?: readonly string[];
  /** Of `probe-failure`: `liveness`, `readiness`, `startup`. Default: all. */
  readonly probes?: readonly string[];
  /** Share of the selected that is hit, from 0 to 1. Default 1. */
  readonly share?: number;
  /** Most hits. Default: any number. */
  readonly times?: number;
  /** How long after it was added the rule begins. Default: at once. */
  readonly after?: string;
  /** How long the rule holds once it has begun. Default: until it is removed. */
  readonly for?: string;
  /** Of `error`. Default 500. */
  readonly code?: number;
  readonly reason?: StatusReason;
  readonly message?: string;
  /** How much later. */
  readonly delay?: string;
  /** How long a watch may live. */
  readonly lifetime?: string;
  /** Name of the lease that cannot be renewed. */
  readonly lease?: string;
  /** By how much the time of day jumps; back where it begins with a minus. */
  readonly by?: string;
}

/** A field that only rules of some kinds have. */
export type FaultField = Exclude<keyof FaultRule, 'fault' | 'name'>;

/** What rules of a kind say. */
export interface FaultKindFacts {
  readonly place: FaultPlace;
  readonly needs: readonly FaultField[];
  readonly takes: readonly FaultField[];
  /** The verbs that a rule of this kind is about. Absent: the rule says them. */
  readonly verbs?: readonly string[];
}

const selection = ['namespaces', 'objects', 'users'] as const;
const frequency = ['share', 'times', 'after', 'for'] as const;
const selected = { place: 'server', needs: ['verbs', 'resources'], takes: [...selection, ...frequency] } as const;

/** The kinds of faults: a new one is an entry here, and what it does in `request-faults.ts`, `cluster-faults.ts` or, at the store, `pkg/cluster/store-faults.ts`. */
export const faultKinds: Readonly<Record<FaultKind, FaultKindFacts>> = {
  error: { ...selected, takes: [...selected.takes, 'code', 'reason', 'message'] },
  conflict: { ...selected, needs: ['resources'], takes: [...selected.takes, 'verbs'], verbs: ['patch', 'update'] },
  delay: { ...selected, needs: ['verbs', 'resources', 'delay'] },
  'lost-request': selected,
  'lost-answer': selected,
  expired: { ...selected, needs: ['resources'], verbs: ['list', 'watch'] },
  'watch-end': { ...selected, needs: ['resources', 'lifetime'], verbs: ['watch'] },
  'watch-delay': { ...selected, needs: ['resources', 'delay'], verbs: ['watch'] },
  'disk-full': { place: 'store', needs: [], takes: ['after'] },
  'node-silence': { place: 'server', needs: ['nodes'], takes: ['after', 'for'] },
  'lost-leader': { place: 'server', needs: ['lease'], takes: ['namespaces', 'after', 'for'] },
  'clock-jump': { place: 'cluster', needs: ['by'], takes: ['after', 'for'] },
  'probe-failure': { place: 'cluster', needs: [], takes: ['namespaces', 'objects', 'nodes', 'probes', ...frequency] },
};

/** How each field is written. */
export const fieldForms: Readonly<Record<FaultField, FieldForm>> = {
  verbs: 'words',
  resources: 'words',
  namespaces: 'words',
  objects: 'words',
  users: 'words',
  nodes: 'words',
  probes: 'words',
  share: 'share',
  times: 'count',
  after: 'duration',
  for: 'duration',
  code: 'code',
  reason: 'text',
  message: 'text',
  delay: 'duration',
  lifetime: 'duration',
  lease: 'text',
  by: 'jump',
};

/** Values that words may have; fields that are not here take any. */
export const knownWords: Partial<Readonly<Record<FaultField, readonly string[]>>> = {
  verbs: ['*', 'create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'proxy', 'update', 'watch'],
  probes: ['liveness', 'readiness', 'startup'],
  reason: [
    'AlreadyExists',
    'BadRequest',
    'Conflict',
    'Expired',
    'Forbidden',
    'Gone',
    'InternalError',
    'Invalid',
    'MethodNotAllowed',
    'NotFound',
    'RequestEntityTooLarge',
    'ServerTimeout',
    'ServiceUnavailable',
    'Timeout',
    'TooManyRequests',
    'Unauthorized',
  ],
};
