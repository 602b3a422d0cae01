/** Which fields kustomizations change: facts of kustomize `api/konfig/builtinpluginconsts`. Slashes within names are escaped. */
import type { KindPattern } from './resource.ts';

/** A field of objects of a kind. */
export interface FieldSpec extends KindPattern {
  readonly path: string;
  /** Made where it is missing. */
  readonly creates?: boolean;
}

/** Where a kind has the spec of its pods. */
const podSpecs: Readonly<Record<string, string>> = {
  Pod: 'spec',
  PodTemplate: 'template/spec',
  Deployment: 'spec/template/spec',
  ReplicaSet: 'spec/template/spec',
  DaemonSet: 'spec/template/spec',
  StatefulSet: 'spec/template/spec',
  ReplicationController: 'spec/template/spec',
  Job: 'spec/template/spec',
  CronJob: 'spec/jobTemplate/spec/template/spec',
};

function inPods(kinds: readonly string[], ...paths: readonly string[]): readonly FieldSpec[] {
  return kinds.flatMap((kind) => paths.map((path) => ({ kind, path: `${podSpecs[kind]}/${path}` })));
}

function of(kinds: readonly string[], ...paths: readonly string[]): readonly FieldSpec[] {
  return kinds.flatMap((kind) => paths.map((path) => ({ kind, path })));
}

const workloads = ['Pod', 'PodTemplate', 'Deployment', 'ReplicaSet', 'DaemonSet', 'StatefulSet', 'Job', 'CronJob'];
const withController = ['Pod', 'StatefulSet', 'Deployment', 'ReplicationController', 'CronJob', 'Job', 'DaemonSet'];
const bindings = ['RoleBinding', 'ClusterRoleBinding'];
const rbac = 'rbac.authorization.k8s.io';

/** The fields that name an object of a kind. */
export interface NameReference {
  readonly target: KindPattern;
  readonly fields: readonly FieldSpec[];
}

/** Names by which objects refer to others. */
export const nameReferences: readonly NameReference[] = [
  ...['Deployment', 'ReplicationController', 'ReplicaSet', 'StatefulSet'].map((kind) => ({
    target: { kind },
    fields: of(['HorizontalPodAutoscaler'], 'spec/scaleTargetRef/name'),
  })),
  {
    target: { version: 'v1', kind: 'ConfigMap' },
    fields: [
      ...inPods(
        workloads,
        'volumes/configMap/name',
        'containers/env/valueFrom/configMapKeyRef/name',
        'initContainers/env/valueFrom/configMapKeyRef/name',
        'containers/envFrom/configMapRef/name',
        'initContainers/envFrom/configMapRef/name',
        'volumes/projected/sources/configMap/name',
      ),
      ...of(['Node'], 'spec/configSource/configMap'),
      ...of(['Role', 'ClusterRole'], 'rules/resourceNames'),
      ...of(['Ingress'], 'metadata/annotations/nginx.ingress.kubernetes.io\\/fastcgi-params-configmap'),
    ],
  },
  {
    target: { version: 'v1', kind: 'Secret' },
    fields: [
      ...inPods(
        workloads,
        'volumes/secret/secretName',
        'containers/env/valueFrom/secretKeyRef/name',
        'initContainers/env/valueFrom/secretKeyRef/name',
        'containers/envFrom/secretRef/name',
        'initContainers/envFrom/secretRef/name',
        'imagePullSecrets/name',
        'volumes/projected/sources/secret/name',
      ),
      ...of(
        ['Ingress'],
        'spec/tls/secretName',
        'metadata/annotations/ingress.kubernetes.io\\/auth-secret',
        'metadata/annotations/nginx.ingress.kubernetes.io\\/auth-secret',
        'metadata/annotations/nginx.ingress.kubernetes.io\\/auth-tls-secret',
      ),
      ...of(['ServiceAccount'], 'imagePullSecrets/name'),
      ...of(
        ['StorageClass'],
        'parameters/secretName',
        'parameters/adminSecretName',
        'parameters/userSecretName',
        'parameters/secretRef',
      ),
      ...of(['Role', 'ClusterRole'], 'rules/resourceNames'),
      {
        group: 'serving.knative.dev',
        kind: 'Service',
        path: 'spec/template/spec/containers/env/valueFrom/secretKeyRef/name',
      },
      ...of(['PersistentVolume'], 'spec/azureFile/secretName'),
    ],
  },
  {
    target: { version: 'v1', kind: 'Service' },
    fields: [
      { group: 'apps', kind: 'StatefulSet', path: 'spec/serviceName' },
      ...of(
        ['Ingress'],
        'spec/rules/http/paths/backend/serviceName',
        'spec/backend/serviceName',
        'spec/rules/http/paths/backend/service/name',
        'spec/defaultBackend/service/name',
      ),
      { group: 'apiregistration.k8s.io', kind: 'APIService', path: 'spec/service/name' },
      ...of(['ValidatingWebhookConfiguration', 'MutatingWebhookConfiguration'], 'webhooks/clientConfig/service'),
    ],
  },
  { target: { group: rbac, kind: 'Role' }, fields: of(['RoleBinding'], 'roleRef/name') },
  { target: { group: rbac, kind: 'ClusterRole' }, fields: of(bindings, 'roleRef/name') },
  {
    target: { version: 'v1', kind: 'ServiceAccount' },
    fields: [...of(bindings, 'subjects'), ...inPods(withController, 'serviceAccountName')],
  },
  {
    target: { version: 'v1', kind: 'PersistentVolumeClaim' },
    fields: inPods(withController, 'volumes/persistentVolumeClaim/claimName'),
  },
  {
    target: { version: 'v1', kind: 'PersistentVolume' },
    fields: [...of(['PersistentVolumeClaim'], 'spec/volumeName'), ...of(['ClusterRole'], 'rules/resourceNames')],
  },
  {
    target: { group: 'storage.k8s.io', version: 'v1', kind: 'StorageClass' },
    fields: [
      ...of(['PersistentVolume', 'PersistentVolumeClaim'], 'spec/storageClassName'),
      ...of(['StatefulSet'], 'spec/volumeClaimTemplates/spec/storageClassName'),
    ],
  },
  {
    target: { group: 'scheduling.k8s.io', version: 'v1', kind: 'PriorityClass' },
    fields: inPods(withController, 'priorityClassName'),
  },
  { target: { group: 'networking.k8s.io', kind: 'IngressClass' }, fields: of(['Ingress'], 'spec/ingressClassName') },
];

