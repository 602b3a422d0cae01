/**
 * The pod networks that a cluster can have, by the name that `--network` gives them. A new one is a folder in `pkg/network/` and an entry
 * here. Only what a node uses is loaded.
 */
import type { Clock } from '#pkg/base/clock.ts';
import { namespacePath, nodeNamespace } from '#pkg/network/bridge/places.ts';
import type { HostPorts } from '#pkg/network/host-ports.ts';
import type { PodNetwork } from '#pkg/network/pod-network.ts';
import {
  type BridgeSettings,
  bridgeAddresses,
  bridgeKernels,
  bridgeNodeAddress,
  bridgeNodesMax,
  bridgeSlot,
  clusterNetworkOf,
  type KernelPlace,
} from './bridge-cluster.ts';
import { networkProblem } from './host-programs.ts';

/** Where the network of one node is. */
export interface NetworkPlace {
  readonly clock: Clock;
  readonly nodeName: string;
  /** What the network of the cluster follows from, where the kernel of the machine carries it. */
  readonly cluster?: BridgeSettings | undefined;
  readonly nodeAddress: string;
  /** Whether no pod of the node listens anywhere: its ports are then nobody's. */
  readonly isSimulated: boolean;
}

/** A node's part of a network, and how to close it. */
export interface OpenNetwork {
  readonly network: PodNetwork;
  /** Absent where pods have no ports of the node. */
  readonly hostPorts?: HostPorts;
  close(): Promise<void>;
}

/** One sort of network, and how a node opens it. */
export interface NetworkKind {
  /** Name of the proxy backend that carries the traffic of Services on it. */
  readonly proxyBackend: string;
  /** Pods are in the node's own network. Absent: each has one of its own. */
  readonly sharesNode?: true;
  open(place: NetworkPlace): Promise<OpenNetwork>;
  /** Absent where nothing of the machine is changed. */
  readonly kernel?: KernelNetwork;
}

/** A network of the machine's kernel: what is made of it before nodes start, and where its Services are led. */
export interface KernelNetwork {
  /** Most nodes of a cluster. */
  readonly nodesMax: number;
  addresses(slot: number): Omit<BridgeSettings, 'name'>;
  /** The slot of addresses; undefined for those of another network. */
  slotOf(addresses: Pick<BridgeSettings, 'nodeAddress'>): number | undefined;
  nodeAddress(settings: BridgeSettings, index: number): string;
  /** Path of the network namespace of a node, in which its programs on the host's network run. */
  namespaceOf(nodeName: string): string;
  /** Of what the addresses of load balancers are. */
  balancerRange(settings: BridgeSettings): string | undefined;
  /** Ranges of the nodes of this machine and of all pods: what is in the second and not at the first is of other machines. */
  ranges(settings: BridgeSettings): { readonly nodeRange: string; readonly podRange: string };
  /** Why this machine has no such network, in one sentence; undefined where it has. */
  problem(): string | undefined;
  kernels(settings: BridgeSettings, nodeNames: readonly string[]): readonly KernelPlace[];
  /** Makes what all nodes share; again after a restart of the machine. Rejects with one line where it cannot. */
  prepare(settings: BridgeSettings): Promise<void>;
  /** Makes a node's namespace, in which its programs listen, once `prepare` was done; again where it is there. */
  prepareNode(
    settings: BridgeSettings,
    node: { readonly nodeName: string; readonly nodeAddress: string },
  ): Promise<void>;
  /** Takes all of it away, of the nodes too. */
  remove(settings: BridgeSettings, nodeNames: readonly string[]): Promise<void>;
}

/** Networks by name. */
export type NetworkTable = Readonly<Record<string, NetworkKind>>;

