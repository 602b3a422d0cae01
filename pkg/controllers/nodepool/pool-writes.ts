/** What the autoscaler writes: claims, marks on nodes, evictions, and how a pool stands. */
import { type NodeClaim, nodeClaims, poolLabel } from '#pkg/api/node-claim.ts';
import { type NodePool, type NodePoolStatus, nodePools } from '#pkg/api/node-pool.ts';
import type { Node, Pod, Taint } from '#pkg/api/types/core-v1.ts';
import { nodes, pods } from '#pkg/api/types/refs.ts';
import { type Condition, setCondition } from '#pkg/apimachinery/conditions.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import { isNotFound, StatusError, unlessGone } from '#pkg/apimachinery/status-error.ts';
import { type Clock, timestamp } from '#pkg/base/clock.ts';
import { nameSuffix, type Random } from '#pkg/base/random.ts';
import type { Client } from '#pkg/client/client.ts';
import { leavingTaint, type PoolState, registeredCondition, sizeOf } from './pool-state.ts';
import { poolLabels } from './template-node.ts';

/** Held by the autoscaler while a pool has nodes. */
const poolFinalizer = 'nodes.coxswain.dev/pool';
/** First rest of a pool whose node did not come, and the longest. Source: cluster-autoscaler `initial-node-group-backoff-duration`, `max-node-group-backoff-duration`. */
const backoffMs = { first: 300_000, max: 1_800_000 };

/** In whose name, and when. */
export interface PoolWriter {
  readonly client: Client;
  readonly clock: Clock;
  readonly random: Random;
}

/** Asks for one more node of a pool. */
export async function createClaim({ client, random }: PoolWriter, { name, pool }: PoolState): Promise<NodeClaim> {
  const owner = {
    apiVersion: 'nodes.coxswain.dev/v1alpha1',
    kind: nodePools.kind,
    name,
    uid: pool.metadata?.uid ?? '',
  };
  return client.resource(nodeClaims).create({
    metadata: {
      name: `${name}-${nameSuffix(random)}`,
      labels: { [poolLabel]: name },
      ownerReferences: [{ ...owner, controller: true }],
    },
    spec: pool.spec?.template ?? {},
  });
}

/** Lets a node go. One that is gone already is as well. */
export async function deleteClaim({ client }: PoolWriter, { metadata }: NodeClaim): Promise<void> {
  const { name = '', uid } = metadata ?? {};
  await unlessGone(client.resource(nodeClaims).delete(name, uid === undefined ? {} : { preconditions: { uid } }));
}

/** Notes that a node has come: it gets the labels that its kubelet may not set itself, and then its claim says so. */
export async function register({ client, clock }: PoolWriter, claim: NodeClaim, node: Node): Promise<void> {
  const wanted = poolLabels(claim.metadata?.labels?.[poolLabel] ?? '', claim.spec ?? {});
  const has = node.metadata?.labels ?? {};
  const name = node.metadata?.name ?? '';
  if (Object.entries(wanted).some(([key, value]) => has[key] !== value))
    await client.resource(nodes).patch(name, { metadata: { labels: { ...wanted } } }, { type: 'merge' });
  const condition: Condition = { type: registeredCondition, status: 'True', reason: 'NodeReady' };
  const conditions = setCondition(claim.status?.conditions, condition, timestamp(clock));
  const status = { ...claim.status, conditions };
  await client.resource(nodeClaims).update({ ...claim, status }, { subresource: 'status' });
}

/** Closes a node and says since when it is being emptied. */
export async function markLeaving({ client, clock }: PoolWriter, node: Node): Promise<void> {
  const taint: Taint = { key: leavingTaint, value: String(Math.floor(clock.nowMs() / 1_000)), effect: 'NoSchedule' };
  await writeTaints(client, node, { unschedulable: true, taints: [...othersOf(node), taint] });
}

/** Opens a node again. */
export async function unmarkLeaving({ client }: PoolWriter, node: Node): Promise<void> {
  await writeTaints(client, node, { unschedulable: null, taints: othersOf(node) });
}

function othersOf({ spec }: Node): readonly Taint[] {
  // Of a node that is closed the mark goes as it is opened: that is the node lifecycle controller's.
  return (spec?.taints ?? []).filter(({ key }) => key !== leavingTaint);
}

