/**
 * Gives every node a block of pod addresses of each family of the cluster, the lowest that is free. Which are taken is what the nodes say, so that a restart loses
 * nothing. A node for which one of them is missing gets none and waits until another one goes. Upstream counterpart: `pkg/controller/nodeipam`.
 */
import type { Node } from '#pkg/api/types/core-v1.ts';
import { nodes } from '#pkg/api/types/refs.ts';
import { objectKey } from '#pkg/apimachinery/object.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import type { Component } from '#pkg/component/component.ts';
import { type FlagTable, type FlagValues, integer } from '#pkg/component/flags.ts';
import { type ControllerContext, createLoop } from '../common/controller.ts';
import { BlockPool } from './block-pool.ts';
import { nodeRanges } from './node-ranges.ts';

const clusterCidrDefault = '127.128.0.0/9';
/** A block is taken before anything is waited for, so that none is given twice; thousands of nodes would wait long for one write after the other. Source: `cidrUpdateWorkers`. */
const workers = 30;

/** Source: kube-controller-manager `NodeIPAMController`. */
export const nodeIpamFlags = {
  'node-cidr-mask-size': integer({
    help: "Prefix length of each node's part of --cluster-cidr of one family. 0: 24 of IPv4, 64 of IPv6.",
    fallback: 0,
    max: 126,
  }),
  'node-cidr-mask-size-ipv4': integer({
    help: "Prefix length of each node's part of the IPv4 range. 0: 24.",
    fallback: 0,
    max: 30,
  }),
  'node-cidr-mask-size-ipv6': integer({
    help: "Prefix length of each node's part of the IPv6 range. 0: 64.",
    fallback: 0,
    max: 126,
  }),
} satisfies FlagTable;

/** The node-IPAM controller. */
export function createNodeIpamController(
  context: ControllerContext,
  values: FlagValues<typeof nodeIpamFlags>,
): Component {
  const { clusterCidr = clusterCidrDefault } = context.options;
  const pools = nodeRanges(clusterCidr, values).map((blocks) => new BlockPool(blocks));
  const giveBack = (name: string): void => {
    for (const pool of pools) pool.giveBack(name);
  };
  const events = context.recorder('cidrAllocator');
  const informer = context.informers.informer(nodes);
  /** Nodes for which there was no block. */
  const waiting = new Set<string>();

  const loop = createLoop(context, {
    name: 'nodeipam',
    workers,
    reconcile: async (name) => {
      const node = informer.lister.get(name);
      if (node === undefined || node.spec?.podCIDR) return undefined;
      const podCIDRs = pools.flatMap((pool) => pool.take(name) ?? []);
      if (podCIDRs.length < pools.length) {
        giveBack(name);
        waiting.add(name);
        const message = `Node ${name} status is now: CIDRNotAvailable`;
        events.record(node, { type: 'Normal', reason: 'CIDRNotAvailable', message });
        context.log.warn('No block of pod addresses is left', { node: name, clusterCidr });
        return undefined;
      }
      try {
        const [podCIDR = ''] = podCIDRs;
        await context.client.resource(nodes).patch(name, { spec: { podCIDR, podCIDRs } }, { type: 'strategic' });
      } catch (error) {
        giveBack(name);
        if (!isNotFound(error)) throw error;
      }
      return undefined;
    },
  });
  const seen = (node: Node): void => {
    const { podCIDR, podCIDRs = podCIDR ? [podCIDR] : [] } = node.spec ?? {};
    if (podCIDR) for (const pool of pools) pool.mark(objectKey(node), podCIDRs);
    else loop.queue.add(objectKey(node));
  };
  informer.addHandler({
    added: seen,
    updated: (_, node) => seen(node),
    deleted: (node) => {
      waiting.delete(objectKey(node));
      giveBack(objectKey(node));
      for (const name of waiting) loop.queue.add(name);
      waiting.clear();
    },
  });
  return loop;
}
