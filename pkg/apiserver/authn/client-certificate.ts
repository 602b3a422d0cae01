/** Users by verified client certificate: the subject's common name is the user, its organizations are the groups. */
import type { Peer } from '#pkg/apimachinery/http.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { UserInfo } from '../user-info.ts';
import { type Authenticator, authenticated, credentialIdKey } from './authenticator.ts';

/**
 * Trusts `peer.certificate`, which the transport has verified, for as long as it is valid. Users are kept by certificate, so they cost nothing
 * again. `isOwn` leaves out those that do not count for their subjects.
 */
export function clientCertificateAuthenticator(
  clock: Clock,
  isOwn: (certificate: NonNullable<Peer['certificate']>) => boolean = () => true,
): Authenticator {
  const users = new WeakMap<NonNullable<Peer['certificate']>, UserInfo>();
  return {
    authenticate({ peer: { certificate } }) {
      if (certificate === undefined || certificate.commonName === '' || !isOwn(certificate)) return undefined;
      if (isExpired(certificate, clock)) return undefined;
      let user = users.get(certificate);
      if (user === undefined) {
        const { commonName, organizations, sha256 } = certificate;
        const extra = sha256 === undefined ? {} : { extra: { [credentialIdKey]: [`X509SHA256=${sha256}`] } };
        user = authenticated({ name: commonName, groups: organizations, ...extra });
        users.set(certificate, user);
      }
      return user;
    },
  };
}

/** Whether the client has shown a certificate that names nobody: refused by the transport, or expired since. */
export function showsBadCertificate({ certificate, certificateRefused }: Peer, clock: Clock): boolean {
  return certificateRefused === true || (certificate !== undefined && isExpired(certificate, clock));
}

function isExpired({ notAfterMs }: NonNullable<Peer['certificate']>, clock: Clock): boolean {
  return notAfterMs !== undefined && clock.nowMs() > notAfterMs;
}
