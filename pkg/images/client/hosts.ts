/**
 * Where registries are asked: a host of a name, or mirrors of it, which a file says. Pure.
 *
 *   { "docker.io": { "mirrors": ["http://127.0.0.1:5000"] }, "registry.lan:5000": { "insecure": true } }
 */
import { isObject } from '#pkg/apimachinery/json.ts';
import { ImageStoreError } from '../image-store.ts';

/** What is known of one host. */
export interface RegistryHost {
  /** Asked before the host itself, in turn. */
  readonly mirrors: readonly URL[];
  /** Whether it may be asked without encryption. */
  readonly insecure: boolean;
}

/** What is known, by the host in the names of images. */
export type RegistryHosts = ReadonlyMap<string, RegistryHost>;

const hubName = 'docker.io';
const hubHost = 'registry-1.docker.io';
const loopback = /^(?:localhost|127(?:\.\d+){3}|\[::1\])(?::\d+)?$/;

/** Reads such a file. Throws `invalidName` with what is wrong. */
export function parseRegistryHosts(text: string): RegistryHosts {
  const wrong = (what: string): ImageStoreError => new ImageStoreError('invalidName', `file of registries: ${what}`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ImageStoreError('invalidName', 'file of registries: it is not JSON', error);
  }
  if (!isObject(value)) throw wrong('it is no JSON object');
  const hosts = new Map<string, RegistryHost>();
  for (const [host, entry] of Object.entries(value)) {
    if (!isObject(entry)) throw wrong(`${host} is not an object`);
    const { mirrors = [], insecure = false, ...others } = entry;
    const [unknown] = Object.keys(others);
    if (unknown !== undefined) throw wrong(`${host} has the unknown setting "${unknown}"`);
    if (typeof insecure !== 'boolean') throw wrong(`insecure of ${host} is neither true nor false`);
    if (!Array.isArray(mirrors)) throw wrong(`mirrors of ${host} is not a list`);
    const urls = mirrors.map((one) => {
      const url = typeof one === 'string' ? URL.parse(one) : null;
      if (url === null || !/^https?:$/.test(url.protocol) || url.pathname !== '/')
        throw wrong(`mirror ${JSON.stringify(one)} of ${host} is not the address of a registry`);
      return url;
    });
    hosts.set(host, { mirrors: urls, insecure });
  }
  return hosts;
}

/** Addresses that are asked for a host's images, in turn. What listens on this machine alone may be asked in the clear, as engines do. */
export function addressesOf(host: string, hosts: RegistryHosts): readonly URL[] {
  const known = hosts.get(host);
  const own = host === hubName ? hubHost : host;
  const isClear = known?.insecure === true || loopback.test(host);
  const schemes = isClear ? ['https', 'http'] : ['https'];
  return [...(known?.mirrors ?? []), ...schemes.map((scheme) => new URL(`${scheme}://${own}/`))];
}
