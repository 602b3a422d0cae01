/** The addon `prometheus`: the machine's Prometheus in a pod, configured for this cluster, with rules, and a dashboard for Grafana. */
import type { AddonCluster, AddonParts } from '../addon.ts';
import {
  type AddonObject,
  accountWithRights,
  hostProgramProblem,
  loneDeployment,
  namespaceOf,
  programPlace,
  type Rule,
} from '../objects.ts';
import { prometheusConfig, prometheusRules } from './config.ts';
import { dashboard } from './dashboard.ts';
import {
  binaryVariable,
  configFolder,
  dataFolder,
  prometheusNamespace as namespace,
  prometheusPort,
} from './places.ts';

const name = 'prometheus';
const labels = { app: 'coxswain-prometheus' };
/** Older samples go. */
const retention = ['--storage.tsdb.retention.time=24h', '--storage.tsdb.retention.size=512MB'];

const rules: readonly Rule[] = [
  { apiGroups: [''], resources: ['nodes', 'pods'], verbs: ['get', 'list', 'watch'] },
  { apiGroups: [''], resources: ['nodes/proxy'], verbs: ['get'] },
  { nonResourceURLs: ['/metrics', '/metrics/slis'], verbs: ['get'] },
];

/** The addon. */
export const prometheusAddon: AddonParts = {
  problem: (cluster) => hostProgramProblem(cluster, name),
  hints: [
    'kubectl get service prometheus -n coxswain-prometheus     says at which address; its page is at port 9090',
    'Pods with the annotations prometheus.io/scrape: "true" and prometheus.io/port are read too.',
    'A dashboard for Grafana: kubectl get configmap dashboard -n coxswain-prometheus -o "jsonpath={.data.coxswain\\.json}"',
  ],
  objects,
};

function objects(cluster: AddonCluster): readonly AddonObject[] {
  const place = programPlace(name, cluster);
  const config = {
    'prometheus.yml': JSON.stringify(prometheusConfig, undefined, 1),
    'rules.yml': JSON.stringify(prometheusRules, undefined, 1),
  };
  return [
    namespaceOf(namespace),
    ...accountWithRights({ name, namespace }, rules),
    ...place.objects,
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'config', namespace }, data: config },
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      // By which Grafana's side cars find it.
      metadata: { name: 'dashboard', namespace, labels: { grafana_dashboard: '1' } },
      data: { 'coxswain.json': JSON.stringify(dashboard, undefined, 1) },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace },
      spec: { selector: labels, ports: [{ port: prometheusPort, targetPort: prometheusPort, protocol: 'TCP' }] },
    },
    deployment(cluster, place.spec),
  ];
}

function deployment(cluster: AddonCluster, spec: Readonly<Record<string, string>>): AddonObject {
  const env = [{ name: binaryVariable, value: cluster.programPath(name) ?? '' }];
  const container = {
    image: 'coxswain.dev/prometheus',
    args: retention,
    env,
    ports: [{ containerPort: prometheusPort, protocol: 'TCP' }],
    readinessProbe: { httpGet: { path: '/-/ready', port: prometheusPort }, periodSeconds: 1 },
    volumeMounts: [
      { name: 'config', mountPath: configFolder },
      { name: 'data', mountPath: dataFolder },
    ],
  };
  const volumes = [
    { name: 'config', configMap: { name: 'config' } },
    { name: 'data', emptyDir: {} },
  ];
  return loneDeployment({ name, namespace, labels, spec: { ...spec, volumes }, container });
}
