/**
 * Which NUMA nodes a container's resources can be near to, and what several resources agree on. Pure. A set of NUMA nodes is a number with a bit for each.
 *
 * Laws:
 * 1. A hint is preferred where no fewer nodes of the machine would ever do for so many.
 * 2. The agreement is one hint of each resource, of which the nodes that all have in common count; it is preferred where all are, and are the same.
 * 3. Of agreements a preferred one is better than another, and of these the one with the fewest nodes, of these the lowest.
 *
 * Source: kubelet `cm/topologymanager/policy.go`, `policy_single_numa_node.go`, `cm/cpumanager` `generateCPUTopologyHints`.
 */

/** A set of NUMA nodes: bit n is node n. */
export type NumaMask = number;

/** NUMA nodes that would do; without a mask all would, or it does not matter. */
export interface NumaHint {
  readonly mask?: NumaMask;
  readonly isPreferred: boolean;
}

/** What is done where resources do not agree. Source: `TopologyManagerPolicy` of `KubeletConfiguration`. */
export type TopologyPolicy = 'best-effort' | 'restricted' | 'single-numa-node';

/** How many NUMA nodes a machine may have: the number of hints grows with the power of two. Source: `maxAllowableNUMANodes`. */
export const numaNodesMax = 8;

/** The mask of some nodes. */
export function maskOf(nodes: Iterable<number>): NumaMask {
  return [...nodes].reduce((mask, node) => mask | (1 << node), 0);
}

/** Things of one resource, each as where it is. */
export interface NumaSupply {
  /** How many are wanted. */
  readonly count: number;
  /** All that the machine has, whoever has them. */
  readonly all: readonly NumaMask[];
  /** Those that are to be had in any case. */
  readonly again: readonly NumaMask[];
  readonly free: readonly NumaMask[];
}

/** The hints for so many; none where so many cannot be had. */
export function numaHints({ count, all, again, free }: NumaSupply, nodes: readonly number[]): readonly NumaHint[] {
  const within = (things: readonly NumaMask[], mask: NumaMask): number =>
    things.filter((one) => (one & mask) !== 0).length;
  const masks = masksOf(nodes);
  const size = Math.min(nodes.length, ...masks.filter((mask) => within(all, mask) >= count).map(bits));
  return masks
    .filter((mask) => within(again, mask) === again.length && again.length + within(free, mask) >= count)
    .map((mask) => ({ mask, isPreferred: bits(mask) === size }));
}

/** What the resources of a container agree on; `isAdmitted` is whether the policy lets it begin so. */
export interface NumaAgreement extends NumaHint {
  readonly isAdmitted: boolean;
}

/** The agreement of resources with these hints each. */
export function agreementOf(
  resources: readonly (readonly NumaHint[])[],
  { nodes, policy }: { readonly nodes: readonly number[]; readonly policy: TopologyPolicy },
): NumaAgreement {
  const whole = maskOf(nodes);
  const known = resources.map((hints) => (hints.length === 0 ? [{ isPreferred: false }] : hints));
  const isSingle = policy === 'single-numa-node';
  const looked = isSingle ? known.map((hints) => hints.filter(isOneNode)) : known;
  const best = bestOf(merged(looked, whole), mostOfLeast(looked)) ?? { mask: whole, isPreferred: false };
  const isAnywhere = isSingle && best.mask === whole;
  const isAdmitted = policy === 'best-effort' || best.isPreferred;
  return isAnywhere ? { isPreferred: best.isPreferred, isAdmitted } : { ...best, isAdmitted };
}

function isOneNode({ mask, isPreferred }: NumaHint): boolean {
  return isPreferred && (mask === undefined || bits(mask) === 1);
}

interface Merged {
  readonly mask: NumaMask;
  readonly isPreferred: boolean;
  /** Of the first hint that has nodes. */
  readonly first: NumaMask | undefined;
}

/** All that one hint of each comes to; what comes to the same is looked at once, so that there are at most some hundred thousand steps. */
function merged(resources: readonly (readonly NumaHint[])[], whole: NumaMask): readonly Merged[] {
  let found: readonly Merged[] = [{ mask: whole, isPreferred: true, first: undefined }];
  for (const hints of resources) {
    const next = new Map<string, Merged>();
    for (const { mask: before, isPreferred: was, first } of found) {
      for (const { mask, isPreferred } of hints) {
        const isSame = mask === undefined || first === undefined || mask === first;
        const one = { mask: before & (mask ?? whole), isPreferred: was && isPreferred && isSame, first: first ?? mask };
        next.set(`${one.mask} ${one.isPreferred} ${one.first}`, one);
      }
    }
    found = [...next.values()];
  }
  return found.filter(({ mask }) => mask !== 0);
}

/** How many nodes the resource needs that needs most: agreements that are not preferred are best at that. */
function mostOfLeast(resources: readonly (readonly NumaHint[])[]): number {
  const least = resources.map((hints) => {
    const sizes = hints.flatMap(({ mask }) => (mask === undefined ? [] : [bits(mask)]));
    return sizes.length === 0 ? 0 : Math.min(...sizes);
  });
  return Math.max(0, ...least);
}

function bestOf(found: readonly Merged[], least: number): Required<NumaHint> | undefined {
  const distance = ({ mask }: Merged): number => (bits(mask) > least ? bits(mask) : least - bits(mask));
  const isBeyond = ({ mask }: Merged): number => Number(bits(mask) > least);
  const [best] = found.toSorted((a, b) => {
    if (a.isPreferred !== b.isPreferred) return a.isPreferred ? -1 : 1;
    if (a.isPreferred) return bits(a.mask) - bits(b.mask) || a.mask - b.mask;
    return isBeyond(a) - isBeyond(b) || distance(a) - distance(b) || a.mask - b.mask;
  });
  return best === undefined ? undefined : { mask: best.mask, isPreferred: best.isPreferred };
}

/** Every set of these nodes but the empty one. */
export function masksOf(nodes: readonly number[]): readonly NumaMask[] {
  const all = Array.from({ length: 2 ** nodes.length - 1 }, (_, index) => index + 1);
  return all.map((chosen) => maskOf(nodes.filter((_, place) => (chosen & (1 << place)) !== 0)));
}

/** How many nodes it has. */
export function bits(mask: NumaMask): number {
  return mask.toString(2).replaceAll('0', '').length;
}
