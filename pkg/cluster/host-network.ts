/**
 * The network of a node that is a machine by itself: its pods are on a bridge of the machine's own network, and its proxy leads connections there. What the kernel does is in
 * `pkg/network/bridge/host-links.ts`.
 */
import type { HostLinkOptions, HostRanges } from '#pkg/network/bridge/host-links.ts';
import type { KernelPlace } from './bridge-cluster.ts';
import type { NetworkKind } from './networks.ts';
import { clusterDnsIp } from './settings.ts';

/** How such a node opens it. */
export function hostNetwork(options: HostLinkOptions): NetworkKind {
  return {
    proxyBackend: 'nftables',
    open: async ({ isSimulated }) => {
      const [{ createBridgeNetwork }, { createBridgeHostPorts }, { hostLinks }] = await Promise.all([
        import('#pkg/network/bridge/bridge-network.ts'),
        import('#pkg/network/bridge/bridge-host-ports.ts'),
        import('#pkg/network/bridge/host-links.ts'),
      ]);
      const links = hostLinks(options);
      await links.ensure();
      const hostPorts = createBridgeHostPorts({});
      return { network: createBridgeNetwork({ links, isSimulated }), hostPorts, close: () => hostPorts.close() };
    },
  };
}

/** Which node it is, and of what cluster. */
export interface HostKernelOptions {
  readonly network: HostRanges;
  readonly nodeName: string;
  readonly nodePortAddresses: readonly string[];
  /** Of Services at which programs answer themselves. Default: that of cluster DNS. */
  readonly served?: readonly string[];
  /** Of the node's programs that serve all pods. Default: `served`. */
  readonly nodeServices?: readonly string[];
}

/** Where its proxy leads connections. */
export function hostKernel({ network, nodeName, nodePortAddresses, ...options }: HostKernelOptions): KernelPlace {
  const { podRanges, serviceRanges } = network;
  const { served = serviceRanges.map(clusterDnsIp), nodeServices = served } = options;
  const tableName = 'coxswain-services';
  const nodeSources = nodePortAddresses;
  return { nodeName, tableName, nodePortAddresses, podRanges, serviceRanges, served, nodeSources, nodeServices };
}
