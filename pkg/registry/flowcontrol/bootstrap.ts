/**
 * The flow schemas and priority levels that every cluster has from the start. Those that are suggested may be changed. Source: upstream `pkg/apis/flowcontrol/bootstrap/default.go`.
 */
import type {
  FlowSchema,
  PolicyRulesWithSubjects,
  PriorityLevelConfiguration,
  Subject,
} from '#pkg/api/types/flowcontrol-v1.ts';

/** Of both kinds: they may not be changed, and count whether there are objects of them or not. */
export const mandatoryNames: ReadonlySet<string> = new Set(['catch-all', 'exempt']);

/** What the status of a flow schema says of its level. Source: upstream `presyncFlowSchemaStatus`. */
export function danglingCondition(
  level: string,
  isDangling: boolean,
): { readonly type: 'Dangling'; readonly status: 'False' | 'True'; readonly reason: string; readonly message: string } {
  const end = isDangling ? 'but there is no such object' : 'and it exists';
  const message = `This FlowSchema references the PriorityLevelConfiguration object named "${level}" ${end}`;
  return {
    type: 'Dangling',
    status: isDangling ? 'True' : 'False',
    reason: isDangling ? 'NotFound' : 'Found',
    message,
  };
}

/** Set on objects that a newer server may bring up to date. */
const annotations = { 'apf.kubernetes.io/autoupdate-spec': 'true' };

const everything = { verbs: ['*'], apiGroups: ['*'], resources: ['*'], clusterScope: true, namespaces: ['*'] };
const everyPath = { verbs: ['*'], nonResourceURLs: ['*'] };

const groups = (...names: readonly string[]): readonly Subject[] =>
  names.map((name) => ({ kind: 'Group', group: { name } }));
const users = (...names: readonly string[]): readonly Subject[] =>
  names.map((name) => ({ kind: 'User', user: { name } }));
const systemAccounts: Subject = { kind: 'ServiceAccount', serviceAccount: { namespace: 'kube-system', name: '*' } };
const everybody = groups('system:unauthenticated', 'system:authenticated');
const leases = { apiGroups: ['coordination.k8s.io'], resources: ['leases'], namespaces: ['*'] };

interface Schema {
  readonly level: string;
  readonly precedence: number;
  readonly by?: 'ByNamespace' | 'ByUser';
  readonly subjects: readonly Subject[];
  /** Default: everything. */
  readonly rules?: Omit<PolicyRulesWithSubjects, 'subjects'>;
}

const schemas: Readonly<Record<string, Schema>> = {
  exempt: { level: 'exempt', precedence: 1, subjects: groups('system:masters') },
  'catch-all': { level: 'catch-all', precedence: 10_000, by: 'ByUser', subjects: everybody },
  'system-nodes': { level: 'system', precedence: 500, by: 'ByUser', subjects: groups('system:nodes') },
  'system-node-high': {
    level: 'node-high',
    precedence: 400,
    by: 'ByUser',
    subjects: groups('system:nodes'),
    rules: {
      resourceRules: [
        { ...everything, apiGroups: [''], resources: ['nodes', 'nodes/status'] },
        { ...leases, verbs: ['*'] },
      ],
    },
  },
  probes: {
    level: 'exempt',
    precedence: 2,
    subjects: everybody,
    rules: { nonResourceRules: [{ verbs: ['get'], nonResourceURLs: ['/healthz', '/readyz', '/livez'] }] },
  },
  'system-leader-election': {
    level: 'leader-election',
    precedence: 100,
    by: 'ByUser',
    subjects: [...users('system:kube-controller-manager', 'system:kube-scheduler'), systemAccounts],
    rules: { resourceRules: [{ ...leases, verbs: ['get', 'create', 'update'] }] },
  },
  'kube-controller-manager': {
    level: 'workload-high',
    precedence: 800,
    by: 'ByNamespace',
    subjects: users('system:kube-controller-manager'),
  },
  'kube-scheduler': {
    level: 'workload-high',
    precedence: 800,
    by: 'ByNamespace',
    subjects: users('system:kube-scheduler'),
  },
  'kube-system-service-accounts': {
    level: 'workload-high',
    precedence: 900,
    by: 'ByNamespace',
    subjects: [systemAccounts],
  },
  'service-accounts': {
    level: 'workload-low',
    precedence: 9_000,
    by: 'ByUser',
    subjects: groups('system:serviceaccounts'),
  },
  'global-default': { level: 'global-default', precedence: 9_900, by: 'ByUser', subjects: everybody },
};

/** The flow schemas, without what the server adds. */
export const bootstrapFlowSchemas: readonly FlowSchema[] = Object.entries(schemas).map(
  ([name, { level, precedence, by, subjects, rules }]) => ({
    metadata: { name, annotations },
    spec: {
      priorityLevelConfiguration: { name: level },
      matchingPrecedence: precedence,
      ...(by === undefined ? {} : { distinguisherMethod: { type: by } }),
      rules: [{ subjects, ...(rules ?? { resourceRules: [everything], nonResourceRules: [everyPath] }) }],
    },
  }),
);

/** Shares, percent to lend, queues and hand size of the levels that queue. */
const queuingLevels: Readonly<
  Record<string, readonly [shares: number, lendable: number, queues: number, hand: number]>
> = {
  system: [30, 33, 64, 6],
  'node-high': [40, 25, 64, 6],
  'leader-election': [10, 0, 16, 4],
  'workload-high': [40, 50, 128, 6],
  'workload-low': [100, 90, 128, 6],
  'global-default': [20, 50, 128, 6],
};

/** The priority levels, without what the server adds. */
export const bootstrapPriorityLevels: readonly PriorityLevelConfiguration[] = [
  {
    metadata: { name: 'exempt', annotations },
    spec: { type: 'Exempt', exempt: { nominalConcurrencyShares: 0, lendablePercent: 0 } },
  },
  {
    metadata: { name: 'catch-all', annotations },
    spec: {
      type: 'Limited',
      limited: { nominalConcurrencyShares: 5, limitResponse: { type: 'Reject' }, lendablePercent: 0 },
    },
  },
  ...Object.entries(queuingLevels).map(([name, [shares, lendable, queues, handSize]]) => ({
    metadata: { name, annotations },
    spec: {
      type: 'Limited',
      limited: {
        nominalConcurrencyShares: shares,
        limitResponse: { type: 'Queue', queuing: { queues, handSize, queueLengthLimit: 50 } },
        lendablePercent: lendable,
      },
    },
  })),
];
