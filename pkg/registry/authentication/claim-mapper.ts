/**
 * How the claims of a token, which was found to be good, become a user. Each step can refuse, in upstream's words.
 * Source: apiserver `plugin/pkg/authenticator/token/oidc/oidc.go`.
 */
import { credentialIdKey } from '#pkg/apiserver/authn/authenticator.ts';
import type { UserInfo } from '#pkg/apiserver/user-info.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { Claims } from '#pkg/pki/jwt.ts';
import type { ClaimMapping, JwtConfig } from './authentication-configuration.ts';
import { compileClaims, compileUser, type TokenExpression, userValue } from './claim-expressions.ts';

/** Maps claims by one configuration. */
export class ClaimMapper {
  readonly #config: JwtConfig;
  readonly #username: TokenExpression | undefined;
  readonly #groups: TokenExpression | undefined;
  readonly #uid: TokenExpression | undefined;
  readonly #extra: readonly (readonly [string, TokenExpression])[];
  readonly #claimRules: readonly Rule[];
  readonly #userRules: readonly Rule[];

  constructor(config: JwtConfig) {
    this.#config = config;
    const { username, groups, uid, extra = [] } = config.claimMappings ?? {};
    this.#username = expressionOf(username);
    this.#groups = expressionOf(groups);
    this.#uid = expressionOf(uid);
    this.#extra = extra.map(({ key = '', valueExpression = '' }) => [key, compileClaims(valueExpression)]);
    this.#claimRules = (config.claimValidationRules ?? []).flatMap(({ expression = '', message = '' }) =>
      expression === '' ? [] : [{ expression: compileClaims(expression, { isCondition: true }), message }],
    );
    this.#userRules = (config.userValidationRules ?? []).map(({ expression = '', message = '' }) => ({
      expression: compileUser(expression),
      message,
    }));
  }

  /** The user. Throws an `Error` that says why there is none. */
  userOf(claims: Claims): UserInfo {
    const name = this.#nameOf(claims);
    const groups = this.#groupsOf(claims);
    const uid = this.#uidOf(claims);
    const extra = this.#extraOf(claims);
    this.#checkClaims(claims);
    const user: UserInfo = {
      name,
      groups,
      ...(uid === '' ? {} : { uid }),
      ...(Object.keys(extra).length === 0 ? {} : { extra }),
    };
    checkRules(this.#userRules, userValue(user), 'oidc: error evaluating user info validation rule');
    return user;
  }

  #nameOf(claims: Claims): string {
    const expression = this.#username;
    if (expression !== undefined) {
      const name = evaluated(expression, claims, 'username claim');
      if (typeof name !== 'string') {
        throw new Error(
          'oidc: error evaluating username claim expression: username claim expression must return a string',
        );
      }
      if (name === '') throw new Error('oidc: empty username via CEL expression is not allowed');
      return name;
    }
    const { claim = '', prefix = '' } = this.#config.claimMappings?.username ?? {};
    const name = textClaim(claims, claim, `oidc: parse username claims ${JSON.stringify(claim)}`);
    if (claim === 'email' && Object.hasOwn(claims, 'email_verified')) {
      const verified = claims.email_verified;
      if (typeof verified !== 'boolean')
        throw new Error("oidc: parse 'email_verified' claim: it is neither true nor false");
      if (!verified) throw new Error('oidc: email not verified');
    }
    return `${prefix}${name}`;
  }

  #groupsOf(claims: Claims): readonly string[] {
    const { claim = '', prefix = '' } = this.#config.claimMappings?.groups ?? {};
    if (claim !== '' && Object.hasOwn(claims, claim)) {
      const groups = textsOf(claims[claim]);
      if (groups === undefined) {
        throw new Error(
          `oidc: parse groups claim ${JSON.stringify(claim)}: it is neither a string nor a list of strings`,
        );
      }
      return groups.map((group) => `${prefix}${group}`);
    }
    if (this.#groups === undefined) return [];
    const what = 'group claim';
    return listOf(evaluated(this.#groups, claims, what), `oidc: error evaluating ${what} expression`);
  }

  #uidOf(claims: Claims): string {
    const { claim = '' } = this.#config.claimMappings?.uid ?? {};
    if (claim !== '') return textClaim(claims, claim, `oidc: parse uid claim ${JSON.stringify(claim)}`);
    if (this.#uid === undefined) return '';
    const uid = evaluated(this.#uid, claims, 'uid claim');
    if (typeof uid !== 'string') {
      throw new Error('oidc: error evaluating uid claim expression: uid claim expression must return a string');
    }
    return uid;
  }

  #extraOf(claims: Claims): Readonly<Record<string, readonly string[]>> {
    const found: [string, readonly string[]][] = [];
    if (typeof claims.jti === 'string' && claims.jti !== '') found.push([credentialIdKey, [`JTI=${claims.jti}`]]);
    for (const [key, expression] of this.#extra) {
      const what = 'extra claim';
      const values = listOf(evaluated(expression, claims, what), `oidc: error evaluating ${what} expression`);
      if (values.length > 0) found.push([key, values]);
    }
    return Object.fromEntries(found);
  }

  #checkClaims(claims: Claims): void {
    for (const { claim = '', requiredValue = '' } of this.#config.claimValidationRules ?? []) {
      if (claim === '') continue;
      if (!Object.hasOwn(claims, claim)) throw new Error(`oidc: required claim ${claim} not present in ID token`);
      const value = textClaim(claims, claim, `oidc: parse claim ${claim}`);
      if (value !== requiredValue) {
        throw new Error(`oidc: required claim ${claim} value does not match. Got = ${value}, want = ${requiredValue}`);
      }
    }
    checkRules(this.#claimRules, claims, 'oidc: error evaluating claim validation expression');
  }
}

interface Rule {
  readonly expression: TokenExpression;
  readonly message: string;
}

function checkRules(rules: readonly Rule[], value: unknown, what: string): void {
  for (const { expression, message } of rules) {
    let outcome: unknown;
    try {
      outcome = expression.run(value);
    } catch (error) {
      throw new Error(`${what}: ${errorText(error)}`);
    }
    if (outcome === true) continue;
    const said = message === '' ? '' : `: ${message}`;
    throw new Error(`${what}: validation expression '${expression.text}' failed${said}`);
  }
}

function expressionOf(mapping: ClaimMapping | undefined): TokenExpression | undefined {
  const { expression = '' } = mapping ?? {};
  return expression === '' ? undefined : compileClaims(expression);
}

function evaluated(expression: TokenExpression, claims: Claims, what: string): unknown {
  try {
    return expression.run(claims);
  } catch (error) {
    throw new Error(`oidc: error evaluating ${what} expression: ${errorText(error)}`);
  }
}

function textClaim(claims: Claims, name: string, what: string): string {
  if (!Object.hasOwn(claims, name)) throw new Error(`${what}: claim not present`);
  const value = claims[name];
  if (typeof value !== 'string') throw new Error(`${what}: it is no string`);
  return value;
}

function textsOf(value: unknown): readonly string[] | undefined {
  if (typeof value === 'string') return [value];
  if (!Array.isArray(value)) return undefined;
  const texts = value.filter((one) => typeof one === 'string');
  return texts.length === value.length ? texts : undefined;
}

/** A text, a list of texts without the empty ones, or nothing. */
function listOf(value: unknown, what: string): readonly string[] {
  if (value === null || value === undefined) return [];
  const texts = textsOf(value);
  if (texts === undefined) throw new Error(`${what}: expression must return a string or a list of strings`);
  return texts.filter((text) => text !== '');
}
