/** Makes and removes the network of one node: its namespace, its link to the router and the bridge of its pods. Doing it again changes nothing. */
import { hostCommand, tryHostCommand } from '../host/host-command.ts';
import type { AddressPool } from './address-pool.ts';
import { answersForNeighbours, batch, ensureNamespace, routerSettings } from './cluster-links.ts';
import {
  type ClusterNetwork,
  hardwareAddress,
  namespacePath,
  nodeLink,
  nodeNamespace,
  routerNamespace,
} from './places.ts';

/** Which node. */
export interface NodeLinkOptions {
  readonly network: ClusterNetwork;
  readonly nodeName: string;
  readonly nodeAddress: string;
}

/** What of a node the pods of its network are plugged into. */
export interface PodLinks {
  /** Path of the namespace of the bridge; absent for that of this process. */
  readonly namespace: string | undefined;
  readonly bridge: string;
  /** Makes the bridge and what it needs. Doing it again changes nothing. */
  ensure(): Promise<void>;
  /** Gives the bridge the addresses of these ranges through which pods reach everything, and tells others whose they are. */
  route(pools: readonly AddressPool[]): Promise<void>;
}

/** Those of a node that has a namespace of its own. */
export function namespaceLinks(options: NodeLinkOptions): PodLinks {
  return {
    namespace: namespacePath(nodeNamespace(options.nodeName)),
    bridge: 'pods',
    ensure: () => ensureNodeLinks(options),
    route: (pools) => routeRanges(options, pools),
  };
}

/** The same without a bridge: something else connects the pods. */
export function namespaceRoutes(options: NodeLinkOptions): Omit<PodLinks, 'bridge'> {
  return {
    namespace: namespacePath(nodeNamespace(options.nodeName)),
    ensure: () => ensureNodeLinks(options),
    route: (pools) => tellRouter(options, pools),
  };
}

/** Makes the node's namespace and its link, once those of the cluster are there. */
export async function ensureNodeLinks({ network, nodeName, nodeAddress }: NodeLinkOptions): Promise<void> {
  const name = nodeNamespace(nodeName);
  const node = namespacePath(name);
  const router = namespacePath(routerNamespace(network.cluster));
  const bits = network.nodeRange.split('/')[1];
  const link = nodeLink(nodeName);
  const isNew = await ensureNamespace(name);
  // Again where a process was killed between the two.
  await hostCommand(['sh', '-c', routerSettings], { namespace: node });
  if (!isNew && (await isConnected({ node, router, link }))) return;
  // Ends of links to a namespace that was deleted may still be there: the kernel takes them away after a while.
  await tryHostCommand(['ip', 'link', 'delete', link], { namespace: router });
  await tryHostCommand(['ip', 'link', 'delete', 'uplink'], { namespace: node });
  if ((await tryHostCommand(['ip', 'link', 'show', 'pods'], { namespace: node })).code !== 0) {
    await batch(node, [`link add pods address ${hardwareAddress(name)} type bridge`, 'link set pods up']);
    await hostCommand(['sh', '-c', answersForNeighbours('pods')], { namespace: node });
  }
  await batch(router, [
    `link add ${link} type veth peer name uplink netns ${node}`,
    `link set ${link} master nodes up`,
  ]);
  await batch(node, [
    'link set lo up',
    `addr add ${nodeAddress}/${bits} dev uplink`,
    'link set uplink up',
    `route add default via ${network.routerAddress}`,
  ]);
}

/** Whether all was made: the route comes last, and goes with the link. */
async function isConnected(at: {
  readonly node: string;
  readonly router: string;
  readonly link: string;
}): Promise<boolean> {
  const [link, route] = await Promise.all([
    tryHostCommand(['ip', 'link', 'show', at.link], { namespace: at.router }),
    tryHostCommand(['ip', 'route', 'show', 'default'], { namespace: at.node }),
  ]);
  return link.code === 0 && route.stdout.includes('dev uplink');
}

/** Tells the router too. */
async function routeRanges(options: NodeLinkOptions, pools: readonly AddressPool[]): Promise<void> {
  const node = namespacePath(nodeNamespace(options.nodeName));
  await batch(node, [
    'addr flush dev pods scope global',
    ...pools.map(({ family, gateway, prefixBits }) => {
      const noWait = family === 6 ? ' nodad' : '';
      return `addr add ${gateway}/${prefixBits} dev pods${noWait}`;
    }),
  ]);
  await tellRouter(options, pools);
}

async function tellRouter(options: NodeLinkOptions, pools: readonly AddressPool[]): Promise<void> {
  const router = namespacePath(routerNamespace(options.network.cluster));
  // Nodes have addresses of IPv4 alone: their pods' others stay on the node.
  const routed = pools.filter(({ family }) => family === 4);
  await batch(
    router,
    routed.map(({ cidr }) => `route replace ${cidr} via ${options.nodeAddress}`),
  );
}
