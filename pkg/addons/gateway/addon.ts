/** The addon `gateway`: the kinds of the Gateway API, a class of gateways and one of Ingresses, and the program that serves them. */
import type { AddonCluster, AddonParts } from '../addon.ts';
import {
  type AddonObject,
  accountWithRights,
  namespaceOf,
  programPlace,
  programProblem,
  type Rule,
} from '../objects.ts';
import { gatewayDefinitions } from './crds.ts';
import { ingressController } from './model/ingress.ts';
import { gatewayController } from './model/plan.ts';
import { gatewaySelector, healthPort, gatewayNamespace as namespace } from './places.ts';
import { gatewayGroup } from './types.ts';

const name = 'gateway';
const reads = ['get', 'list', 'watch'];

const rules: readonly Rule[] = [
  { apiGroups: [''], resources: ['services', 'namespaces', 'secrets'], verbs: reads },
  { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: reads },
  { apiGroups: ['networking.k8s.io'], resources: ['ingresses', 'ingressclasses'], verbs: reads },
  { apiGroups: ['networking.k8s.io'], resources: ['ingresses/status'], verbs: ['patch'] },
  {
    apiGroups: [gatewayGroup],
    resources: ['gatewayclasses', 'gateways', 'httproutes', 'referencegrants'],
    verbs: reads,
  },
  {
    apiGroups: [gatewayGroup],
    resources: ['gatewayclasses/status', 'gateways/status', 'httproutes/status'],
    verbs: ['patch'],
  },
];

/** The addon. */
export const gatewayAddon: AddonParts = {
  problem: programProblem,
  hints: [
    'Gateways of the class coxswain and Ingresses of the class coxswain (the default) are served.',
    'kubectl get gateways -A                      says at which address',
    'kubectl get services -n coxswain-gateway     says at which node ports',
  ],
  objects,
};

function objects(cluster: AddonCluster): readonly AddonObject[] {
  const place = programPlace(name, cluster);
  return [
    ...gatewayDefinitions(),
    namespaceOf(namespace),
    ...accountWithRights({ name, namespace }, rules),
    ...serviceRights(),
    ...place.objects,
    {
      apiVersion: `${gatewayGroup}/v1`,
      kind: 'GatewayClass',
      metadata: { name: 'coxswain' },
      spec: { controllerName: gatewayController, description: 'The gateway of this cluster' },
    },
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'IngressClass',
      metadata: { name: 'coxswain', annotations: { 'ingressclass.kubernetes.io/is-default-class': 'true' } },
      spec: { controller: ingressController },
    },
    deployment(place.spec),
  ];
}

/** Services are written in its own namespace alone. */
function serviceRights(): readonly AddonObject[] {
  const rbac = 'rbac.authorization.k8s.io';
  const metadata = { name, namespace };
  const verbs = ['create', 'patch', 'delete'];
  return [
    {
      apiVersion: `${rbac}/v1`,
      kind: 'Role',
      metadata,
      rules: [{ apiGroups: [''], resources: ['services'], verbs }],
    },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'RoleBinding',
      metadata,
      roleRef: { apiGroup: rbac, kind: 'Role', name },
      subjects: [{ kind: 'ServiceAccount', name, namespace }],
    },
  ];
}

function deployment(spec: Readonly<Record<string, string>>): AddonObject {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace },
    spec: {
      replicas: 1,
      // The next pod serves before this one goes: nobody is turned away.
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
      selector: { matchLabels: gatewaySelector },
      template: {
        metadata: { labels: gatewaySelector },
        spec: {
          ...spec,
          serviceAccountName: name,
          containers: [
            {
              name,
              image: 'coxswain.dev/gateway',
              readinessProbe: { httpGet: { path: '/readyz', port: healthPort }, periodSeconds: 1 },
              resources: { requests: { cpu: '50m', memory: '64Mi' }, limits: { memory: '512Mi' } },
            },
          ],
        },
      },
    },
  };
}
