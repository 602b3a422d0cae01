/** The kinds of `networking.k8s.io` and endpoint slices. Source: upstream `pkg/apis/{networking,discovery}/v1/defaults.go`. */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { Strategy } from '#pkg/apiserver/strategy.ts';
import { listAt, objectAt, objectsAt, setDefault } from '../draft.ts';
import { ownStatus } from '../status.ts';
import {
  endpointSliceTable,
  ingressClassTable,
  ingressTable,
  ipAddressTable,
  networkPolicyTable,
  serviceCidrTable,
} from './tables.ts';
import {
  validateEndpointSlice,
  validateEndpointSliceUpdate,
  validateIngress,
  validateIngressClass,
  validateNetworkPolicy,
} from './validation.ts';

const group = 'networking.k8s.io';

function setNetworkPolicyDefaults(draft: JsonObject): void {
  const spec = objectAt(draft, 'spec');
  if (spec === undefined) return;
  if (listAt(spec, 'policyTypes').length === 0) {
    spec.policyTypes = listAt(spec, 'egress').length > 0 ? ['Ingress', 'Egress'] : ['Ingress'];
  }
  for (const rule of [...objectsAt(spec, 'ingress'), ...objectsAt(spec, 'egress')]) {
    for (const port of objectsAt(rule, 'ports')) setDefault(port, 'protocol', 'TCP');
  }
}

export const networkingStrategies: readonly Strategy[] = [
  {
    group,
    resource: 'ingresses',
    ...ownStatus({ loadBalancer: {} }),
    validate: validateIngress,
    table: ingressTable,
  },
  {
    group,
    resource: 'ingressclasses',
    setDefaults(draft) {
      const parameters = objectAt(draft, 'spec', 'parameters');
      if (parameters !== undefined) setDefault(parameters, 'scope', 'Cluster');
    },
    validate: validateIngressClass,
    table: ingressClassTable,
  },
  {
    group,
    resource: 'networkpolicies',
    tracksGeneration: true,
    setDefaults: setNetworkPolicyDefaults,
    validate: validateNetworkPolicy,
    table: networkPolicyTable,
  },
  { group, resource: 'servicecidrs', ...ownStatus(), table: serviceCidrTable },
  {
    group,
    resource: 'ipaddresses',
    table: ipAddressTable,
  },
  {
    group: 'discovery.k8s.io',
    resource: 'endpointslices',
    tracksGeneration: true,
    setDefaults(draft) {
      for (const port of objectsAt(draft, 'ports')) {
        port.name ??= '';
        setDefault(port, 'protocol', 'TCP');
      }
    },
    validate: validateEndpointSlice,
    validateUpdate: validateEndpointSliceUpdate,
    table: endpointSliceTable,
  },
];
