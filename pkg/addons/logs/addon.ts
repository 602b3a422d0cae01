/** The addon `logs`: a collector that keeps what containers write, also after their pods are gone, and answers questions about it. */
import type { AddonCluster, AddonParts } from '../addon.ts';
import {
  type AddonObject,
  accountWithRights,
  loneDeployment,
  namespaceOf,
  programPlace,
  programProblem,
  type Rule,
} from '../objects.ts';
import { dataFolder, logsPort, logsNamespace as namespace } from './places.ts';

const name = 'logs';
const reader = 'reader';
const labels = { app: 'coxswain-logs' };
const mayRead: Rule = { apiGroups: [''], resources: ['pods/log'], verbs: ['get'] };
const rules: readonly Rule[] = [{ apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'watch'] }, mayRead];

/** The addon. */
export const logsAddon: AddonParts = {
  problem: programProblem,
  hints: [
    'kubectl get service logs -n coxswain-logs     says at which address; then, with a token that may read logs of pods:',
    `curl -H "Authorization: Bearer $(kubectl create token reader -n coxswain-logs)" "http://ADDRESS:${logsPort}/logs?namespace=default&contains=error"`,
  ],
  objects,
};

function objects(cluster: AddonCluster): readonly AddonObject[] {
  const place = programPlace(name, cluster);
  const container = {
    image: 'coxswain.dev/logs',
    ports: [{ containerPort: logsPort, protocol: 'TCP' }],
    readinessProbe: { httpGet: { path: '/readyz', port: logsPort }, periodSeconds: 1 },
    volumeMounts: [{ name: 'data', mountPath: dataFolder }],
  };
  return [
    namespaceOf(namespace),
    ...accountWithRights({ name, namespace }, rules),
    ...accountWithRights({ name: reader, namespace }, [mayRead]),
    ...place.objects,
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace },
      spec: { selector: labels, ports: [{ port: logsPort, targetPort: logsPort, protocol: 'TCP' }] },
    },
    loneDeployment({
      ...{ name, namespace, labels, container },
      spec: { ...place.spec, volumes: [{ name: 'data', emptyDir: {} }] },
    }),
  ];
}
