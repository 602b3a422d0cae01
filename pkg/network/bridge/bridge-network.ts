/**
 * The bridge pod network of one node: each pod has a namespace of its own, joined to the node's bridge by a pair of links. Needs root. What is where
 * is in `places.ts`.
 *
 * Invariant: pods of a node speak to each other through the node, never past it: a pod's only neighbour is the node's address, and the bridge does
 * not carry frames between its ports. So policies and Services see all of a pod's traffic, and a pod that reaches itself through its Service needs
 * nothing special of the bridge.
 * Upstream counterpart: CNI plugins `bridge` and `host-local`.
 */
import { hostCommand, tryHostCommand } from '../host/host-command.ts';
import { isLinked } from '../pod-link.ts';
import type { PodNetwork } from '../pod-network.ts';
import { createPooledNetwork, type PodWires } from '../pooled-network.ts';
import type { AddressPool } from './address-pool.ts';
import { batch } from './cluster-links.ts';
import type { PodLinks } from './node-links.ts';
import { podLink } from './places.ts';

/** What its pods are plugged into, and what they are. */
export interface BridgeNetworkOptions {
  /** Those of a cluster are to be there (`ensureClusterLinks`). */
  readonly links: PodLinks;
  /** Pods that run nothing have addresses that lead nowhere. */
  readonly isSimulated?: boolean;
}

/** A pod network on a bridge. */
export function createBridgeNetwork({ links, isSimulated }: BridgeNetworkOptions): PodNetwork {
  return createPooledNetwork({ wires: bridgeWires(links), isSimulated });
}

function bridgeWires({ namespace, bridge, ensure, route }: PodLinks): PodWires {
  const wires: PodWires = {
    kind: 'bridge',
    ready: async (pools) => {
      await ensure();
      await route(pools);
    },
    connect: async (pod, pools) => {
      const { owner, addresses, namespacePath } = pod;
      if (await isLinked(pod)) return;
      const link = podLink(owner);
      await wires.disconnect(pod);
      await batch(namespace, [
        `link add ${link} type veth peer name eth0 netns ${namespacePath}`,
        `link set ${link} master ${bridge} up`,
        `link set ${link} type bridge_slave isolated on`,
      ]);
      await batch(namespacePath, ['link set lo up', ...addresses.map(addressCommand), ...routes(pools)]);
    },
    // The link goes with the pod's namespace too, so that it may be gone.
    disconnect: async ({ owner }) => {
      const link = podLink(owner);
      const gone = await tryHostCommand(['ip', 'link', 'delete', link], { namespace });
      if (gone.code === 0) return;
      const isThere = await tryHostCommand(['ip', 'link', 'show', link], { namespace });
      if (isThere.code === 0) await hostCommand(['ip', 'link', 'delete', link], { namespace });
    },
  };
  return wires;
}

function addressCommand(address: string): string {
  return address.includes(':') ? `addr add ${address}/128 dev eth0 nodad` : `addr add ${address}/32 dev eth0`;
}

function routes(pools: readonly AddressPool[]): readonly string[] {
  return [
    'link set eth0 up',
    ...pools.flatMap(({ gateway }) => [`route add ${gateway} dev eth0`, `route add default via ${gateway} dev eth0`]),
  ];
}
