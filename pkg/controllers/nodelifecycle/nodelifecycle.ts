/**
 * Watches over nodes: one whose kubelet has been silent too long gets Unknown conditions and taints, and its pods are marked not ready;
 * `tainteviction` does the rest. Writes nothing while nothing changes. Upstream counterpart: `pkg/controller/nodelifecycle`.
 */

import { isPodReady } from '#pkg/api/core/pod.ts';
import type { Lease } from '#pkg/api/types/coordination-v1.ts';
import type { Node, NodeCondition, Pod, Taint } from '#pkg/api/types/core-v1.ts';
import { leases, nodes, pods } from '#pkg/api/types/refs.ts';
import { objectKey } from '#pkg/apimachinery/object.ts';
import { isConflict, isNotFound } from '#pkg/apimachinery/status-error.ts';
import { timestamp } from '#pkg/base/clock.ts';
import type { Tallies } from '#pkg/base/metrics.ts';
import type { Informer } from '#pkg/client/informer.ts';
import type { Component } from '#pkg/component/component.ts';
import { duration, type FlagTable, type FlagValues } from '#pkg/component/flags.ts';
import { forEachLimited, requestsInFlightMax } from '../common/concurrency.ts';
import { type ControllerContext, createLoop, createPeriodicLoop, type Loop } from '../common/controller.ts';
import { indexByNode, podsOnNode } from '../common/pod.ts';
import { type Heartbeat, nextHeartbeat, readyCondition, silentConditions, sleptMs } from './health.ts';
import { isEvicting, noExecuteTaints, noScheduleTaints } from './taints.ts';
import { evictionRates, ZoneLimiter, zoneOf } from './zones.ts';

const leaseNamespace = 'kube-node-lease';
/** Writes of taints under way at once: as many as a store commits together, so that a fleet that comes up takes pods as soon as it is Ready. */
const workers = 32;

/** Source: kube-controller-manager `NodeLifecycleController`. */
export const nodeLifecycleFlags = {
  'node-monitor-period': duration({ help: 'Time between two looks at the nodes.', fallback: 5_000 }),
  'node-monitor-grace-period': duration({
    help: 'Silence of a node after which it is said not to be ready.',
    fallback: 50_000,
  }),
  'node-startup-grace-period': duration({ help: 'The same of a node that has not said how it is.', fallback: 60_000 }),
} satisfies FlagTable;

interface Look {
  readonly node: Node;
  readonly name: string;
  /** Its Ready condition. */
  readonly ready: NodeCondition | undefined;
  /** Of its lease in the lister. */
  readonly leaseKey: string;
}

interface Ordered {
  readonly listed: readonly Node[];
  readonly nodes: readonly Node[];
  readonly looks: readonly Look[];
}

/** A look that found nothing to do, and what it looked at. */
interface QuietLook {
  readonly nodes: readonly Node[];
  readonly leases: readonly Lease[];
  /** Until then nobody has been silent for too long. */
  readonly untilMs: number;
}

/** The node-lifecycle controller. */
export function createNodeLifecycleController(
  context: ControllerContext,
  values: FlagValues<typeof nodeLifecycleFlags>,
): Component {
  return new NodeLifecycle(context, values);
}

class NodeLifecycle implements Component {
  readonly #context: ControllerContext;
  readonly #values: FlagValues<typeof nodeLifecycleFlags>;
  readonly #events;
  readonly #nodes: Informer<Node>;
  readonly #leases: Informer<Lease>;
  readonly #pods: Informer<Pod>;
  readonly #tainting: Loop;
  readonly #heartbeats = new Map<string, Heartbeat>();
  /** Nodes whose pods are still to be marked not ready. */
  readonly #unmarked = new Set<string>();
  /** Nodes that were seen and said to be. */
  readonly #known = new Set<string>();
  /** Nodes that were Ready at the last look. */
  readonly #wereReady = new Set<string>();
  readonly #limiter = new ZoneLimiter();
  /** The nodes as they were listed at the last look, and in the order of their names. */
  #ordered: Ordered = { listed: [], nodes: [], looks: [] };
  /** What follows from the nodes of the last look, while they are the same. */
  readonly #evictions: Tallies;
  #rates: { readonly of: readonly Node[]; readonly rates: ReturnType<typeof evictionRates> } | undefined;
  /** The last look, if there was nothing to do: as long as it looked at what there is, and nobody's time is over, there is nothing. */
  #quiet: QuietLook | undefined;
  /** When the last look ended, on the monotonic clock. */
  #lookedMs: number | undefined;
  /** Whether at the last look no node of any zone was ready. */
  #wasDown = false;
  /** Nodes, as they were read, whose NoExecute taints are right: nothing to look at until the node changes, or whether any may be evicted. */
  #settled = new WeakSet<Node>();

