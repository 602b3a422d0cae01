/**
 * The roles and bindings that every cluster has from its start, as objects, and how those of an older start are brought up to date: what is missing is
 * added, and what people added stays. An object whose annotation `rbac.authorization.kubernetes.io/autoupdate` is `false` is left alone.
 * Source: upstream `bootstrappolicy`, `pkg/registry/rbac/reconciliation`, and kubeadm for those that begin with its name.
 */
import type {
  ClusterRole,
  ClusterRoleBinding,
  Role,
  RoleBinding,
  PolicyRule as StoredRule,
  Subject,
} from '#pkg/api/types/rbac-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import type { KubeObject, ObjectMeta } from '#pkg/apimachinery/object.ts';
import { type PolicyRule, rulesOf, uncoveredRules } from '../policy-rule.ts';
import { aggregatedRoles, aggregatesTo, clusterRoleRules, nodeRules } from './cluster-roles.ts';
import { controllerRules } from './controller-roles.ts';
import { eventsRule, ruleFromText } from './rule-text.ts';

const rbacGroup = 'rbac.authorization.k8s.io';
const autoUpdate = 'rbac.authorization.kubernetes.io/autoupdate';
const aggregateTo = (role: string): string => `${rbacGroup}/aggregate-to-${role}`;

/** Roles by namespace and name. */
const namespaceRoles: readonly (readonly [namespace: string, name: string, rules: readonly string[]])[] = [
  [
    'kube-public',
    'system:controller:bootstrap-signer',
    ['get,list,watch core configmaps', 'update core configmaps cluster-info', eventsRule],
  ],
  [
    'kube-system',
    'extension-apiserver-authentication-reader',
    ['get,list,watch core configmaps extension-apiserver-authentication'],
  ],
  [
    'kube-system',
    'system::leader-locking-kube-controller-manager',
    ['watch core configmaps', 'get,update core configmaps kube-controller-manager'],
  ],
  [
    'kube-system',
    'system::leader-locking-kube-scheduler',
    ['watch core configmaps', 'get,update core configmaps kube-scheduler'],
  ],
  ['kube-system', 'system:controller:bootstrap-signer', ['get,list,watch core secrets']],
  ['kube-system', 'system:controller:cloud-provider', ['create,get,list,watch core configmaps']],
  ['kube-system', 'system:controller:token-cleaner', ['delete,get,list,watch core secrets', eventsRule]],
];

/** Bindings in a namespace: name, role, subjects. */
const namespaceBindings: readonly (readonly [
  namespace: string,
  name: string,
  role: string,
  subjects: readonly Subject[],
])[] = [
  [
    'kube-public',
    'system:controller:bootstrap-signer',
    'system:controller:bootstrap-signer',
    [account('bootstrap-signer')],
  ],
  [
    'kube-system',
    'system::extension-apiserver-authentication-reader',
    'extension-apiserver-authentication-reader',
    [user('system:kube-controller-manager'), user('system:kube-scheduler')],
  ],
  [
    'kube-system',
    'system::leader-locking-kube-controller-manager',
    'system::leader-locking-kube-controller-manager',
    [user('system:kube-controller-manager'), account('kube-controller-manager')],
  ],
  [
    'kube-system',
    'system::leader-locking-kube-scheduler',
    'system::leader-locking-kube-scheduler',
    [user('system:kube-scheduler'), account('kube-scheduler')],
  ],
  [
    'kube-system',
    'system:controller:bootstrap-signer',
    'system:controller:bootstrap-signer',
    [account('bootstrap-signer')],
  ],
  ['kube-system', 'system:controller:cloud-provider', 'system:controller:cloud-provider', [account('cloud-provider')]],
  ['kube-system', 'system:controller:token-cleaner', 'system:controller:token-cleaner', [account('token-cleaner')]],
];

const everybody = [group('system:authenticated')];

