/**
 * The pod networks that a cluster can have, by the name that `--network` gives them. A new one is a folder in `pkg/network/` and an entry
 * here. Only what a node uses is loaded.
 */
import type { Clock } from '#pkg/base/clock.ts';
import type { HostPorts } from '#pkg/network/host-ports.ts';
import type { PodNetwork } from '#pkg/network/pod-network.ts';

/** Where the network of one node is. */
export interface NetworkPlace {
  readonly clock: Clock;
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
}

/** Networks by name. */
export type NetworkTable = Readonly<Record<string, NetworkKind>>;

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
};
