/**
 * Makes the evictions of a plan: one node after the other is closed, emptied and opened again. Laws: pods go through the eviction API alone, which keeps disruption budgets;
 * the next node is begun only once the pods that took the place of those before it have nodes; what was closed here is open again at the end, whatever went wrong.
 */
import { isPodTerminal, podCondition } from '#pkg/api/core/pod.ts';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { nodes, pods } from '#pkg/api/types/refs.ts';
import { controllerOf, objectKey, splitKey } from '#pkg/apimachinery/object.ts';
import { isNotFound, StatusError } from '#pkg/apimachinery/status-error.ts';
import { sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { Client } from '#pkg/client/client.ts';
import type { PlannedEviction, RebalancePlan } from '#pkg/scheduler/offline/rebalance.ts';

/** How often it is looked whether something has come about, and whether a budget has an eviction to give. */
const lookEveryMs = 500;

/** By what the plan is performed. */
export interface PerformOptions {
  readonly client: Client;
  readonly clock: Clock;
  /** Longest wait for each step of each node: until its pods may go, until they are gone, and until their successors have nodes. */
  readonly waitMs: number;
  /** Told what went otherwise than planned. */
  problem(text: string): void;
}

/** Performs a plan; resolves to whether all of it came about. It stops at the first node where it does not. */
export async function performRebalance(
  { emptied, evictions }: Pick<RebalancePlan, 'emptied' | 'evictions'>,
  options: PerformOptions,
): Promise<boolean> {
  for (const node of emptied) {
    const own = evictions.filter(({ from }) => from === node);
    const isEmptied = await emptyNode(node, own, options);
    if (!isEmptied) return false;
  }
  return true;
}

async function emptyNode(
  node: string,
  evictions: readonly PlannedEviction[],
  options: PerformOptions,
): Promise<boolean> {
  const { client, problem } = options;
  const setClosed = (unschedulable: boolean | null): Promise<unknown> =>
    client.resource(nodes).patch(node, { spec: { unschedulable } }, { type: 'merge' });
  const owners = await ownersOf(client, node, evictions);
  await setClosed(true);
  try {
    for (const { pod } of evictions) {
      const why = await evict(pod, options);
      if (why === undefined) continue;
      problem(`${pod} was not evicted: ${why}`);
      return false;
    }
    // Its successor might come to where it still is.
    const keys = new Set(evictions.map(({ pod }) => pod));
    const areGone = async (): Promise<boolean> => {
      const { items } = await client.resource(pods).list({ fieldSelector: `spec.nodeName=${node}` });
      return !items.some((pod) => keys.has(objectKey(pod)));
    };
    if (!(await eventually(areGone, options))) {
      problem(`not all pods of ${node} were gone in time`);
      return false;
    }
    return await haveSuccessors(owners, options);
  } finally {
    await setClosed(null);
  }
}

/** Who makes the pods again, with how many of each that have a node now. */
async function ownersOf(
  client: Client,
  node: string,
  evictions: readonly PlannedEviction[],
): Promise<ReadonlyMap<string, number>> {
  const { items } = await client.resource(pods).list({});
  const keys = new Set(evictions.map(({ pod }) => pod));
  const owners = new Set<string>();
  for (const pod of items) {
    const owner = controllerOf(pod)?.uid;
    if (owner !== undefined && pod.spec?.nodeName === node && keys.has(objectKey(pod))) owners.add(owner);
  }
  return new Map([...owners].map((owner) => [owner, placedOf(items, owner)]));
}

function placedOf(items: readonly Pod[], owner: string): number {
  return items.filter((pod) => controllerOf(pod)?.uid === owner && isPlaced(pod)).length;
}

function isPlaced({ metadata, spec, status }: Pod): boolean {
  return Boolean(spec?.nodeName) && metadata?.deletionTimestamp === undefined && !isPodTerminal({ status });
}

/** Waits until each owner has as many pods with nodes as before; says so at once where one of them fits nowhere after all. */
async function haveSuccessors(owners: ReadonlyMap<string, number>, options: PerformOptions): Promise<boolean> {
  let stuck: string | undefined;
  const look = async (): Promise<boolean> => {
    const { items } = await options.client.resource(pods).list({});
    const lacking = [...owners].filter(([owner, count]) => placedOf(items, owner) < count).map(([owner]) => owner);
    if (lacking.length === 0) return true;
    for (const pod of items) {
      const condition = podCondition(pod, 'PodScheduled');
      const isRefused = !pod.spec?.nodeName && condition?.reason === 'Unschedulable';
      if (isRefused && lacking.includes(controllerOf(pod)?.uid ?? ''))
        stuck = `${objectKey(pod)} fits nowhere else after all: ${condition.message ?? ''}`;
    }
    return stuck !== undefined;
  };
  const isSettled = await eventually(look, options);
  if (stuck !== undefined) options.problem(stuck);
  else if (!isSettled) options.problem('not all pods that were evicted have successors with nodes in time');
  return isSettled && stuck === undefined;
}

/** Why it was not evicted. A budget that has none left just now may have one later: it is asked again until the wait is over. */
async function evict(key: string, options: PerformOptions): Promise<string | undefined> {
  const { client } = options;
  const { namespace, name } = splitKey(key);
  const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace } };
  let why: string | undefined;
  const attempt = async (): Promise<boolean> => {
    why = undefined;
    try {
      await client.resource(pods).createSubresource(name, 'eviction', eviction, { namespace });
    } catch (error) {
      if (isNotFound(error)) return true;
      why = errorText(error);
      return !(error instanceof StatusError && error.code === 429);
    }
    return true;
  };
  await eventually(attempt, options);
  return why;
}

/** Looks until something holds, or until the wait is over; whether it held. */
async function eventually(
  holds: () => Promise<boolean>,
  { clock, waitMs }: Pick<PerformOptions, 'clock' | 'waitMs'>,
): Promise<boolean> {
  const untilMs = clock.monotonicMs() + waitMs;
  for (;;) {
    if (await holds()) return true;
    if (clock.monotonicMs() >= untilMs) return false;
    await sleep(clock, lookEveryMs);
  }
}
