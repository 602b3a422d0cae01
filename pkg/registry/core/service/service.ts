/** Services. Source: upstream `pkg/apis/core/v1/defaults.go`, `pkg/registry/core/service/strategy.go`. */

import type { Service } from '#pkg/api/types/core-v1.ts';
import { services } from '#pkg/api/types/refs.ts';
import { rulesOf, type Strategy } from '#pkg/apiserver/strategy.ts';
import { keepStatus } from '../../status.ts';
import type { IpRules } from '../../validation/ips.ts';
import { coreKind, proxyVerbs } from '../connections.ts';
import { serviceProxy } from '../proxy.ts';
import { serviceTable } from '../tables.ts';
import { type AddressRange, addressAt } from './address-range.ts';
import { ServiceAllocation, type ServiceAllocationOptions } from './allocation.ts';
import {
  dropForType,
  keepAllocated,
  normalizeClusterIps,
  resetStatus,
  setFamilies,
  setServiceDefaults,
} from './normalize.ts';
import { validateService, validateServiceStatus, validateServiceUpdate } from './validation.ts';

/** What the strategy of Services needs to know of the cluster. */
export interface ServiceStrategyOptions extends IpRules, ServiceAllocationOptions {
  /** The ranges that the server was told of, one of each family, the primary one first. */
  readonly ranges: readonly AddressRange[];
  /** Port at which pods reach the API server behind its Service. */
  readonly apiServerPort: number;
}

/** The strategy of Services, with the ranges it allocates from. */
export function createServiceStrategy(options: ServiceStrategyOptions): Strategy {
  const allocation = new ServiceAllocation(options);
  const families = options.ranges.map(({ family }) => family);
  return rulesOf(services, {
    keeping: { keyName: 'services/specs' },
    createOnUpdate: true,
    // Relaxed from DNS-1035 labels by KEP-5311, on by default since 1.36.
    nameRule: 'dns1123Label',
    tracksGeneration: false,
    setDefaults: setServiceDefaults,
    prepareForCreate(draft) {
      resetStatus(draft);
      normalizeClusterIps(draft, undefined);
      setFamilies(draft, undefined, families);
    },
    prepareForUpdate(draft, old) {
      keepStatus(draft, old);
      normalizeClusterIps(draft, old);
      keepAllocated(draft, old);
      dropForType(draft, old);
      setFamilies(draft, old, families);
    },
    validate: (draft) => validateService(draft, { ...options, families }),
    validateUpdate: validateServiceUpdate,
    subresources: { status: { validateUpdate: validateServiceStatus } },
    begin: (draft, old, context, reader) => allocation.begin(draft, old, context, reader),
    selectableFields: (service) => ({
      'spec.clusterIP': service.spec?.clusterIP ?? '',
      'spec.type': service.spec?.type ?? '',
    }),
    connects: {
      proxy: { kind: coreKind('ServiceProxyOptions'), verbs: proxyVerbs, takesPath: true, connect: serviceProxy },
    },
    returnsDeleted: true,
    table: serviceTable,
    bootstrap: options.ranges.slice(0, 1).map((range) => ownService(range, options.apiServerPort)),
  });
}

/** The Service by which pods reach the API server. Complete, as it is stored without going through the steps of a create. */
function ownService(range: AddressRange, apiServerPort: number): Service {
  const clusterIp = addressAt(range, 0);
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: 'kubernetes',
      namespace: 'default',
      labels: { component: 'apiserver', provider: 'kubernetes' },
    },
    spec: {
      type: 'ClusterIP',
      clusterIP: clusterIp,
      clusterIPs: [clusterIp],
      ipFamilies: [range.family],
      ipFamilyPolicy: 'SingleStack',
      ports: [{ name: 'https', protocol: 'TCP', port: 443, targetPort: apiServerPort }],
    },
    status: { loadBalancer: {} },
  };
}