/** Bindings in the whole cluster to the role of the same name. */
const clusterBindings: Readonly<Record<string, readonly Subject[]>> = {
  'cluster-admin': [group('system:masters')],
  'system:basic-user': everybody,
  'system:coxswain:machine-nodes': [group('system:nodes')],
  'system:coxswain:nodes': [user('system:coxswain:nodes')],
  'system:discovery': everybody,
  'system:kube-controller-manager': [user('system:kube-controller-manager')],
  'system:kube-dns': [account('kube-dns')],
  'system:kube-scheduler': [user('system:kube-scheduler')],
  'system:monitoring': [group('system:monitoring')],
  'system:node': [],
  'system:node-proxier': [user('system:kube-proxy')],
  'system:public-info-viewer': [...everybody, group('system:unauthenticated')],
  'system:service-account-issuer-discovery': [group('system:serviceaccounts')],
  'system:volume-scheduler': [user('system:kube-scheduler')],
};

const requests = 'system:certificates.k8s.io:certificatesigningrequests';
const joining = group('system:bootstrappers:kubeadm:default-node-token');

/** What kubeadm binds when it makes a cluster. Source: `cmd/kubeadm/app/phases/bootstraptoken/node`, `phases/kubeconfig`. */
const kubeadmBindings: Readonly<Record<string, { readonly role: string; readonly subjects: readonly Subject[] }>> = {
  'kubeadm:cluster-admins': { role: 'cluster-admin', subjects: [group('kubeadm:cluster-admins')] },
  'kubeadm:kubelet-bootstrap': { role: 'system:node-bootstrapper', subjects: [joining] },
  'kubeadm:node-autoapprove-bootstrap': { role: `${requests}:nodeclient`, subjects: [joining] },
  'kubeadm:node-autoapprove-certificate-rotation': {
    role: `${requests}:selfnodeclient`,
    subjects: [group('system:nodes')],
  },
};

/** What one user may do beyond that: a cluster role and the binding of the same name. */
export interface Grant {
  readonly role: string;
  readonly user: string;
  /** Lines as `rule-text.ts` reads them. */
  readonly rules: readonly string[];
}

/** All of them, by resource. Their type is not named. */
export interface DefaultPolicy {
  readonly clusterroles: readonly ClusterRole[];
  readonly clusterrolebindings: readonly ClusterRoleBinding[];
  readonly roles: readonly Role[];
  readonly rolebindings: readonly RoleBinding[];
}

/** The default policy, and what else is granted. */
export function defaultPolicy(grants: readonly Grant[] = []): DefaultPolicy {
  const controllers = Object.entries(controllerRules);
  return {
    clusterroles: [
      ...Object.entries(clusterRoleRules).map(([name, rules]) => clusterRole(name, rules)),
      clusterRole('system:node', nodeRules),
      ...controllers.map(([name, rules]) => clusterRole(`system:controller:${name}`, rules)),
      ...grants.map(({ role, rules }) => clusterRole(role, rules)),
    ],
    clusterrolebindings: [
      ...Object.entries(clusterBindings).map(([name, subjects]) => clusterBinding(name, name, subjects)),
      ...Object.entries(kubeadmBindings).map(([name, { role, subjects }]) => clusterBinding(name, role, subjects)),
      ...controllers.map(([name]) => {
        const role = `system:controller:${name}`;
        return clusterBinding(role, role, [account(name)]);
      }),
      ...grants.map(({ role, user: name }) => clusterBinding(role, role, [user(name)])),
    ],
    roles: namespaceRoles.map(([namespace, name, rules]) => ({
      metadata: metadataOf(name, { namespace }),
      rules: rules.map(ruleFromText),
    })),
    rolebindings: namespaceBindings.map(([namespace, name, role, subjects]) => ({
      metadata: metadataOf(name, { namespace }),
      subjects,
      roleRef: { apiGroup: rbacGroup, kind: 'Role', name: role },
    })),
  };
}

