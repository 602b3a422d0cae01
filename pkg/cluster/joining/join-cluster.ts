/** How a machine joins: it finds out whom to trust, is given a certificate, and learns what the network is. How it leaves again. */
import { rm } from 'node:fs/promises';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Random } from '#pkg/base/random.ts';
import { networkTransport } from '#pkg/client/network-transport.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { routeToServer } from '#pkg/network/bridge/host-links.ts';
import { clusterNetworkOf } from '../bridge-cluster.ts';
import { endContainers } from '../containers.ts';
import { discoverAuthority } from './discovery.ts';
import { readJoinSettings, readProxyToken } from './join-objects.ts';
import type { JoinToken } from './join-token.ts';
import type { JoinedFolder, JoinedRecord } from './joined-folder.ts';
import { askClientCertificate } from './node-certificates.ts';

/** What the person says. */
export interface JoinOptions {
  readonly clock: Clock;
  /** `host:port` of the API server. */
  readonly address: string;
  readonly token: JoinToken;
  readonly hashes: readonly string[];
  readonly nodeName: string;
  readonly nodeAddress: string;
  readonly via: string | undefined;
  readonly runtime: string;
  readonly folder: JoinedFolder;
  readonly signal: AbortSignal;
}

/** Joins: from then on the machine is known. Rejects with `UserError` for what the person can mend. */
export async function joinCluster(options: JoinOptions): Promise<JoinedRecord> {
  const { address, token, hashes, clock, nodeName, nodeAddress, via, runtime, folder, signal } = options;
  const server = `https://${address}`;
  if (via !== undefined) await routeToServer(new URL(server).hostname, via);
  const authority = await discoverAuthority({ server, token, hashes });
  const transport = networkTransport({ server, ca: authority, token: `${token.id}.${token.secret}` });
  try {
    const client = createClient({ transport, userAgent: 'coxswain', clock });
    const settings = await readJoinSettings(client);
    const proxyToken = await readProxyToken(client);
    if (proxyToken === undefined)
      throw new UserError('Cannot join as the cluster has no token for proxies yet: try again in a moment');
    const pair = await askClientCertificate({ client, clock, nodeName, signal });
    const record: JoinedRecord = {
      server,
      authority,
      nodeName,
      nodeAddress,
      ...(via === undefined ? {} : { via }),
      runtime,
      settings,
      client: pair,
      proxyToken,
    };
    await folder.write(record);
    return record;
  } finally {
    await transport.close();
  }
}

/** Takes away all that the cluster has made of this machine. Its Node object is the cluster's to delete. */
export async function leaveCluster(
  folder: JoinedFolder,
  deps: { readonly clock: Clock; readonly random: Random; readonly log: Logger },
): Promise<void> {
  const record = await folder.read();
  await endContainers(folder.path, deps);
  if (record !== undefined) {
    const { removeHostLinks } = await import('#pkg/network/bridge/host-links.ts');
    await removeHostLinks(clusterNetworkOf(record.settings));
  }
  await rm(folder.path, { recursive: true, force: true });
}
