/**
 * Gives every node a block of pod addresses, the lowest that is free. Which are taken is what the nodes say, so that a restart loses
 * nothing. A node for which there is none waits until another one goes. Upstream counterpart: `pkg/controller/nodeipam`.
 */
import type { Node } from '#pkg/api/types/core-v1.ts';
import { nodes } from '#pkg/api/types/refs.ts';
import { objectKey } from '#pkg/apimachinery/object.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import type { Component } from '#pkg/component/component.ts';
import { type FlagTable, type FlagValues, integer } from '#pkg/component/flags.ts';
import { type ControllerContext, createLoop } from '../common/controller.ts';
import { BlockPool } from './block-pool.ts';
import { cidrBlocks } from './cidr.ts';

const clusterCidrDefault = '127.128.0.0/9';
/** One, so that no block is given twice. */
const workers = 1;

/** Source: kube-controller-manager `NodeIPAMController`. */
export const nodeIpamFlags = {
  'node-cidr-mask-size': integer({
    help: "Prefix length of each node's part of --cluster-cidr.",
    fallback: 24,
    max: 30,
  }),
} satisfies FlagTable;

/** The node-IPAM controller. */
export function createNodeIpamController(
  context: ControllerContext,
  values: FlagValues<typeof nodeIpamFlags>,
): Component {
  const { clusterCidr = clusterCidrDefault } = context.options;
  const pool = new BlockPool(cidrBlocks(clusterCidr, values['node-cidr-mask-size']));
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
      const podCIDR = pool.take(name);
      if (podCIDR === undefined) {
        waiting.add(name);
        const message = `Node ${name} status is now: CIDRNotAvailable`;
        events.record(node, { type: 'Normal', reason: 'CIDRNotAvailable', message });
        context.log.warn('No block of pod addresses is left', { node: name, clusterCidr });
        return undefined;
      }
      try {
        await context.client
          .resource(nodes)
          .patch(name, { spec: { podCIDR, podCIDRs: [podCIDR] } }, { type: 'strategic' });
      } catch (error) {
        pool.giveBack(name);
        if (!isNotFound(error)) throw error;
      }
      return undefined;
    },
  });
  const seen = (node: Node): void => {
    if (node.spec?.podCIDR) pool.mark(objectKey(node), node.spec.podCIDR);
    else loop.queue.add(objectKey(node));
  };
  informer.addHandler({
    added: seen,
    updated: (_, node) => seen(node),
    deleted: (node) => {
      waiting.delete(objectKey(node));
      pool.giveBack(objectKey(node));
      for (const name of waiting) loop.queue.add(name);
      waiting.clear();
    },
  });
  return loop;
}
