/** What a cluster is made of, and its defaults. Kept in the data folder, so that the next start brings the same cluster back. */

import { formatIpv4, parseIpv4, parseIpv4Range } from '#pkg/apimachinery/ipv4-range.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import { type EtcdFiles, etcdFieldProblem, etcdFilesOf } from './etcd-files.ts';
import { networkTable } from './networks.ts';
import { areNodeSpecs, type NodeSpec } from './node-spec.ts';
import { areSimulated, runtimeProblem } from './runtimes.ts';
import { etcdFilesProblem, storeDriverOf } from './stores.ts';

/** What people have set of single components: values by component and flag, as they stand on a command line. */
export type ComponentFlags = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** The settings, as `cluster.json` has them. */
export interface ClusterSettings extends EtcdFiles {
  /** Lower-case letters, digits and dashes; part of the nodes' names and of the kubeconfig's context. */
  readonly name: string;
  readonly nodes: number;
  /** How pods run: names with commas between them, of which the first is for pods without a RuntimeClass. */
  readonly runtime: string;
  /** `lmdb`, `memory`, or addresses of etcd members with commas between them. */
  readonly store: string;
  /** How pods are reached. */
  readonly network: string;
  /** Port of the API server on 127.0.0.1; 0 takes any free one. */
  readonly apiPort: number;
  /** Range that pods' addresses are from; each node has a part of it. */
  readonly podCidr: string;
  /** Range of the Services' cluster IPs. */
  readonly serviceCidr: string;
  /** Address of the nodes: kubelets, node ports and pods on the host's network answer there. */
  readonly nodeAddress: string;
  /** What people have set of single components. */
  readonly componentFlags: ComponentFlags;
  /** How many there are of each process of the control plane, where components are processes. Default 1. */
  readonly controlPlanes?: number;
  /** What is said of each of the `nodes`, by a cluster file; absent where they are all alike. */
  readonly nodeSpecs?: readonly NodeSpec[];
  /** Whether its time is virtual, to be steered. Absent: no. */
  readonly virtualTime?: true;
}

/** Most control planes of a cluster on one machine: each has its API server at another address that the certificate names. */
export const controlPlanesMax = 2;

/** Addresses of the API servers, the first where it is `apiServerHost` and the second on that of the `kubernetes` Service, at one port. */
export function apiServerHosts(settings: ClusterSettings): readonly string[] {
  const { controlPlanes = 1, serviceCidr } = settings;
  return [apiServerHost(settings), kubernetesServiceIp(serviceCidr)].slice(0, controlPlanes);
}

/** Where the API server answers: on 127.0.0.1, or where the kernel carries the network at the machine's address among the nodes, at which pods reach it. */
export function apiServerHost({ network, nodeAddress }: Pick<ClusterSettings, 'network' | 'nodeAddress'>): string {
  return networkTable[network]?.kernel === undefined ? '127.0.0.1' : nodeAddress;
}

/** The addresses of one cluster among several on a machine. */
export type ClusterAddresses = Pick<ClusterSettings, 'nodeAddress' | 'podCidr' | 'serviceCidr'>;

/** Most nodes of a cluster: as many as Kubernetes is tested with. Source: https://kubernetes.io/docs/setup/best-practices/cluster-large/ */
export const nodesMax = 5_000;

/** Most nodes of a cluster whose components are processes: each kubelet is a program of some 70 MB. */
export const processNodesMax = 100;

/**
 * Range of pods that run nothing, where there are more nodes than the cluster's own part has room for: 8,192 blocks of /24, which clusters share
 * as nobody listens there. Of 127.0.0.0/8, so that what is sent to such a pod never leaves the machine; no slot's nodes, Services or pods are there.
 */
const fakePodCidr = '127.64.0.0/11';

const firstAddresses: ClusterAddresses = {
  podCidr: '127.128.0.0/15',
  serviceCidr: '127.96.0.0/18',
  nodeAddress: '127.0.0.1',
};

/** What a cluster is where nobody says otherwise. */
export const defaultSettings: ClusterSettings = {
  name: 'dev',
  nodes: 1,
  runtime: 'inprocess',
  store: 'lmdb',
  network: 'loopback',
  apiPort: 6443,
  ...firstAddresses,
  componentFlags: {},
};

