/** Which logins are for which images: by the host of a registry, with patterns, and the begin of a path. Source: kubelet `pkg/credentialprovider/keyring.go`. */
import { parseImageName } from '../runtime/image-name.ts';
import type { RegistryCredentials } from '../runtime/runtime.ts';

/** By which the hub is known in names of images, and in Docker's files. */
const hubNames: readonly string[] = ['docker.io', 'index.docker.io'];

/** Where an image is, such as `quay.io` and `/coreos/etcd`. */
export interface Place {
  readonly host: string;
  readonly path: string;
}

/** That of an image by its name. Throws `RuntimeError` `invalidImage` for what is none. */
export function placeOfImage(image: string): Place {
  const { repository } = parseImageName(image);
  const slash = repository.indexOf('/');
  const first = slash < 0 ? '' : repository.slice(0, slash);
  if (/[.:]/.test(first) || first === 'localhost') return { host: first, path: repository.slice(slash) };
  return { host: 'docker.io', path: slash < 0 ? `/library/${repository}` : `/${repository}` };
}

/** A login, and the place that it is for. */
export type KeyedLogin = readonly [key: string, login: RegistryCredentials];

/** Those for a place, the most particular first. */
export function fittingLogins(logins: readonly KeyedLogin[], place: Place): readonly RegistryCredentials[] {
  return logins
    .filter(([key]) => isAbout(key, place))
    .sort(([a], [b]) => (a === b ? 0 : a < b ? 1 : -1))
    .map(([, login]) => login);
}

/** Whether a key is about an image: its host part by part, with `*` for anything within one, its port, and the begin of its path. */
export function isAbout(key: string, { host, path }: Place): boolean {
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