const templates: readonly KindPattern[] = [
  { version: 'v1', kind: 'ReplicationController' },
  { kind: 'Deployment' },
  { kind: 'ReplicaSet' },
  { kind: 'DaemonSet' },
  { group: 'apps', kind: 'StatefulSet' },
  { group: 'batch', kind: 'Job' },
];

/** Metadata of templates, without the leaf that is to change. */
function templateFields(leaf: string): readonly FieldSpec[] {
  return [
    ...templates.map((kind) => ({ ...kind, path: `spec/template/metadata/${leaf}`, creates: true })),
    { group: 'batch', kind: 'CronJob', path: `spec/jobTemplate/metadata/${leaf}`, creates: true },
    { group: 'batch', kind: 'CronJob', path: `spec/jobTemplate/spec/template/metadata/${leaf}`, creates: true },
  ];
}

/** Labels of the object itself. */
export const ownLabels: readonly FieldSpec[] = [{ path: 'metadata/labels', creates: true }];

/** Those of what it makes. */
export const templateLabels: readonly FieldSpec[] = [
  ...templateFields('labels'),
  { group: 'apps', kind: 'StatefulSet', path: 'spec/volumeClaimTemplates[]/metadata/labels', creates: true },
];

const affinities = ['Affinity', 'AntiAffinity'].flatMap((word) => [
  `affinity/pod${word}/preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm/labelSelector/matchLabels`,
  `affinity/pod${word}/requiredDuringSchedulingIgnoredDuringExecution/labelSelector/matchLabels`,
]);

/** What selects by labels. */
export const selectorLabels: readonly FieldSpec[] = [
  { version: 'v1', kind: 'Service', path: 'spec/selector', creates: true },
  { version: 'v1', kind: 'ReplicationController', path: 'spec/selector', creates: true },
  { kind: 'Deployment', path: 'spec/selector/matchLabels', creates: true },
  { kind: 'ReplicaSet', path: 'spec/selector/matchLabels', creates: true },
  { kind: 'DaemonSet', path: 'spec/selector/matchLabels', creates: true },
  { group: 'apps', kind: 'StatefulSet', path: 'spec/selector/matchLabels', creates: true },
  ...['Deployment', 'StatefulSet'].flatMap((kind) =>
    [...affinities, 'topologySpreadConstraints/labelSelector/matchLabels'].map((path) => ({
      group: 'apps',
      kind,
      path: `spec/template/spec/${path}`,
    })),
  ),
  { group: 'batch', kind: 'Job', path: 'spec/selector/matchLabels' },
  { group: 'batch', kind: 'CronJob', path: 'spec/jobTemplate/spec/selector/matchLabels' },
  { group: 'policy', kind: 'PodDisruptionBudget', path: 'spec/selector/matchLabels' },
  ...['spec', 'spec/ingress/from', 'spec/egress/to'].map((path) => ({
    group: 'networking.k8s.io',
    kind: 'NetworkPolicy',
    path: `${path}/podSelector/matchLabels`,
  })),
];

/** Annotations of the object and of what it makes. */
export const annotationFields: readonly FieldSpec[] = [
  { path: 'metadata/annotations', creates: true },
  ...templateFields('annotations'),
];

/** Images of containers. */
export const imageFields: readonly FieldSpec[] = ['spec', 'spec/template/spec', 'spec/jobTemplate/spec/template/spec']
  .flatMap((spec) => [`${spec}/containers/image`, `${spec}/initContainers/image`])
  .map((path) => ({ path }));

/** How many copies. */
export const replicaFields: readonly FieldSpec[] = [
  'Deployment',
  'ReplicationController',
  'ReplicaSet',
  'StatefulSet',
].map((kind) => ({ kind, path: 'spec/replicas', creates: true }));

/** Namespaces beside that of the metadata. */
export const namespaceFields: readonly FieldSpec[] = [
  { group: 'apiregistration.k8s.io', kind: 'APIService', path: 'spec/service/namespace', creates: true },
  {
    group: 'apiextensions.k8s.io',
    kind: 'CustomResourceDefinition',
    path: 'spec/conversion/webhook/clientConfig/service/namespace',
  },
];

/** Kinds whose names mean something elsewhere, so that nothing is put before or after them. */
export const fixedNames: readonly KindPattern[] = [
  { kind: 'CustomResourceDefinition' },
  { group: 'apiregistration.k8s.io', kind: 'APIService' },
  { kind: 'Namespace' },
];