/** Clusters that can have addresses of their own on the loopback network. */
export const addressSlots = 64;

/** The addresses of one of `addressSlots` clusters: 512 nodes with 253 pods each, and 16,382 Services. The first one's nodes are at 127.0.0.1. */
export function loopbackAddresses(slot: number): ClusterAddresses {
  return {
    podCidr: `127.${128 + 2 * slot}.0.0/15`,
    serviceCidr: `127.${96 + (slot >> 2)}.${(slot & 3) * 64}.0/18`,
    nodeAddress: `127.0.0.${1 + slot}`,
  };
}

/** Port of `kubernetesServiceIp` at which a cluster of one process, or its API server, says how it is: holding it holds the cluster's addresses. */
export const addressPort = 10_248;

/** Name of the cluster's context, user and cluster in a kubeconfig. */
export function contextName(settings: Pick<ClusterSettings, 'name'>): string {
  return `coxswain-${settings.name}`;
}

/** Why there can be no cluster of so many nodes with these runtimes; undefined when there can. */
export function nodesProblem({
  nodes,
  runtime,
  network = 'loopback',
  podCidr = firstAddresses.podCidr,
}: Pick<ClusterSettings, 'nodes' | 'runtime'> & Partial<Pick<ClusterSettings, 'network' | 'podCidr'>>):
  | string
  | undefined {
  const kernelNodesMax = networkTable[network]?.kernel?.nodesMax ?? nodesMax;
  if (nodes > kernelNodesMax) return `the network ${network} has addresses for ${kernelNodesMax} nodes`;
  const addressedNodesMax = nodesIn(podCidr);
  if (nodes <= addressedNodesMax || areSimulated(runtime)) return undefined;
  const where = podCidr === firstAddresses.podCidr ? 'this machine' : `the range ${podCidr}`;
  return `the pods of a cluster have addresses on ${addressedNodesMax} nodes of ${where}: only --runtime fake, whose pods need none, has more`;
}

/** Range of which each node gets a part for its pods. */
export function podRange({ nodes, runtime, podCidr }: ClusterSettings): string {
  return nodes > nodesIn(podCidr) && areSimulated(runtime) ? fakePodCidr : podCidr;
}

/** Nodes for whose pods a range has room: each gets a /24. */
function nodesIn(podCidr: string): number {
  return Math.floor((parseIpv4Range(podCidr)?.size ?? 0) / 256);
}

/** As a cluster file says, or `<name>-node-1` and on. */
export function nodeNames(settings: Pick<ClusterSettings, 'name' | 'nodes' | 'nodeSpecs'>): readonly string[] {
  const { name, nodes, nodeSpecs } = settings;
  return nodeSpecs?.map((spec) => spec.name) ?? Array.from({ length: nodes }, (_, index) => nodeNameAt(name, index));
}

/** Name of the node at a place of the cluster, from 0 on, that has no other. */
export function nodeNameAt(clusterName: string, index: number): string {
  return `${clusterName}-node-${index + 1}`;
}

/** Domain of every cluster's names. Source: kubeadm's default. */
export const clusterDomain = 'cluster.local';

/** The first address of the Services' range, which is that of the `kubernetes` Service. */
export function kubernetesServiceIp(serviceCidr: string): string {
  return serviceIp(serviceCidr, 1);
}

/** The tenth address of the Services' range, at which cluster DNS answers. Source: kubeadm's `GetDNSIP`. */
export function clusterDnsIp(serviceCidr: string): string {
  return serviceIp(serviceCidr, 10);
}

function serviceIp(serviceCidr: string, index: number): string {
  const range = parseIpv4Range(serviceCidr);
  if (range === undefined || range.size < index + 2) {
    throw new Error(`Cannot use ${serviceCidr} for Services as it is not an IPv4 range with room for them`);
  }
  return formatIpv4(range.base + index);
}

