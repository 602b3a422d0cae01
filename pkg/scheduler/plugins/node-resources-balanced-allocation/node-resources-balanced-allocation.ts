/**
 * Prefers nodes where the shares in use of the resources would be alike, so that what is left is of use. Upstream counterpart:
 * `plugins/noderesources` `BalancedAllocation`.
 */
import { pathsOf } from '#pkg/apimachinery/field-error.ts';
import { type Memo, type ScorePlugin, scoreMax } from '../../framework/plugin.ts';
import { configurable } from '../../framework/plugin-args.ts';
import type { NodeInfo } from '../../model/node-info.ts';
import type { PodInfo } from '../../model/pod-info.ts';
import { requestOf } from '../../model/resources.ts';
import { balanceProblems, resourcesSchema } from '../node-resources-fit/fit-problems.ts';
import type { ResourceSpec } from '../node-resources-fit/strategies.ts';

interface BalanceArgs {
  readonly resources: readonly ResourceSpec[];
}

/** The line of the table: pods spread with it, and are packed without. */
export const nodeResourcesBalancedAllocation = configurable<BalanceArgs>({
  name: 'NodeResourcesBalancedAllocation',
  weight: 1,
  scheduling: 'spreading',
  properties: { resources: resourcesSchema },
  fallback: () => ({
    resources: [
      { name: 'cpu', weight: 1 },
      { name: 'memory', weight: 1 },
    ],
  }),
  problems: ({ resources }) => balanceProblems(resources, pathsOf<BalanceArgs>()('resources')),
  create: (_context, { resources }) => createBalancedAllocation(resources.map(({ name }) => name)),
});

/** The plugin, which looks at these resources. */
export function createBalancedAllocation(names: readonly string[]): ScorePlugin {
  const sign = ({ requests }: PodInfo): string => names.map((name) => requestOf(requests, name)).join('/');
  const memo: Memo = { dependsOn: 'pods', sign };
  return {
    name: 'NodeResourcesBalancedAllocation',
    events: [],
    scoreMemo: memo,
    // A pod that asks for nothing would go where the balance is best already, however full it is there.
    score: ({ pod }) =>
      names.some((name) => requestOf(pod.requests, name) > 0) ? (node) => balance(names, pod, node) : undefined,
  };
}

function balance(names: readonly string[], { requests }: PodInfo, { allocatable, requested }: NodeInfo): number {
  const shares: number[] = [];
  for (const name of names) {
    const wanted = requestOf(requests, name);
    const has = requestOf(allocatable, name);
    const isExtended = name !== 'cpu' && name !== 'memory' && name !== 'ephemeral-storage';
    if (has === 0 || (isExtended && wanted === 0)) continue;
    shares.push(Math.min(1, (requestOf(requested, name) + wanted) / has));
  }
  return Math.trunc((1 - deviation(shares)) * scoreMax);
}

function deviation(shares: readonly number[]): number {
  const [first = 0, second = 0] = shares;
  if (shares.length === 2) return Math.abs((first - second) / 2);
  if (shares.length < 2) return 0;
  const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
  return Math.sqrt(shares.reduce((sum, share) => sum + (share - mean) * (share - mean), 0) / shares.length);
}
