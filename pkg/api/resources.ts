/**
 * Every built-in resource: its names, scope, verbs and subresources, derived from the table of API facts. What cannot be
 * derived (short names, categories, irregular plurals, which subresources have a kind of their own) is listed here.
 * Sources: API reference; `kubectl api-resources` of 1.36; registry storage types' `ShortNames` and `Categories`.
 */
import { apiVersionOf, type GroupVersionResource } from '#pkg/apimachinery/object.ts';
import { type KindFact, kindFacts } from './facts.ts';

/** What can be done with a resource, as discovery names it. */
export type Verb = 'create' | 'delete' | 'deletecollection' | 'get' | 'list' | 'patch' | 'update' | 'watch';

/** A subresource and the kind its bodies have. */
export interface SubresourceInfo {
  readonly name: string;
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly verbs: readonly Verb[];
}

/** One resource in one version, as discovery lists it. */
export interface ResourceInfo extends GroupVersionResource {
  readonly kind: string;
  /** Full type name, such as `io.k8s.api.core.v1.Pod`. */
  readonly type: string;
  readonly singular: string;
  readonly namespaced: boolean;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly verbs: readonly Verb[];
  readonly subresources: readonly SubresourceInfo[];
  /** Served without being asked for: stable versions and what Kubernetes 1.36 enables by default. */
  readonly enabledByDefault: boolean;
}

const allVerbs: readonly Verb[] = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];
const readWrite: readonly Verb[] = ['get', 'patch', 'update'];
const createOnly: readonly Verb[] = ['create'];

const shortNames: Readonly<Record<string, readonly string[]>> = {
  ComponentStatus: ['cs'],
  ConfigMap: ['cm'],
  Endpoints: ['ep'],
  Event: ['ev'],
  LimitRange: ['limits'],
  Namespace: ['ns'],
  Node: ['no'],
  PersistentVolume: ['pv'],
  PersistentVolumeClaim: ['pvc'],
  Pod: ['po'],
  ReplicationController: ['rc'],
  ResourceQuota: ['quota'],
  Service: ['svc'],
  ServiceAccount: ['sa'],
  CustomResourceDefinition: ['crd', 'crds'],
  DaemonSet: ['ds'],
  Deployment: ['deploy'],
  ReplicaSet: ['rs'],
  StatefulSet: ['sts'],
  HorizontalPodAutoscaler: ['hpa'],
  CronJob: ['cj'],
  CertificateSigningRequest: ['csr'],
  IPAddress: ['ip'],
  Ingress: ['ing'],
  NetworkPolicy: ['netpol'],
  PodDisruptionBudget: ['pdb'],
  PriorityClass: ['pc'],
  StorageClass: ['sc'],
  VolumeAttributesClass: ['vac'],
};

/** Kinds that `kubectl get all` and `api-extensions` show. */
const categories: Readonly<Record<string, readonly string[]>> = {
  Pod: ['all'],
  ReplicationController: ['all'],
  Service: ['all'],
  DaemonSet: ['all'],
  Deployment: ['all'],
  ReplicaSet: ['all'],
  StatefulSet: ['all'],
  HorizontalPodAutoscaler: ['all'],
  CronJob: ['all'],
  Job: ['all'],
  CustomResourceDefinition: ['api-extensions'],
  MutatingAdmissionPolicy: ['api-extensions'],
  MutatingAdmissionPolicyBinding: ['api-extensions'],
  MutatingWebhookConfiguration: ['api-extensions'],
  ValidatingAdmissionPolicy: ['api-extensions'],
  ValidatingAdmissionPolicyBinding: ['api-extensions'],
  ValidatingWebhookConfiguration: ['api-extensions'],
};

