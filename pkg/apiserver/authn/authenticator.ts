/**
 * Who asks. Authenticators are tried in order; the first that knows the caller wins. A token that none knows is refused, as is a certificate that
 * proves nothing, and who shows nothing is anonymous.
 * Upstream counterpart: apiserver `authentication/authenticator` and `request/union`.
 */
import type { ApiRequest, HttpHeaders } from '#pkg/apimachinery/http.ts';
import type { UserInfo } from '../strategy.ts';

export interface Authenticator {
  /**
   * The caller, or undefined when the request carries nothing that this authenticator reads. Throws the Unauthorized StatusError
   * for credentials that it reads and does not accept.
   */
  authenticate(request: ApiRequest): Promise<UserInfo | undefined> | UserInfo | undefined;
}

/** Group of everybody who was authenticated. */
const allAuthenticated = 'system:authenticated';

/** Who has shown no credentials. */
export const anonymousUser: UserInfo = { name: 'system:anonymous', groups: ['system:unauthenticated'] };

/** Members of this group may do everything, whatever the authorizer says. */
export const mastersGroup = 'system:masters';

/** Which credential a user came with, among what else is known of a user. Source: apiserver `authentication/user` `CredentialIDKey`. */
export const credentialIdKey = 'authentication.kubernetes.io/credential-id';

const protocolPrefix = 'base64url.bearer.authorization.k8s.io.';

/**
 * The token of an `Authorization: Bearer …` header, or of a WebSocket subprotocol, as browsers can set no header there.
 * Source: apiserver `authentication/request/websocket/protocol.go`.
 */
export function bearerToken(headers: HttpHeaders): string | undefined {
  const { authorization, 'sec-websocket-protocol': protocols } = headers;
  if (authorization !== undefined) return /^bearer +(\S+) *$/i.exec(authorization)?.[1];
  if (protocols === undefined || headers.upgrade?.toLowerCase() !== 'websocket') return undefined;
  const offered = protocols.split(',').map((protocol) => protocol.trim());
  const found = offered.find((protocol) => protocol.startsWith(protocolPrefix));
  // Beside the token there has to be a protocol that can be chosen.
  if (found === undefined || offered.length < 2) return undefined;
  const token = Buffer.from(found.slice(protocolPrefix.length), 'base64url').toString('utf8');
  return /^[\x21-\x7e]+$/.test(token) ? token : undefined;
}

/** The user with the group of all authenticated users added. */
export function authenticated(user: UserInfo): UserInfo {
  return user.groups.includes(allAuthenticated) ? user : { ...user, groups: [...user.groups, allAuthenticated] };
}
