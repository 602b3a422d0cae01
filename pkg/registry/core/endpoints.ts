/** Endpoints. Source: upstream `pkg/apis/core/v1/defaults.go`, `pkg/registry/core/endpoint`. */

import { endpoints } from '#pkg/api/types/refs.ts';
import { rulesOf, type Strategy } from '#pkg/apiserver/strategy.ts';
import { setDefault } from '../draft.ts';
import type { IpRules } from '../validation/ips.ts';
import { endpointsTable } from './tables.ts';
import { validateEndpoints } from './validation/endpoints.ts';

/** Endpoints, whose addresses may be loopback ones only where pods have such. */
export function createEndpointsStrategy(rules: IpRules): Strategy {
  return rulesOf(endpoints, {
    keeping: { keyName: 'services/endpoints' },
    createOnUpdate: true,
    setDefaults(draft) {
      for (const subset of draft.subsets ?? []) {
        for (const port of subset.ports ?? []) setDefault(port, 'protocol', 'TCP');
      }
    },
    validate: (draft) => validateEndpoints(draft, rules),
    versions: { v1: { deprecated: { since: 'v1.33', instead: 'discovery.k8s.io/v1 EndpointSlice' } } },
    table: endpointsTable,
  });
}
