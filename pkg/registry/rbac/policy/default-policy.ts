/**
 * The roles and bindings that every cluster has from its start, as objects, and how those of an older start are brought up to date: what is missing is
 * added, and what people added stays. An object whose annotation `rbac.authorization.kubernetes.io/autoupdate` is `false` is left alone.
 * Source: upstream `bootstrappolicy`, `pkg/registry/rbac/reconciliation`, and kubeadm for those that begin with its name.
 */
import { deepEqual } from '#pkg/apimachinery/json.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { fieldsOf, objectsAt } from '../../draft.ts';
import { rulesOf, uncoveredRules } from '../policy-rule.ts';
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
  subjects: readonly JsonObject[],
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
const clusterBindings: Readonly<Record<string, readonly JsonObject[]>> = {
  'cluster-admin': [group('system:masters')],
  'system:basic-user': everybody,
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
const kubeadmBindings: Readonly<Record<string, { readonly role: string; readonly subjects: readonly JsonObject[] }>> = {
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
  readonly clusterroles: readonly JsonObject[];
  readonly clusterrolebindings: readonly JsonObject[];
  readonly roles: readonly JsonObject[];
  readonly rolebindings: readonly JsonObject[];
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
): JsonObject {
  return {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults', ...labels },
    annotations: { [autoUpdate]: 'true' },
  };
}

function clusterRole(name: string, rules: readonly string[]): JsonObject {
  const target = aggregatesTo[name];
  const labels = target === undefined ? {} : { [aggregateTo(target)]: 'true' };
  const metadata = metadataOf(name, { labels });
  if (!aggregatedRoles.includes(name)) return { metadata, rules: rules.map(ruleFromText) };
  const clusterRoleSelectors = [{ matchLabels: { [aggregateTo(name)]: 'true' } }];
  return { metadata, aggregationRule: { clusterRoleSelectors } };
}

function clusterBinding(name: string, role: string, subjects: readonly JsonObject[]): JsonObject {
  return {
    metadata: metadataOf(name),
    ...(subjects.length === 0 ? {} : { subjects }),
    roleRef: { apiGroup: rbacGroup, kind: 'ClusterRole', name: role },
  };
}

function user(name: string): JsonObject {
  return { kind: 'User', apiGroup: rbacGroup, name };
}

function group(name: string): JsonObject {
  return { kind: 'Group', apiGroup: rbacGroup, name };
}

function account(name: string): JsonObject {
  return { kind: 'ServiceAccount', name, namespace: 'kube-system' };
}

/** A default role or binding with what it lacks, or undefined when it lacks nothing or is to be left alone. */
export function reconciled(there: KubeObject, wanted: JsonObject): JsonObject | undefined {
  const own = fieldsOf(there);
  if (there.metadata?.annotations?.[autoUpdate] === 'false') return undefined;
  const changed: JsonObject = { ...own };
  // Nearly always they are the same: that is what a start has time for.
  const missingRules = deepEqual(own.rules, wanted.rules) ? [] : uncoveredRules(rulesOf(own), rulesOf(wanted));
  if (missingRules.length > 0) changed.rules = [...objectsAt(own, 'rules'), ...missingRules.map(storedRule)];
  const subjects = objectsAt(own, 'subjects');
  const missing = objectsAt(wanted, 'subjects').filter((one) => !subjects.some((other) => deepEqual(one, other)));
  if (missing.length > 0) changed.subjects = [...subjects, ...missing];
  const metadata = wanted.metadata as { labels: Record<string, string>; annotations: Record<string, string> };
  const [labels, annotations] = [there.metadata?.labels ?? {}, there.metadata?.annotations ?? {}];
  const lacksMetadata =
    Object.keys(metadata.labels).some((key) => labels[key] === undefined) || annotations[autoUpdate] === undefined;
  if (lacksMetadata) {
    const merged = {
      labels: { ...metadata.labels, ...labels },
      annotations: { ...metadata.annotations, ...annotations },
    };
    changed.metadata = { ...there.metadata, ...merged };
  }
  return missingRules.length > 0 || missing.length > 0 || lacksMetadata ? changed : undefined;
}

/** A rule without the lists that it does not have. */
function storedRule(rule: object): JsonObject {
  return Object.fromEntries(Object.entries(rule).filter(([, values]) => values.length > 0));
}
