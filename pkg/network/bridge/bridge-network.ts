/**
 * The bridge pod network of one node: each pod has a namespace of its own, joined to the node's bridge by a pair of links. Needs root. What is where
 * is in `places.ts`.
 *
 * Invariant: pods of a node speak to each other through the node, never past it: a pod's only neighbour is the node's address, and the bridge does
 * not carry frames between its ports. So policies and Services see all of a pod's traffic, and a pod that reaches itself through its Service needs
 * nothing special of the bridge.
 * Upstream counterpart: CNI plugins `bridge` and `host-local`.
 */
import { isLinked } from '../pod-link.ts';
import type { PodNetwork } from '../pod-network.ts';
import { createPooledNetwork, type PodWires } from '../pooled-network.ts';
import type { PodLinks } from './node-links.ts';
import { podLink, podShaper } from './places.ts';
import { PodPlugger } from './pod-plugger.ts';
import { shapeLink } from './shape-link.ts';

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
  const plugger = new PodPlugger();
  const wires: PodWires = {
    kind: 'bridge',
    ready: async (pools) => {
      plugger.prepare();
      await ensure();
      await route(pools);
    },
    connect: async (pod, pools) => {
      const { owner, addresses, bandwidth } = pod;
      const link = podLink(owner);
      const plug = async (): Promise<void> => {
        const gateways = pools.map(({ gateway }) => gateway);
        await plugger.plug({ namespace, bridge, link, pod: pod.namespacePath, addresses, gateways });
      };
      try {
        // Nearly always nothing is there: to look first would cost as much again.
        await plug();
      } catch {
        if (!(await isLinked(pod))) {
          // What an earlier sandbox of the pod has left.
          await wires.disconnect(pod);
          await plug();
        }
      }
      if (bandwidth !== undefined) await shapeLink({ namespace, link, shaper: podShaper(owner), bandwidth });
    },
    limitsBandwidth: () => true,
    disconnect: ({ owner }) => plugger.unplug({ namespace, links: [podLink(owner), podShaper(owner)] }),
  };
  return wires;
}
