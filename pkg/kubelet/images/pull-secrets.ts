/**
 * The logins that a pod's pull secrets have for the registry of an image: of those that fit its name, the most particular first. What cannot be read is left out by name, and the
 * image is pulled without it. Source: kubelet `getPullSecretsForPod`, `pkg/credentialprovider/keyring.go`.
 */
import type { Pod, Secret } from '#pkg/api/types/core-v1.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import { loginOfAuth } from '#pkg/images/client/docker-auth.ts';
import type { ObjectReader } from '../env/environment.ts';
import { parseImageName } from '../runtime/image-name.ts';
import type { RegistryCredentials } from '../runtime/runtime.ts';

/** What a pod brings to a pull. */
export interface PullLogins {
  readonly credentials: readonly RegistryCredentials[];
  /** Secrets that it names and that are not there, or that hold no logins. */
  readonly missing: readonly string[];
}

/** By which the hub is known in names of images, and in Docker's files. */
const hubNames: readonly string[] = ['docker.io', 'index.docker.io'];

/** Reads the secrets anew. Throws `RuntimeError` `invalidImage` for what is no name. */
export async function pullLogins(pod: Pod, image: string, read: ObjectReader['secret']): Promise<PullLogins> {
  const place = placeOf(parseImageName(image).repository);
  const namespace = pod.metadata?.namespace ?? '';
  const found: [key: string, login: RegistryCredentials][] = [];
  const missing: string[] = [];
  for (const { name = '' } of pod.spec?.imagePullSecrets ?? []) {
    if (name === '') continue;
    // Whatever keeps it from being read, the image may be had without it.
    const secret = await read(namespace, name).catch(() => undefined);
    const logins = secret === undefined ? undefined : loginsOf(secret);
    if (logins === undefined) missing.push(name);
    else found.push(...logins);
  }
  const fitting = found
    .filter(([key]) => fits(key, place))
    .sort(([a], [b]) => (a === b ? 0 : a < b ? 1 : -1))
    .map(([, login]) => login);
  return { credentials: fitting, missing };
}

/** Where an image is, such as `quay.io` and `/coreos/etcd`. */
interface Place {
  readonly host: string;
  readonly path: string;
}

function placeOf(repository: string): Place {
  const slash = repository.indexOf('/');
  const first = slash < 0 ? '' : repository.slice(0, slash);
  if (/[.:]/.test(first) || first === 'localhost') return { host: first, path: repository.slice(slash) };
  return { host: 'docker.io', path: slash < 0 ? `/library/${repository}` : `/${repository}` };
}

/** The logins by the keys of Docker's files, without what says how the registry is asked; undefined for a secret of another kind, or one that cannot be read. */
function loginsOf({ type, data }: Secret): readonly [string, RegistryCredentials][] | undefined {
  const isNewer = type === 'kubernetes.io/dockerconfigjson';
  if (!isNewer && type !== 'kubernetes.io/dockercfg') return undefined;
  const { '.dockerconfigjson': newer, '.dockercfg': older } = data ?? {};
  const document = parsed(isNewer ? newer : older);
  const entries = isNewer && isObject(document) ? document['auths'] : document;
  if (!isObject(entries)) return undefined;
  const found: [string, RegistryCredentials][] = [];
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

/** Whether a key is about an image: its host part by part, with `*` for anything within one, its port, and the begin of its path. */
function fits(key: string, { host, path }: Place): boolean {
  const slash = key.indexOf('/');
  const [keyHost, keyPath] = slash < 0 ? [key, ''] : [key.slice(0, slash), key.slice(slash)];
  if (!path.startsWith(keyPath)) return false;
  if (hubNames.includes(host) && hubNames.includes(keyHost)) return true;
  const [wanted, asked] = [hostParts(keyHost), hostParts(host)];
  if (wanted.port !== asked.port || wanted.labels.length !== asked.labels.length) return false;
  return wanted.labels.every((label, index) => isLike(label, asked.labels[index] ?? ''));
}

function hostParts(host: string): { readonly labels: readonly string[]; readonly port: string } {
  const [name = '', port = ''] = host.split(':');
  return { labels: name.split('.'), port };
}

/** Whether a text is what a pattern of `*` and `?` stands for: in no more steps than both are long, multiplied. */
function isLike(pattern: string, text: string): boolean {
  let [at, place, star, resume] = [0, 0, -1, 0];
  while (place < text.length) {
    const one = pattern[at];
    if (one === '*') {
      star = at++;
      resume = place;
    } else if (one === '?' || (one !== undefined && one === text[place])) {
      at++;
      place++;
    } else if (star >= 0) {
      at = star + 1;
      place = ++resume;
    } else return false;
  }
  while (pattern[at] === '*') at++;
  return at === pattern.length;
}
