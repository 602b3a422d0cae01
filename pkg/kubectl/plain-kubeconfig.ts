/**
 * Reads a kubeconfig of the plain kind, of which a cluster of this machine makes one: one file, a server by HTTPS, a certificate or a token. What is
 * wrong or more than that, such as programs that fetch credentials, proxies and several files, is left to the library (`library-kubeconfig.ts`),
 * which takes half a second to load.
 *
 * Invariant: what it reads, it reads as the library does; where it cannot tell, it reads nothing. Source: client-go `tools/clientcmd/api/v1`.
 */
import { readFileSync } from 'node:fs';
import type { RequestOptions } from 'node:https';
import { dirname, resolve } from 'node:path';
import { decodeYaml } from '#pkg/apimachinery/decode.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { trusting } from '#pkg/pki/trust.ts';

/** Where a server is, and what it is told of who asks. */
export interface Connection {
  /** Address of the server, without a slash at its end. */
  readonly server: string;
  /** The namespace that the context names; absent where it names none. */
  readonly namespace: string | undefined;
  readonly credentials: RequestOptions;
}

/** Files that have an effect on which connection is made. */
export interface KubeconfigPlace {
  /** The file of `--kubeconfig`; absent for those that the environment names. */
  readonly kubeconfig?: string;
  /** The value of `KUBECONFIG`. */
  readonly kubeconfigVariable?: string;
  /** The person's home; absent where the environment names none. */
  readonly home?: string;
  /** The context; absent for the current one of the file. */
  readonly context?: string;
}

const clusterFields = new Set([
  'server',
  'certificate-authority',
  'certificate-authority-data',
  'insecure-skip-tls-verify',
  'tls-server-name',
  'extensions',
]);

const userFields = new Set([
  'client-certificate',
  'client-certificate-data',
  'client-key',
  'client-key-data',
  'token',
  'extensions',
]);

/** The connection of a plain kubeconfig; undefined when it is none, or nothing is wrong with it but that it cannot be read here. */
export function readPlainKubeconfig(place: KubeconfigPlace): Connection | undefined {
  const path = fileOf(place);
  if (path === undefined) return undefined;
  try {
    const decoded = decodeYaml(readFileSync(path));
    return decoded.ok && isObject(decoded.value) ? connectionOf(decoded.value, path, place.context) : undefined;
  } catch {
    // The library finds that too, and says it in its words.
    return undefined;
  }
}

function fileOf({ kubeconfig, kubeconfigVariable = '', home }: KubeconfigPlace): string | undefined {
  if (kubeconfig !== undefined) return kubeconfig;
  if (kubeconfigVariable.includes(':')) return undefined;
  if (kubeconfigVariable !== '') return kubeconfigVariable;
  return home === undefined || home === '' ? undefined : `${home}/.kube/config`;
}

/** Throws when a file that it names cannot be read. */
function connectionOf(config: JsonObject, path: string, name: unknown): Connection | undefined {
  const context = entry(config.contexts, { field: 'context', name: name ?? config['current-context'], has: 'cluster' });
  const cluster = entry(config.clusters, { field: 'cluster', name: context?.cluster, has: 'server' });
  const user = entry(config.users, { field: 'user', name: context?.user });
  if (context === undefined || cluster === undefined || user === undefined) return undefined;
  if (!hasOnly(cluster, clusterFields) || !hasOnly(user, userFields)) return undefined;
  const server = textOf(cluster.server);
  const servername = textOf(cluster['tls-server-name']);
  if (!server?.startsWith('https:')) return undefined;
  const folder = dirname(path);
  const ca = bytesOf(cluster, 'certificate-authority', folder);
  const cert = bytesOf(user, 'client-certificate', folder);
  const key = bytesOf(user, 'client-key', folder);
  return {
    server: server.replace(/\/$/, ''),
    namespace: textOf(context.namespace),
    credentials: {
      headers: user.token ? { Authorization: `Bearer ${user.token}` } : {},
      ...(cluster['insecure-skip-tls-verify'] === true ? { rejectUnauthorized: false } : {}),
      ...(servername === undefined ? {} : { servername }),
      ...trusting(ca),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
    },
  };
}

/** The entry of that name; undefined also when one of the list is not what an entry has to be. */
function entry(
  list: unknown,
  { field, name, has }: { readonly field: string; readonly name: unknown; readonly has?: string },
): JsonObject | undefined {
  if (!Array.isArray(list) || typeof name !== 'string') return undefined;
  let found: JsonObject | undefined;
  for (const one of list as readonly unknown[]) {
    const value = isObject(one) && textOf(one.name) !== undefined ? one[field] : undefined;
    if (!isObject(value) || (has !== undefined && textOf(value[has]) === undefined)) return undefined;
    if ((one as JsonObject).name === name) found ??= value;
  }
  return found;
}

/** Whether it has no other fields than these, and in those that count here texts. */
function hasOnly(value: JsonObject, fields: ReadonlySet<string>): boolean {
  return Object.entries(value).every(
    ([field, one]) => fields.has(field) && (!isTextField(field) || typeof one === 'string'),
  );
}

function isTextField(field: string): boolean {
  return field !== 'extensions' && field !== 'insecure-skip-tls-verify';
}

/** What a file holds, or else the field's own data. */
function bytesOf(value: JsonObject, field: string, folder: string): Buffer | undefined {
  const file = textOf(value[field]);
  if (file !== undefined) return readFileSync(resolve(folder, file));
  const data = textOf(value[`${field}-data`]);
  return data === undefined ? undefined : Buffer.from(data, 'base64');
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
