/**
 * What can carry the traffic of Services, by the name that kube-proxy's `--proxy-mode` gives it. A new one is a folder in
 * `pkg/proxy/backends/` and an entry here, and is chosen by the network (`networks.ts`). Only the one that is used is loaded.
 */
import type { ComponentDeps } from '#pkg/component/component.ts';
import type { Backend } from '#pkg/proxy/backend.ts';
import type { KernelPlace } from './bridge-cluster.ts';

/** What a backend is opened with. */
export interface ProxyBackendPlace extends ComponentDeps {
  /** Addresses on which node ports answer. */
  readonly nodePortAddresses: readonly string[];
  /** Whether other proxies listen at the same addresses of this machine. */
  readonly sharesPorts: boolean;
  /** The proxy's node; absent where one proxy stands for all nodes of the machine. */
  readonly nodeName?: string | undefined;
  /** Where the kernel carries the traffic; absent where this process does. */
  readonly kernel?: Pick<KernelPlace, 'namespace' | 'podRanges' | 'served' | 'serviceRanges' | 'tableName'> | undefined;
}

/** One sort of backend. */
export interface ProxyBackendKind {
  /** Whoever asked closes it. */
  open(place: ProxyBackendPlace): Promise<Backend>;
}

/** Proxy backends by name. */
export type ProxyBackendTable = Readonly<Record<string, ProxyBackendKind>>;

/** A proxy whose network nobody says more of. */
const machineKernel = { tableName: 'coxswain-services', podRanges: [], serviceRanges: [], served: [] };

/** The backends that there are. */
export const proxyBackendTable: ProxyBackendTable = {
  userspace: {
    open: async (place) => {
      const { createUserspaceBackend } = await import('#pkg/proxy/backends/userspace/userspace-backend.ts');
      return createUserspaceBackend(place);
    },
  },
  nftables: {
    open: async ({ log, nodeName, nodePortAddresses, kernel = machineKernel }) => {
      const { createNftablesBackend } = await import('#pkg/proxy/backends/nftables/nftables-backend.ts');
      return createNftablesBackend({ log, keepsRules: true, ...kernel, nodeName, nodePortAddresses });
    },
  },
};
