/**
 * Users by bearer token. Each kind of token is tried in order; a token counts for audiences, of which those of the API are asked for here and those of
 * others by a TokenReview. Upstream counterpart: apiserver `authentication/token/union`, `request/bearertoken`, `authenticator/audagnostic.go`.
 */
import type { ApiRequest } from '#pkg/apimachinery/http.ts';
import type { AuditNotes } from '../audit/audit-notes.ts';
import type { UserInfo } from '../user-info.ts';
import { type Authenticator, authenticated, bearerToken } from './authenticator.ts';

/** Whose a token is, and for which of the audiences that were asked for it counts. */
export interface TokenUser {
  readonly user: UserInfo;
  readonly audiences: readonly string[];
}

/** One kind of token. */
export interface TokenAuthenticator {
  /** Undefined for a token that is of another kind; an error, as a text, for one that is of this kind and does not count. */
  authenticateToken(
    token: string,
    audiences: readonly string[],
    audit?: AuditNotes,
  ): Promise<TokenUser | string | undefined> | TokenUser | string | undefined;
}

/** All kinds of tokens that a server knows, as one authenticator. */
export interface BearerTokens extends Authenticator {
  /** Names by which this server goes. */
  readonly audiences: readonly string[];
  /** The user of a token, or why it is nobody's. */
  review(
    token: string,
    audiences: readonly string[],
    audit?: AuditNotes,
  ): Promise<TokenUser | { readonly error: string | undefined }>;
}

/** Tries the kinds in order, for requests with the audiences of the API. */
export function bearerTokens(kinds: readonly TokenAuthenticator[], audiences: readonly string[]): BearerTokens {
  const review: BearerTokens['review'] = async (token, wanted, audit) => {
    const errors: string[] = [];
    for (const kind of kinds) {
      const found = await kind.authenticateToken(token, wanted, audit);
      if (typeof found === 'object') return { ...found, user: authenticated(found.user) };
      if (found !== undefined) errors.push(found);
    }
    if (errors.length === 0) return { error: undefined };
    return { error: errors.length === 1 ? errors[0] : `[${errors.join(', ')}]` };
  };
  const find = async (token: string, audit: AuditNotes | undefined): Promise<UserInfo | undefined> => {
    const found = await review(token, audiences, audit);
    return 'user' in found ? found.user : undefined;
  };
  return {
    audiences,
    review,
    authenticate: ({ headers }: ApiRequest, audit?: AuditNotes) => {
      const token = bearerToken(headers);
      return token === undefined ? undefined : find(token, audit);
    },
  };
}

/** The user of a token that says nothing of audiences: it counts for those of the API. */
export function ofApiAudiences(
  user: UserInfo,
  { wanted, own }: { readonly wanted: readonly string[]; readonly own: readonly string[] },
): TokenUser | string {
  const audiences = wanted.filter((audience) => own.includes(audience));
  return audiences.length === 0 ? 'unable to match the requested audiences' : { user, audiences };
}
