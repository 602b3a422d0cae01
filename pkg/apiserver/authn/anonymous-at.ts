/** Lets requests without credentials in as nobody, at some paths alone. Source: apiserver `authentication/request/anonymous`. */
import type { Clock } from '#pkg/base/clock.ts';
import { type Authenticator, anonymousUser, bearerToken } from './authenticator.ts';
import { showsBadCertificate } from './client-certificate.ts';

/** Comes after those who look at credentials that a connection shows. Who shows a token is left to others. */
export function anonymousAt(paths: readonly string[], clock: Clock): Authenticator {
  const known = new Set(paths);
  return {
    authenticate({ path, headers, peer }) {
      if (!known.has(path) || bearerToken(headers) !== undefined || showsBadCertificate(peer, clock)) return undefined;
      return anonymousUser;
    },
  };
}
