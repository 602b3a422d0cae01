/**
 * The components of a cluster, in the order in which they start. One process holds all of them (`cluster.ts`), or each is a process of its own
 * (`up --processes`); `status`, the keys and certificates and the clusters for tests read the same table. A new component is its folder, a
 * folder in `cmd/` with its main, and an entry here.
 *
 * Invariant: an entry knows nothing of the others. Only what starts is loaded.
 */
import { join } from 'node:path';
import type { FlagTable } from '#pkg/component/flags.ts';
import type { Subject } from '#pkg/pki/pair.ts';
import type { ClusterHost } from './cluster-host.ts';
import { etcdFlagValues } from './etcd-files.ts';
import { kernelFlagValues } from './kernel-flags.ts';
import type { NetworkKind, NetworkTable } from './networks.ts';
import { nodeSpecFlags } from './node-spec.ts';
import type { PartTables } from './part-tables.ts';
import {
  addressPort,
  apiServerHosts,
  type ClusterSettings,
  clusterDnsIp,
  clusterDomain,
  kubernetesServiceIp,
  nodeNames as nodeNamesOf,
  podRange,
} from './settings.ts';

/** A process of a cluster: what its flags can follow from. */
export interface ProcessPlace {
  readonly settings: ClusterSettings;
  /** Folder of the cluster. */
  readonly folder: string;
  /** Folder of its keys and certificates. */
  readonly pki: string;
  /** With the connection of this component; there is one for each that has an identity. */
  readonly kubeconfig: string;
  /** Of a component that is there once for each node; else `''`. */
  readonly nodeName: string;
  /** Which of several of one component, from 0 on. */
  readonly replica: number;
  readonly tables: PartTables;
}

/** The name under which a component speaks to the API server. */
export interface ComponentIdentity {
  /** Names its certificate; of a component per node `<name>:<node>` does. Kept: it is the name of the files. */
  readonly name: string;
  /** `nodeName` is `''` where there is one component for all nodes. */
  subject(nodeName: string): Subject;
}

/** One component: its process, its identity, and how it is started within another process. */
export interface ComponentEntry {
  /** Folder of its main, below `cmd/`. */
  readonly folder: string;
  /** Absent for one that has no client certificate. */
  readonly identity?: ComponentIdentity;
  /** Whether there is a process for each node. */
  readonly perNode: boolean;
  /** Whether there is one in each control plane. Default: one in the cluster. */
  readonly isReplicated?: true;
  /** Flags of its process, beside the common ones. */
  flags(place: ProcessPlace): Readonly<Record<string, unknown>>;
  /** Those of its flags that people may set (`up --config`, `up --extra-config`), beside what follows from the cluster. Absent: none. */
  options?(tables: PartTables): Promise<FlagTable>;
  /** What it may do, where upstream has no role for it: rules as the default policy writes them (`pkg/registry/rbac/policy/rule-text.ts`). */
  readonly rights?: readonly string[];
  /** Whether it opens sockets of its own, which there are none of on virtual time. */
  readonly opensSockets: boolean;
  /** Starts it in the process that holds all of them. Absent for the API server, by which all others live and which is therefore there first. */
  readonly start?: (host: ClusterHost) => Promise<void>;
}

/** Components by the names of their processes, which are upstream's. */
export type ComponentTable = Readonly<Record<string, ComponentEntry>>;

