/**
 * Users whom a proxy names in headers: one that shows a certificate of an authority which is for such proxies alone. Nobody else's headers are looked at.
 * Source: apiserver `authentication/request/headerrequest`.
 */
import type { HttpHeaders, Peer } from '#pkg/apimachinery/http.ts';
import { unauthorized } from '#pkg/apimachinery/status-error.ts';
import type { UserInfo } from '../user-info.ts';
import { type Authenticator, authenticated, bearerToken } from './authenticator.ts';
import type { CertificateUses } from './certificate-uses.ts';

/** Who may name users, and in which headers. */
export interface RequestHeaderSettings {
  /** PEM of the proxies' authority. */
  readonly authority: string;
  /** Common names of their certificates; empty for any. */
  readonly allowedNames: readonly string[];
  /** The first of them that a request has is the name. */
  readonly usernameHeaders: readonly string[];
  readonly uidHeaders: readonly string[];
  readonly groupHeaders: readonly string[];
  /** What headers begin with that say more; the rest of their names is the key. */
  readonly extraHeaderPrefixes: readonly string[];
}

/** Source: kubeadm's defaults of `--requestheader-*`. */
export const requestHeaderDefaults: Omit<RequestHeaderSettings, 'authority'> = {
  allowedNames: ['front-proxy-client'],
  usernameHeaders: ['X-Remote-User'],
  uidHeaders: ['X-Remote-Uid'],
  groupHeaders: ['X-Remote-Group'],
  extraHeaderPrefixes: ['X-Remote-Extra-'],
};

/** `usesOf` says what certificates count for. A certificate that is nobody's own, and names nobody, is refused. */
export function requestHeaderAuthenticator(
  settings: Omit<RequestHeaderSettings, 'authority'>,
  usesOf: (certificate: NonNullable<Peer['certificate']>) => CertificateUses,
): Authenticator {
  const lower = (names: readonly string[]): readonly string[] => names.map((name) => name.toLowerCase());
  const names = lower(settings.usernameHeaders);
  const uids = lower(settings.uidHeaders);
  const groups = lower(settings.groupHeaders);
  const prefixes = lower(settings.extraHeaderPrefixes);
  return {
    authenticate({ peer: { certificate }, headers }) {
      if (certificate === undefined) return undefined;
      const { isClient, isFrontProxy } = usesOf(certificate);
      const { allowedNames } = settings;
      const isAllowed = allowedNames.length === 0 || allowedNames.includes(certificate.commonName);
      const name = isFrontProxy && isAllowed ? firstOf(headers, names) : undefined;
      if (name === undefined) {
        if (!isClient && bearerToken(headers) === undefined) throw unauthorized();
        return undefined;
      }
      const uid = firstOf(headers, uids);
      const extra = extraOf(headers, prefixes);
      const user: UserInfo = {
        name,
        groups: groups.flatMap((header) => valuesOf(headers[header])),
        ...(uid === undefined ? {} : { uid }),
        ...(Object.keys(extra).length === 0 ? {} : { extra }),
      };
      return authenticated(user);
    },
  };
}

function firstOf(headers: HttpHeaders, names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = headers[name];
    if (value !== undefined && value !== '') return value;
  }
  return undefined;
}

/** A header that comes several times is one here, with commas. */
function valuesOf(header: string | undefined): readonly string[] {
  return (header ?? '')
    .split(',')
    .map((value) => value.trim())
    .filter((value) => value !== '');
}

function extraOf(headers: HttpHeaders, prefixes: readonly string[]): Readonly<Record<string, readonly string[]>> {
  const found: [string, readonly string[]][] = [];
  for (const name of Object.keys(headers)) {
    const prefix = prefixes.find((one) => name.startsWith(one) && name.length > one.length);
    if (prefix !== undefined) found.push([unescaped(name.slice(prefix.length)), valuesOf(headers[name])]);
  }
  return Object.fromEntries(found);
}

/** A key that does not decode is taken as it is. */
function unescaped(key: string): string {
  try {
    return decodeURIComponent(key);
  } catch {
    return key;
  }
}
