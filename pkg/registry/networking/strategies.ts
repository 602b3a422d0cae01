/** The kinds of `networking.k8s.io` and endpoint slices. Source: upstream `pkg/apis/{networking,discovery}/v1/defaults.go`. */

import { addressOf } from '#pkg/api/service-address.ts';
import type { IngressStatus, NetworkPolicy } from '#pkg/api/types/networking-v1.ts';
import {
  endpointSlices,
  ingressClasses,
  ingresses,
  ipAddresses,
  networkPolicies,
  serviceCIDrs,
} from '#pkg/api/types/refs.ts';
import type { Draft } from '#pkg/apimachinery/draft.ts';
import { rulesOf, type Strategy } from '#pkg/apiserver/strategy.ts';
import { type AddressRange, addressAt } from '../core/service/address-range.ts';
import { setDefault } from '../draft.ts';
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

function setNetworkPolicyDefaults(draft: Draft<NetworkPolicy>): void {
  const spec = draft.spec;
  if (spec === undefined) return;
  if ((spec.policyTypes ?? []).length === 0) {
    spec.policyTypes = (spec.egress ?? []).length > 0 ? ['Ingress', 'Egress'] : ['Ingress'];
  }
  for (const rule of [...(spec.ingress ?? []), ...(spec.egress ?? [])]) {
    for (const port of rule.ports ?? []) setDefault(port, 'protocol', 'TCP');
  }
}

const ingressStrategy = rulesOf(ingresses, {
  keeping: { keyName: 'ingress' },
  ...ownStatus<IngressStatus>({ loadBalancer: {} }),
  validate: validateIngress,
  validateCreate: newIngressErrors,
  subresources: { status: { validateUpdate: validateIngressStatus } },
  versions: { v1beta1: { converter: ingressConverter, stored: `${group}/v1` } },
  table: ingressTable,
});

const networkingStrategies: readonly Strategy[] = [
  withWarnings(ingressStrategy, { warningsOf: ingressWarnings, onUpdate: () => false }),
  rulesOf(ingressClasses, {
    tracksGeneration: true,
    setDefaults(draft) {
      const parameters = draft.spec?.parameters;
      if (parameters !== undefined) setDefault(parameters, 'scope', 'Cluster');
    },
    validate: validateIngressClass,
    validateUpdate: validateIngressClassUpdate,
    table: ingressClassTable,
  }),
  rulesOf(networkPolicies, {
    tracksGeneration: true,
    setDefaults: setNetworkPolicyDefaults,
    validate: validateNetworkPolicy,
    table: networkPolicyTable,
  }),
];

/** With the address of the Service `kubernetes`, which is made without being allocated. */
function createIpAddressStrategy([first]: readonly AddressRange[]): Strategy {
  return rulesOf(ipAddresses, {
    // Named for its address, which has colons when it is an IPv6 one.
    nameRule: 'pathSegment',
    validate: validateIpAddress,
    validateUpdate: validateIpAddressUpdate,
    table: ipAddressTable,
    bootstrap:
      first === undefined ? [] : [addressOf(addressAt(first, 0), { namespace: 'default', name: 'kubernetes' })],
  });
}

/** With the ranges that the server was told of. */
function createServiceCidrStrategy(ranges: readonly AddressRange[]): Strategy {
  const message = 'Kubernetes default Service CIDR is ready';
  return rulesOf(serviceCIDrs, {
    ...ownStatus(),
    validate: validateServiceCidr,
    validateUpdate: validateServiceCidrUpdate,
    table: serviceCidrTable,
    bootstrap: [
      {
        metadata: { name: 'kubernetes', finalizers: ['networking.k8s.io/service-cidr-finalizer'] },
        spec: { cidrs: ranges.map(({ text }) => text) },
        status: { conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: null, reason: '', message }] },
      },
    ],
  });
}

function createEndpointSliceStrategy(rules: IpRules): Strategy {
  return rulesOf(endpointSlices, {
    tracksGeneration: true,
    setDefaults(draft) {
      for (const port of draft.ports ?? []) {
        port.name ??= '';
        setDefault(port, 'protocol', 'TCP');
      }
    },
    validate: (draft) => validateEndpointSlice(draft, rules),
    validateUpdate: validateEndpointSliceUpdate,
    table: endpointSliceTable,
  });
}

/** All of them, for one server. */
export function createNetworkingStrategies(rules: IpRules, ranges: readonly AddressRange[]): readonly Strategy[] {
  return [
    ...networkingStrategies,
    createIpAddressStrategy(ranges),
    createServiceCidrStrategy(ranges),
    createEndpointSliceStrategy(rules),
  ];
}
