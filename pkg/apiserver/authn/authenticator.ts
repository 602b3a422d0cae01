/**
 * Who asks. Authenticators are tried in order; the first that knows the caller wins. A token that none knows is refused, as is a certificate that
 * proves nothing, and who shows nothing is anonymous.
 * Upstream counterpart: apiserver `authentication/authenticator` and `request/union`.
 */
import type { ApiRequest, HttpHeaders } from '#pkg/apimachinery/http.ts';
import type { UserInfo } from '../strategy.ts';

/** One way of telling who asks. */
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

/** The token of an `Authorization: Bearer …` header. */
export function bearerToken({ authorization }: HttpHeaders): string | undefined {
  return authorization === undefined ? undefined : /^bearer +(\S+) *$/i.exec(authorization)?.[1];
}

/** The user with the group of all authenticated users added. */
export function authenticated(user: UserInfo): UserInfo {
  return user.groups.includes(allAuthenticated) ? user : { ...user, groups: [...user.groups, allAuthenticated] };
}
