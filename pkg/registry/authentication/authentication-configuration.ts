/**
 * The file of `--authentication-config`: issuers whose JWTs count, how their claims become users, and where anonymous requests are let in.
 * Source: apiserver `pkg/apis/apiserver/v1` `AuthenticationConfiguration`, `pkg/apis/apiserver/validation`.
 */
import { X509Certificate } from 'node:crypto';
import {
  at,
  child,
  duplicate,
  type FieldError,
  type FieldPath,
  invalid,
  required,
  tooMany,
  untyped,
} from '#pkg/apimachinery/field-error.ts';
import { dns1123SubdomainProblems } from '#pkg/apimachinery/names.ts';
import { refuseConfig } from '../remote/config-errors.ts';
import { readConfig } from '../remote/config-shape.ts';
import { compileClaims, compileUser, type TokenExpression } from './claim-expressions.ts';

/** A claim, with what is put before its value, or an expression. */
export interface ClaimMapping {
  readonly claim?: string;
  readonly prefix?: string;
  readonly expression?: string;
}

/** One issuer, and what its tokens come to. */
export interface JwtConfig {
  readonly issuer: {
    readonly url?: string;
    readonly discoveryURL?: string;
    readonly certificateAuthority?: string;
    readonly audiences?: readonly string[];
    readonly audienceMatchPolicy?: string;
    readonly egressSelectorType?: string;
  };
  readonly claimValidationRules?: readonly {
    readonly claim?: string;
    readonly requiredValue?: string;
    readonly expression?: string;
    readonly message?: string;
  }[];
  readonly claimMappings?: {
    readonly username?: ClaimMapping;
    readonly groups?: ClaimMapping;
    readonly uid?: ClaimMapping;
    readonly extra?: readonly { readonly key?: string; readonly valueExpression?: string }[];
  };
  readonly userValidationRules?: readonly { readonly expression?: string; readonly message?: string }[];
}

/** What the file says. */
export interface AuthenticationConfiguration {
  readonly jwt?: readonly JwtConfig[];
  readonly anonymous?: { readonly enabled?: boolean; readonly conditions?: readonly { readonly path?: string }[] };
}

const texts = (...names: readonly string[]) => Object.fromEntries(names.map((name) => [name, 'string'] as const));
const mapping = { fields: texts('claim', 'prefix', 'expression') };

const kind = {
  kind: 'AuthenticationConfiguration',
  versions: ['v1', 'v1beta1'],
  fields: {
    jwt: {
      list: {
        fields: {
          issuer: {
            fields: {
              ...texts('url', 'discoveryURL', 'certificateAuthority', 'audienceMatchPolicy', 'egressSelectorType'),
              audiences: { list: 'string' },
            },
          },
          claimValidationRules: { list: { fields: texts('claim', 'requiredValue', 'expression', 'message') } },
          claimMappings: {
            fields: {
              username: mapping,
              groups: mapping,
              uid: { fields: texts('claim', 'expression') },
              extra: { list: { fields: texts('key', 'valueExpression') } },
            },
          },
          userValidationRules: { list: { fields: texts('expression', 'message') } },
        },
      },
    },
    anonymous: { fields: { enabled: 'boolean', conditions: { list: { fields: texts('path') } } } },
  },
} as const;

/** Reads the file. `disallowed` are issuers of this server. Throws an `Error` that says in one line all that is wrong. */
export function readAuthenticationConfiguration(
  text: string,
  disallowed: readonly string[] = [],
): AuthenticationConfiguration {
  const config: AuthenticationConfiguration = readConfig(text, kind);
  refuseConfig(configurationErrors(config, disallowed));
  return config;
}

const issuersMax = 64;

function configurationErrors(
  { jwt = [], anonymous }: AuthenticationConfiguration,
  disallowed: readonly string[],
): readonly FieldError[] {
  const root = untyped('jwt');
  if (jwt.length > issuersMax) return [tooMany(root, jwt.length, issuersMax)];
  const errors: FieldError[] = [];
  for (const [index, one] of jwt.entries()) {
    const path: FieldPath = at(root, index);
    new JwtCheck(errors, disallowed).check(one, path);
    const before = jwt.slice(0, index).map(({ issuer }) => issuer);
    const { url, discoveryURL = '' } = one.issuer ?? {};
    if (before.some((other) => other?.url === url)) errors.push(duplicate(child(path, 'issuer.url'), url));
    if (discoveryURL !== '' && before.some((other) => other?.discoveryURL === discoveryURL)) {
      errors.push(duplicate(child(path, 'issuer.discoveryURL'), discoveryURL));
    }
  }
  const { enabled = false, conditions = [] } = anonymous ?? {};
  if (!enabled && conditions.length > 0) {
    const why = 'enabled should be set to true when conditions are defined';
    errors.push(invalid(untyped('anonymous.conditions'), conditions, why));
  }
  return errors;
}

