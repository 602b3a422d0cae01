/** Makes and removes the network of one node: its namespace, its link to the router and the bridge of its pods. Doing it again changes nothing. */
import { hostCommand, tryHostCommand } from '../host/host-command.ts';
import type { AddressPool } from './address-pool.ts';
import { batch, ensureNamespace, routerSettings } from './cluster-links.ts';
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

/** Makes the node's namespace and its link, once those of the cluster are there. */
export async function ensureNodeLinks({ network, nodeName, nodeAddress }: NodeLinkOptions): Promise<void> {
  const name = nodeNamespace(nodeName);
  const node = namespacePath(name);
  const router = namespacePath(routerNamespace(network.cluster));
  const bits = network.nodeRange.split('/')[1];
  const link = nodeLink(nodeName);
  if (await ensureNamespace(name)) await hostCommand(['sh', '-c', routerSettings], { namespace: node });
  if ((await tryHostCommand(['ip', 'link', 'show', 'uplink'], { namespace: node })).code === 0) return;
  await batch(router, [
    `link add ${link} type veth peer name uplink netns ${node}`,
    `link set ${link} master nodes up`,
  ]);
  await batch(node, [
    'link set lo up',
    `addr add ${nodeAddress}/${bits} dev uplink`,
    'link set uplink up',
    `route add default via ${network.routerAddress}`,
    `link add pods address ${hardwareAddress(name)} type bridge`,
    'link set pods up',
  ]);
}

/** Gives the bridge the addresses through which pods of these ranges reach everything, and tells the router whose they are. */
export async function routeRanges(options: NodeLinkOptions, pools: readonly AddressPool[]): Promise<void> {
  const node = namespacePath(nodeNamespace(options.nodeName));
  const router = namespacePath(routerNamespace(options.network.cluster));
  await batch(node, [
    'addr flush dev pods scope global',
    ...pools.map(({ family, gateway, prefixBits }) => {
      const noWait = family === 6 ? ' nodad' : '';
      return `addr add ${gateway}/${prefixBits} dev pods${noWait}`;
    }),
  ]);
  // Nodes have addresses of IPv4 alone: their pods' others stay on the node.
  const routed = pools.filter(({ family }) => family === 4);
  await batch(
    router,
    routed.map(({ cidr }) => `route replace ${cidr} via ${options.nodeAddress}`),
  );
}
