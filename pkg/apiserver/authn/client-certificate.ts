/** Users by verified client certificate: the subject's common name is the user, its organizations are the groups. */
import type { Peer } from '#pkg/apimachinery/http.ts';
import type { UserInfo } from '../strategy.ts';
import { type Authenticator, authenticated } from './authenticator.ts';

/** Which credential a user came with. Source: apiserver `authentication/user` `CredentialIDKey`. */
const credentialIdKey = 'authentication.kubernetes.io/credential-id';

/** Trusts `peer.certificate`, which the transport has verified. Users are kept by certificate, so they cost nothing again. */
export function clientCertificateAuthenticator(): Authenticator {
  const users = new WeakMap<NonNullable<Peer['certificate']>, UserInfo>();
  return {
    authenticate({ peer: { certificate } }) {
      if (certificate === undefined || certificate.commonName === '') return undefined;
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
