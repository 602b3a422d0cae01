/**
 * What the pods of a machine are plugged into that is one node of a cluster by itself: a bridge in the machine's own network, of which it is the router. What
 * is not in the cluster's ranges leaves in the machine's name. Where it has joined a cluster of one machine, ranges of the cluster lead to that, and those of single nodes past it
 * (`routeTo`). Bridges of the machine are not filtered any more (`bridge-nf-call-iptables`): else pods would not reach pods of their own node through Services.
 * Doing it again changes nothing, and `removeHostLinks` takes all of it away.
 */
import { hostCommand, tryHostCommand } from '../host/host-command.ts';
import { answersForNeighbours, batch, routerSettings } from './cluster-links.ts';
import type { PodLinks } from './node-links.ts';
import { type ClusterNetwork, hardwareAddress, machineLink, machineTable } from './places.ts';

/** Of the routes that are made here, so that they are told from others. Source: iproute2, `rtprotos`: numbers that nobody has. */
const routeMark = 'proto 199';

/** What of a cluster its machine has to know. */
export type HostRanges = Pick<ClusterNetwork, 'cluster' | 'podRanges' | 'serviceRanges'> & {
  /** Absent where nodes have no range of their own. */
  readonly nodeRange?: string;
};

/** Whose machine it is. */
export interface HostLinkOptions {
  readonly network: HostRanges;
  /** Address at which the machine with the rest of the cluster is reached from here; absent where there are routes. */
  readonly via?: string | undefined;
}

/** The bridge and the routes. */
export function hostLinks(options: HostLinkOptions): PodLinks {
  const bridge = machineLink(options.network.cluster);
  return {
    namespace: undefined,
    bridge,
    ensure: () => ensureHostLinks(options, bridge),
    route: (pools) =>
      batch(
        undefined,
        pools.map(({ family, gateway, prefixBits }) => {
          const noWait = family === 6 ? ' nodad' : '';
          return `addr replace ${gateway}/${prefixBits} dev ${bridge}${noWait}`;
        }),
      ),
  };
}

async function ensureHostLinks({ network, via }: HostLinkOptions, bridge: string): Promise<void> {
  if ((await tryHostCommand(['ip', 'link', 'show', bridge])).code !== 0)
    await batch(undefined, [`link add ${bridge} address ${hardwareAddress(bridge)} type bridge`]);
  await batch(undefined, [
    `link set ${bridge} up`,
    ...(via === undefined
      ? []
      : clusterRanges(network).map((range) => `route replace ${range} via ${via} ${routeMark}`)),
  ]);
  await hostCommand(['sh', '-c', `${routerSettings}\n${answersForNeighbours(bridge)}`]);
  await hostCommand(['nft', '-f', '-'], { input: outwardTable(network) });
}

/** A way to the machine of the cluster before anything else of it is known. */
export async function routeToServer(address: string, via: string): Promise<void> {
  await batch(undefined, [`route replace ${address}/32 via ${via} ${routeMark}`]);
}

/** Leads a range of a node of another machine there; without an address the range goes where the cluster's ranges go. */
export async function routeTo(range: string, address: string | undefined): Promise<void> {
  if (address === undefined)
    await tryHostCommand(['ip', 'route', 'delete', ...range.split(' '), ...routeMark.split(' ')]);
  else await batch(undefined, [`route replace ${range} via ${address} ${routeMark}`]);
}

/** Takes all of it away; what is not there is no error. */
export async function removeHostLinks(network: HostRanges): Promise<void> {
  await tryHostCommand(['ip', 'link', 'delete', machineLink(network.cluster)]);
  await removeRoutes(clusterRanges(network));
  for (const table of [machineTable(network.cluster), 'coxswain-services', 'coxswain-policies', 'coxswain-host-ports'])
    await tryHostCommand(['nft', 'delete', 'table', 'inet', table]);
}

/** Takes away the routes that were made here to what is in these ranges. */
export async function removeRoutes(ranges: readonly string[]): Promise<void> {
  for (const range of ranges) await tryHostCommand(['ip', 'route', 'flush', 'root', range, ...routeMark.split(' ')]);
}

function clusterRanges({ nodeRange, podRanges, serviceRanges }: HostRanges): readonly string[] {
  return [...(nodeRange === undefined ? [] : [nodeRange]), ...podRanges, ...serviceRanges];
}

function outwardTable(network: HostRanges): string {
  const table = `inet ${machineTable(network.cluster)}`;
  const inside = network.podRanges.join(', ');
  return `table ${table}
delete table ${table}
table ${table} {
chain postrouting {
type nat hook postrouting priority srcnat; policy accept;
ip saddr { ${inside} } ip daddr { ${clusterRanges(network).join(', ')} } accept
ip saddr { ${inside} } masquerade
}
}
`;
}
