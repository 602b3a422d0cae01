/** The nodes of a replay: kubelets with the runtime `fake` under the names, and with the capacity, that were recorded; they join, leave and fall silent. */
import { nodes } from '#pkg/api/types/refs.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import { timestamp } from '#pkg/base/clock.ts';
import { defaultKubeletPort, type NodePart, type NodeWatches, nodePart, nodeWatches } from '#pkg/cluster/node-part.ts';
import { clusterTables } from '#pkg/cluster/tables.ts';
import type { TestCluster } from '#pkg/testing/cluster.ts';
import type { NodeFacts } from './causes.ts';
import { contextOf, type RunningPart, start } from './parts.ts';

interface Running {
  readonly part: NodePart;
  stop: AbortController;
  ended: Promise<void>;
}

interface NodeOptions {
  /** How long a renewal of a node's lease counts. */
  readonly leaseSeconds: number;
  readonly recordsEvents: boolean;
}

interface WatchedNodeOptions extends NodeOptions {
  /** Nodes that watch together; others watch by themselves. */
  readonly names: readonly string[];
}

/** The nodes of one run. */
export class ReplayNodes {
  readonly #cluster: TestCluster;
  readonly #watches: NodeWatches;
  readonly #watching: RunningPart;
  readonly #running = new Map<string, Running>();
  readonly #options: WatchedNodeOptions;

  private constructor(cluster: TestCluster, watches: NodeWatches, options: WatchedNodeOptions) {
    this.#cluster = cluster;
    this.#options = options;
    this.#watches = watches;
    this.#watching = start(watches);
  }

  /** None of the nodes is there yet. */
  static async open(cluster: TestCluster, options: WatchedNodeOptions): Promise<ReplayNodes> {
    return new ReplayNodes(cluster, await nodeWatches(contextOf(cluster, 'nodes'), options.names), options);
  }

  get count(): number {
    return this.#running.size;
  }

  async join(nodeName: string, facts: NodeFacts): Promise<void> {
    if (this.#running.has(nodeName)) return this.change(nodeName, facts);
    const { leaseSeconds, recordsEvents, names } = this.#options;
    const part = await nodePart(
      { ...contextOf(this.#cluster, `node:${nodeName}`), recordsEvents },
      {
        nodeName,
        runtime: 'fake',
        network: 'loopback',
        tables: clusterTables,
        folder: '',
        kubeletPort: defaultKubeletPort,
        nodesOnMachine: 1,
        leaseSeconds,
        machine: { capacity: facts.capacity, facts: {} },
        ...(names.includes(nodeName) ? { shared: this.#watches } : {}),
      },
    );
    this.#running.set(nodeName, { part, ...start(part) });
    await this.#cluster.until(() => this.#isThere(nodeName));
    await this.change(nodeName, facts);
  }

  async change(nodeName: string, { labels, taints, unschedulable }: NodeFacts): Promise<void> {
    const { client } = this.#cluster;
    const { metadata, spec } = await client.resource(nodes).get(nodeName);
    const own = (spec?.taints ?? []).filter(({ key }) => key.startsWith('node.kubernetes.io/'));
    const wanted = { labels: { ...metadata?.labels, ...labels }, taints: [...own, ...taints], unschedulable };
    const known = { labels: metadata?.labels ?? {}, taints: spec?.taints ?? [], unschedulable: !!spec?.unschedulable };
    if (deepEqual(wanted, known)) return;
    const patch = {
      metadata: { labels: wanted.labels },
      spec: { taints: wanted.taints, unschedulable: unschedulable || null },
    };
    await client.resource(nodes).patch(nodeName, patch, { type: 'merge' });
  }

  /** Nobody hears of the node any more, and it is known at once: when it was recorded, the time that it takes to notice had passed. */
  async silence(nodeName: string): Promise<void> {
    await this.#stop(nodeName);
    const api = this.#cluster.client.resource(nodes);
    const { status } = await api.get(nodeName);
    const lastTransitionTime = timestamp(this.#cluster.clock);
    const unknown = { status: 'Unknown', reason: 'NodeStatusUnknown', message: 'Kubelet stopped posting node status.' };
    const conditions = (status?.conditions ?? []).map((condition) => ({
      ...condition,
      ...unknown,
      lastTransitionTime,
    }));
    await api.patch(nodeName, { status: { conditions } }, { type: 'merge', subresource: 'status' });
  }

  async #stop(nodeName: string): Promise<void> {
    const running = this.#running.get(nodeName);
    running?.stop.abort();
    await running?.ended;
  }

  resume(nodeName: string): void {
    const running = this.#running.get(nodeName);
    if (running?.stop.signal.aborted === true) Object.assign(running, start(running.part));
  }

  async leave(nodeName: string): Promise<void> {
    const running = this.#running.get(nodeName);
    if (running === undefined) return;
    await this.#stop(nodeName);
    await running.part.close();
    this.#running.delete(nodeName);
    try {
      await this.#cluster.client.resource(nodes).delete(nodeName);
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  async close(): Promise<void> {
    for (const name of [...this.#running.keys()]) await this.#stop(name);
    for (const { part } of this.#running.values()) await part.close();
    this.#watching.stop.abort();
    await this.#watching.ended;
  }

  async #isThere(nodeName: string): Promise<boolean> {
    try {
      await this.#cluster.client.resource(nodes).get(nodeName);
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }
}
