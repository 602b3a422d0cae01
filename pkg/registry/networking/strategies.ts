/** The kinds of `networking.k8s.io` and endpoint slices. Source: upstream `pkg/apis/{networking,discovery}/v1/defaults.go`. */

import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { Strategy } from '#pkg/apiserver/strategy.ts';
import { listAt, objectAt, objectsAt, setDefault } from '../draft.ts';
import { ownStatus } from '../status.ts';
import type { IpRules } from '../validation/ips.ts';
import { ingressWarnings, withWarnings } from '../warnings.ts';
import {
  validateIpAddress,
  validateIpAddressUpdate,
  validateServiceCidr,
  validateServiceCidrUpdate,
} from './address-validation.ts';
import { validateEndpointSlice, validateEndpointSliceUpdate } from './endpoint-slice-validation.ts';
import { ingressConverter } from './ingress-converter.ts';
import {
  newIngressErrors,
  validateIngress,
  validateIngressClass,
  validateIngressClassUpdate,
  validateIngressStatus,
} from './ingress-validation.ts';
import { validateNetworkPolicy } from './network-policy-validation.ts';
import {
  endpointSliceTable,
  ingressClassTable,
  ingressTable,
  ipAddressTable,
  networkPolicyTable,
  serviceCidrTable,
} from './tables.ts';

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

const ingressStrategy: Strategy = {
  group,
  resource: 'ingresses',
  keeping: { keyName: 'ingress' },
  ...ownStatus({ loadBalancer: {} }),
  validate: validateIngress,
  validateCreate: newIngressErrors,
  subresources: { status: { validateUpdate: validateIngressStatus } },
  versions: { v1beta1: { converter: ingressConverter, stored: `${group}/v1` } },
  table: ingressTable,
};

const networkingStrategies: readonly Strategy[] = [
  withWarnings(ingressStrategy, { warningsOf: ingressWarnings, onUpdate: () => false }),
  {
    group,
    resource: 'ingressclasses',
    tracksGeneration: true,
    setDefaults(draft) {
      const parameters = objectAt(draft, 'spec', 'parameters');
      if (parameters !== undefined) setDefault(parameters, 'scope', 'Cluster');
    },
    validate: validateIngressClass,
    validateUpdate: validateIngressClassUpdate,
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
  {
    group,
    resource: 'ipaddresses',
    // Named for its address, which has colons when it is an IPv6 one.
    nameRule: 'pathSegment',
    validate: validateIpAddress,
    validateUpdate: validateIpAddressUpdate,
    table: ipAddressTable,
  },
];

/** With the range that the server itself takes cluster IPs from. */
function createServiceCidrStrategy(serviceCidr: string): Strategy {
  const message = 'Kubernetes default Service CIDR is ready';
  return {
    group,
    resource: 'servicecidrs',
    ...ownStatus(),
    validate: validateServiceCidr,
    validateUpdate: validateServiceCidrUpdate,
    table: serviceCidrTable,
    bootstrap: [
      {
        metadata: { name: 'kubernetes', finalizers: ['networking.k8s.io/service-cidr-finalizer'] },
        spec: { cidrs: [serviceCidr] },
        status: { conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: null, reason: '', message }] },
      },
    ],
  };
}

function createEndpointSliceStrategy(rules: IpRules): Strategy {
  return {
    group: 'discovery.k8s.io',
    resource: 'endpointslices',
    tracksGeneration: true,
    setDefaults(draft) {
      for (const port of objectsAt(draft, 'ports')) {
        port.name ??= '';
        setDefault(port, 'protocol', 'TCP');
      }
    },
    validate: (draft) => validateEndpointSlice(draft, rules),
    validateUpdate: validateEndpointSliceUpdate,
    table: endpointSliceTable,
  };
}

/** All of them, for one server. */
export function createNetworkingStrategies(rules: IpRules, serviceCidr: string): readonly Strategy[] {
  return [...networkingStrategies, createServiceCidrStrategy(serviceCidr), createEndpointSliceStrategy(rules)];
}
