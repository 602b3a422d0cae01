/** Service accounts. Source: upstream `pkg/apis/core/v1/defaults.go`, `pkg/registry/core/serviceaccount`. */

import { serviceAccounts } from '#pkg/api/types/refs.ts';
import { rulesOf, type Strategy } from '#pkg/apiserver/strategy.ts';
import type { ServiceAccountIssuer } from '../authentication/service-account-issuer.ts';
import { tokenSubresource } from '../authentication/token-request.ts';
import { serviceAccountTable } from './tables.ts';

/** Service accounts; without an issuer they have no tokens. */
export function createServiceAccountStrategy(issuer: ServiceAccountIssuer | undefined): Strategy {
  return rulesOf(serviceAccounts, {
    returnsDeleted: true,
    table: serviceAccountTable,
    ...(issuer === undefined ? {} : { creates: { token: tokenSubresource(issuer) } }),
  });
}
