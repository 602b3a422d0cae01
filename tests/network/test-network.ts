/** A cluster's network for tests: ranges that no cluster has, in a namespace of the suite's own. */
import type { ClusterNetwork } from '#pkg/network/bridge/places.ts';

/** One of that name, which is to be this process's own. */
export function testNetwork(cluster: string): ClusterNetwork {
  return {
    cluster,
    nodeRange: '10.94.0.0/24',
    machineAddress: '10.94.0.1',
    routerAddress: '10.94.0.254',
    podRanges: ['10.95.0.0/16'],
    serviceRanges: ['10.93.0.0/16'],
    machineServiceAddresses: ['10.93.0.10'],
    balancerRange: '10.92.0.0/24',
  };
}
