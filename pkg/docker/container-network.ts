/**
 * The network of containers of one socket: a bridge of its own in the machine's network, from which what leaves the machine does so in its name. Containers reach each
 * other and the machine through the bridge's address; ports are published by this process (`ports.ts`). `close` takes all of it away.
 */
import { createHash } from 'node:crypto';
import { createBridgeNetwork } from '#pkg/network/bridge/bridge-network.ts';
import { batch } from '#pkg/network/bridge/cluster-links.ts';
import { hostCommand, tryHostCommand } from '#pkg/network/host/host-command.ts';
import type { PodNetwork } from '#pkg/network/pod-network.ts';

/** The network. */
export interface ContainerNetwork {
  /** Such as `10.66.3.0/24`. */
  readonly subnet: string;
  readonly gateway: string;
  /** Connects a container's namespace; resolves with its address. */
  attach(id: string, namespacePath: string): Promise<string>;
  detach(id: string): Promise<void>;
  /** Lets a namespace that is connected to nothing reach itself. */
  isolate(namespacePath: string): Promise<void>;
  close(): Promise<void>;
}

/** Ranges of sockets, which no cluster has: 10.66.0.0 to 10.66.255.0. */
const rangesCount = 256;

/** Name of the bridge and of the table of rules of the socket of a folder: at most 15 characters. */
export function networkName(folder: string): string {
  return `cxd${createHash('sha256').update(folder).digest('hex').slice(0, 9)}`;
}

/** Makes the network of the socket of a folder: the first range from one on that follows from its name which the machine has no route to. */
export async function openContainerNetwork(folder: string): Promise<ContainerNetwork> {
  const name = networkName(folder);
  // What a process that was killed has left.
  await remove(name);
  const subnet = await freeRange(Number.parseInt(name.slice(-2), 16));
  const network = createBridgeNetwork({
    links: {
      namespace: undefined,
      bridge: name,
      ensure: () => ensure(name, subnet),
      route: async ([pool]) => {
        if (pool !== undefined) await batch(undefined, [`addr replace ${pool.gateway}/${pool.prefixBits} dev ${name}`]);
      },
    },
  });
  network.configure([subnet]);
  return {
    subnet,
    gateway: subnet.replace('.0/24', '.1'),
    attach: (id, namespacePath) => firstAddress(network, id, namespacePath),
    detach: (id) => network.detach(id),
    isolate: (namespacePath) => batch(namespacePath, ['link set lo up']),
    close: () => remove(name),
  };
}

async function firstAddress(network: PodNetwork, id: string, namespacePath: string): Promise<string> {
  const [address = ''] = await network.attach({ owner: id, id, namespacePath });
  return address;
}

async function ensure(name: string, subnet: string): Promise<void> {
  await batch(undefined, [`link add ${name} type bridge`, `link set ${name} up`]);
  await hostCommand(['sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward']);
  await hostCommand(['nft', '-f', '-'], { input: outwardTable(name, subnet) });
}

async function remove(name: string): Promise<void> {
  await tryHostCommand(['ip', 'link', 'delete', name]);
  await tryHostCommand(['nft', 'delete', 'table', 'inet', name]);
}

async function freeRange(from: number): Promise<string> {
  const routes = await hostCommand(['ip', '-4', 'route', 'show', 'root', '10.66.0.0/16']);
  for (let tried = 0; tried < rangesCount; tried++) {
    const range = `10.66.${(from + tried) % rangesCount}.0/24`;
    if (!routes.includes(`${range} `)) return range;
  }
  throw new Error('all ranges of 10.66.0.0/16 are used');
}

function outwardTable(name: string, subnet: string): string {
  return `table inet ${name} {
chain postrouting {
type nat hook postrouting priority srcnat; policy accept;
ip saddr ${subnet} oifname != "${name}" masquerade
}
}
`;
}
