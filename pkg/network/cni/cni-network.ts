/**
 * The pod network of a node by CNI plugins of others, from the first list of `/etc/cni/net.d`, or without one from a list of Debian's `bridge` and `host-local`. Addresses
 * are wished for; a plugin that gives others is none that this network can use, as the node's range is the cluster's to give.
 * Invariant: pods of a node may speak to each other past the node, so bridges of the node are filtered: Services and policies hold there too.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { AddressPool } from '../bridge/address-pool.ts';
import { hostCommand } from '../host/host-command.ts';
import { isLinked } from '../pod-link.ts';
import type { PodNetwork } from '../pod-network.ts';
import { createPooledNetwork, type PodWires, type WiredPod } from '../pooled-network.ts';
import {
  addPod,
  type CniList,
  type CniPluginsOptions,
  type CniPod,
  deletePod,
  listLimitsBandwidth,
  parseCniList,
} from './cni-plugins.ts';

/** Where lists and plugins are. Source: containerd `plugins."io.containerd.grpc.v1.cri".cni`; Debian's containernetworking-plugins. */
const listFolder = '/etc/cni/net.d';
/** Where `host-local` keeps which addresses are given. */
const stateFolder = '/var/lib/cni/networks';
const pluginFolders = ['/opt/cni/bin', '/usr/lib/cni'];

const filterBridges = [
  'echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables 2>/dev/null',
  'echo 1 > /proc/sys/net/bridge/bridge-nf-call-ip6tables 2>/dev/null',
  'true',
].join('\n');

/** Whose network it is. */
export interface CniNetworkOptions {
  /** Of the node: part of the name under which plugins keep what they know, which nodes of one machine do not share. */
  readonly nodeName: string;
  /** Path of the node's namespace; absent for that of this process. */
  readonly namespace: string | undefined;
  /** Makes the node's namespace and its links; doing it again changes nothing. */
  ensure(): Promise<void>;
  /** Tells other nodes whose pods these are. */
  route(pools: readonly AddressPool[]): Promise<void>;
  readonly isSimulated?: boolean | undefined;
  /** Default: that of `/etc/cni/net.d`, or our own. */
  readonly list?: CniList | undefined;
}

/** A pod network by plugins. */
export function createCniNetwork(options: CniNetworkOptions): PodNetwork {
  return createPooledNetwork({ wires: cniWires(options), isSimulated: options.isSimulated });
}

/** The first list of the folder; undefined where there is none. Rejects with one line for one that makes no sense. */
export async function readCniList(folder = listFolder): Promise<CniList | undefined> {
  const names = await readdir(folder).catch(() => []);
  const [first] = names.filter((name) => name.endsWith('.conflist')).toSorted();
  return first === undefined
    ? undefined
    : parseCniList(await readFile(join(folder, first), 'utf8'), join(folder, first));
}

/** Takes away what `host-local` keeps of these nodes, once their namespaces are gone. */
export async function removeCniState(nodeNames: readonly string[]): Promise<void> {
  const endings = nodeNames.map(nodeEnding);
  for (const name of await readdir(stateFolder).catch(() => []))
    if (endings.some((ending) => name.endsWith(ending)))
      await rm(join(stateFolder, name), { recursive: true, force: true });
}

function nodeEnding(nodeName: string): string {
  return `-${createHash('sha256').update(nodeName).digest('hex').slice(0, 12)}`;
}

/** What is used where nobody says otherwise. */
const ownList: CniList = {
  cniVersion: '1.0.0',
  name: 'coxswain',
  plugins: [
    {
      type: 'bridge',
      bridge: 'cni0',
      isGateway: true,
      isDefaultGateway: true,
      // The node's range may have been another before.
      forceAddress: true,
      hairpinMode: true,
      capabilities: { ipRanges: true },
      ipam: { type: 'host-local' },
    },
  ],
};

function cniWires({ nodeName, namespace, ensure, route, list: given }: CniNetworkOptions): PodWires {
  let plugins: Promise<CniPluginsOptions> | undefined;
  let used: readonly AddressPool[] = [];
  let limits = false;
  const open = async (): Promise<CniPluginsOptions> => {
    const list = given ?? (await readCniList()) ?? ownList;
    return { list: { ...list, name: `${list.name}${nodeEnding(nodeName)}` }, namespace, folders: pluginFolders };
  };
  return {
    kind: 'cni',
    ready: async (pools) => {
      await ensure();
      await hostCommand(['sh', '-c', filterBridges], { namespace });
      await route(pools);
      used = pools;
      plugins = open();
      limits = listLimitsBandwidth((await plugins).list);
    },
    limitsBandwidth: () => limits,
    connect: async (pod, pools) => {
      if (await isLinked(pod)) return;
      const { addresses } = pod;
      const options = await (plugins ?? open());
      const asked = cniPod(pod, pools);
      // What an earlier one of the pod has left.
      await deletePod(options, { ...asked, namespacePath: '' });
      const given = await addPod(options, asked);
      if (addresses.every((address) => given.includes(address))) return;
      await deletePod(options, asked);
      throw new Error(
        `the CNI plugins gave it ${given.join(' and ') || 'no address'} in place of ${addresses.join(' and ')}`,
      );
    },
    disconnect: async (pod) => {
      await deletePod(await (plugins ?? open()), cniPod(pod, used));
    },
  };
}

function cniPod({ owner, addresses, namespacePath = '', bandwidth }: WiredPod, pools: readonly AddressPool[]): CniPod {
  return {
    id: createHash('sha256').update(owner).digest('hex'),
    namespacePath,
    ...(bandwidth === undefined ? {} : { bandwidth }),
    ranges: pools.map(({ cidr, gateway }) => ({ subnet: cidr, gateway })),
    addresses: addresses.map((address) => {
      const pool = pools.find(({ family }) => (family === 6) === address.includes(':'));
      return pool === undefined ? address : `${address}/${pool.prefixBits}`;
    }),
  };
}
