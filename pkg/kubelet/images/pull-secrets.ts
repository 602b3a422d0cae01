/**
 * The logins that a pod's pull secrets have for the registry of an image: of those that fit its name, the most particular first. What cannot be read is left out by name, and the
 * image is pulled without it. Source: kubelet `getPullSecretsForPod`, `pkg/credentialprovider/keyring.go`.
 */
import type { Pod, Secret } from '#pkg/api/types/core-v1.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import { loginOfAuth } from '#pkg/images/client/docker-auth.ts';
import type { ObjectReader } from '../env/environment.ts';
import type { RegistryCredentials } from '../runtime/runtime.ts';
import { fittingLogins, type KeyedLogin, placeOfImage } from './image-places.ts';

/** What a pod brings to a pull. */
export interface PullLogins {
  readonly credentials: readonly RegistryCredentials[];
  /** Secrets that it names and that are not there, or that hold no logins. */
  readonly missing: readonly string[];
}

/** Reads the secrets anew. Throws `RuntimeError` `invalidImage` for what is no name. */
export async function pullLogins(pod: Pod, image: string, read: ObjectReader['secret']): Promise<PullLogins> {
  const place = placeOfImage(image);
  const namespace = pod.metadata?.namespace ?? '';
  const found: KeyedLogin[] = [];
  const missing: string[] = [];
  for (const { name = '' } of pod.spec?.imagePullSecrets ?? []) {
    if (name === '') continue;
    // Whatever keeps it from being read, the image may be had without it.
    const secret = await read(namespace, name).catch(() => undefined);
    const logins = secret === undefined ? undefined : loginsOf(secret);
    if (logins === undefined) missing.push(name);
    else found.push(...logins);
  }
  return { credentials: fittingLogins(found, place), missing };
}

/** The logins by the keys of Docker's files, without what says how the registry is asked; undefined for a secret of another kind, or one that cannot be read. */
function loginsOf({ type, data }: Secret): readonly KeyedLogin[] | undefined {
  const isNewer = type === 'kubernetes.io/dockerconfigjson';
  if (!isNewer && type !== 'kubernetes.io/dockercfg') return undefined;
  const { '.dockerconfigjson': newer, '.dockercfg': older } = data ?? {};
  const document = parsed(isNewer ? newer : older);
  const entries = isNewer && isObject(document) ? document['auths'] : document;
  if (!isObject(entries)) return undefined;
  const found: KeyedLogin[] = [];
  for (const [key, entry] of Object.entries(entries)) {
    const login = loginOf(entry);
    if (login !== undefined) found.push([keyOf(key), login]);
  }
  return found;
}

function parsed(data: string | undefined): unknown {
  try {
    return JSON.parse(Buffer.from(data ?? '', 'base64').toString());
  } catch {
    return undefined;
  }
}

/** What is said together goes before what is said apart. */
function loginOf(entry: unknown): RegistryCredentials | undefined {
  if (!isObject(entry)) return undefined;
  const { auth, username, password } = entry;
  if (typeof auth === 'string' && auth !== '') return loginOfAuth(auth);
  const [user, word] = [username, password].map((one) => (typeof one === 'string' ? one : ''));
  return user === '' || user === undefined ? undefined : { username: user, password: word ?? '' };
}

/** `https://index.docker.io/v1/` is the registry as a whole, and so is `/v2/` of any. */
function keyOf(text: string): string {
  const bare = text.replace(/^https?:\/\//, '');
  const slash = bare.indexOf('/');
  if (slash < 0) return bare;
  const path = bare.slice(slash).replace(/^\/v[12]\//, '/');
  return path === '/' ? bare.slice(0, slash) : bare.slice(0, slash) + path;
}
