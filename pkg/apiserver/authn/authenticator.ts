/**
 * Who asks. Authenticators are tried in order; the first that knows the caller wins. A token that none knows is refused, as is a certificate that
 * proves nothing, and who shows nothing is anonymous.
 * Upstream counterpart: apiserver `authentication/authenticator` and `request/union`.
 */
import { Buffer } from 'node:buffer';
import type { ApiRequest, HttpHeaders } from '#pkg/apimachinery/http.ts';
import { bearerProtocolPrefix } from '#pkg/serving/websocket/handshake.ts';
import type { AuditNotes } from '../audit/audit-notes.ts';
import type { UserInfo } from '../user-info.ts';

/** One way of telling who asks. */
export interface Authenticator {
  /**
   * The caller, or undefined when the request carries nothing that this authenticator reads. Throws the Unauthorized StatusError
   * for credentials that it reads and does not accept. `audit` is absent where requests are not audited.
   */
  authenticate(request: ApiRequest, audit?: AuditNotes): Promise<UserInfo | undefined> | UserInfo | undefined;
}

/** Group of everybody who was authenticated. */
const allAuthenticated = 'system:authenticated';

/** Who has shown no credentials. */
export const anonymousUser: UserInfo = { name: 'system:anonymous', groups: ['system:unauthenticated'] };

/** Which credential a user came with, among what else is known of a user. Source: apiserver `authentication/user` `CredentialIDKey`. */
export const credentialIdKey = 'authentication.kubernetes.io/credential-id';

/** The token of an `Authorization: Bearer …` header, or of a WebSocket's protocol; one that cannot be read is the empty text, which nobody has. */
export function bearerToken(headers: HttpHeaders): string | undefined {
  const { authorization } = headers;
  if (authorization !== undefined) return /^bearer +(\S+) *$/i.exec(authorization)?.[1];
  const protocols = headers['sec-websocket-protocol'];
  return protocols === undefined ? undefined : protocolToken(protocols);
}

/** Source: apiserver `authentication/request/websocket/protocol.go`. */
function protocolToken(header: string): string | undefined {
  const protocols = header.split(',').map((protocol) => protocol.trim());
  const tokens = protocols.filter((protocol) => protocol.startsWith(bearerProtocolPrefix));
  if (tokens.length === 0) return undefined;
  // Another protocol has to be there to be agreed on.
  if (tokens.length > 1 || protocols.length === 1) return '';
  const encoded = tokens[0]!.slice(bearerProtocolPrefix.length);
  return /^[\w-]*$/.test(encoded) ? Buffer.from(encoded, 'base64url').toString() : '';
}

/** The user with the group of all authenticated users added. */
export function authenticated(user: UserInfo): UserInfo {
  return user.groups.includes(allAuthenticated) ? user : { ...user, groups: [...user.groups, allAuthenticated] };
}
