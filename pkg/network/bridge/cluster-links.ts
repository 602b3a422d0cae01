/**
 * Makes and removes what the nodes of a cluster share on the bridge network: the router's namespace, the machine's link to it, and the machine's
 * routes. Doing it again changes nothing, so it is done at each start; `remove` takes away whatever there is, of all nodes too.
 */
import { hostCommand, tryHostCommand } from '../host/host-command.ts';
import {
  type ClusterNetwork,
  hardwareAddress,
  machineLink,
  machineServicesTable,
  machineTable,
  namespacePath,
  routerNamespace,
} from './places.ts';

/** What lets a namespace carry packets between its links: not told of shorter ways, which pods could not take, and without the machine's bridge filters. */
export const routerSettings = [
  'echo 1 > /proc/sys/net/ipv4/ip_forward',
  'echo 1 > /proc/sys/net/ipv6/conf/all/forwarding 2>/dev/null',
  'echo 0 > /proc/sys/net/ipv4/conf/all/send_redirects',
  'echo 0 > /proc/sys/net/ipv4/conf/default/send_redirects',
  'echo 0 > /proc/sys/net/bridge/bridge-nf-call-iptables 2>/dev/null',
  'echo 0 > /proc/sys/net/bridge/bridge-nf-call-ip6tables 2>/dev/null',
  'true',
].join('\n');

/** What has a node answer for its other pods on their bridge: a guest whose kernel believes pods to be its neighbours reaches them by the node, as all do. */
export function answersForNeighbours(bridge: string): string {
  return `echo 1 > /proc/sys/net/ipv4/conf/${bridge}/proxy_arp_pvlan`;
}

/** Makes a namespace where there is none; true when it was not there. */
export async function ensureNamespace(name: string): Promise<boolean> {
  const made = await tryHostCommand(['ip', 'netns', 'add', name]);
  if (made.code !== 0 && !made.stderr.includes('File exists'))
    throw new Error(`Cannot make the network namespace ${name} as ${made.stderr.trim().split('\n')[0]}`);
  return made.code === 0;
}

/** Makes what all nodes need. Rejects with one line where the machine does not let it. */
export async function ensureClusterLinks(network: ClusterNetwork): Promise<void> {
  const { cluster, nodeRange, machineAddress, routerAddress, podRanges, serviceRanges } = network;
  const name = routerNamespace(cluster);
  const router = namespacePath(name);
  const link = machineLink(cluster);
  const bits = nodeRange.split('/')[1];
  const isNew = await ensureNamespace(name);
  // The route comes last: without it somebody was killed before it.
  const routes = await tryHostCommand(['ip', 'route', 'show', 'default'], { namespace: router });
  if (isNew || !routes.stdout.includes('dev nodes')) {
    await tryHostCommand(['ip', 'link', 'delete', 'nodes'], { namespace: router });
    await hostCommand(['sh', '-c', routerSettings], { namespace: router });
    await batch(router, [
      'link set lo up',
      `link add nodes address ${hardwareAddress(name)} type bridge`,
      'link set nodes up',
      `addr add ${routerAddress}/${bits} dev nodes`,
      `route add default via ${machineAddress}`,
    ]);
  }
  // The kernel takes the links of a namespace that was deleted away after a while: one whose other end is not where it should be is such a one.
  if ((await tryHostCommand(['ip', 'link', 'show', 'machine'], { namespace: router })).code !== 0) {
    await tryHostCommand(['ip', 'link', 'delete', link]);
    await batch(undefined, [`link add ${link} type veth peer name machine netns ${router}`]);
  }
  await batch(router, [
    'link set machine master nodes up',
    ...serviceRanges.map((range) => `route replace ${range} via ${machineAddress}`),
  ]);
  await batch(undefined, [
    `addr replace ${machineAddress}/${bits} dev ${link}`,
    ...network.machineServiceAddresses.map((address) => `addr replace ${address}/32 dev ${link}`),
    `link set ${link} up`,
    ...podRanges.map((range) => `route replace ${range} via ${routerAddress} src ${machineAddress}`),
    // Those are led elsewhere before they leave, or refused.
    ...[...serviceRanges, ...balancerRanges(network)].map(
      (range) => `route replace ${range} dev ${link} src ${machineAddress}`,
    ),
  ]);
  await hostCommand(['sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward']);
  // Ports of nodes that are used from the machine's own loopback are answered through this link.
  await hostCommand(['sh', '-c', `echo 1 > /proc/sys/net/ipv4/conf/${link}/route_localnet`]);
  await hostCommand(['nft', '-f', '-'], { input: outwardTable(network) });
}

/** What leaves the machine does so in its name, but for what goes to pods of nodes on other machines. */
function outwardTable({ cluster, podRanges, nodeRange }: ClusterNetwork): string {
  const table = `inet ${machineTable(cluster)}`;
  const inside = [nodeRange, ...podRanges].filter((range) => !range.includes(':')).join(', ');
  return `table ${table}
delete table ${table}
table ${table} {
chain postrouting {
type nat hook postrouting priority srcnat; policy accept;
ip saddr { ${inside} } ip daddr { ${inside} } accept
ip saddr { ${inside} } oifname != "${machineLink(cluster)}" masquerade
}
}
`;
}

/** Removes all of a cluster on the machine: what is not there is no error. */
export async function removeClusterLinks(cluster: string, nodeNamespaces: readonly string[]): Promise<void> {
  await tryHostCommand(['ip', 'link', 'delete', machineLink(cluster)]);
  for (const table of [machineTable(cluster), machineServicesTable(cluster)])
    await tryHostCommand(['nft', 'delete', 'table', 'inet', table]);
  for (const name of [...nodeNamespaces, routerNamespace(cluster)])
    await tryHostCommand(['ip', 'netns', 'delete', name]);
}

/** Commands of `ip` in one process. */
export async function batch(namespace: string | undefined, commands: readonly string[]): Promise<void> {
  await hostCommand(['ip', '-batch', '-'], { namespace, input: `${commands.join('\n')}\n` });
}

function balancerRanges({ balancerRange }: ClusterNetwork): readonly string[] {
  return balancerRange === undefined ? [] : [balancerRange];
}