function metadataOf(
  name: string,
  { namespace, labels = {} }: { readonly namespace?: string; readonly labels?: Readonly<Record<string, string>> } = {},
): ObjectMeta {
  return {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults', ...labels },
    annotations: { [autoUpdate]: 'true' },
  };
}

function clusterRole(name: string, rules: readonly string[]): ClusterRole {
  const target = aggregatesTo[name];
  const labels = target === undefined ? {} : { [aggregateTo(target)]: 'true' };
  const metadata = metadataOf(name, { labels });
  if (!aggregatedRoles.includes(name)) return { metadata, rules: rules.map(ruleFromText) };
  const clusterRoleSelectors = [{ matchLabels: { [aggregateTo(name)]: 'true' } }];
  return { metadata, aggregationRule: { clusterRoleSelectors } };
}

function clusterBinding(name: string, role: string, subjects: readonly Subject[]): ClusterRoleBinding {
  return {
    metadata: metadataOf(name),
    ...(subjects.length === 0 ? {} : { subjects }),
    roleRef: { apiGroup: rbacGroup, kind: 'ClusterRole', name: role },
  };
}

function user(name: string): Subject {
  return { kind: 'User', apiGroup: rbacGroup, name };
}

function group(name: string): Subject {
  return { kind: 'Group', apiGroup: rbacGroup, name };
}

function account(name: string): Subject {
  return { kind: 'ServiceAccount', name, namespace: 'kube-system' };
}

/** A default role with what it lacks, or undefined when it lacks nothing or is to be left alone. */
export function reconciledRole<T extends Given<ClusterRole | Role>>(
  there: T,
  wanted: Given<ClusterRole | Role>,
): T | undefined {
  if (isLeftAlone(there)) return undefined;
  // Nearly always they are the same: that is what a start has time for.
  const missing = deepEqual(there.rules, wanted.rules) ? [] : uncoveredRules(rulesOf(there), rulesOf(wanted));
  const metadata = completedMetadata(there, wanted);
  if (missing.length === 0 && metadata === undefined) return undefined;
  const rules = missing.length === 0 ? {} : { rules: [...(there.rules ?? []), ...missing.map(storedRule)] };
  return { ...there, ...rules, ...(metadata && { metadata }) };
}

/** The same of a binding. */
export function reconciledBinding<T extends Given<ClusterRoleBinding | RoleBinding>>(
  there: T,
  wanted: Given<ClusterRoleBinding | RoleBinding>,
): T | undefined {
  if (isLeftAlone(there)) return undefined;
  const own = there.subjects ?? [];
  const missing = (wanted.subjects ?? []).filter((one) => !own.some((other) => deepEqual(one, other)));
  const metadata = completedMetadata(there, wanted);
  if (missing.length === 0 && metadata === undefined) return undefined;
  const subjects = missing.length === 0 ? {} : { subjects: [...own, ...missing] };
  return { ...there, ...subjects, ...(metadata && { metadata }) };
}

function isLeftAlone({ metadata }: KubeObject): boolean {
  return metadata?.annotations?.[autoUpdate] === 'false';
}

/** Metadata with the labels and annotations that it lacks; undefined when it lacks none. */
function completedMetadata(there: KubeObject, { metadata: wanted = {} }: KubeObject): ObjectMeta | undefined {
  const { labels = {}, annotations = {} } = there.metadata ?? {};
  const lacks = Object.keys(wanted.labels ?? {}).some((key) => labels[key] === undefined);
  if (!lacks && annotations[autoUpdate] !== undefined) return undefined;
  return {
    ...there.metadata,
    labels: { ...wanted.labels, ...labels },
    annotations: { ...wanted.annotations, ...annotations },
  };
}

/** A rule without the lists that it does not have. */
function storedRule({ verbs, ...lists }: PolicyRule): StoredRule {
  return { ...Object.fromEntries(Object.entries(lists).filter(([, values]) => values.length > 0)), verbs };
}
