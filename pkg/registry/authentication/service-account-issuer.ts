/**
 * The tokens of service accounts: signed by this server, for audiences and a time, and bound to a pod, a node or a secret, with which they end. A token
 * counts only while its account and what it is bound to are there, with the same uid: that is looked at each time, the signature once.
 * Upstream counterpart: `pkg/serviceaccount/{claims,jwt,legacy}.go`.
 */
import { nodes, pods, secrets, serviceAccounts } from '#pkg/api/types/refs.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import type { AuditNotes } from '#pkg/apiserver/audit/audit-notes.ts';
import { credentialIdKey } from '#pkg/apiserver/authn/authenticator.ts';
import type { TokenAuthenticator, TokenUser } from '#pkg/apiserver/authn/bearer-tokens.ts';
import { type RegistryReader, readOne } from '#pkg/apiserver/strategy.ts';
import type { UserInfo } from '#pkg/apiserver/user-info.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { type Claims, isSigned, readClaims, type SigningKey, signJwt, type VerifyingKey } from '#pkg/pki/jwt.ts';
import type { TokenUses } from './token-uses.ts';

/** Of tokens that were stored in Secrets, which have no end. */
const legacyIssuer = 'kubernetes/serviceaccount';
const legacyClaim = 'kubernetes.io/serviceaccount/';

/** Tokens whose signature was checked that are remembered; the oldest is forgotten, and checked again. Some 1 KB each. */
const checkedTokensMax = 5_000;
/** How much clocks may differ. Source: go-jose `jwt.DefaultLeeway`. */
const leewayMs = 60_000;

/** The keys and names of an issuer. */
export interface IssuerOptions {
  readonly clock: Clock;
  /** URL by which tokens name their issuer. */
  readonly issuer: string;
  /** Audiences that are this API. */
  readonly audiences: readonly string[];
  /** Signs new tokens. */
  readonly key: SigningKey;
  /** Check tokens, besides the public half of `key`. */
  readonly keys?: readonly VerifyingKey[];
}

/** An object that a token names. */
interface Named {
  readonly name: string;
  readonly uid: string;
}

/** What a token is to say. */
export interface TokenRequest {
  readonly account: KubeObject;
  readonly pod?: KubeObject | undefined;
  readonly node?: Named | undefined;
  readonly secret?: KubeObject | undefined;
  readonly audiences: readonly string[];
  readonly seconds: number;
  /** After how many seconds the use of the token is late. */
  readonly warnAfterSeconds?: number | undefined;
  /** Names the token. */
  readonly id: string;
}

const resources: Readonly<Record<'node' | 'pod' | 'secret' | 'serviceaccount', ResourceRef>> = {
  node: nodes,
  pod: pods,
  secret: secrets,
  serviceaccount: serviceAccounts,
};

/** Signs tokens and knows them again. */
export class ServiceAccountIssuer implements TokenAuthenticator {
  readonly issuer: string;
  readonly audiences: readonly string[];
  readonly keys: readonly VerifyingKey[];
  readonly #options: IssuerOptions;
  readonly #checked = new Map<string, Claims>();
  #reader: RegistryReader | undefined;
  #uses: TokenUses | undefined;

  constructor(options: IssuerOptions) {
    this.#options = options;
    this.issuer = options.issuer;
    this.audiences = options.audiences;
    this.keys = [options.key.verifying, ...(options.keys ?? [])];
  }

  /** Where accounts and what tokens are bound to are looked up, and who keeps the use of those that Secrets hold. Before that no token counts. */
  connect(reader: RegistryReader, uses?: TokenUses): void {
    this.#reader = reader;
    this.#uses = uses;
  }

  /** A token. Claims are in order, as upstream writes them. */
  sign(request: TokenRequest): string {
    const { account, pod, node, secret, audiences, seconds, warnAfterSeconds, id } = request;
    const now = Math.floor(this.#options.clock.nowMs() / 1000);
    const namespace = account.metadata?.namespace ?? '';
    return signJwt(this.#options.key, {
      aud: audiences,
      exp: now + seconds,
      iat: now,
      iss: this.issuer,
      jti: id,
      'kubernetes.io': {
        namespace,
        ...(node === undefined ? {} : { node: node.uid === '' ? { name: node.name } : node }),
        ...(pod === undefined ? {} : { pod: named(pod) }),
        ...(secret === undefined ? {} : { secret: named(secret) }),
        serviceaccount: named(account),
        ...(warnAfterSeconds === undefined ? {} : { warnafter: now + warnAfterSeconds }),
      },
      nbf: now,
      sub: `system:serviceaccount:${namespace}:${account.metadata?.name}`,
    });
  }