/** Why settings read from a file cannot be those of a cluster; undefined when they can. */
export function settingsProblem(settings: ClusterSettings): string | undefined {
  const { name, nodes, runtime, store, network, apiPort, componentFlags } = settings;
  if (typeof name !== 'string' || name === '') return 'name is no name';
  if (!Number.isInteger(nodes) || nodes < 1 || nodes > nodesMax) return 'nodes is no number of nodes';
  if (typeof runtime !== 'string' || runtimeProblem(runtime) !== undefined) return 'runtime is no runtime';
  if (!Object.hasOwn(networkTable, network)) return 'network is no network';
  if (typeof store !== 'string' || storeDriverOf(store) === undefined) return 'store is no store';
  const { controlPlanes = 1 } = settings;
  if (!Number.isInteger(controlPlanes) || controlPlanes < 1 || controlPlanes > controlPlanesMax)
    return 'controlPlanes is no number of control planes';
  const wrongEtcd = etcdFieldProblem(settings);
  if (wrongEtcd !== undefined) return wrongEtcd;
  const noTls = etcdFilesProblem(store, settings);
  if (noTls !== undefined) return noTls;
  if (!Number.isInteger(apiPort) || apiPort < 0 || apiPort > 65_535) return 'apiPort is no port';
  const unsteered = timeProblem(settings);
  if (unsteered !== undefined) return unsteered;
  if (settings.nodeSpecs !== undefined && !areNodeSpecs(settings.nodeSpecs, nodes))
    return 'nodeSpecs are not of the nodes';
  const addresses = addressesProblem(settings);
  if (addresses !== undefined) return addresses;
  const problem = nodesProblem(settings);
  if (problem !== undefined) return problem;
  if (!isObject(componentFlags) || !Object.values(componentFlags).every(isTexts))
    return 'componentFlags are no flags of components';
  return undefined;
}

/** Why the time of such a cluster cannot be virtual; undefined where it can, or is not. */
export function timeProblem({
  virtualTime,
  runtime,
  store,
  network,
}: Pick<ClusterSettings, 'network' | 'runtime' | 'store' | 'virtualTime'>): string | undefined {
  if (virtualTime === undefined) return undefined;
  if (virtualTime !== true) return 'virtualTime is not true';
  if (!areSimulated(runtime)) return `what the runtimes ${runtime} run lives in real time: only --runtime fake follows`;
  if (store !== 'memory')
    return `the store ${store} would have objects from the future at the next start: only --store memory follows`;
  return networkTable[network]?.kernel === undefined
    ? undefined
    : `the network ${network} lives in real time: only --network loopback follows`;
}

/** Addresses are those of the network's slots. */
function addressesProblem({ network, podCidr, serviceCidr, nodeAddress }: ClusterSettings): string | undefined {
  const kernel = networkTable[network]?.kernel;
  const [first, name] = kernel === undefined ? [127, '127.0.0.0/8'] : [10, '10.0.0.0/8'];
  for (const [field, cidr] of Object.entries({ podCidr, serviceCidr })) {
    const range = typeof cidr === 'string' ? parseIpv4Range(cidr) : undefined;
    if (range === undefined || range.base >>> 24 !== first || range.size < 4) return `${field} is no range of ${name}`;
  }
  const isAddress = typeof nodeAddress === 'string' && nodeAddress.startsWith(`${first}.`) && isIpv4(nodeAddress);
  return isAddress ? undefined : `nodeAddress is no address of ${name}`;
}

function isIpv4(text: string): boolean {
  return parseIpv4(text) !== undefined;
}

/** The addresses of a slot on a network. */
export function slotAddresses(network: string, slot: number): ClusterAddresses {
  return networkTable[network]?.kernel?.addresses(slot) ?? loopbackAddresses(slot);
}

/** The loopback addresses by which a cluster holds its slot: its own, or on another network those of the same slot. */
export function heldAddresses(addresses: ClusterAddresses): ClusterAddresses {
  for (const { kernel } of Object.values(networkTable)) {
    const slot = kernel?.slotOf(addresses);
    if (slot !== undefined) return loopbackAddresses(slot);
  }
  return addresses;
}

function isTexts(value: unknown): boolean {
  return isObject(value) && Object.values(value).every((text) => typeof text === 'string');
}

/** What a cluster's store is opened by. */
export function storeOf(settings: ClusterSettings): Pick<ClusterSettings, 'store'> & EtcdFiles {
  return { store: settings.store, ...etcdFilesOf(settings) };
}
