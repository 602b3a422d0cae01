/**
 * All that a cluster can be made of, one table for each sort of part; who composes a cluster can give others. Tables whose rows are code of a
 * component are loaded with that component.
 */
import { type ComponentTable, componentTable } from './components.ts';
import { networkTable } from './networks.ts';
import type { PartTables } from './part-tables.ts';
import { proxyBackendTable } from './proxy-backends.ts';
import { runtimeTable } from './runtimes.ts';
import { type StoreTable, storeTable } from './stores.ts';

/** One table for each sort of part, by name. */
export interface ClusterTables extends PartTables {
  readonly components: ComponentTable;
  readonly stores: StoreTable;
}

/** All that this project has. */
export const clusterTables: ClusterTables = {
  components: componentTable,
  stores: storeTable,
  runtimes: runtimeTable,
  networks: networkTable,
  proxyBackends: proxyBackendTable,
  definitions: async () => (await import('#pkg/registry/table.ts')).definitions,
  controllers: async () => (await import('#pkg/controllers/table.ts')).controllerTable,
  schedulerPlugins: async () => (await import('#pkg/scheduler/plugin-table.ts')).pluginTable,
  volumePlugins: async () => (await import('#pkg/kubelet/volumes/plugins/table.ts')).volumePlugins,
};

/** Names of identities that are not those of components. */
const takenIdentities: readonly string[] = ['admin', 'kubelet-client'];

/** Throws, with one line, where a row names what another table does not have, or two rows have one name between them. */
export function checkTables({ components, networks, proxyBackends }: ClusterTables): void {
  for (const [name, { proxyBackend }] of Object.entries(networks)) {
    if (!Object.hasOwn(proxyBackends, proxyBackend))
      throw new Error(
        `Cannot use the network ${name} as its proxy backend ${JSON.stringify(proxyBackend)} is not there: use ${Object.keys(proxyBackends).join(', ')}`,
      );
  }
  const owners = new Map<string, string>(takenIdentities.map((identity) => [identity, 'the cluster']));
  for (const [name, { identity }] of Object.entries(components)) {
    if (identity === undefined) continue;
    const owner = owners.get(identity.name);
    if (owner !== undefined)
      throw new Error(`Cannot use the component ${name} as its identity ${identity.name} is that of ${owner}`);
    owners.set(identity.name, name);
  }
}
