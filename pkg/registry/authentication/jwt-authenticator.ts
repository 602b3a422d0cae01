/**
 * Users by the JWTs of one issuer: signed by one of its keys, for one of the audiences, in their time, and mapped to a user. A token of another issuer is
 * left to others. Claims that are kept elsewhere (distributed claims) are not looked up.
 * Source: apiserver `plugin/pkg/authenticator/token/oidc/oidc.go`; go-oidc `IDTokenVerifier.Verify`.
 */
import type { TokenAuthenticator, TokenUser } from '#pkg/apiserver/authn/bearer-tokens.ts';
import { ofApiAudiences } from '#pkg/apiserver/authn/bearer-tokens.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { type Claims, readClaims } from '#pkg/pki/jwt.ts';
import type { CallWebhook } from '../remote/call-webhook.ts';
import type { JwtConfig } from './authentication-configuration.ts';
import { ClaimMapper } from './claim-mapper.ts';
import { IssuerKeys } from './issuer-keys.ts';

/** How issuers are reached, and as whom tokens count. */
export interface JwtDeps {
  readonly call: CallWebhook;
  readonly clock: Clock;
  /** Names by which this server goes. */
  readonly audiences: readonly string[];
}

/** How far the clocks of an issuer and of this server may be apart for a token that does not count yet. Source: go-oidc. */
const leewaySeconds = 300;

/** Knows the tokens of the issuer of `config`. */
export function jwtAuthenticator(config: JwtConfig, { call, clock, audiences: own }: JwtDeps): TokenAuthenticator {
  const { url = '', discoveryURL = '', certificateAuthority, audiences = [] } = config.issuer;
  const keys = new IssuerKeys({
    issuer: url,
    discoveryUrl: discoveryURL === '' ? `${url.replace(/\/$/, '')}/.well-known/openid-configuration` : discoveryURL,
    caBundle: certificateAuthority,
    call,
    clock,
  });
  const mapper = new ClaimMapper(config);
  return {
    authenticateToken(token, wanted): Promise<TokenUser | string> | undefined {
      const claims = readClaims(token);
      if (claims === undefined || claims.iss !== url) return undefined;
      return userOf(claims, token, wanted);
    },
  };

  async function userOf(claims: Claims, token: string, wanted: readonly string[]): Promise<TokenUser | string> {
    const fault = timeFault(claims, clock.nowMs() / 1_000) ?? (await keys.faultOf(token));
    if (fault !== undefined) return fault;
    const named = Array.isArray(claims.aud) ? claims.aud : [claims.aud];
    if (!audiences.some((audience) => named.includes(audience))) {
      const shown = (list: readonly unknown[]): string => `[${list.map((one) => JSON.stringify(one ?? '')).join(' ')}]`;
      return `oidc: verify token: oidc: expected audience in ${shown(audiences.toSorted())} got ${shown(named)}`;
    }
    try {
      return ofApiAudiences(mapper.userOf(claims), { wanted, own });
    } catch (error) {
      return errorText(error);
    }
  }
}

/** What is wrong with the times of a token. */
function timeFault({ exp, nbf }: Claims, nowSeconds: number): string | undefined {
  if (typeof exp !== 'number' || exp <= nowSeconds) {
    const end = new Date((typeof exp === 'number' ? Math.min(exp, nowSeconds) : 0) * 1_000).toISOString();
    return `oidc: verify token: oidc: token is expired (Token Expiry: ${end})`;
  }
  if (typeof nbf === 'number' && nowSeconds + leewaySeconds < nbf) {
    const now = new Date(nowSeconds * 1_000).toISOString();
    return `oidc: verify token: oidc: current time ${now} before the nbf (not before) time: ${nbf}`;
  }
  return undefined;
}
