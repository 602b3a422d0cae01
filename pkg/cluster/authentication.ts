/**
 * How the API server of a cluster knows its users: client certificates, then tokens of service accounts, of bootstrap Secrets and of a file.
 * Adding a kind of credential is its file and a line here. Upstream counterpart: `pkg/kubeapiserver/authenticator/config.go`.
 */
import { generateKeyPairSync } from 'node:crypto';
import { anonymousAt } from '#pkg/apiserver/authn/anonymous-at.ts';
import type { Authenticator } from '#pkg/apiserver/authn/authenticator.ts';
import { type BearerTokens, bearerTokens, type TokenAuthenticator } from '#pkg/apiserver/authn/bearer-tokens.ts';
import { certificateUses } from '#pkg/apiserver/authn/certificate-uses.ts';
import { clientCertificateAuthenticator } from '#pkg/apiserver/authn/client-certificate.ts';
import { type RequestHeaderSettings, requestHeaderAuthenticator } from '#pkg/apiserver/authn/request-header.ts';
import { tokenFileAuthenticator } from '#pkg/apiserver/authn/token-file.ts';
import type { RegistryReader } from '#pkg/apiserver/strategy.ts';
import type { UserInfo } from '#pkg/apiserver/user-info.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { signingKey, verifyingKey } from '#pkg/pki/jwt.ts';
import type { AuthenticationConfiguration } from '#pkg/registry/authentication/authentication-configuration.ts';
import { BootstrapTokens } from '#pkg/registry/authentication/bootstrap-tokens.ts';
import { jwtAuthenticator } from '#pkg/registry/authentication/jwt-authenticator.ts';
import { ServiceAccountIssuer } from '#pkg/registry/authentication/service-account-issuer.ts';
import type { TokenUses } from '#pkg/registry/authentication/token-uses.ts';
import { type TokenWebhookOptions, tokenWebhook } from '#pkg/registry/authentication/token-webhook.ts';
import { type CallWebhook, noWebhooks } from '#pkg/registry/remote/call-webhook.ts';

/** What people can set of it. */
export interface AuthenticationSettings {
  /** PEM of the private key that signs tokens of service accounts. Default: one that is made now and dies with the process. */
  readonly serviceAccountKey?: string;
  /** PEM of keys of earlier, whose tokens still count. */
  readonly serviceAccountKeys?: readonly string[];
  /** Proxies that name users in headers, and the authority of clients' own certificates beside theirs (PEM). Default: there are none. */
  readonly requestHeader?: RequestHeaderSettings & { readonly clientCa: string };
  /** Whether requests without credentials are somebody's, `system:anonymous`. Default true. */
  readonly allowsAnonymous?: boolean;
  /** URL by which those tokens name their issuer. */
  readonly serviceAccountIssuer?: string;
  /** Audiences that are this API. Default: the issuer. */
  readonly apiAudiences?: readonly string[];
  /** Users of a token file, by token. */
  readonly tokenFile?: ReadonlyMap<string, UserInfo>;
  /** Issuers whose JWTs count, and where anonymous requests are let in, which then takes the place of `allowsAnonymous`. */
  readonly configuration?: AuthenticationConfiguration;
  /** A server that knows tokens, and how long what it says of one counts. */
  readonly tokenWebhook?: Pick<TokenWebhookOptions, 'server' | 'ttlMs' | 'version'>;
}

/** What a server knows its users by. */
export interface Authentication {
  readonly issuer: ServiceAccountIssuer;
  readonly authenticators: readonly Authenticator[];
  readonly tokens: BearerTokens;
  /** Whether requests without credentials are let in, at whatever path. */
  readonly allowsAnonymous: boolean;
  /** Lets tokens count: from now on what they are bound to can be looked up, and their use kept. */
  connect(reader: RegistryReader, uses?: TokenUses): void;
}

/** The issuer of tokens of service accounts where nobody names another, as kubeadm sets it. */
export const defaultIssuer = 'https://kubernetes.default.svc.cluster.local';

/** Makes it; no token counts before `connect`. Tokens of the cluster live by `clock`, certificates and tokens of others by `networkClock` (default: the same). Issuers and servers that know tokens are reached by `call`. */
export function createAuthentication(
  { clock, networkClock = clock }: { readonly clock: Clock; readonly networkClock?: Clock },
  settings: AuthenticationSettings = {},
  call: CallWebhook = noWebhooks,
): Authentication {
  const { serviceAccountKey = newServiceAccountKey(), serviceAccountIssuer = defaultIssuer } = settings;
  const audiences = settings.apiAudiences ?? [serviceAccountIssuer];
  const issuer = new ServiceAccountIssuer({
    clock,
    issuer: serviceAccountIssuer,
    audiences,
    key: signingKey(serviceAccountKey),
    keys: (settings.serviceAccountKeys ?? []).map(verifyingKey),
  });
  const bootstrap = new BootstrapTokens(clock, audiences);
  const kinds: readonly TokenAuthenticator[] = [
    ...(settings.tokenFile === undefined ? [] : [tokenFileAuthenticator(settings.tokenFile, audiences)]),
    issuer,
    bootstrap,
    ...(settings.configuration?.jwt ?? []).map((one) =>
      jwtAuthenticator(one, { call, clock: networkClock, audiences }),
    ),
    ...(settings.tokenWebhook === undefined
      ? []
      : [tokenWebhook({ ...settings.tokenWebhook, call, clock: networkClock, audiences })]),
  ];
  const { anonymous } = settings.configuration ?? {};
  const paths = (anonymous?.conditions ?? []).map(({ path = '' }) => path);
  return {
    issuer,
    authenticators: [
      ...certificateAuthenticators(networkClock, settings.requestHeader),
      ...(paths.length === 0 ? [] : [anonymousAt(paths, networkClock)]),
    ],
    tokens: bearerTokens(kinds, audiences),
    allowsAnonymous:
      anonymous === undefined ? (settings.allowsAnonymous ?? true) : anonymous.enabled === true && paths.length === 0,
    connect: (reader, uses) => {
      issuer.connect(reader, uses);
      bootstrap.connect(reader);
    },
  };
}

/** Those of proxies come first: their certificates are nobody's own. */
function certificateAuthenticators(
  clock: Clock,
  requestHeader: AuthenticationSettings['requestHeader'],
): readonly Authenticator[] {
  if (requestHeader === undefined) return [clientCertificateAuthenticator(clock)];
  const { clientCa: clients, authority: frontProxies } = requestHeader;
  const usesOf = certificateUses({ clients, frontProxies });
  return [
    requestHeaderAuthenticator(requestHeader, usesOf),
    clientCertificateAuthenticator(clock, (certificate) => usesOf(certificate).isClient),
  ];
}

/** PEM of a private key that signs tokens, for a cluster that keeps none. */
export function newServiceAccountKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}
