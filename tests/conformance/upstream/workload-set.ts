/** The objects that the comparison of controllers applies, and what is then changed of them. Pods are simulated: they do what their annotations say. */
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';

const namespace = 'compared';
const quick = { 'fake.coxswain.dev/run-time': '500ms' };
const failing = { ...quick, 'fake.coxswain.dev/exit-code': '1' };

const containers = (image = 'v1') => [{ name: 'main', image }];
const template = (app: string, { image = 'v1', annotations = {} }: { image?: string; annotations?: object } = {}) => ({
  metadata: { labels: { app }, annotations },
  spec: { containers: containers(image) },
});
const once = (annotations: object) => ({
  metadata: { annotations },
  spec: { restartPolicy: 'Never', containers: containers() },
});
const selecting = (app: string) => ({ selector: { matchLabels: { app } } });

function of(apiVersion: string, kind: string, name: string, rest: object): KubeObject {
  return { apiVersion, kind, metadata: { name, namespace }, ...rest };
}

/** One without a namespace. */
function whole(
  apiVersion: string,
  kind: string,
  metadata: NonNullable<KubeObject['metadata']>,
  rest: object,
): KubeObject {
  return { apiVersion, kind, metadata, ...rest };
}

/** In the order in which they are made. */
export const workloadSet: readonly KubeObject[] = [
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'goes' } },
  of('v1', 'Service', 'web', { spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8080 }] } }),
  of('apps/v1', 'Deployment', 'web', { spec: { replicas: 4, ...selecting('web'), template: template('web') } }),
  of('apps/v1', 'Deployment', 'recreated', {
    spec: { replicas: 2, strategy: { type: 'Recreate' }, ...selecting('recreated'), template: template('recreated') },
  }),
  of('apps/v1', 'Deployment', 'paused', {
    spec: { replicas: 2, paused: true, ...selecting('paused'), template: template('paused') },
  }),
  // Before the set that takes it: else it is by chance which of its pods is one too many.
  of('v1', 'Pod', 'orphan', {
    metadata: { name: 'orphan', namespace, labels: { app: 'set' } },
    spec: { containers: containers() },
  }),
  of('apps/v1', 'ReplicaSet', 'set', { spec: { replicas: 2, ...selecting('set'), template: template('set') } }),
  of('v1', 'ReplicationController', 'rc', { spec: { replicas: 2, selector: { app: 'rc' }, template: template('rc') } }),
  of('apps/v1', 'DaemonSet', 'agent', { spec: { ...selecting('agent'), template: template('agent') } }),
  of('v1', 'Service', 'db', { spec: { clusterIP: 'None', selector: { app: 'db' }, ports: [{ port: 80 }] } }),
  of('apps/v1', 'StatefulSet', 'db', {
    spec: { replicas: 3, serviceName: 'db', ...selecting('db'), template: template('db') },
  }),
  of('batch/v1', 'Job', 'plain', { spec: { completions: 4, parallelism: 2, template: once(quick) } }),
  of('batch/v1', 'Job', 'indexed', {
    spec: { completions: 3, parallelism: 3, completionMode: 'Indexed', template: once(quick) },
  }),
  of('batch/v1', 'Job', 'failing', { spec: { backoffLimit: 1, template: once(failing) } }),
  of('batch/v1', 'Job', 'suspended', { spec: { suspend: true, template: once(quick) } }),
  of('batch/v1', 'Job', 'short-lived', { spec: { ttlSecondsAfterFinished: 1, template: once(quick) } }),
  of('batch/v1', 'CronJob', 'never', {
    spec: { schedule: '0 0 31 2 *', jobTemplate: { spec: { template: once(quick) } } },
  }),
  of('policy/v1', 'PodDisruptionBudget', 'web', { spec: { minAvailable: '50%', ...selecting('web') } }),
  of('v1', 'ResourceQuota', 'quota', { spec: { hard: { pods: '100', configmaps: '10', 'count/jobs.batch': '20' } } }),
  of('v1', 'ConfigMap', 'left', { metadata: { name: 'left', namespace: 'goes' }, data: { a: 'b' } }),
  whole(
    'v1',
    'PersistentVolume',
    { name: 'compared-volume' },
    {
      spec: {
        capacity: { storage: '1Gi' },
        accessModes: ['ReadWriteOnce'],
        storageClassName: 'by-hand',
        hostPath: { path: '/nowhere' },
      },
    },
  ),
  of('v1', 'PersistentVolumeClaim', 'claim', {
    spec: { storageClassName: 'by-hand', accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  }),
  whole(
    'rbac.authorization.k8s.io/v1',
    'ClusterRole',
    { name: 'compared-part', labels: { 'compared/part': 'true' } },
    {
      rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }],
    },
  ),
  whole(
    'rbac.authorization.k8s.io/v1',
    'ClusterRole',
    { name: 'compared-whole' },
    {
      aggregationRule: { clusterRoleSelectors: [{ matchLabels: { 'compared/part': 'true' } }] },
      rules: [],
    },
  ),
];

/** A merge patch of each object that is changed once all are as they should be. */
export const changes: readonly { readonly of: KubeObject; readonly patch: JsonObject }[] = [
  change('Deployment', 'web', { spec: { replicas: 5, template: { spec: { containers: containers('v2') } } } }),
  change('Deployment', 'recreated', { spec: { template: { spec: { containers: containers('v2') } } } }),
  change('DaemonSet', 'agent', { spec: { template: { spec: { containers: containers('v2') } } } }),
  change('StatefulSet', 'db', { spec: { replicas: 2, template: { spec: { containers: containers('v2') } } } }),
  change('ReplicaSet', 'set', { spec: { replicas: 3 } }),
];

function change(
  kind: string,
  name: string,
  patch: JsonObject,
): { readonly of: KubeObject; readonly patch: JsonObject } {
  return { of: of('apps/v1', kind, name, {}), patch };
}