/** What all networks of the kernel have: each node a namespace, and a router between them. */
const kernelNetwork: KernelNetwork = {
  nodesMax: bridgeNodesMax,
  addresses: bridgeAddresses,
  slotOf: bridgeSlot,
  nodeAddress: bridgeNodeAddress,
  namespaceOf: (nodeName) => namespacePath(nodeNamespace(nodeName)),
  balancerRange: (settings) => clusterNetworkOf(settings).balancerRange,
  ranges: (settings) => ({ nodeRange: clusterNetworkOf(settings).nodeRange, podRange: settings.podCidr }),
  problem: networkProblem,
  kernels: bridgeKernels,
  prepare: async (settings) => {
    const { ensureClusterLinks } = await import('#pkg/network/bridge/cluster-links.ts');
    await ensureClusterLinks(clusterNetworkOf(settings));
  },
  prepareNode: async (settings, node) => {
    const { ensureNodeLinks } = await import('#pkg/network/bridge/node-links.ts');
    await ensureNodeLinks({ network: clusterNetworkOf(settings), ...node });
  },
  remove: async (settings, nodeNames) => {
    const [{ removeClusterLinks }, { removeRoutes }] = await Promise.all([
      import('#pkg/network/bridge/cluster-links.ts'),
      import('#pkg/network/bridge/host-links.ts'),
    ]);
    await removeRoutes(clusterNetworkOf(settings).podRanges);
    await removeClusterLinks(settings.name, nodeNames.map(nodeNamespace));
  },
};

/** The networks that there are. */
export const networkTable: NetworkTable = {
  loopback: {
    proxyBackend: 'userspace',
    sharesNode: true,
    open: async ({ clock, nodeAddress, isSimulated }) => {
      const { createLoopbackNetwork } = await import('#pkg/network/loopback/loopback-network.ts');
      const network = createLoopbackNetwork();
      if (isSimulated) return { network, close: async () => {} };
      const { createLoopbackHostPorts } = await import('#pkg/network/loopback/loopback-host-ports.ts');
      const hostPorts = createLoopbackHostPorts({ clock, nodeAddress });
      return { network, hostPorts, close: () => hostPorts.close() };
    },
  },
  bridge: {
    proxyBackend: 'nftables',
    kernel: kernelNetwork,
    open: async ({ nodeName, nodeAddress, isSimulated, cluster }) => {
      if (cluster === undefined)
        throw new Error(`Cannot open the bridge network of ${nodeName} as nobody says which cluster's it is`);
      const [{ createBridgeNetwork }, { createBridgeHostPorts }, { ensureNodeLinks, namespaceLinks }] =
        await Promise.all([
          import('#pkg/network/bridge/bridge-network.ts'),
          import('#pkg/network/bridge/bridge-host-ports.ts'),
          import('#pkg/network/bridge/node-links.ts'),
        ]);
      const node = { network: clusterNetworkOf(cluster), nodeName, nodeAddress };
      await ensureNodeLinks(node);
      const hostPorts = createBridgeHostPorts({ namespace: namespacePath(nodeNamespace(nodeName)) });
      return {
        network: createBridgeNetwork({ links: namespaceLinks(node), isSimulated }),
        hostPorts,
        close: () => hostPorts.close(),
      };
    },
  },
  cni: {
    proxyBackend: 'nftables',
    kernel: {
      ...kernelNetwork,
      remove: async (settings, nodeNames) => {
        await kernelNetwork.remove(settings, nodeNames);
        const { removeCniState } = await import('#pkg/network/cni/cni-network.ts');
        await removeCniState(nodeNames);
      },
    },
    open: async ({ nodeName, nodeAddress, isSimulated, cluster }) => {
      if (cluster === undefined)
        throw new Error(`Cannot open the CNI network of ${nodeName} as nobody says which cluster's it is`);
      const [{ createCniNetwork }, { createBridgeHostPorts }, { ensureNodeLinks, namespaceRoutes }] = await Promise.all(
        [
          import('#pkg/network/cni/cni-network.ts'),
          import('#pkg/network/bridge/bridge-host-ports.ts'),
          import('#pkg/network/bridge/node-links.ts'),
        ],
      );
      const node = { network: clusterNetworkOf(cluster), nodeName, nodeAddress };
      await ensureNodeLinks(node);
      const hostPorts = createBridgeHostPorts({ namespace: namespacePath(nodeNamespace(nodeName)) });
      return {
        network: createCniNetwork({ nodeName, isSimulated, ...namespaceRoutes(node) }),
        hostPorts,
        close: () => hostPorts.close(),
      };
    },
  },
};
