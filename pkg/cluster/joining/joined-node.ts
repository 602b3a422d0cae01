/**
 * A machine that has joined a cluster of the bridge network: a kubelet and a proxy in one process, in the machine's own network. What it is and knows is in its folder,
 * so that it needs no token again. Invariant: when `run` has ended, containers and rules are left for the next start; `leaveCluster` takes them away.
 * Upstream counterpart: `kubeadm join` and what it starts.
 */
import { join } from 'node:path';
import type { ApiHandler } from '#pkg/apimachinery/http.ts';
import { clientCertificateAuthenticator } from '#pkg/apiserver/authn/client-certificate.ts';
import { networkTransport } from '#pkg/client/network-transport.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import { closing } from '#pkg/component/closing.ts';
import type { Component } from '#pkg/component/component.ts';
import { runTogether } from '#pkg/component/signals.ts';
import { authorized } from '#pkg/kubelet/server/authorized.ts';
import { createHttpsServer } from '#pkg/serving/https-server.ts';
import { clusterNetworkOf } from '../bridge-cluster.ts';
import { hostKernel, hostNetwork } from '../host-network.ts';
import type { NetworkTable } from '../networks.ts';
import { defaultKubeletPort, type NodePart, nodePart } from '../node-part.ts';
import { kernelProxyPart, type PartContext } from '../parts.ts';
import { clusterDnsIp } from '../settings.ts';
import { clusterTables } from '../tables.ts';
import type { JoinedFolder, JoinedRecord } from './joined-folder.ts';
import { askClientCertificate, askServingCertificate } from './node-certificates.ts';
import { RotatingTransport } from './rotating-transport.ts';

/** What runs here. */
export interface JoinedNodeOptions extends Omit<PartContext, 'transport'> {
  readonly folder: JoinedFolder;
  readonly record: JoinedRecord;
  /** Told the name of the request that a person has to approve, before logs and exec of this node's pods are there. */
  onServingRequest(name: string): void;
}

/** The parts of the node. Rejects with what the machine lacks. */
export async function joinedNode(options: JoinedNodeOptions): Promise<Component> {
  const { folder, record, clock, log } = options;
  const { server, nodeName, authority } = record;
  const rotating: RotatingTransport = new RotatingTransport({
    clock,
    log,
    pair: record.client,
    connect: ({ certificate, key }) => networkTransport({ server, ca: authority, cert: certificate, key }),
    renew: (signal) => askClientCertificate({ client, clock, nodeName, signal }),
    keep: (pair) => folder.update({ client: pair }),
  });
  const client = createClient({ transport: rotating, userAgent: 'kubelet', clock });
  const proxyTransport = networkTransport({ server, ca: authority, token: record.proxyToken });
  const context = { ...options, transport: rotating };
  const node = await openNode(context);
  const proxy = await joinedProxy({ ...options, transport: proxyTransport });
  const own = kubeletServer({ ...context, node });
  return {
    run: async (signal) => {
      const parts = [rotating, closing(node, node), closing(proxy, proxyTransport), own];
      await runTogether(parts, signal);
    },
  };
}

type Context = JoinedNodeOptions & PartContext;

function openNode(context: Context): Promise<NodePart> {
  const { record, folder } = context;
  const { nodeName, nodeAddress, settings, runtime, via } = record;
  const networks: NetworkTable = { joined: hostNetwork({ network: clusterNetworkOf(settings), via }) };
  return nodePart(context, {
    nodeName,
    nodeAddress,
    runtime,
    network: 'joined',
    tables: { ...clusterTables, networks },
    clusterDns: [clusterDnsIp(settings.serviceCidr)],
    folder: join(folder.path, 'kubelet', nodeName),
    imagesFolder: folder.path,
    keepsContainers: true,
    kubeletPort: defaultKubeletPort,
    nodesOnMachine: 1,
  });
}

function joinedProxy(context: Context): Promise<Component> {
  const { nodeName, nodeAddress, settings } = context.record;
  const network = clusterNetworkOf(settings);
  const { machineAddress, machineServiceAddresses: served, nodeRange } = network;
  const nodeServices = [machineAddress, ...served];
  const kernel = hostKernel({ network, nodeName, nodePortAddresses: [nodeAddress], served, nodeServices });
  return kernelProxyPart(context, {
    kernels: [kernel],
    kind: clusterTables.proxyBackends.nftables ?? missingBackend(),
    ranges: { nodeRange, podRange: settings.podCidr },
    ownNode: nodeName,
  });
}

function missingBackend(): never {
  throw new Error('Cannot carry the traffic of Services as there is no backend nftables');
}

/** The kubelet's own API, which answers once somebody has approved its certificate. */
function kubeletServer(context: Context & { readonly node: { readonly handle: ApiHandler } }): Component {
  const { clock, log, record, node, transport, onServingRequest } = context;
  const { nodeName, nodeAddress, authority } = record;
  const client = createClient({ transport, userAgent: 'kubelet', clock });
  const authenticator = clientCertificateAuthenticator(clock);
  return {
    run: async (signal) => {
      let pair = record.serving;
      if (pair === undefined) {
        const asked = { client, clock, nodeName, signal, onAsked: onServingRequest };
        pair = await askServingCertificate(asked, nodeAddress).catch((error: unknown) => {
          if (signal.aborted) return undefined;
          throw error;
        });
        if (pair === undefined) return;
        await context.folder.update({ serving: pair });
      }
      const https = createHttpsServer({
        handler: authorized((request) => node.handle(request), {
          client,
          clock,
          nodeName,
          userOf: (request) => authenticator.authenticate(request),
        }),
        cert: pair.certificate,
        key: pair.key,
        clientCa: authority,
        clock,
        log,
      });
      await https.listen({ host: nodeAddress, port: defaultKubeletPort });
      await https.run(signal);
    },
  };
}