const reserved = /(?:^|\.)(?:kubernetes|k8s)\.io$/;

/** The rules of one issuer. */
class JwtCheck {
  readonly #errors: FieldError[];
  readonly #disallowed: readonly string[];
  /** Expressions in which `claims.email_verified` has to be, where `claims.email` is the user. */
  readonly #seen: string[] = [];

  constructor(errors: FieldError[], disallowed: readonly string[]) {
    this.#errors = errors;
    this.#disallowed = disallowed;
  }

  check({ issuer = {}, claimMappings = {}, ...rules }: JwtConfig, path: FieldPath): void {
    this.#issuer(issuer, child(path, 'issuer'));
    this.#claimRules(rules.claimValidationRules ?? [], child(path, 'claimValidationRules'));
    this.#mappings(claimMappings, child(path, 'claimMappings'));
    this.#userRules(rules.userValidationRules ?? [], child(path, 'userValidationRules'));
  }

  #issuer(issuer: JwtConfig['issuer'], path: FieldPath): void {
    const { url = '', discoveryURL = '', audiences = [], audienceMatchPolicy: policy = '' } = issuer;
    if (url === '') this.#errors.push(required(child(path, 'url')));
    else this.#url(url, this.#disallowed, child(path, 'url'));
    const discovery: FieldPath = child(path, 'discoveryURL');
    if (discoveryURL !== '') {
      if (url !== '' && withoutSlash(url) === withoutSlash(discoveryURL)) {
        this.#errors.push(invalid(discovery, discoveryURL, 'discoveryURL must be different from URL'));
      }
      this.#url(discoveryURL, [], discovery);
    }
    this.#audiences(audiences, policy, path);
    const authorities = issuer.certificateAuthority ?? '';
    if (authorities !== '' && !isCertificates(authorities)) {
      const why = 'data does not contain any valid RSA or ECDSA certificates';
      this.#errors.push(invalid(child(path, 'certificateAuthority'), '<omitted>', why));
    }
    const egress = issuer.egressSelectorType ?? '';
    if (egress !== '') {
      const why = 'this server has no egress selectors';
      this.#errors.push(invalid(child(path, 'egressSelectorType'), egress, why));
    }
  }

  #url(text: string, disallowed: readonly string[], path: FieldPath): void {
    const refuse = (why: string): void => void this.#errors.push(invalid(path, text, why));
    if (disallowed.includes(text)) {
      refuse(`URL must not overlap with disallowed issuers: [${disallowed.toSorted().join(' ')}]`);
    }
    if (!URL.canParse(text)) {
      refuse(`parse ${JSON.stringify(text)}: invalid URI for request`);
      return;
    }
    const { protocol, username, password, search, hash } = new URL(text);
    if (protocol !== 'https:') refuse('URL scheme must be https');
    if (username !== '' || password !== '') refuse('URL must not contain a username or password');
    if (search !== '') refuse('URL must not contain a query');
    if (hash !== '') refuse('URL must not contain a fragment');
  }

  #audiences(audiences: readonly string[], policy: string, issuer: FieldPath): void {
    const path: FieldPath = child(issuer, 'audiences');
    if (audiences.length === 0) {
      this.#errors.push(required(path, `at least one ${path} is required`));
      return;
    }
    for (const [index, audience] of audiences.entries()) {
      if (audience === '') this.#errors.push(required(at(path, index)));
      if (audiences.indexOf(audience) < index) this.#errors.push(duplicate(at(path, index), audience));
    }
    if (policy === 'MatchAny' || (policy === '' && audiences.length === 1)) return;
    const why =
      audiences.length > 1
        ? 'audienceMatchPolicy must be MatchAny for multiple audiences'
        : 'audienceMatchPolicy must be empty or MatchAny for single audience';
    this.#errors.push(invalid(child(issuer, 'audienceMatchPolicy'), policy, why));
  }

  #claimRules(rules: NonNullable<JwtConfig['claimValidationRules']>, path: FieldPath): void {
    for (const [index, { claim = '', expression = '', requiredValue = '', message = '' }] of rules.entries()) {
      const own: FieldPath = at(path, index);
      const before = rules.slice(0, index);
      if (claim !== '' && expression !== '') {
        this.#errors.push(invalid(own, claim, "claim and expression can't both be set"));
      } else if (claim === '' && expression === '') {
        this.#errors.push(required(own, 'claim or expression is required'));
      } else if (claim !== '') {
        if (message !== '') {
          this.#errors.push(invalid(child(own, 'message'), message, 'may not be specified when claim is set'));
        }
        if (before.some((other) => other.claim === claim)) this.#errors.push(duplicate(child(own, 'claim'), claim));
      } else {
        if (requiredValue !== '') {
          const why = 'may not be specified when expression is set';
          this.#errors.push(invalid(child(own, 'requiredValue'), requiredValue, why));
        }
        if (before.some((other) => other.expression === expression)) {
          this.#errors.push(duplicate(child(own, 'expression'), expression));
        } else this.#compiled(compileClaims(expression, { isCondition: true }), child(own, 'expression'));
      }
    }
  }

  #mappings(mappings: NonNullable<JwtConfig['claimMappings']>, path: FieldPath): void {
    const { username = {}, groups = {}, uid = {}, extra = [] } = mappings;
    this.#mapping(username, child(path, 'username'), true);
    this.#mapping(groups, child(path, 'groups'), false);
    if ((uid.claim ?? '') !== '' && (uid.expression ?? '') !== '') {
      this.#errors.push(invalid(child(path, 'uid'), '', "claim and expression can't both be set"));
    } else if ((uid.expression ?? '') !== '') {
      this.#compiled(compileClaims(uid.expression ?? ''), child(path, 'uid.expression'), false);
    }
    for (const [index, one] of extra.entries()) {
      const keys = extra.slice(0, index).map(({ key }) => key ?? '');
      this.#extra(one, keys, at(child(path, 'extra'), index));
    }
    if (!usesEmail.test(username.expression ?? '') || this.#seen.some((text) => usesVerified.test(text))) return;
    const why =
      'claims.email_verified must be used in claimMappings.username.expression or claimMappings.extra[*].valueExpression or claimValidationRules[*].expression when claims.email is used in claimMappings.username.expression';
    this.#errors.push(invalid(child(path, 'username.expression'), username.expression, why));
  }

  #mapping({ claim = '', prefix, expression = '' }: ClaimMapping, path: FieldPath, isNeeded: boolean): void {
    if (claim !== '' && expression !== '') {
      this.#errors.push(invalid(path, '', "claim and expression can't both be set"));
    } else if (claim === '' && expression === '') {
      if (isNeeded) this.#errors.push(required(path, 'claim or expression is required'));
    } else if (expression !== '') {
      if (prefix !== undefined) {
        this.#errors.push(invalid(child(path, 'prefix'), prefix, 'may not be specified when expression is set'));
      }
      this.#compiled(compileClaims(expression), child(path, 'expression'), isNeeded);
    } else if (prefix === undefined) {
      const why = 'prefix is required when claim is set. It can be set to an empty string to disable prefixing';
      this.#errors.push(required(child(path, 'prefix'), why));
    }
  }

  #extra(
    { key = '', valueExpression = '' }: { readonly key?: string; readonly valueExpression?: string },
    before: readonly string[],
    path: FieldPath,
  ): void {
    const own: FieldPath = child(path, 'key');
    const [domain = '', ...rest] = key.split('/');
    if (key === '') this.#errors.push(required(own));
    else if (rest.length === 0 || rest.join('/') === '') {
      this.#errors.push(invalid(own, key, 'must be a domain-prefixed path (such as "acme.io/foo")'));
    } else for (const problem of dns1123SubdomainProblems(domain)) this.#errors.push(invalid(own, domain, problem));
    if (key !== key.toLowerCase()) this.#errors.push(invalid(own, key, 'must be lowercase'));
    if (rest.length > 0 && reserved.test(domain)) {
      const why = 'k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use';
      this.#errors.push(invalid(own, key, why));
    }
    if (before.includes(key)) this.#errors.push(duplicate(own, key));
    else if (valueExpression === '') this.#errors.push(required(child(path, 'valueExpression')));
    else this.#compiled(compileClaims(valueExpression), child(path, 'valueExpression'));
  }

  #userRules(rules: NonNullable<JwtConfig['userValidationRules']>, path: FieldPath): void {
    for (const [index, { expression = '' }] of rules.entries()) {
      const own: FieldPath = child(at(path, index), 'expression');
      if (expression === '') this.#errors.push(required(own));
      else if (rules.slice(0, index).some((other) => other.expression === expression)) {
        this.#errors.push(duplicate(own, expression));
      } else this.#compiled(compileUser(expression), own, false);
    }
  }

  /** `mayVerify`: whether it counts as a look at `claims.email_verified`. */
  #compiled({ text, problem }: TokenExpression, path: FieldPath, mayVerify = true): void {
    if (mayVerify) this.#seen.push(text);
    if (problem !== undefined) this.#errors.push(invalid(path, text, problem));
  }
}

const usesEmail = /\bclaims\s*\.\s*\??\s*email\b/;
const usesVerified = /\bclaims\s*\.\s*\??\s*email_verified\b/;

function withoutSlash(url: string): string {
  return url.replace(/\/+$/, '');
}

function isCertificates(pem: string): boolean {
  try {
    new X509Certificate(pem);
    return true;
  } catch {
    return false;
  }
}
