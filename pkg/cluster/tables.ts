/** All that a cluster can be made of, one table for each sort of part; who composes a cluster can give others. */
import { type ComponentTable, componentTable } from './components.ts';
import { type NetworkTable, networkTable } from './networks.ts';
import { type ProxyBackendTable, proxyBackendTable } from './proxy-backends.ts';
import { type RuntimeTable, runtimeTable } from './runtimes.ts';
import { type StoreTable, storeTable } from './stores.ts';

export interface ClusterTables {
  readonly components: ComponentTable;
  readonly stores: StoreTable;
  readonly runtimes: RuntimeTable;
  readonly networks: NetworkTable;
  readonly proxyBackends: ProxyBackendTable;
}

export const clusterTables: ClusterTables = {
  components: componentTable,
  stores: storeTable,
  runtimes: runtimeTable,
  networks: networkTable,
  proxyBackends: proxyBackendTable,
};
