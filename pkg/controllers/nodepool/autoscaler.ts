/**
 * Brings pools to the nodes that pods need, a look at a time. What it knows it reads from the API: claims are the nodes of a pool, a taint is a node that is being emptied, the
 * pool's status is when it grew and how long it rests; so one that starts anew goes on where another stopped. Only since when nodes have had little to do is forgotten, as upstream's.
 *
 * Laws:
 * 1. A pool has never more nodes than `maxNodes`, and is not brought below `minNodes`.
 * 2. A node is emptied by evictions alone, so within budgets, and its claim goes once no pod is on it that somebody would miss.
 * 3. Where a node does not come the pool rests, longer each time, and others are grown instead.
 */

import { isPodTerminal, podCondition } from '#pkg/api/core/pod.ts';
import { type NodeClaim, nodeClaims } from '#pkg/api/node-claim.ts';
import { type NodePool, type NodePoolStatus, nodePools } from '#pkg/api/node-pool.ts';
import type { Node, Pod } from '#pkg/api/types/core-v1.ts';
import { daemonSets, namespaces, nodes, podDisruptionBudgets, pods } from '#pkg/api/types/refs.ts';
import type { KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import { timestamp } from '#pkg/base/clock.ts';
import type { EventRecorder } from '#pkg/client/event-recorder.ts';
import type { Informer } from '#pkg/client/informer.ts';
import type { ReconcileResult } from '#pkg/client/work-queue.ts';
import { type PodInfo, podInfoOf } from '#pkg/scheduler/model/pod-info.ts';
import { ObjectSet } from '#pkg/scheduler/offline/object-set.ts';
import { Budgets } from '#pkg/scheduler/offline/rebalance.ts';
import { Simulation } from '#pkg/scheduler/offline/simulation.ts';
import { pluginTable } from '#pkg/scheduler/plugin-table.ts';
import type { ControllerContext } from '../common/controller.ts';
import { indexByNode, podsOnNode, timeMs } from '../common/pod.ts';
import { type GrowingPool, type Growth, planGrowth } from './growth.ts';
import { isReady, leavingSinceMs, type PoolNode, type PoolState, poolStates, sizeOf, whyLost } from './pool-state.ts';
import * as writes from './pool-writes.ts';
import { isOfNode, unneededNodes } from './shrink.ts';
import { daemonsOf, templateNode } from './template-node.ts';

/** Between two looks, where nothing happens. Source: cluster-autoscaler `scan-interval`. */
const scanMs = 10_000;
/** Between two looks at nodes that are being emptied. */
const drainMs = 5_000;
/** How long a node is left alone that could not be emptied. Source: cluster-autoscaler `scale-down-delay-after-failure` and its unremovable time. */
const restMs = 300_000;
/** Empty nodes that are taken away at once. Source: cluster-autoscaler `max-empty-bulk-delete`. */
const emptyMax = 10;
/** Pods below it are no reason to grow. Source: cluster-autoscaler `expendable-pods-priority-cutoff`. */
const priorityMin = -10;
/** Pods of other schedulers are theirs. */
const schedulerName = 'default-scheduler';

/** What it is made with. */
export interface AutoscalerContext extends ControllerContext {
  readonly events: EventRecorder;
  /** Has it look again soon. */
  readonly look: () => void;
}

/** The autoscaler; nobody else looks at the same time. */
export interface Autoscaler {
  reconcile(signal: AbortSignal): Promise<ReconcileResult>;
}

/** Makes one, which follows what it needs from now on. */
export function createAutoscaler(context: AutoscalerContext): Autoscaler {
  return new PoolAutoscaler(context);
}

class PoolAutoscaler implements Autoscaler {
  readonly #context: AutoscalerContext;
  readonly #pools: Informer<NodePool>;
  readonly #claims: Informer<NodeClaim>;
  readonly #nodes: Informer<Node>;
  readonly #pods: Informer<Pod>;
  /** All that the scheduler's plugins read. */
  readonly #read: readonly (readonly [ResourceRef, Informer<KubeObject>])[];
  /** Claims that were made and are not known yet. */
  readonly #made = new Map<string, NodeClaim>();
  /** Uids of claims that were deleted, which may not be known yet. */
  readonly #deleted = new Set<string>();
  /** What is to be written into the status of a pool. */
  readonly #changes = new Map<string, NodePoolStatus>();
  /** Since when each node has had little to do. */
  readonly #unneededSinceMs = new Map<string, number>();
  /** Nodes that are left alone until then. */
  readonly #restUntilMs = new Map<string, number>();
  /** What was said of each pod, by uid, that no pool has a node for. */
  readonly #told = new Map<string, string>();

  constructor(context: AutoscalerContext) {
    this.#context = context;
    const { informers, look } = context;
    this.#pools = informers.informer(nodePools);
    this.#claims = informers.informer(nodeClaims);
    this.#nodes = informers.informer(nodes);
    this.#pods = informers.informer(pods);
    indexByNode(this.#pods);
    const objects = new ObjectSet();
    // Its plugins say what they read.
    new Simulation({ objects, table: pluginTable, scheduling: 'packing' }).load();
    const refs = [...objects.asked(), namespaces, daemonSets, podDisruptionBudgets];
    this.#read = refs.map((ref) => [ref, informers.informer<KubeObject>(ref)] as const);
    const seen = ({ metadata }: NodeClaim): void => {
      this.#made.delete(metadata?.name ?? '');
      look();
    };
    this.#claims.addHandler({
      added: seen,
      updated: (_, claim) => seen(claim),
      deleted: (claim) => {
        this.#deleted.delete(claim.metadata?.uid ?? '');
        seen(claim);
      },
    });
    this.#nodes.addHandler({
      updated: (previous, node) => {
        if (isReady(previous) !== isReady(node)) look();
      },
    });
    this.#pods.addHandler({
      updated: (previous, pod) => {
        if (!isWaiting(previous) && isWaiting(pod)) look();
      },
    });
  }

  async reconcile(signal: AbortSignal): Promise<ReconcileResult> {
    if (!(await this.#context.informers.synced(signal))) return undefined;
    const states = this.#states();
    if (states.length === 0) return undefined;
    const held = new Set<string>();
    for (const state of states) {
      if (await writes.holdPool(this.#context, state)) held.add(state.name);
      for (const node of state.nodes) await this.#settle(state, node);
    }
    const open = this.#states().filter(({ name }) => held.has(name));
    await this.#grow(open);
    await this.#shrink(open);
    const told = this.#states();
    for (const state of told) {
      await writes.tell(this.#context, state);
      this.#changes.delete(state.name);
    }
    const isDraining = told.some(({ nodes: all }) => all.some(({ phase }) => phase === 'leaving'));
    return { requeueAfterMs: isDraining ? drainMs : scanMs };
  }

  #states(): readonly PoolState[] {
    // The watch may be faster than the answer to a request.
    for (const name of this.#made.keys()) if (this.#claims.lister.get(name) !== undefined) this.#made.delete(name);
    const claims = [...this.#claims.lister.list(), ...this.#made.values()];
    return poolStates({
      pools: this.#pools.lister.list(),
      claims,
      nodeOf: (name) => this.#nodes.lister.get(name),
      statusOf: (pool) => this.#changes.get(pool.metadata?.name ?? '') ?? pool.status ?? {},
      isDeleted: ({ metadata }) => this.#deleted.has(metadata?.uid ?? ''),
    });
  }

  /** One node of a pool: it has come, will never come, or is being emptied. */
  async #settle(state: PoolState, own: PoolNode): Promise<void> {
    const { node, claim, phase } = own;
    if (phase === 'coming' && state.isLeaving) await this.#delete(own);
    else if (phase === 'coming' && node !== undefined && isReady(node)) {
      await writes.register(this.#context, claim, node);
      const { failures: _, backoffUntil: __, ...status } = this.#statusOf(state);
      this.#changes.set(state.name, status);
    } else if (phase === 'coming') await this.#giveUp(state, own);
    else if (phase === 'there' && state.isLeaving && node !== undefined) await writes.markLeaving(this.#context, node);
    else if (phase === 'leaving' && node !== undefined) await this.#empty(state, own, node);
  }

  #statusOf({ name, status }: PoolState): NodePoolStatus {
    return this.#changes.get(name) ?? status;
  }

  async #delete({ claim }: PoolNode): Promise<void> {
    await writes.deleteClaim(this.#context, claim);
    this.#made.delete(claim.metadata?.name ?? '');
    this.#deleted.add(claim.metadata?.uid ?? '');
  }

  /** Of a node that will not come; the pool rests after it. Of several at once one counts. */
  async #giveUp(state: PoolState, own: PoolNode): Promise<void> {
    const nowMs = this.#context.clock.nowMs();
    const why = whyLost(own, state, nowMs);
    if (why === undefined) return;
    const status = this.#statusOf(state);
    if (!isResting(status, nowMs)) this.#changes.set(state.name, writes.withFailure(status, nowMs));
    const message = `Scale-up timed out or failed for node ${own.name}: ${why}`;
    this.#context.events.record(state.pool, { type: 'Warning', reason: 'FailedToScaleUpGroup', message });
    await this.#delete(own);
  }

  /** Evicts what is left, and lets the node go once nothing is. */
  async #empty(state: PoolState, own: PoolNode, node: Node): Promise<void> {
    const { clock, events } = this.#context;
    const left = podsOnNode(this.#pods, own.name).filter((pod) => !isPodTerminal(pod) && !isOfNode(podInfoOf(pod)));
    if (left.length === 0) {
      await this.#delete(own);
      const message = `Scale-down: node ${own.name} removed`;
      events.record(node, { type: 'Normal', reason: 'ScaleDown', message: 'node removed by cluster autoscaler' });
      events.record(state.pool, { type: 'Normal', reason: 'ScaleDown', message });
      this.#changes.set(state.name, { ...this.#statusOf(state), lastScaleDownTime: timestamp(clock) });
      return;
    }
    const isLate = clock.nowMs() - (leavingSinceMs(node) ?? 0) > state.scaleDown.drainSeconds * 1_000;
    if (isLate && !state.isLeaving) {
      await writes.unmarkLeaving(this.#context, node);
      this.#restUntilMs.set(own.name, clock.monotonicMs() + restMs);
      const message = `failed to drain the node, aborting ScaleDown: ${left.length} pods are left`;
      events.record(node, { type: 'Warning', reason: 'ScaleDownFailed', message });
      return;
    }
    for (const pod of left) {
      if (pod.metadata?.deletionTimestamp !== undefined || !(await writes.evict(this.#context, pod))) continue;
      events.record(pod, { type: 'Normal', reason: 'ScaleDown', message: 'deleting pod for node scale down' });
    }
  }

  /** A cluster to reckon with: with nodes that are to come as if they were there, and with pods that will find a place placed. The others are returned. */
  #simulate(states: readonly PoolState[]): { readonly simulation: Simulation; readonly unplaced: readonly PodInfo[] } {
    const objects = new ObjectSet();
    const simulation = new Simulation({ objects, table: pluginTable, scheduling: 'packing' });
    for (const [ref, informer] of this.#read) for (const object of informer.lister.list()) objects.add(ref, object);
    const like = this.#nodes.lister.list()[0];
    const coming = states.flatMap((state) =>
      state.nodes.filter(({ phase }) => phase === 'coming').map(({ name }) => templateNode(state.pool, name, like)),
    );
    for (const node of coming) objects.add(nodes, node);
    const waiting = simulation.load().filter(({ pod }) => isReason(pod));
    for (const node of coming)
      for (const pod of daemonsOf(node, this.#daemonSets())) simulation.put(pod, node.metadata?.name ?? '');
    return { simulation, unplaced: waiting.filter((pod) => 'message' in simulation.place(pod)) };
  }

  #daemonSets() {
    return this.#context.informers.informer(daemonSets).lister.list();
  }

  async #grow(states: readonly PoolState[]): Promise<void> {
    const { clock } = this.#context;
    for (const state of states) {
      const missing = Math.min(state.minNodes, state.maxNodes) - sizeOf(state);
      if (missing > 0 && !isResting(state.status, clock.nowMs()))
        await this.#add(state, { pool: state.name, nodes: missing, pods: [] });
    }
    const waiting = this.#pods.lister.list().filter(isReason);
    const uids = new Set(waiting.map(({ metadata }) => metadata?.uid ?? ''));
    for (const uid of this.#told.keys()) if (!uids.has(uid)) this.#told.delete(uid);
    if (waiting.length === 0 || states.length === 0) return;
    const now = this.#states().filter(({ name }) => states.some((state) => state.name === name));
    const { simulation, unplaced } = this.#simulate(now);
    if (unplaced.length === 0) return;
    const plan = planGrowth(simulation, { waiting: unplaced, pools: now.map((state) => this.#growing(state)) });
    for (const growth of plan.growth) {
      const state = now.find(({ name }) => name === growth.pool);
      if (state !== undefined) await this.#add(state, growth);
    }
    for (const { pod, why } of plan.unhelped) {
      const message = `pod didn't trigger scale-up: ${why}`;
      if (this.#told.get(pod.uid) === message) continue;
      this.#told.set(pod.uid, message);
      this.#context.events.record(pod.pod, { type: 'Normal', reason: 'NotTriggerScaleUp', message });
    }
  }

  #growing(state: PoolState): GrowingPool {
    const { name, pool, maxNodes, status } = state;
    const like = this.#nodes.lister.list()[0];
    const rests = isResting(status, this.#context.clock.nowMs());
    const room = rests ? 0 : Math.max(0, maxNodes - sizeOf(state));
    return {
      name,
      room,
      closed: rests ? `it rests until ${status.backoffUntil} as nodes did not come` : `it has its ${maxNodes} nodes`,
      node: (node) => templateNode(pool, node, like),
      daemons: (node) => daemonsOf(node, this.#daemonSets()),
    };
  }

  async #add(state: PoolState, { nodes: count, pods: helped }: Growth): Promise<void> {
    const { clock, events } = this.#context;
    const before = sizeOf(state);
    for (let made = 0; made < count; made++) {
      const claim = await writes.createClaim(this.#context, state);
      this.#made.set(claim.metadata?.name ?? '', claim);
    }
    this.#changes.set(state.name, { ...this.#statusOf(state), lastScaleUpTime: timestamp(clock) });
    const change = `${state.name} ${before}->${before + count} (max: ${state.maxNodes})`;
    events.record(state.pool, { type: 'Normal', reason: 'ScaledUpGroup', message: `Scale-up: ${change}` });
    for (const { pod } of helped)
      events.record(pod, {
        type: 'Normal',
        reason: 'TriggeredScaleUp',
        message: `pod triggered scale-up: [{${change}}]`,
      });
  }

  async #shrink(states: readonly PoolState[]): Promise<void> {
    const { clock, events } = this.#context;
    const nowMs = clock.monotonicMs();
    const mayGo = states.filter((state) => spareOf(state) > 0 && !state.scaleDown.disabled);
    const there = mayGo.flatMap((state) =>
      state.nodes
        .filter(({ name, phase, node }) => phase === 'there' && isReady(node) && !this.#restUntilMs.has(name))
        .map((own) => ({ state, own })),
    );
    const found = there.length === 0 ? [] : this.#unneeded(states, there);
    for (const [name, untilMs] of this.#restUntilMs) if (untilMs <= nowMs) this.#restUntilMs.delete(name);
    const names = new Set(found.map(({ node }) => node));
    for (const name of this.#unneededSinceMs.keys()) if (!names.has(name)) this.#unneededSinceMs.delete(name);
    for (const name of names) if (!this.#unneededSinceMs.has(name)) this.#unneededSinceMs.set(name, nowMs);
    let isBusy = states.some(({ nodes: all }) => all.some(({ phase }) => phase === 'leaving'));
    let empty = 0;
    const taken = new Map<string, number>();
    for (const { node: name, isEmpty } of found) {
      const { state, own } = there.find((one) => one.own.name === name) ?? {};
      if (state === undefined || own?.node === undefined) continue;
      const count = taken.get(state.name) ?? 0;
      const { unneededSeconds, delayAfterAddSeconds } = state.scaleDown;
      const isDue = nowMs - (this.#unneededSinceMs.get(name) ?? nowMs) >= unneededSeconds * 1_000;
      const grownMs = clock.nowMs() - timeMs(this.#statusOf(state).lastScaleUpTime);
      if (!isDue || grownMs < delayAfterAddSeconds * 1_000 || count >= spareOf(state)) continue;
      // Nodes with pods go one after the other: each changes where there is room.
      if (isEmpty ? empty >= emptyMax : isBusy) continue;
      await writes.markLeaving(this.#context, own.node);
      events.record(own.node, {
        type: 'Normal',
        reason: 'ScaleDown',
        message: 'marked the node as toBeDeleted/unschedulable',
      });
      this.#unneededSinceMs.delete(name);
      taken.set(state.name, count + 1);
      if (isEmpty) empty++;
      else isBusy = true;
      this.#context.look();
    }
  }

  #unneeded(states: readonly PoolState[], there: readonly { readonly state: PoolState; readonly own: PoolNode }[]) {
    const { simulation } = this.#simulate(states);
    const budgets = new Budgets(this.#context.informers.informer(podDisruptionBudgets).lister.list());
    const candidates = there.map(({ state, own }) => ({
      node: own.name,
      threshold: state.scaleDown.utilizationThresholdPercent / 100,
    }));
    return unneededNodes(simulation, { candidates, budgets });
  }
}

/** How many nodes a pool has more than it is to have at least, without those that go already. */
function spareOf({ nodes: all, minNodes }: PoolState): number {
  return all.filter(({ phase }) => phase === 'there' || phase === 'coming').length - minNodes;
}

function isResting({ backoffUntil }: NodePoolStatus, nowMs: number): boolean {
  return backoffUntil !== undefined && Date.parse(backoffUntil) > nowMs;
}

/** Whether the scheduler has found no node for a pod. */
function isWaiting(pod: Pod): boolean {
  return !pod.spec?.nodeName && podCondition(pod, 'PodScheduled')?.reason === 'Unschedulable';
}

/** Whether a pod is a reason to grow. One that was promised a node waits for others to leave it. */
function isReason(pod: Pod): boolean {
  const { metadata, spec, status } = pod;
  if (!isWaiting(pod) || metadata?.deletionTimestamp !== undefined || status?.nominatedNodeName) return false;
  return (spec?.priority ?? 0) >= priorityMin && (spec?.schedulerName ?? schedulerName) === schedulerName;
}
