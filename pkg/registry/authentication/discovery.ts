/**
 * What others need to check tokens of this issuer by themselves: the documents of OpenID Connect discovery.
 * Source: `pkg/serviceaccount/openidmetadata.go`, `pkg/routes/openidmetadata.go`.
 */

import type { Page } from '#pkg/apiserver/non-resource.ts';
import { keySet } from '#pkg/pki/jwt.ts';
import type { ServiceAccountIssuer } from './service-account-issuer.ts';

const keysPath = '/openid/v1/jwks';

/** The pages, by path. `address` is where this server is reached, such as `10.0.0.1:6443`. */
export function issuerPages({ issuer, keys }: ServiceAccountIssuer, address: string): Readonly<Record<string, Page>> {
  const configuration = {
    issuer,
    jwks_uri: `https://${address}${keysPath}`,
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: [...new Set(keys.map(({ algorithm }) => algorithm))].sort(),
  };
  return {
    '/.well-known/openid-configuration': { type: 'application/json', body: configuration },
    [keysPath]: { type: 'application/jwk-set+json', body: keySet(keys) },
  };
}
