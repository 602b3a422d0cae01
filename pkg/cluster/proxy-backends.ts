/**
 * What can carry the traffic of Services, by the name that kube-proxy's `--proxy-mode` gives it. A new one is a folder in
 * `pkg/proxy/backends/` and an entry here, and is chosen by the network (`networks.ts`). Only the one that is used is loaded.
 */
import type { ComponentDeps } from '#pkg/component/component.ts';
import type { Backend } from '#pkg/proxy/backend.ts';

/** What a backend is opened with. */
export interface ProxyBackendPlace extends ComponentDeps {
  /** Addresses on which node ports answer. */
  readonly nodePortAddresses: readonly string[];
  /** Whether other proxies listen at the same addresses of this machine. */
  readonly sharesPorts: boolean;
}

/** One sort of backend. */
export interface ProxyBackendKind {
  /** Whoever asked closes it. */
  open(place: ProxyBackendPlace): Promise<Backend>;
}

/** Proxy backends by name. */
export type ProxyBackendTable = Readonly<Record<string, ProxyBackendKind>>;

/** The backends that there are. */
export const proxyBackendTable: ProxyBackendTable = {
  userspace: {
    open: async (place) => {
      const { createUserspaceBackend } = await import('#pkg/proxy/backends/userspace/userspace-backend.ts');
      return createUserspaceBackend(place);
    },
  },
};
