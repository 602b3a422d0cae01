/** The connection of a component to the API server that its kubeconfig names. */

import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { SystemClock } from '#pkg/base/clock.ts';
import { errorCode } from '#pkg/base/error-code.ts';
import { failoverTransport } from '#pkg/client/failover-transport.ts';
import { type NetworkTransport, networkTransport } from '#pkg/client/network-transport.ts';
import { readKubeconfig } from '#pkg/cluster/kubeconfig.ts';
import type { FlagTable } from '#pkg/component/flags.ts';
import { list, text } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';

/** The flag that names the kubeconfig. */
export const kubeconfigFlag = {
  kubeconfig: text({ help: 'Kubeconfig with the server and the credentials of this component.', placeholder: 'file' }),
  servers: list({
    help: 'API servers of the cluster, each asked when the others are gone. Default: the one of the kubeconfig.',
    placeholder: 'URL,URL',
  }),
} satisfies FlagTable;

interface Entry {
  readonly name?: unknown;
  readonly [field: string]: unknown;
}

/** What is otherwise than the kubeconfig says. */
interface ConnectionOptions {
  /** Leaves the credentials out, for those who bring others. Default: false. */
  readonly anonymous?: boolean;
  /** Take the place of the server that it names. Default: none. */
  readonly servers?: readonly string[];
  /** Which of them is asked as long as it is there, by its index. Default: by chance, so that processes divide among them. */
  readonly first?: number;
}

/** A transport as the current context of the file at `path` says. Files it names are relative to it. */
export async function connectionOf(path: string, options: ConnectionOptions = {}): Promise<NetworkTransport> {
  const { anonymous = false, servers = [], first = Math.floor(Math.random() * servers.length) } = options;
  if (path === '') throw new UserError('the flag --kubeconfig is required');
  const { server, ...credentials } = await readConnection(path, anonymous);
  const connect = (address: string): NetworkTransport =>
    networkTransport({ server: addressOf(address), ...credentials });
  const [only = server, ...others] = servers;
  if (others.length === 0) return connect(only);
  return failoverTransport({ servers: [connect(only), ...others.map(connect)], first, clock: new SystemClock() });
}

/** What the current context of a kubeconfig says: PEM, not files. */
interface KubeconfigConnection {
  readonly server: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly token?: string;
  readonly insecure?: true;
}

/** Reads the kubeconfig at `path`, `anonymous` without the credentials. Throws `UserError` where there is none, or it names no server. */
export async function readConnection(path: string, anonymous = false): Promise<KubeconfigConnection> {
  const config = await readKubeconfig(path);
  if (config === undefined) throw new UserError(`Cannot read the kubeconfig ${path} as it does not exist`);
  const context = part(config.contexts, config['current-context'], 'context');
  const cluster = part(config.clusters, context?.cluster, 'cluster');
  const user = anonymous ? undefined : part(config.users, context?.user, 'user');
  const { server } = cluster ?? {};
  if (typeof server !== 'string')
    throw new UserError(`Cannot use the kubeconfig ${path} as its current context names no server`);
  const pem = async (from: Entry | undefined, field: string): Promise<string | undefined> => {
    const data = from?.[`${field}-data`];
    if (typeof data === 'string') return Buffer.from(data, 'base64').toString('utf8');
    const file = from?.[field];
    return typeof file === 'string' ? readFile(resolve(dirname(path), file), 'utf8') : undefined;
  };
  const ca = await pem(cluster, 'certificate-authority');
  const cert = await pem(user, 'client-certificate');
  const key = await pem(user, 'client-key');
  const token = typeof user?.token === 'string' ? user.token : undefined;
  return {
    server,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(token === undefined ? {} : { token }),
    ...(cluster?.['insecure-skip-tls-verify'] === true ? { insecure: true } : {}),
  };
}

/** Refuses in one line what is no address. */
function addressOf(server: string): string {
  if (/^https?:\/\//.test(server) && URL.canParse(server)) return server;
  throw new UserError(`Cannot use ${JSON.stringify(server)} as the address of an API server: it is no http(s) URL`);
}

function part(list: unknown, name: unknown, kind: string): Entry | undefined {
  const entry = Array.isArray(list) ? (list as Entry[]).find((one) => one.name === name) : undefined;
  return entry?.[kind] as Entry | undefined;
}

/** Reads a PEM file that a flag names. */
export async function readPem(flag: string, path: string): Promise<string> {
  if (path === '') throw new UserError(`the flag --${flag} is required`);
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new UserError(`Cannot read the file of --${flag}: ${path} (${errorCode(error)})`, error);
  }
}

/** Reads a certificate and its key; refuses what is not one. */
export async function readPair(
  flags: { readonly certificate: string; readonly key: string },
  files: { readonly certificate: string; readonly key: string },
) {
  const certificate = await readPem(flags.certificate, files.certificate);
  const key = await readPem(flags.key, files.key);
  let parsed: X509Certificate;
  try {
    parsed = new X509Certificate(certificate);
  } catch (error) {
    throw new UserError(
      `Cannot use the file of --${flags.certificate}: ${files.certificate} holds no certificate`,
      error,
    );
  }
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey(key);
  } catch (error) {
    throw new UserError(`Cannot use the file of --${flags.key}: ${files.key} holds no private key`, error);
  }
  if (!parsed.checkPrivateKey(privateKey))
    throw new UserError(`Cannot use the file of --${flags.key}: ${files.key} is not the key of ${files.certificate}`);
  return { certificate, key };
}
