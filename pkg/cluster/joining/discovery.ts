/**
 * How a machine that knows a token comes to trust a cluster: `cluster-info` is read from a server that is not known yet, its signature by the token is checked, the
 * authority in it is compared with the hash that the person was given, and read once more from a server which that authority vouches for.
 * Invariant: nothing secret is sent before. Source: kubeadm `app/discovery/token`, `app/util/pubkeypin`.
 */
import { createHash, timingSafeEqual, X509Certificate } from 'node:crypto';
import type { ConfigMap } from '#pkg/api/types/core-v1.ts';
import { configMaps } from '#pkg/api/types/refs.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import { readYaml } from '#pkg/apimachinery/yaml.ts';
import { type NetworkTransport, networkTransport } from '#pkg/client/network-transport.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { detachedSignature } from '#pkg/controllers/bootstrapsigner/bootstrapsigner.ts';
import type { JoinToken } from './join-token.ts';

/** What the person was given, and where the server is. */
export interface DiscoveryOptions {
  /** `https://host:port`. */
  readonly server: string;
  readonly token: JoinToken;
  /** `sha256:<hex>` of the public key of the authority; several are alternatives. */
  readonly hashes: readonly string[];
}

/** The hash by which people name an authority: of its public key. */
export function authorityHash(certificate: string): string {
  const key = new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'der' });
  return `sha256:${createHash('sha256').update(key).digest('hex')}`;
}

/** PEM of the cluster's authority. Rejects with `UserError` where the server does not prove that it is the one that was meant. */
export async function discoverAuthority({ server, token, hashes }: DiscoveryOptions): Promise<string> {
  const first = await readInfo(networkTransport({ server, insecure: true }));
  checkSignature(first, token);
  const authority = authorityOf(first.data?.kubeconfig ?? '');
  const hash = authorityHash(authority);
  if (!hashes.includes(hash))
    throw new UserError(
      `Cannot trust ${server} as its authority is ${hash}, which is none of those given with --discovery-token-ca-cert-hash`,
    );
  const second = await readInfo(networkTransport({ server, ca: authority }));
  if (second.data?.kubeconfig !== first.data?.kubeconfig)
    throw new UserError(`Cannot trust ${server} as it names another authority when it is asked again`);
  return authority;
}

async function readInfo(transport: NetworkTransport): Promise<ConfigMap> {
  try {
    const client = createClient({ transport, userAgent: 'coxswain' });
    return await client.resource(configMaps).get('cluster-info', { namespace: 'kube-public' });
  } finally {
    await transport.close();
  }
}

/** Throws where the token has not signed it. */
export function checkSignature({ data = {} }: ConfigMap, token: JoinToken): void {
  const shown = data[`jws-kubeconfig-${token.id}`];
  if (shown === undefined)
    throw new UserError(
      `Cannot trust cluster-info as the token ${token.id} has not signed it: it may have expired, "coxswain token create" makes another`,
    );
  const [held, given] = [detachedSignature(data.kubeconfig ?? '', token), shown].map((text) => Buffer.from(text));
  if (held === undefined || given === undefined || held.length !== given.length || !timingSafeEqual(held, given))
    throw new UserError('Cannot trust cluster-info as its signature is not that of the token');
}

function authorityOf(kubeconfig: string): string {
  const [document] = readYaml(kubeconfig);
  const config = document?.value;
  const clusters = isObject(config) ? config.clusters : undefined;
  const first: unknown = Array.isArray(clusters) ? clusters[0] : undefined;
  const cluster = isObject(first) ? first.cluster : undefined;
  const text = isObject(cluster) ? cluster['certificate-authority-data'] : undefined;
  if (typeof text !== 'string') throw new UserError('Cannot use cluster-info as it names no authority');
  return Buffer.from(text, 'base64').toString();
}
