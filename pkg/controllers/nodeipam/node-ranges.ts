/** What nodes get blocks of: the ranges of a cluster of one family or both, cut as the flags say. Source: upstream `cmd/kube-controller-manager/app/core.go`, `setNodeCIDRMaskSizes`. */
import { parseCidr } from '#pkg/apimachinery/ip.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { type CidrBlocks, cidrBlocks } from './cidr.ts';

/** Prefix lengths of the blocks; 0 is what the family has by default. */
export interface MaskSizes {
  readonly 'node-cidr-mask-size': number;
  readonly 'node-cidr-mask-size-ipv4': number;
  readonly 'node-cidr-mask-size-ipv6': number;
}

const defaults = { IPv4: 24, IPv6: 64 } as const;

/** The blocks of each range of `clusterCidr`, in its order. Throws `UserError` for ranges that are no such pair, and for sizes that are not theirs. */
export function nodeRanges(clusterCidr: string, sizes: MaskSizes): readonly CidrBlocks[] {
  const ranges = clusterCidr.split(',').map((range) => range.trim());
  const families = ranges.map((range) => (parseCidr(range)?.address.length === 16 ? 'IPv6' : 'IPv4'));
  if (new Set(families).size < families.length)
    throw new UserError(`Cannot use --cluster-cidr ${clusterCidr} as it is neither one range nor one of each family`);
  const both = sizes['node-cidr-mask-size'];
  if (ranges.length > 1 && both > 0)
    throw new UserError(
      'Cannot use --node-cidr-mask-size with ranges of both families: --node-cidr-mask-size-ipv4 and --node-cidr-mask-size-ipv6 say it of each',
    );
  const [own, other] = families[0] === 'IPv6' ? (['ipv6', 'ipv4'] as const) : (['ipv4', 'ipv6'] as const);
  if (ranges.length === 1 && sizes[`node-cidr-mask-size-${other}`] > 0)
    throw new UserError(`Cannot use --node-cidr-mask-size-${other} as --cluster-cidr has no range of that family`);
  if (ranges.length === 1 && sizes[`node-cidr-mask-size-${own}`] > 0 && both > 0)
    throw new UserError(`Cannot use --node-cidr-mask-size beside --node-cidr-mask-size-${own}`);
  return ranges.map((range, index) => {
    const family = families[index] ?? 'IPv4';
    const asked = sizes[family === 'IPv4' ? 'node-cidr-mask-size-ipv4' : 'node-cidr-mask-size-ipv6'];
    return cidrBlocks(range, asked || both || defaults[family]);
  });
}
