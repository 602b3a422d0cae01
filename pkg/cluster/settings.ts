/** What a cluster is made of, and its defaults. Kept in the data folder, so that the next start brings the same cluster back. */
import { formatIpv4, parseIpv4Range } from '#pkg/network/ipv4.ts';

/** How pods run; further ones of the design are refused until they are built. */
export const runtimeNames = ['inprocess', 'fake'] as const;
export type RuntimeName = (typeof runtimeNames)[number];

export interface ClusterSettings {
  /** Lower-case letters, digits and dashes; part of the nodes' names and of the kubeconfig's context. */
  readonly name: string;
  readonly nodes: number;
  readonly runtime: RuntimeName;
  /** `lmdb`, `memory`, or addresses of etcd members with commas between them. */
  readonly store: string;
  readonly network: 'loopback';
  /** Port of the API server on 127.0.0.1; 0 takes any free one. */
  readonly apiPort: number;
  /** Range that pods' addresses are from; each node has a part of it. */
  readonly podCidr: string;
  /** Range of the Services' cluster IPs. */
  readonly serviceCidr: string;
}

/** Nodes that one process is asked to run at most: each is a kubelet with its own informers. */
export const nodesMax = 100;

export const defaultSettings: ClusterSettings = {
  name: 'dev',
  nodes: 1,
  runtime: 'inprocess',
  store: 'lmdb',
  network: 'loopback',
  apiPort: 6443,
  podCidr: '127.128.0.0/13',
  serviceCidr: '127.96.0.0/16',
};

/** Clusters that can run side by side on the loopback network, each with ranges of its own. */
export const addressSlots = 16;

/** The ranges of one of `addressSlots` clusters: 2,048 nodes with 253 pods each, and 65,534 Services. */
export function loopbackRanges(slot: number): Pick<ClusterSettings, 'podCidr' | 'serviceCidr'> {
  return { podCidr: `127.${128 + 8 * slot}.0.0/13`, serviceCidr: `127.${96 + slot}.0.0/16` };
}

/** Name of the cluster's context, user and cluster in a kubeconfig. */
export function contextName(settings: Pick<ClusterSettings, 'name'>): string {
  return `coxswain-${settings.name}`;
}

/** `<name>-node-1` and on. */
export function nodeNames(settings: Pick<ClusterSettings, 'name' | 'nodes'>): readonly string[] {
  return Array.from({ length: settings.nodes }, (_, index) => `${settings.name}-node-${index + 1}`);
}

/** The first address of the Services' range, which is that of the `kubernetes` Service. */
export function kubernetesServiceIp(serviceCidr: string): string {
  const range = parseIpv4Range(serviceCidr);
  if (range === undefined || range.size < 4) {
    throw new Error(`Cannot use ${serviceCidr} for Services as it is not an IPv4 range with room for them`);
  }
  return formatIpv4(range.base + 1);
}
