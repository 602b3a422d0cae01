/**
 * How a registry is told who asks: a password with each request, or a token that another server gives for one. Source: distribution `docs/spec/auth/token.md`,
 * RFC 9110 section 11 (challenges).
 */
import { isObject } from '#pkg/apimachinery/json.ts';
import { parseObject } from '../content/documents.ts';
import { ImageStoreError, type RegistryLogin } from '../image-store.ts';
import { readAll } from './answers.ts';
import type { SendHttp } from './http.ts';

/** What a registry wants. */
export interface Challenge {
  /** In lower case. */
  readonly scheme: string;
  readonly parameters: ReadonlyMap<string, string>;
}

/** A token with what is said of it. */
const tokenBytesMax = 1 << 20;

/** The challenges of a header; what cannot be read is passed over. */
export function parseChallenges(header: string): readonly Challenge[] {
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  const pattern = /([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))|([A-Za-z][\w-]*)/g;
  for (const [, name, quoted, plain, scheme] of header.matchAll(pattern)) {
    if (scheme !== undefined) challenges.push({ scheme: scheme.toLowerCase(), parameters: new Map() });
    else if (name !== undefined)
      challenges.at(-1)?.parameters.set(name.toLowerCase(), quoted?.replaceAll(/\\(.)/g, '$1') ?? plain ?? '');
  }
  return challenges;
}

/** What a login says with each request. */
function basic({ username, password }: RegistryLogin): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

/** Gets what answers a registry's challenges. Rejects with `unauthorized` where nothing does. */
export async function answerChallenges(
  challenges: readonly Challenge[],
  {
    send,
    login,
    scope,
    isSecure,
    signal,
  }: {
    readonly send: SendHttp;
    readonly login: RegistryLogin | undefined;
    readonly scope: string;
    /** Whether the registry is asked by HTTPS: then passwords go to nobody who is not. */
    readonly isSecure: boolean;
    readonly signal: AbortSignal | undefined;
  },
): Promise<string> {
  const bearer = challenges.find((one) => one.scheme === 'bearer');
  if (bearer !== undefined) {
    const realm = URL.parse(bearer.parameters.get('realm') ?? '');
    if (realm === null || !/^https?:$/.test(realm.protocol))
      throw new ImageStoreError('unauthorized', 'registry wants a token and does not say from where');
    if (isSecure && realm.protocol !== 'https:')
      throw new ImageStoreError('unauthorized', `registry wants the password sent to ${realm.origin} in the clear`);
    const service = bearer.parameters.get('service');
    if (service !== undefined) realm.searchParams.set('service', service);
    realm.searchParams.set('scope', scope);
    if (login !== undefined) realm.searchParams.set('account', login.username);
    const headers: Record<string, string> = login === undefined ? {} : { authorization: basic(login) };
    const answer = await send({ method: 'GET', url: realm, headers, signal });
    const bytes = await readAll(answer, tokenBytesMax);
    if (answer.status !== 200) throw refusal(answer.status, realm.host, login);
    return `Bearer ${tokenOf(bytes)}`;
  }
  if (login !== undefined && challenges.some((one) => one.scheme === 'basic')) return basic(login);
  throw new ImageStoreError('unauthorized', 'registry wants to know who asks, and no login was given');
}

function refusal(status: number, host: string, login: RegistryLogin | undefined): ImageStoreError {
  const who = login === undefined ? 'without a login' : `for ${login.username}`;
  const reason = status === 401 || status === 403 ? 'unauthorized' : 'unreachable';
  return new ImageStoreError(reason, `no token of ${host} ${who}: it answered ${status}`);
}

function tokenOf(bytes: Uint8Array): string {
  const { token, access_token: access } = parseObject(bytes, 'token of the registry');
  const found = typeof token === 'string' && token !== '' ? token : access;
  if (typeof found === 'string' && /^[\w\-.~+/=:]+$/.test(found)) return found;
  throw new ImageStoreError('unauthorized', 'registry gave no token');
}

/** What a registry says of a failure, in its own words; empty where it says nothing. */
export function registryErrors(bytes: Uint8Array): string {
  try {
    const { errors } = parseObject(bytes, 'error');
    if (!Array.isArray(errors)) return '';
    const lines = errors.filter(isObject).map(({ code, message }) => [code, message].filter(isText).join(': '));
    return lines.join('; ').replaceAll(/\s+/g, ' ').slice(0, 300);
  } catch {
    return '';
  }
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}
