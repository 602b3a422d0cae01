/**
 * A cluster on the bridge network: which addresses it has, and who does what where. Of 64 clusters of a machine each has its part of 10.0.0.0/8:
 * the nodes 10.64.x.0/24, load balancers 10.65.x.0/24, Services a part of 10.96.0.0/12 and pods 10.(128+x).0.0/16.
 * Sharp edge: a machine whose own network has one of these ranges does not reach that part of it while the cluster is there.
 */
import { formatIpv4, parseIpv4Range } from '#pkg/apimachinery/ipv4-range.ts';
import { type ClusterNetwork, machineServicesTable, namespacePath, nodeNamespace } from '#pkg/network/bridge/places.ts';

/** Name of a node's table of Services, in its own namespace. */
const nodeServicesTable = 'coxswain-services';

/** Nodes of a cluster for which there are addresses. */
export const bridgeNodesMax = 250;

/** What the addresses of a cluster follow from. */
export interface BridgeSettings {
  readonly name: string;
  readonly podCidr: string;
  readonly serviceCidr: string;
  /** The machine's address among the nodes. */
  readonly nodeAddress: string;
}

/** Where a proxy leads connections, and for which node. */
export interface KernelPlace {
  /** Absent for the machine's own programs. */
  readonly nodeName?: string;
  /** Path of the network namespace; absent for that of this process. */
  readonly namespace?: string;
  readonly tableName: string;
  readonly nodePortAddresses: readonly string[];
  readonly podRanges: readonly string[];
  readonly serviceRanges: readonly string[];
  /** Addresses of Services at which programs of the machine answer themselves. */
  readonly served: readonly string[];
  /** Addresses of the programs of the node itself, and those at which they serve all pods. */
  readonly nodeSources: readonly string[];
  readonly nodeServices: readonly string[];
}

/** The addresses of one of 64 clusters. */
export function bridgeAddresses(slot: number): Omit<BridgeSettings, 'name'> {
  return {
    podCidr: `10.${128 + slot}.0.0/16`,
    serviceCidr: `10.${96 + (slot >> 2)}.${(slot & 3) * 64}.0/18`,
    nodeAddress: `10.64.${slot}.1`,
  };
}

/** The slot whose addresses these are; undefined for those of another network. */
export function bridgeSlot({ nodeAddress }: Pick<BridgeSettings, 'nodeAddress'>): number | undefined {
  const slot = /^10\.64\.(\d+)\.1$/.exec(nodeAddress)?.[1];
  return slot === undefined ? undefined : Number(slot);
}

/** The network of a cluster. */
export function clusterNetworkOf({ name, podCidr, serviceCidr, nodeAddress }: BridgeSettings): ClusterNetwork {
  const third = nodeAddress.split('.')[2] ?? '0';
  return {
    cluster: name,
    nodeRange: `10.64.${third}.0/24`,
    machineAddress: nodeAddress,
    routerAddress: `10.64.${third}.254`,
    podRanges: [podCidr],
    serviceRanges: [serviceCidr],
    machineServiceAddresses: [serviceAddress(serviceCidr, 1), serviceAddress(serviceCidr, 10)],
    balancerRange: `10.65.${third}.0/24`,
  };
}

/** The address of a node, by its place among the cluster's. */
export function bridgeNodeAddress({ nodeAddress }: Pick<BridgeSettings, 'nodeAddress'>, index: number): string {
  return nodeAddress.replace(/\d+$/, String(index + 2));
}

/** Where Services and policies are kept to: on each node, and on the machine for its own programs. */
export function bridgeKernels(settings: BridgeSettings, nodeNames: readonly string[]): readonly KernelPlace[] {
  const { podRanges, serviceRanges, machineAddress, machineServiceAddresses, cluster } = clusterNetworkOf(settings);
  const common = {
    podRanges,
    serviceRanges,
    served: machineServiceAddresses,
    nodeSources: [machineAddress],
    // The API server and cluster DNS.
    nodeServices: [machineAddress, ...machineServiceAddresses],
  };
  return [
    ...nodeNames.map((nodeName, index) => ({
      ...common,
      nodeName,
      namespace: namespacePath(nodeNamespace(nodeName)),
      tableName: nodeServicesTable,
      nodePortAddresses: [bridgeNodeAddress(settings, index)],
    })),
    { ...common, tableName: machineServicesTable(cluster), nodePortAddresses: ['127.0.0.1', machineAddress] },
  ];
}

function serviceAddress(serviceCidr: string, index: number): string {
  return formatIpv4((parseIpv4Range(serviceCidr)?.base ?? 0) + index);
}