  constructor(context: ControllerContext, values: FlagValues<typeof nodeLifecycleFlags>) {
    this.#context = context;
    this.#evictions = context.metrics.counter({
      name: 'node_collector_evictions_total',
      help: 'Nodes whose pods were told to go, by zone',
      labels: ['zone'],
    });
    this.#values = values;
    this.#events = context.recorder('node-controller');
    this.#nodes = context.informers.informer(nodes);
    this.#leases = context.informers.informer(leases, { namespace: leaseNamespace });
    this.#pods = context.informers.informer(pods);
    indexByNode(this.#pods);
    this.#tainting = createLoop(context, {
      name: 'nodelifecycle',
      workers,
      reconcile: async (name) => {
        const node = this.#nodes.lister.get(name);
        const taints = node === undefined ? undefined : noScheduleTaints(node, () => timestamp(context.clock));
        if (taints !== undefined) await this.#setTaints(node!, taints);
        return undefined;
      },
    });
    this.#nodes.addHandler({
      added: (node) => this.#tainting.queue.add(objectKey(node)),
      updated: (previous, node) => {
        if (previous.spec !== node.spec || previous.status?.conditions !== node.status?.conditions)
          this.#tainting.queue.add(objectKey(node));
      },
      deleted: (node) => this.#forget(node),
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    const monitor = createPeriodicLoop(this.#context, {
      name: 'nodelifecycle-monitor',
      periodMs: this.#values['node-monitor-period'],
      work: () => this.#monitor(),
    });
    await Promise.all([this.#tainting.run(signal), monitor.run(signal)]);
  }

  #forget(node: Node): void {
    const name = objectKey(node);
    if (this.#known.delete(name)) {
      const message = `Node ${name} event: Removing Node ${name} from Controller`;
      this.#events.record(node, { type: 'Normal', reason: 'RemovingNode', message });
    }
    this.#heartbeats.delete(name);
    this.#unmarked.delete(name);
    this.#wereReady.delete(name);
  }

  async #monitor(): Promise<void> {
    const { clock } = this.#context;
    const nowMs = clock.monotonicMs();
    const periodMs = this.#values['node-monitor-period'];
    this.#allowFor(sleptMs({ lookedMs: this.#lookedMs, nowMs, periodMs }));
    const [nodes, leases] = [this.#nodes.lister.list(), this.#leases.lister.list()];
    const isSame = this.#quiet?.nodes === nodes && this.#quiet.leases === leases;
    if (!isSame || nowMs > (this.#quiet?.untilMs ?? 0)) {
      this.#quiet = undefined;
      const untilMs = await this.#look();
      if (untilMs !== undefined) this.#quiet = { nodes, leases, untilMs };
    }
    this.#lookedMs = clock.monotonicMs();
  }

  /** One look at every node. Awaits only where it writes. Gives until when there is nothing to do, unless something changes; undefined where there was something. */
  async #look(): Promise<number | undefined> {
    const looks = this.#looksByName();
    let changed: Node[] | undefined;
    let untilMs = Number.POSITIVE_INFINITY;
    let isIdle = true;
    let index = -1;
    for (const look of looks) {
      index++;
      const { node } = look;
      const dueMs = this.#silentFromMs(look);
      const isSilent = this.#context.clock.monotonicMs() > dueMs;
      if (!isSilent) untilMs = Math.min(untilMs, dueMs);
      const silent = isSilent ? silentConditions(node, () => timestamp(this.#context.clock)) : undefined;
      if (silent !== undefined) isIdle = false;
      const seen = silent === undefined ? node : await this.#writeSilence(node, silent);
      this.#noteReadiness(seen === node ? look : { ...look, node: seen, ready: readyCondition(seen) });
      if (seen === node) continue;
      changed ??= looks.map((one) => one.node);
      changed[index] = seen;
    }
    if (this.#unmarked.size > 0) for (const name of [...this.#unmarked].sort()) await this.#markPods(name);
    const known = this.#ordered.nodes;
    await this.#evict(changed ?? known);
    const isDone = isIdle && this.#unmarked.size === 0 && known.every((node) => this.#settled.has(node));
    return isDone ? untilMs : undefined;
  }

  /** Gives every node time that has passed while nobody listened. */
  #allowFor(ms: number): void {
    if (ms === 0) return;
    this.#context.log.info('The process stood still, which is no silence of nodes', { ms });
    for (const [name, heartbeat] of this.#heartbeats)
      this.#heartbeats.set(name, { ...heartbeat, seenMs: heartbeat.seenMs + ms });
  }

  /** The nodes in the order of their names, as of the last look while none of them has changed. */
  #looksByName(): readonly Look[] {
    const listed = this.#nodes.lister.list();
    if (this.#ordered.listed !== listed) {
      const sorted = [...listed].sort(byName);
      const looks = sorted.map((node): Look => {
        const name = objectKey(node);
        return { node, name, ready: readyCondition(node), leaseKey: `${leaseNamespace}/${name}` };
      });
      this.#ordered = { listed, nodes: sorted, looks };
    }
    return this.#ordered.looks;
  }

  /** When a node has been silent for too long, should it say nothing until then. */
  #silentFromMs({ name, ready, leaseKey }: Look): number {
    const nowMs = this.#context.clock.monotonicMs();
    const before = this.#heartbeats.get(name);
    const lease = this.#leases.lister.get(leaseKey);
    const heartbeat = nextHeartbeat(before, { ready, lease, nowMs });
    if (heartbeat !== before) this.#heartbeats.set(name, heartbeat);
    const graceMs = this.#values[ready === undefined ? 'node-startup-grace-period' : 'node-monitor-grace-period'];
    return heartbeat.seenMs + graceMs;
  }

  async #writeSilence(node: Node, conditions: NonNullable<Node['status']>['conditions'] & {}): Promise<Node> {
    const { client, log } = this.#context;
    try {
      const status = { ...node.status, conditions };
      return await client.resource(nodes).update({ ...node, status }, { subresource: 'status' });
    } catch (error) {
      // The next look sees the newer state.
      if (!isConflict(error) && !isNotFound(error))
        log.warn('Node status not written', { node: objectKey(node), error });
      return node;
    }
  }

  #noteReadiness({ name, node, ready }: Look): void {
    const isReady = ready?.status === 'True';
    if (!this.#known.has(name)) {
      this.#known.add(name);
      const message = `Node ${name} event: Registered Node ${name} in Controller`;
      this.#events.record(node, { type: 'Normal', reason: 'RegisteredNode', message });
    }
    if (isReady) {
      this.#wereReady.add(name);
      this.#unmarked.delete(name);
    } else if (this.#wereReady.delete(name)) {
      this.#unmarked.add(name);
      const message = `Node ${name} status is now: NodeNotReady`;
      this.#events.record(node, { type: 'Normal', reason: 'NodeNotReady', message });
    }
  }

  /** Takes the pods of a silent node out of their Services. */
  async #markPods(name: string): Promise<void> {
    try {
      const ready = podsOnNode(this.#pods, name).filter(isPodReady);
      await forEachLimited(ready, requestsInFlightMax, (pod) => this.#markPod(pod));
      this.#unmarked.delete(name);
    } catch (error) {
      // The next look sees the newer state.
      if (!isConflict(error)) this.#context.log.warn('Pods not marked', { node: name, error });
    }
  }

  async #markPod(pod: Pod): Promise<void> {
    const { client, clock } = this.#context;
    const lastTransitionTime = timestamp(clock);
    const conditions = (pod.status?.conditions ?? []).map((condition) =>
      condition.type === 'Ready' ? { ...condition, status: 'False' as const, lastTransitionTime } : condition,
    );
    try {
      const marked = { ...pod, status: { ...pod.status, conditions } };
      await client.resource(pods).update(marked, { subresource: 'status' });
      this.#events.record(pod, { type: 'Warning', reason: 'NodeNotReady', message: 'Node is not ready' });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  /**
   * Adds NoExecute taints as fast as the zones allow; changes and removes them at once. When no node at all is ready, it is this
   * side of the network that fails: nobody is evicted, and who was about to be is not. Once one is ready again, all have their time anew.
   */
  async #evict(all: readonly Node[]): Promise<void> {
    const { clock, log } = this.#context;
    if (this.#rates?.of !== all) this.#rates = { of: all, rates: evictionRates(all) };
    const { rates } = this.#rates;
    const mayEvict = rates !== 'down';
    if (mayEvict === this.#wasDown) this.#turn({ mayEvict });
    for (const node of all) {
      if (this.#settled.has(node)) continue;
      const taints = noExecuteTaints(node, { mayEvict, now: () => timestamp(clock) });
      if (taints === undefined) {
        this.#settled.add(node);
        continue;
      }
      const isAdding = readyCondition(node)?.status !== 'True' && !isEvicting(node);
      const qps = mayEvict ? (rates.get(zoneOf(node)) ?? 0) : 0;
      if (isAdding && !this.#limiter.tryTake(zoneOf(node), { qps, nowMs: clock.monotonicMs() })) continue;
      try {
        await this.#setTaints(node, taints);
        if (isAdding) this.#evictions.of(zoneOf(node)).value++;
      } catch (error) {
        if (!isConflict(error) && !isNotFound(error)) log.warn('Node not tainted', { node: objectKey(node), error });
      }
    }
  }

  /** From evicting to not, or back. */
  #turn({ mayEvict }: { readonly mayEvict: boolean }): void {
    const { clock, log } = this.#context;
    this.#wasDown = !mayEvict;
    this.#settled = new WeakSet();
    if (!mayEvict) {
      log.warn('No node is ready, evicting nobody');
      return;
    }
    log.info('Some nodes are ready again, evicting from the others');
    const seenMs = clock.monotonicMs();
    for (const [name, heartbeat] of this.#heartbeats) this.#heartbeats.set(name, { ...heartbeat, seenMs });
    this.#limiter.reset();
  }

  async #setTaints(node: Node, taints: readonly Taint[]): Promise<void> {
    const { name = '', resourceVersion } = node.metadata ?? {};
    const patch = { metadata: { resourceVersion }, spec: { taints: taints.length === 0 ? null : taints } };
    await this.#context.client.resource(nodes).patch(name, patch, { type: 'merge' });
  }
}

function byName(a: Node, b: Node): number {
  return objectKey(a) < objectKey(b) ? -1 : 1;
}
