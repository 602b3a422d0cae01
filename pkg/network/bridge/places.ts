/**
 * The namespaces and links of a cluster on the bridge network, by name. Pure.
 *
 * ```
 *   machine ── cx<hash> ┐                      ┌ uplink ── node 1 ── pods (bridge) ── eth0 of each pod
 *                       ├ router: bridge nodes ┤
 *                       ┘                      └ uplink ── node 2 ── pods (bridge) ── …
 * ```
 *
 * Each node has a network namespace, and one more is the router between them: it alone knows which node has which pods, so that a node that comes
 * tells the router and nobody else, and nothing that nodes say to each other passes the machine's own firewall. The processes of a cluster stay in
 * the machine's namespace, one for several nodes if they like: what they do to a node's network they do by its namespace's path (`nsenter`), for
 * their sockets the machine has routes to all nodes and pods.
 */
import { createHash } from 'node:crypto';

/** Where `ip netns` keeps namespaces. */
const namespaceFolder = '/run/netns';

/** A network of nodes on one machine. */
export interface ClusterNetwork {
  /** Name of the cluster; part of the names of all that is made. */
  readonly cluster: string;
  /** Range of the nodes' addresses, such as `10.64.0.0/24`. */
  readonly nodeRange: string;
  /** The machine's address among the nodes. */
  readonly machineAddress: string;
  /** The router's. */
  readonly routerAddress: string;
  /** Ranges of all pods. */
  readonly podRanges: readonly string[];
  /** Ranges of Services: what no node leads elsewhere of them comes to the machine, which answers at `machineServiceAddresses`. */
  readonly serviceRanges: readonly string[];
  /** Addresses of Services at which processes of the machine answer themselves. */
  readonly machineServiceAddresses: readonly string[];
  /** Addresses outside that the nodes' LoadBalancer Services have. */
  readonly balancerRange?: string;
}

/** Name of the router's namespace. */
export function routerNamespace(cluster: string): string {
  return `coxswain-${cluster}-router`;
}

/** Name of a node's namespace. */
export function nodeNamespace(nodeName: string): string {
  return `coxswain-${nodeName}`;
}

/** Path of a namespace. */
export function namespacePath(name: string): string {
  return `${namespaceFolder}/${name}`;
}

/** The machine's link to a cluster: a name of at most 15 characters. */
export function machineLink(cluster: string): string {
  return `cx${hash(cluster)}`;
}

/** The machine's table of what leaves it. */
export function machineTable(cluster: string): string {
  return `coxswain-${cluster}`;
}

/** The machine's table of Services, for its own processes. */
export function machineServicesTable(cluster: string): string {
  return `coxswain-${cluster}-services`;
}

/** The router's link to a node. */
export function nodeLink(nodeName: string): string {
  return `n${hash(nodeName)}`;
}

/** The node's link to a pod. */
export function podLink(owner: string): string {
  return `p${hash(owner)}`;
}

/** The node's device for what a pod sends, where that is limited. */
export function podShaper(owner: string): string {
  return `s${hash(owner)}`;
}

/** A hardware address of one's own choice, which a bridge would else take from whatever was plugged in last. */
export function hardwareAddress(name: string): string {
  const digits = createHash('sha256').update(name).digest('hex');
  return `0a:58:${digits.slice(0, 8).match(/../g)?.join(':')}`;
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}