/** Subresources whose bodies have a kind of their own. Those that the table does not list are their definitions' (`pkg/registry`). */
const subresourceKinds: Readonly<Record<string, Omit<SubresourceInfo, 'name'>>> = {
  scale: { group: 'autoscaling', version: 'v1', kind: 'Scale', verbs: readWrite },
  token: { group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest', verbs: createOnly },
};

/** Irregular: a plural that is the same word, or one that is not a resource of its own. */
const plurals: Readonly<Record<string, string>> = { Endpoints: 'endpoints', NodeMetrics: 'nodes', PodMetrics: 'pods' };

/** Plural of a kind as the API spells it. Source: apimachinery `meta.UnsafeGuessKindToResource`. */
export function pluralOf(kind: string): string {
  const lower = kind.toLowerCase();
  const irregular = plurals[kind];
  if (irregular !== undefined) return irregular;
  if (lower.endsWith('s')) return `${lower}es`;
  if (lower.endsWith('y')) return `${lower.slice(0, -1)}ies`;
  return `${lower}s`;
}

/** Beta versions that 1.36 serves without being asked; it serves no other beta or alpha. */
const defaultBetas: ReadonlySet<string> = new Set<string>();

function describe(fact: KindFact): ResourceInfo {
  const own = { group: fact.group, version: fact.version, kind: fact.kind, verbs: readWrite };
  const named = (fact.subresources ?? []).map((name) => ({ name, ...(subresourceKinds[name] ?? own) }));
  const isReview = fact.onlyVerbs !== undefined;
  const status = fact.status && !isReview ? [{ name: 'status', ...own }] : [];
  const lower = fact.kind.toLowerCase();
  return {
    group: fact.group,
    version: fact.version,
    resource: pluralOf(fact.kind),
    kind: fact.kind,
    type: fact.type,
    singular: lower,
    namespaced: fact.namespaced === true,
    shortNames: shortNames[fact.kind] ?? [],
    categories: categories[fact.kind] ?? [],
    verbs: verbsOf(fact),
    subresources: [...named, ...status],
    enabledByDefault: !/alpha|beta/.test(fact.version) || defaultBetas.has(`${fact.group}/${fact.version}`),
  };
}

function verbsOf(fact: KindFact): readonly Verb[] {
  if (fact.onlyVerbs !== undefined) return fact.onlyVerbs as readonly Verb[];
  if (fact.kind === 'ComponentStatus') return ['get', 'list'];
  if (fact.group === 'metrics.k8s.io') return ['get', 'list'];
  // A namespace is deleted by itself, as all that is in it goes with it. Source: `pkg/registry/core/namespace/storage`.
  if (fact.kind === 'Namespace') return allVerbs.filter((verb) => verb !== 'deletecollection');
  return allVerbs;
}

/** Every resource of the table, in the table's order (by group, version, kind). */
export const resources: readonly ResourceInfo[] = [
  ...Object.values(kindFacts)
    .filter((fact) => fact.client === true && fact.noVerbs !== true)
    .map(describe),
  {
    group: '',
    version: 'v1',
    resource: 'bindings',
    kind: 'Binding',
    type: 'io.k8s.api.core.v1.Binding',
    singular: 'binding',
    namespaced: true,
    shortNames: [],
    categories: [],
    verbs: createOnly,
    subresources: [],
    enabledByDefault: true,
  },
];

const byName = new Map(resources.map((info) => [resourceKey(info), info]));

/** `group/version/resource`, the key of tables of resources. */
export function resourceKey(gvr: GroupVersionResource): string {
  return `${gvr.group}/${gvr.version}/${gvr.resource}`;
}

/** The built-in resource of that group, version and plural name, or undefined. */
export function resourceInfo(gvr: GroupVersionResource): ResourceInfo | undefined {
  return byName.get(resourceKey(gvr));
}

const byKind = new Map(resources.map((info) => [`${apiVersionOf(info)}/${info.kind}`, info]));

/** The built-in resource of a kind, by the `apiVersion` and `kind` an object carries, or undefined. */
export function resourceOfKind(apiVersion: string, kind: string): ResourceInfo | undefined {
  return byKind.get(`${apiVersion}/${kind}`);
}
