/** Pools with their claims and nodes at one moment. Pure. */
import { type NodeClaim, poolLabel, startedCondition } from '#pkg/api/node-claim.ts';
import type { NodePool, NodePoolStatus, ScaleDown } from '#pkg/api/node-pool.ts';
import type { Node } from '#pkg/api/types/core-v1.ts';
import { findCondition, isConditionTrue } from '#pkg/apimachinery/conditions.ts';
import { timeMs } from '../common/pod.ts';

/** On a node that is being emptied, with the time in seconds since 1970 at which that began. Source: cluster-autoscaler `utils/taints`. */
export const leavingTaint = 'ToBeDeletedByClusterAutoscaler';
/** Condition of a claim: its node was Ready once, with all its labels. */
export const registeredCondition = 'Registered';
const notReadyTaint = 'node.kubernetes.io/not-ready';

/** One node of a pool. */
export interface PoolNode {
  readonly name: string;
  readonly claim: NodeClaim;
  /** Absent where it has not registered. */
  readonly node: Node | undefined;
  /** `coming`: it was never Ready; `leaving`: it is being emptied; `going`: its claim is deleted. */
  readonly phase: 'coming' | 'going' | 'leaving' | 'there';
}

/** One pool. */
export interface PoolState {
  readonly name: string;
  readonly pool: NodePool;
  /** With what is known and not written yet. */
  readonly status: NodePoolStatus;
  /** In the order of their names. */
  readonly nodes: readonly PoolNode[];
  /** All of it is to go. */
  readonly isLeaving: boolean;
  readonly minNodes: number;
  readonly maxNodes: number;
  readonly provisionMs: number;
  readonly scaleDown: Required<ScaleDown>;
}

/** What there is of everything. */
export interface PoolParts {
  readonly pools: readonly NodePool[];
  readonly claims: readonly NodeClaim[];
  nodeOf(name: string): Node | undefined;
  statusOf(pool: NodePool): NodePoolStatus;
  /** Whether a claim was deleted, though it is not known here yet. */
  isDeleted(claim: NodeClaim): boolean;
}

/** The pools in the order of their names. */
export function poolStates({ pools, claims, nodeOf, statusOf, isDeleted }: PoolParts): readonly PoolState[] {
  const byPool = Map.groupBy(claims, ({ metadata }) => metadata?.labels?.[poolLabel] ?? '');
  return pools
    .map((pool): PoolState => {
      const name = pool.metadata?.name ?? '';
      const { minNodes = 0, maxNodes = 0, provisionSeconds = 900, scaleDown = {} } = pool.spec ?? {};
      return {
        name,
        pool,
        status: statusOf(pool),
        nodes: (byPool.get(name) ?? [])
          .map((claim) => nodeState(claim, { node: nodeOf(claim.metadata?.name ?? ''), isDeleted: isDeleted(claim) }))
          .sort(byName),
        isLeaving: pool.metadata?.deletionTimestamp !== undefined,
        minNodes,
        maxNodes,
        provisionMs: provisionSeconds * 1_000,
        scaleDown: {
          disabled: scaleDown.disabled ?? false,
          utilizationThresholdPercent: scaleDown.utilizationThresholdPercent ?? 50,
          unneededSeconds: scaleDown.unneededSeconds ?? 600,
          delayAfterAddSeconds: scaleDown.delayAfterAddSeconds ?? 600,
          drainSeconds: scaleDown.drainSeconds ?? 600,
        },
      };
    })
    .sort(byName);
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : 1;
}

function nodeState(
  claim: NodeClaim,
  { node, isDeleted }: { readonly node: Node | undefined; readonly isDeleted: boolean },
): PoolNode {
  const phase =
    isDeleted || claim.metadata?.deletionTimestamp !== undefined
      ? 'going'
      : !isConditionTrue(claim.status?.conditions, registeredCondition)
        ? 'coming'
        : leavingSinceMs(node) === undefined
          ? 'there'
          : 'leaving';
  return { name: claim.metadata?.name ?? '', claim, node, phase };
}

/** Since when a node is being emptied; undefined where it is not. */
export function leavingSinceMs(node: Node | undefined): number | undefined {
  const taint = node?.spec?.taints?.find(({ key }) => key === leavingTaint);
  return taint === undefined ? undefined : Number(taint.value ?? 0) * 1_000;
}

/** Whether pods may come to a node: it is Ready, and the mark that it was not is gone. */
export function isReady(node: Node | undefined): boolean {
  if (!isConditionTrue(node?.status?.conditions, 'Ready')) return false;
  return !node?.spec?.taints?.some(({ key }) => key === notReadyTaint);
}

/** Why a node that has not come never will; undefined where it may. */
export function whyLost({ claim, phase }: PoolNode, { provisionMs }: PoolState, nowMs: number): string | undefined {
  if (phase !== 'coming') return undefined;
  const started = findCondition(claim.status?.conditions, startedCondition);
  if (started?.status === 'False') return started.message ?? started.reason ?? 'it could not be started';
  if (nowMs - timeMs(claim.metadata?.creationTimestamp) < provisionMs) return undefined;
  const seconds = provisionMs / 1_000;
  return started === undefined ? `nobody has started it within ${seconds} s` : `it was not ready within ${seconds} s`;
}

/** Nodes that count for the size of a pool. */
export function sizeOf({ nodes }: PoolState): number {
  return nodes.filter(({ phase }) => phase !== 'going').length;
}
