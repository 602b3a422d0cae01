/**
 * Gives every node a block of pod addresses, the lowest that is free. Which are taken is what the nodes say, so that a restart loses
 * nothing. Upstream counterpart: `pkg/controller/nodeipam`.
 */
import type { Node } from '#pkg/api/types/core-v1.ts';
import { nodes } from '#pkg/api/types/refs.ts';
import { objectKey } from '#pkg/apimachinery/object.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import type { Component } from '#pkg/component/component.ts';
import { type ControllerContext, createLoop } from '../common/controller.ts';
import { cidrBlocks } from './cidr.ts';

const clusterCidrDefault = '127.128.0.0/9';
const maskSizeDefault = 24;
/** One, so that no block is given twice. */
const workers = 1;

/** The node-IPAM controller. */
export function createNodeIpamController(context: ControllerContext): Component {
  const { clusterCidr = clusterCidrDefault, nodeCidrMaskSize = maskSizeDefault } = context.options;
  const blocks = cidrBlocks(clusterCidr, nodeCidrMaskSize);
  const events = context.recorder('cidrAllocator');
  const informer = context.informers.informer(nodes);
  /** Blocks by index that were given and that the informer may not show yet. */
  const given = new Map<number, string>();

  const loop = createLoop(context, {
    name: 'nodeipam',
    workers,
    reconcile: async (name) => {
      const node = informer.lister.get(name);
      if (node === undefined || node.spec?.podCIDR) return undefined;
      const taken = new Set(given.keys());
      for (const other of informer.lister.list()) {
        const index = other.spec?.podCIDR === undefined ? undefined : blocks.indexOf(other.spec.podCIDR);
        if (index !== undefined) taken.add(index);
      }
      let index = 0;
      while (taken.has(index)) index++;
      if (index >= blocks.count) {
        const message = `Node ${name} status is now: CIDRNotAvailable`;
        events.record(node, { type: 'Normal', reason: 'CIDRNotAvailable', message });
        throw new Error(`Cannot give node ${name} a block of ${clusterCidr} as all are taken`);
      }
      const podCIDR = blocks.block(index);
      given.set(index, name);
      try {
        await context.client
          .resource(nodes)
          .patch(name, { spec: { podCIDR, podCIDRs: [podCIDR] } }, { type: 'strategic' });
      } catch (error) {
        given.delete(index);
        if (!isNotFound(error)) throw error;
      }
      return undefined;
    },
  });
  const enqueue = (node: Node): void => {
    if (!node.spec?.podCIDR) loop.queue.add(objectKey(node));
  };
  informer.addHandler({
    added: enqueue,
    updated: (_, node) => enqueue(node),
    deleted: (node) => {
      for (const [index, name] of given) if (name === objectKey(node)) given.delete(index);
    },
  });
  return loop;
}
