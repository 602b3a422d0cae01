/**
 * The addresses for pods that the nodes of a new cluster are registered with: those that the controller would give them in their order, so that they
 * are Ready without it. It goes by what nodes say of themselves, and begins after these.
 *
 * Invariant: there are none where any node can have had some before, or where somebody has set how they are given.
 */
import { nodeRanges } from '#pkg/controllers/nodeipam/node-ranges.ts';
import type { ClusterHost } from './cluster-host.ts';
import { podRange } from './settings.ts';

/** With more nodes than that the last of them would be registered after the controllers have begun. */
const nodesMax = 8;

/** How the controller cuts ranges unless somebody says otherwise. */
const usualSizes = { 'node-cidr-mask-size': 0, 'node-cidr-mask-size-ipv4': 0, 'node-cidr-mask-size-ipv6': 0 };

/** By the places of the nodes; none where the controller gives all of them theirs. */
export function firstRanges({
  isNew,
  nodeNames,
  settings,
  tables,
}: Pick<ClusterHost, 'isNew' | 'nodeNames' | 'settings' | 'tables'>): readonly string[] {
  const isOfKernel = tables.networks[settings.network]?.kernel !== undefined;
  if (isNew !== true || isOfKernel || nodeNames.length > nodesMax) return [];
  const set = Object.keys(settings.componentFlags['kube-controller-manager'] ?? {});
  if (set.some((flag) => flag === 'controllers' || flag.startsWith('node-cidr-mask-size'))) return [];
  const [blocks, ...others] = nodeRanges(podRange(settings), usualSizes);
  if (blocks === undefined || others.length > 0 || blocks.count < nodeNames.length) return [];
  return nodeNames.map((_, index) => blocks.block(index));
}
