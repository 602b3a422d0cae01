/** The connection of a component to the API server that its kubeconfig names. */

import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { SystemClock } from '#pkg/base/clock.ts';
import { errorCode } from '#pkg/base/error-code.ts';
import { failoverTransport } from '#pkg/client/failover-transport.ts';
import { type NetworkTransport, networkTransport } from '#pkg/client/network-transport.ts';
import { readConnection } from '#pkg/cluster/kubeconfig-connection.ts';
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

/** Refuses in one line what is no address. */
function addressOf(server: string): string {
  if (/^https?:\/\//.test(server) && URL.canParse(server)) return server;
  throw new UserError(`Cannot use ${JSON.stringify(server)} as the address of an API server: it is no http(s) URL`);
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