async function writeTaints(
  client: Client,
  { metadata }: Node,
  spec: { readonly unschedulable: boolean | null; readonly taints: readonly Taint[] },
): Promise<void> {
  const patch = {
    metadata: { resourceVersion: metadata?.resourceVersion ?? '' },
    spec: { unschedulable: spec.unschedulable, taints: spec.taints.map((taint) => ({ ...taint })) },
  };
  await unlessGone(client.resource(nodes).patch(metadata?.name ?? '', patch, { type: 'merge' }));
}

/** Asks for a pod to leave. False where a budget has nothing to give just now. */
export async function evict({ client }: PoolWriter, { metadata }: Pod): Promise<boolean> {
  const { name = '', namespace = '', uid } = metadata ?? {};
  const eviction = {
    apiVersion: 'policy/v1',
    kind: 'Eviction',
    metadata: { name, namespace },
    deleteOptions: uid === undefined ? {} : { preconditions: { uid } },
  };
  try {
    await client.resource(pods).createSubresource(name, 'eviction', eviction, { namespace });
  } catch (error) {
    if (isNotFound(error)) return true;
    if (error instanceof StatusError && (error.code === 429 || error.code === 409)) return false;
    throw error;
  }
  return true;
}

/** Holds a pool until its nodes are gone, and lets go of one that has none any more. Whether it was there before: only then its nodes are made. */
export async function holdPool({ client }: PoolWriter, { pool, nodes: all, isLeaving }: PoolState): Promise<boolean> {
  const { name = '', resourceVersion, finalizers = [] } = pool.metadata ?? {};
  const isHeld = finalizers.includes(poolFinalizer);
  const write = (next: readonly string[]): Promise<unknown> => {
    const patch = { metadata: { resourceVersion, finalizers: [...next] } };
    return unlessGone(client.resource(nodePools).patch(name, patch, { type: 'merge' }));
  };
  if (isLeaving) {
    if (isHeld && all.length === 0) await write(finalizers.filter((one) => one !== poolFinalizer));
    return false;
  }
  if (!isHeld) await write([...finalizers, poolFinalizer]);
  return isHeld;
}

/** The status after a node that did not come. */
export function withFailure(status: NodePoolStatus, nowMs: number): NodePoolStatus {
  const failures = (status.failures ?? 0) + 1;
  const restMs = Math.min(backoffMs.max, backoffMs.first * 2 ** (failures - 1));
  return { ...status, failures, backoffUntil: new Date(nowMs + restMs).toISOString().replace(/\.\d+Z$/, 'Z') };
}

/** How a pool stands now. */
export function statusOf(state: PoolState, { clock }: Pick<PoolWriter, 'clock'>): NodePoolStatus {
  const { pool, status, nodes: all, maxNodes } = state;
  const rests = status.backoffUntil !== undefined && Date.parse(status.backoffUntil) > clock.nowMs();
  const size = sizeOf(state);
  const coming = all.filter(({ phase }) => phase === 'coming').length;
  const leaving = all.filter(({ phase }) => phase === 'leaving' || phase === 'going').length;
  const conditions: readonly Condition[] = [
    rests
      ? {
          type: 'Healthy',
          status: 'False',
          reason: 'BackOff',
          message: `${status.failures} nodes in a row did not come: the pool does not grow until ${status.backoffUntil}.`,
        }
      : { type: 'Healthy', status: 'True', reason: 'NodesCome', message: '' },
    {
      type: 'Growing',
      status: coming > 0 ? 'True' : 'False',
      reason: coming > 0 ? 'NodesAreComing' : size >= maxNodes ? 'AtMaximum' : 'NothingToDo',
      message: coming > 0 ? `${coming} nodes are not ready yet.` : '',
    },
    {
      type: 'Shrinking',
      status: leaving > 0 ? 'True' : 'False',
      reason: leaving > 0 ? 'NodesAreLeaving' : 'NothingToDo',
      message: leaving > 0 ? `${leaving} nodes are emptied or taken away.` : '',
    },
  ];
  const now = timestamp(clock);
  return {
    ...status,
    observedGeneration: pool.metadata?.generation ?? 0,
    nodes: size,
    readyNodes: all.filter(({ phase }) => phase === 'there').length,
    conditions: conditions.reduce((list, one) => setCondition(list, one, now), status.conditions ?? []),
  };
}

/** Says how a pool stands, where that has changed. */
export async function tell(writer: PoolWriter, state: PoolState): Promise<void> {
  const { pool } = state;
  const status = statusOf(state, writer);
  if (deepEqual(status, pool.status ?? {})) return;
  const body: NodePool = { ...pool, status };
  await unlessGone(writer.client.resource(nodePools).update(body, { subresource: 'status' }));
}