/** The components of every cluster. */
export const componentTable: ComponentTable = {
  'kube-apiserver': {
    folder: 'apiserver',
    perNode: false,
    opensSockets: true,
    isReplicated: true,
    flags: ({ settings, folder, replica }) => ({
      'bind-address': apiServerHosts(settings)[replica],
      'secure-port': settings.apiPort,
      'data-dir': folder,
      store: settings.store,
      ...etcdFlagValues(settings),
      'service-cluster-ip-range': settings.serviceCidr,
      // Another cluster that looks for free addresses sees by this that these are taken.
      ...(replica === 0
        ? { 'healthz-bind-address': kubernetesServiceIp(settings.serviceCidr), 'healthz-port': addressPort }
        : {}),
    }),
    options: async () => (await import('./server-flags.ts')).serverFlags,
  },
  // Before the rest: a node takes longest to be ready.
  kubelet: {
    folder: 'kubelet',
    identity: {
      name: 'node',
      subject: (nodeName) => ({ commonName: `system:node:${nodeName}`, organizations: ['system:nodes'] }),
    },
    perNode: true,
    opensSockets: false,
    flags: ({ settings, folder, pki, kubeconfig, nodeName, tables }) => ({
      kubeconfig,
      'node-name': nodeName,
      ...kernelNodeFlags(settings, tables, nodeName),
      'root-dir': join(folder, 'kubelet', nodeName),
      'images-dir': folder,
      runtime: settings.runtime,
      network: settings.network,
      'cluster-dns': [clusterDnsIp(settings.serviceCidr)],
      // The server's certificate names the nodes too: kubelets answer with it.
      'tls-cert-file': join(pki, 'apiserver.crt'),
      'tls-private-key-file': join(pki, 'apiserver.key'),
      'client-ca-file': join(pki, 'ca.crt'),
      'nodes-on-machine': settings.nodes,
      ...nodeSpecFlags(settings.nodeSpecs?.find(({ name }) => name === nodeName)),
    }),
    options: async () => (await import('./node-flags.ts')).nodeFlags,
    start: async (host) => (await import('./start-nodes.ts')).startNodes(host),
  },
  'kube-controller-manager': {
    folder: 'controller-manager',
    identity: { name: 'controller-manager', subject: () => ({ commonName: 'system:kube-controller-manager' }) },
    perNode: false,
    isReplicated: true,
    opensSockets: false,
    flags: ({ settings, pki, kubeconfig }) => ({
      kubeconfig,
      'leader-elect': apiServerHosts(settings).length > 1,
      'root-ca-file': join(pki, 'ca.crt'),
      'cluster-signing-cert-file': join(pki, 'ca.crt'),
      'cluster-signing-key-file': join(pki, 'ca.key'),
      'service-account-private-key-file': join(pki, 'sa.key'),
      'cluster-cidr': podRange(settings),
    }),
    options: async ({ controllers }) => {
      const [{ controllerFlags }, table] = await Promise.all([import('#pkg/controllers/manager.ts'), controllers()]);
      return controllerFlags(table);
    },
    start: async ({
      settings,
      tables,
      rootCa,
      clusterSigning,
      signingClock,
      serviceAccountKey,
      controllers,
      as,
      asAccount,
      members,
      flagsOf,
    }) => {
      const { controllerManagerPart } = await import('./parts.ts');
      const options = {
        rootCa,
        ...(clusterSigning === undefined ? {} : { clusterSigning }),
        ...(signingClock === undefined ? {} : { signingClock }),
        ...(serviceAccountKey === undefined ? {} : { serviceAccountKey }),
        podCidr: podRange(settings),
        ...(controllers === undefined ? {} : { controllers }),
        table: await tables.controllers(),
        asAccount,
        flags: await flagsOf('kube-controller-manager'),
      };
      members.start('kube-controller-manager', await controllerManagerPart(as('controller-manager'), options));
    },
  },
  'kube-scheduler': {
    folder: 'scheduler',
    identity: { name: 'scheduler', subject: () => ({ commonName: 'system:kube-scheduler' }) },
    perNode: false,
    isReplicated: true,
    opensSockets: false,
    flags: ({ settings, kubeconfig }) => ({ kubeconfig, 'leader-elect': apiServerHosts(settings).length > 1 }),
    options: async () => (await import('./scheduler-flags.ts')).schedulerOptionFlags,
    start: async ({ tables, as, members, flagsOf }) => {
      const [{ schedulerPart }, { schedulerSettings }] = await Promise.all([
        import('./parts.ts'),
        import('./scheduler-flags.ts'),
      ]);
      const plugins = await tables.schedulerPlugins();
      const settings = await schedulerSettings(await flagsOf('kube-scheduler'), plugins);
      members.start('kube-scheduler', await schedulerPart(as('scheduler'), { plugins, settings }));
    },
  },
  'kube-proxy': {
    folder: 'kube-proxy',
    identity: {
      name: 'kube-proxy',
      subject: () => ({ commonName: 'system:kube-proxy', organizations: ['system:node-proxier'] }),
    },
    perNode: false,
    opensSockets: true,
    flags: ({ settings, tables, kubeconfig }) => ({
      kubeconfig,
      // One proxy for all nodes of the machine.
      'hostname-override': '',
      'proxy-mode': networkOf(settings, tables.networks).proxyBackend,
      'nodeport-addresses': [settings.nodeAddress],
      ...(networkOf(settings, tables.networks).kernel === undefined
        ? {}
        : { ...kernelFlagValues(settings), network: settings.network, 'machine-nodes': nodeNamesOf(settings) }),
    }),
    options: async () => (await import('#pkg/component/feature-gates.ts')).featureGatesFlag,
    // What holds pods to network policies and gives load balancers addresses, on networks of the kernel.
    rights: [
      'list,watch core namespaces,pods',
      'list,watch networking.k8s.io networkpolicies',
      'patch core services/status',
    ],
    start: async ({ settings, tables, nodeNames, as, members }) => {
      const { proxyPart, kernelProxyPart } = await import('./parts.ts');
      const { kernel, proxyBackend } = networkOf(settings, tables.networks);
      const kind = tables.proxyBackends[proxyBackend];
      if (kernel !== undefined && kind !== undefined) {
        const kernels = kernel.kernels(settings, nodeNames);
        const part = { kernels, kind, ranges: kernel.ranges(settings), balancerRange: kernel.balancerRange(settings) };
        members.start('kube-proxy', await kernelProxyPart(as('kube-proxy'), part));
        return;
      }
      const options = {
        nodePortAddresses: [settings.nodeAddress],
        backend: networkOf(settings, tables.networks).proxyBackend,
        backends: tables.proxyBackends,
      };
      members.start('kube-proxy', await proxyPart(as('kube-proxy'), options));
    },
  },
  'cluster-dns': {
    folder: 'cluster-dns',
    identity: { name: 'cluster-dns', subject: () => ({ commonName: 'system:coxswain:cluster-dns' }) },
    perNode: false,
    opensSockets: true,
    rights: [
      'list,watch core namespaces,services',
      'list,watch discovery.k8s.io endpointslices',
      'create core services',
      'create discovery.k8s.io endpointslices',
    ],
    flags: ({ settings, kubeconfig }) => ({ kubeconfig, address: clusterDnsIp(settings.serviceCidr) }),
    start: async ({ settings, as, members }) => {
      const { dnsPart } = await import('./parts.ts');
      const address = clusterDnsIp(settings.serviceCidr);
      const part = await dnsPart(as('cluster-dns'), { address, domain: clusterDomain, resolvConf: '/etc/resolv.conf' });
      members.start('cluster-dns', part);
    },
  },
};

/** Every certificate's name of a component: one, one per node, or none. */
export function identitiesOf({ identity, perNode }: ComponentEntry, nodeNames: readonly string[]): readonly string[] {
  if (identity === undefined) return [];
  return perNode ? nodeNames.map((nodeName) => `${identity.name}:${nodeName}`) : [identity.name];
}

/** The address of a node, and where the kernel carries the network, what that follows from. */
function kernelNodeFlags(
  settings: ClusterSettings,
  { networks }: PartTables,
  nodeName: string,
): Readonly<Record<string, string>> {
  const { kernel } = networkOf(settings, networks);
  if (kernel === undefined) return { 'node-ip': settings.nodeAddress };
  const index = nodeNamesOf(settings).indexOf(nodeName);
  return { ...kernelFlagValues(settings), 'node-ip': kernel.nodeAddress(settings, index) };
}

function networkOf({ network }: ClusterSettings, table: NetworkTable): NetworkKind {
  const kind = table[network];
  if (kind === undefined)
    throw new Error(`Cannot use the network ${JSON.stringify(network)} as there is none of that name`);
  return kind;
}