  async authenticateToken(
    token: string,
    audiences: readonly string[],
    audit?: AuditNotes,
  ): Promise<TokenUser | string | undefined> {
    const claims = this.#checked.get(token) ?? readClaims(token);
    const isLegacy = claims?.iss === legacyIssuer;
    if (claims === undefined || (claims.iss !== this.issuer && !isLegacy)) return undefined;
    if (!this.#isChecked(token, claims)) return 'invalid signature';
    const own = listOf(claims.aud);
    const among = own.length === 0 ? this.audiences : own;
    const matching = among.filter((audience) => audiences.includes(audience));
    if (matching.length === 0)
      return `token audiences ${quoted(among)} is invalid for the target audiences ${quoted(audiences)}`;
    const user = isLegacy ? await this.#legacyUser(token, claims, audit) : await this.#user(claims);
    return typeof user === 'string' ? user : { user, audiences: matching };
  }

  #isChecked(token: string, claims: Claims): boolean {
    if (this.#checked.has(token)) return true;
    if (!isSigned(token, this.keys)) return false;
    if (this.#checked.size >= checkedTokensMax) {
      for (const oldest of this.#checked.keys()) {
        this.#checked.delete(oldest);
        break;
      }
    }
    this.#checked.set(token, claims);
    return true;
  }

  async #user(claims: Claims): Promise<UserInfo | string> {
    const nowMs = this.#options.clock.nowMs();
    const [expiry, notBefore, issuedAt] = [numberOf(claims.exp), numberOf(claims.nbf), numberOf(claims.iat)];
    if (expiry === undefined || nowMs - leewayMs > expiry * 1000) return 'service account token has expired';
    if (notBefore !== undefined && nowMs + leewayMs < notBefore * 1000) return 'service account token is not valid yet';
    if (issuedAt !== undefined && nowMs + leewayMs < issuedAt * 1000)
      return 'service account token is issued in the future';
    const own = isObject(claims['kubernetes.io']) ? claims['kubernetes.io'] : {};
    const namespace = textOf(own.namespace);
    const [account, secret, pod, node] = [own.serviceaccount, own.secret, own.pod, own.node].map(namedBy);
    if (account === undefined) return 'service account token names no service account';
    const problem =
      (await this.#problem('serviceaccount', namespace, account)) ??
      (secret && (await this.#problem('secret', namespace, secret))) ??
      (pod && (await this.#problem('pod', namespace, pod))) ??
      // A pod's token says where the pod was, and lives as long as the pod.
      (node && pod === undefined ? await this.#problem('node', '', node) : undefined);
    if (problem !== undefined) return problem;
    const extra: Record<string, readonly string[]> = {};
    const add = (key: string, value: string | undefined): void => {
      if (value) extra[`authentication.kubernetes.io/${key}`] = [value];
    };
    if (typeof claims.jti === 'string') extra[credentialIdKey] = [`JTI=${claims.jti}`];
    add('node-name', node?.name);
    add('node-uid', node?.uid);
    add('pod-name', pod?.name);
    add('pod-uid', pod?.uid);
    return { ...userOf(namespace, account), extra };
  }

  /** Why an object that a token names does not carry it; undefined when it does. */
  async #problem(kind: keyof typeof resources, namespace: string, { name, uid }: Named): Promise<string | undefined> {
    const reader = this.#reader;
    const object = reader && (await readOne(reader, resources[kind], { namespace, name }));
    const isAccount = kind === 'serviceaccount';
    if (object === undefined)
      return isAccount
        ? `serviceaccounts ${JSON.stringify(name)} not found`
        : 'service account token has been invalidated';
    const deletedAt = object.metadata?.deletionTimestamp;
    if (deletedAt && Date.parse(deletedAt) < this.#options.clock.nowMs() - leewayMs)
      return isAccount
        ? `service account ${namespace}/${name} has been deleted`
        : 'service account token has been invalidated';
    const now = object.metadata?.uid ?? '';
    if (now === uid) return undefined;
    if (isAccount) return `service account UID (${now}) does not match claim (${uid})`;
    return `${kind} UID (${now}) does not match service account ${kind} ref claim (${uid})`;
  }

  /** A token that a Secret holds counts while that Secret does. */
  async #legacyUser(token: string, claims: Claims, audit: AuditNotes | undefined): Promise<UserInfo | string> {
    const claim = (name: string): string => textOf(claims[`${legacyClaim}${name}`]);
    const [namespace, secretName] = [claim('namespace'), claim('secret.name')];
    const account = { name: claim('service-account.name'), uid: claim('service-account.uid') };
    if (claims.sub !== `system:serviceaccount:${namespace}:${account.name}`) return 'sub claim is invalid';
    const reader = this.#reader;
    const secret = reader && (await readOne(reader, secrets, { namespace, name: secretName }));
    const held = Buffer.from(secret?.data?.token ?? '', 'base64').toString();
    if (reader === undefined || secret === undefined || secret.metadata?.deletionTimestamp || held !== token)
      return "Token has been invalidated or does not match the server's copy";
    const problem =
      (await this.#problem('serviceaccount', namespace, account)) ??
      (await this.#uses?.used({
        secret,
        account: await readOne(reader, serviceAccounts, { namespace, name: account.name }),
        audit,
      }));
    return problem ?? userOf(namespace, account);
  }
}

function named({ metadata }: KubeObject): Named {
  return { name: metadata?.name ?? '', uid: metadata?.uid ?? '' };
}

/** What a claim names, if it is one that names an object. */
function namedBy(claim: unknown): Named | undefined {
  return isObject(claim) ? { name: textOf(claim.name), uid: textOf(claim.uid) } : undefined;
}

function textOf(claim: unknown): string {
  return typeof claim === 'string' ? claim : '';
}

function numberOf(claim: unknown): number | undefined {
  return typeof claim === 'number' ? claim : undefined;
}

function userOf(namespace: string, { name, uid }: Named): UserInfo {
  const groups = ['system:serviceaccounts', `system:serviceaccounts:${namespace}`];
  return { name: `system:serviceaccount:${namespace}:${name}`, uid, groups };
}

/** The claim `aud` is one name or a list of them. */
function listOf(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value];
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
}

function quoted(list: readonly string[]): string {
  return `[${list.map((one) => JSON.stringify(one)).join(' ')}]`;
}
